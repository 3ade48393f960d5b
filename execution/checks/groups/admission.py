"""Whether anything may leave at all: the mode, the switch, the hour, the approval. Pure."""

from execution.checks import approval, session
from execution.checks.asking import ENTRY, Check, Group

ADMISSION: tuple[Check, ...] = (
    Check(
        "MODE_ARMED",
        Group.ACCESS,
        session.mode_armed,
        "Real money moves only on a day on which two people armed it.",
        "Arm live trading for today, or trade on paper.",
        "live entries only if armed today; exits and paper always",
        ("desk", "desk.mode"),
        cheap=True,
    ),
    Check(
        "KILL_ACTIVE",
        Group.ACCESS,
        session.kill_active,
        "After the kill switch nothing opens, and when halted nothing but a flatten leaves.",
        "Release the kill switch once the cause is settled.",
        "ACTIVE for entries, ACTIVE or REDUCE_ONLY for exits; a flatten always",
        ("desk", "desk.trading_state"),
        cheap=True,
    ),
    Check(
        "SESSION",
        Group.ERRONEOUS,
        session.session,
        "Orders go out only while their exchange trades, and entries not in its first and last minutes.",
        "Wait for the time named, or for the next session.",
        "entries 09:20 to 15:00 IST, exits to 15:25, on a day the calendar knows",
        ("now", "exchanges"),
        cheap=True,
        limits=("entry_after_open_minutes", "entry_before_close_minutes", "exit_before_close_minutes"),
        deviation=(
            "Counted from the calendar's open and close (5 minutes after, 30 and 5 before): where options trade to "
            "15:40 entries end at 15:10, and a Diwali hour has its own times. A flatten may use the whole session, and "
            "so may everything where a recorded day is replayed: end-of-day chains know its last minute only."
        ),
    ),
    Check(
        "MARK_VALID",
        Group.ACCESS,
        approval.mark_valid,
        "Only what a person approved, unchanged and lately, is executed.",
        "Generate it again if it changed, look at it, and mark it again.",
        "marked, approved hash equal, age at most 30 min, priority 1 to 100",
        (
            "now",
            "approval",
            "approval.marked",
            "approval.priority",
            "approval.generated_on",
            "approval.trade_date",
            "approval.content_hash",
            "approval.approved_hash",
            "approval.age",
        ),
        ENTRY,
        limits=("approval_minutes",),
    ),
    Check(
        "DUP_STRATEGY",
        Group.DUPLICATIVE,
        approval.dup_strategy,
        "A strategy is opened once, and the same legs not twice in a minute.",
        "Look at its runs: manage.py execution_status --recent 24.",
        "0 other live or complete runs; identical legs at most once per 60 s",
        ("counts", "counts.runs_of_strategy", "counts.same_legs_lately"),
        ENTRY,
        limits=("same_legs_seconds",),
    ),
)
