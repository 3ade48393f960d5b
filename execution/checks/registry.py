"""Every check that there is, and the gate that asks them. Pure."""

from collections.abc import Iterable, Mapping

from execution.basket.values import Purpose
from execution.checks import approval, broker, drift, exposure, instrument, money, price, quantity, session
from execution.checks.asking import Answer, Check, Group, ask
from execution.checks.limits import Limits
from execution.checks.situation import Situation

ENTRY = frozenset({Purpose.ENTRY})
_LEG_PRICES = ("orders", "orders.limit", "orders.leg.tick")
_TOUCH = ("orders.quote", "orders.quote.bid", "orders.quote.ask")

CHECKS: tuple[Check, ...] = (
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
    Check(
        "INSTRUMENT",
        Group.ERRONEOUS,
        instrument.instrument,
        "Every leg is a living contract of today's master with the approved terms.",
        "Import today's master and generate again.",
        "in today's master, not expired, segment traded, same symbol, strike, type and expiry",
        ("now", "legs", "legs.segment", "legs.in_master", "legs.same_terms"),
    ),
    Check(
        "LOT",
        Group.ERRONEOUS,
        quantity.lot,
        "Every order is whole lots, and the lot is the one that was reviewed.",
        "Generate the strategy again with today's lots.",
        "an exact multiple of today's lot",
        ("orders", "orders.quantity", "orders.leg.lot_size", "orders.leg.approved_lot"),
        cheap=True,
    ),
    Check(
        "TICK",
        Group.ERRONEOUS,
        price.tick,
        "Every limit is a whole number of ticks.",
        "Tell the developers: limits are computed on ticks.",
        "an exact multiple of the contract's tick",
        _LEG_PRICES,
        cheap=True,
    ),
    Check(
        "FREEZE",
        Group.ERRONEOUS,
        quantity.freeze,
        "No order is larger than the exchange takes in one piece.",
        "Tell the developers: orders are sliced below the freeze quantity.",
        "slice at most the freeze quantity of the master or the dated table; 20 lots where neither knows it",
        ("orders", "orders.quantity", "orders.leg.order_limit"),
        cheap=True,
    ),
    Check(
        "QTY_MAX",
        Group.ERRONEOUS,
        quantity.qty_max,
        "A slip of the finger does not become a huge basket.",
        "Trade fewer sets, or raise the limit in the admin.",
        "10 lots per leg, 20 per basket, 40 per underlying and day",
        ("counts", "counts.lots_on_underlying_today", "legs", "legs.quantity", "legs.lot_size"),
        ENTRY,
        limits=("lots_per_leg", "lots_per_basket", "lots_per_underlying"),
        deviation=(
            "Where the account says how many sets it may trade, at least 3 lots per leg, 6 per basket and 12 per "
            "underlying and day for each set: the allocator's ten sets of a condor are 40 lots. Shares have no lots."
        ),
    ),
    Check(
        "PRICE_FINITE",
        Group.ERRONEOUS,
        price.price_finite,
        "A limit is a real price.",
        "Look at the quote; a price beyond these bounds is a fault.",
        "0.05 <= price < 10,00,000, whole paise",
        ("orders", "orders.limit"),
        cheap=True,
        limits=("lowest_price", "highest_price"),
    ),
    Check(
        "PRICE_COLLAR",
        Group.ERRONEOUS,
        price.price_collar,
        "A limit is near the mid and inside the exchange's protection band.",
        "The spread is too wide to cross; wait for a better market.",
        "within max(4 ticks, 10 %) of the mid for entries, max(8 ticks, 20 %) for exits, inside 80 % of the band",
        (*_LEG_PRICES, *_TOUCH),
        cheap=True,
        limits=("entry_collar", "entry_collar_ticks", "exit_collar", "exit_collar_ticks", "band_share"),
        deviation=(
            "The table says 3 ticks or 5 %, and 10 % for exits. Limits are computed with 10 % and 20 % "
            "(execution/limit_price.py), since polled quotes of cheap options are wider; the check compares with those."
        ),
    ),
    Check(
        "SPREAD",
        Group.ERRONEOUS,
        price.spread,
        "A market too wide to have a price is not entered.",
        "Wait for a better market or choose other strikes.",
        "(ask - bid) at most 20 % of the mid or 8 ticks",
        (*_LEG_PRICES[:1], "orders.leg.tick", *_TOUCH),
        ENTRY,
        limits=("spread", "spread_ticks"),
        deviation="The table says 10 % or 4 ticks; twice that is where the touch itself leaves the entry collar.",
    ),
    Check(
        "QUOTE_FRESH",
        Group.ERRONEOUS,
        price.quote_fresh,
        "Orders are priced on what the market says now.",
        "Capture chains again.",
        "quotes at most 600 s old and apart, the underlying at most 600 s (polled chains)",
        ("now", "orders", "orders.quote", "orders.quote.quoted_at", "drift", "drift.spot_at"),
        cheap=True,
        limits=("quote_age_seconds", "quote_skew_seconds", "spot_age_seconds"),
        deviation=(
            "The table's 3 s, 1.5 s and 2 s fit a live feed only: they are the preset STREAMING, to be set for the "
            "account once its prices stream. Exits do not ask for the underlying."
        ),
    ),
    Check(
        "DRIFT",
        Group.ERRONEOUS,
        drift.drift,
        "What is sent is what was reviewed: the market has not left it.",
        "Generate and mark it again.",
        "spot ±0.5 %, net premium at most 10 % and 2 ticks a leg worse, same lots and strikes, premium inside the "
        "approved band, reviewed chain at most 360 min old",
        (
            "now",
            "legs",
            "legs.lot_size",
            "legs.approved_lot",
            "legs.approved_strike",
            "drift",
            "drift.reviewed_spot",
            "drift.spot",
            "drift.reviewed_premium",
            "drift.premium",
            "drift.worst_premium",
            "drift.tick_value",
            "drift.reviewed_chain_at",
        ),
        ENTRY,
        limits=("spot_drift", "premium_drift", "premium_drift_ticks", "chain_minutes"),
        deviation=(
            "A premium that became better does not deny; two ticks a leg keep the spread of cheap options from being "
            "taken for a move. The table gives no age of the chain; a session's length with polled chains, 30 min in "
            "STREAMING."
        ),
    ),
    Check(
        "NOTIONAL",
        Group.CREDIT,
        money.notional,
        "No single order or basket is worth more than anybody means to spend.",
        "Trade fewer sets, or raise the limit in the admin.",
        "premium ₹2 lakh per order, ₹5 lakh per basket; any order ₹10 crore",
        ("orders", "orders.limit", "orders.quantity"),
        limits=("order_premium", "basket_premium", "order_value"),
        deviation=(
            "At least the account's own share per strategy in rupees per order and twice that per basket, bought and "
            "sold premium together. Shares and exits are held to the hard cap only."
        ),
    ),
    Check(
        "MAX_LOSS",
        Group.CREDIT,
        money.max_loss,
        "What may be lost is known and bearable; an unlimited loss needs a separate permission.",
        "Trade fewer sets, or let a person raise the limit or allow naked shorts.",
        "₹25,000 or 1 % of equity, the smaller; undefined only with allow_naked",
        ("risk", "risk.unlimited_loss", "risk.max_loss"),
        ENTRY,
        limits=("max_loss",),
        deviation=(
            "The account's capital times its largest share per strategy, which its owner set and the allocator "
            "already obeys, in place of the table's number. With unlimited loss the margin is compared."
        ),
    ),
    Check(
        "MARGIN",
        Group.CREDIT,
        money.margin,
        "The basket can be paid for at its worst moment without touching what other strategies set aside.",
        "Close something or trade less.",
        "required x 1.05 at most available less reservations",
        (
            "risk",
            "risk.cash_needed",
            "risk.margin_required",
            "account",
            "account.available",
            "account.reserved",
        ),
        ENTRY,
        limits=("margin_headroom",),
        deviation="The headroom is on the broker's figure; our own cash need is computed at limits and needs none.",
    ),
    Check(
        "POSITION_COUNT",
        Group.CREDIT,
        exposure.position_count,
        "Not more is open than the account may hold or a person can watch.",
        "Close one or raise the limit.",
        "10 open strategies, 3 per underlying",
        ("counts", "counts.open_strategies", "counts.open_on_underlying"),
        ENTRY,
        limits=("open_strategies", "open_per_underlying"),
        deviation="The number of open strategies is the account's own limit.",
    ),
    Check(
        "CONCENTRATION",
        Group.CREDIT,
        exposure.concentration,
        "No single underlying can take the account down.",
        "Close something on this underlying or trade less.",
        "25 % of equity at risk or blocked per underlying",
        ("account", "account.underlying_at_risk", "risk", "risk.max_loss"),
        ENTRY,
        limits=("underlying_at_risk",),
        deviation="The account's own share per underlying (15 % unless its owner changed it).",
    ),
    Check(
        "GREEKS",
        Group.CREDIT,
        exposure.greeks,
        "The account as a whole does not lean too far one way or hang on volatility.",
        "Trade something that balances, or less.",
        "net delta at most 3 x capital of underlying, net vega at most 1 % of capital per volatility point",
        (
            "account",
            "account.net_delta_value",
            "account.net_vega",
            "risk",
            "risk.net_delta_value",
            "risk.net_vega",
        ),
        ENTRY,
        limits=("net_delta_value", "net_vega", "greeks_required"),
        deviation="The table names no numbers. Unknown greeks deny on a live account and warn on paper, as it says.",
    ),
    Check(
        "DAILY_LOSS",
        Group.CREDIT,
        money.daily_loss,
        "A bad day ends before it becomes a bad month.",
        "Stop for today.",
        "realised and unrealised above -2 % of equity or -₹20,000, the smaller; past 60 % of it half sizes",
        ("account", "account.day_result"),
        ENTRY,
        limits=("daily_loss", "soft_loss_share"),
        deviation="2 % of the account's capital; ₹20,000 holds only where none is set.",
    ),
    Check(
        "REJECT_STREAK",
        Group.HEALTH,
        broker.reject_streak,
        "What the broker keeps refusing is not sent again and again.",
        "Read the broker's reasons and mend the cause; the count ends with the next order taken.",
        "fewer than 3 in a row per strategy, fewer than 5 per account in 10 min",
        ("counts", "counts.strategy_rejects", "counts.account_rejects"),
        ENTRY,
        limits=("strategy_rejects", "account_rejects", "reject_minutes"),
    ),
    Check(
        "RATE",
        Group.HEALTH,
        broker.rate,
        "The broker's limits are never reached, so an exit always has room.",
        "Nothing to do: the order goes out a moment later.",
        "fewer than 8 order calls in this second and 200 in this minute; exits only wait for the governor",
        ("counts", "counts.calls_this_second", "counts.calls_this_minute"),
        purposes=ENTRY,
        cheap=True,
        passing_cloud=True,
        limits=("calls_per_second", "calls_per_minute"),
    ),
    Check(
        "BROKER_HEALTH",
        Group.HEALTH,
        broker.broker_health,
        "Nothing opens while our books and the broker's may differ; nothing leaves while the broker fails.",
        "Wait for the probe; look at execution_status and the alerts.",
        "breaker closed; for entries books compared at most 60 s ago, 0 unknown orders, 0 critical alerts waiting",
        (
            "broker",
            "broker.breaker_closed",
            "broker.reconciled_ago",
            "broker.unknown_orders",
            "broker.critical_alerts",
        ),
        passing_cloud=True,
        limits=("reconcile_seconds",),
    ),
    Check(
        "TOKEN",
        Group.ACCESS,
        broker.token,
        "A basket that is opened can still be managed until the close.",
        "Refresh the token.",
        "for entries valid until the close and 30 min; for exits valid now; a broker without tokens passes",
        ("now", "exchanges", "broker", "broker.needs_token", "broker.token_expires_at"),
        limits=("token_minutes",),
    ),
    Check(
        "SELF_CROSS",
        Group.DUPLICATIVE,
        quantity.self_cross,
        "We do not trade with ourselves.",
        "Wait until the working order is settled.",
        "no opposite working order in the same contract",
        ("working", "orders"),
        cheap=True,
    ),
    Check(
        "COVER",
        Group.CREDIT,
        exposure.cover,
        "A short leaves only when what covers it is filled.",
        "Add the covering leg, or let a person allow naked shorts on the account.",
        "short units never above filled cover",
        ("cover", "cover.position", "cover.cash_secured", "cover.allow_naked"),
        cheap=True,
    ),
    Check(
        "SHADOW_COUNT",
        Group.DUPLICATIVE,
        quantity.shadow_count,
        "Exactly what was intended leaves: the control that Knight Capital lacked.",
        "Tell the developers; nothing was sent.",
        "orders and units leaving equal those intended",
        ("shadow", "shadow.orders_intended", "shadow.orders_leaving", "shadow.units_intended", "shadow.units_leaving"),
        cheap=True,
    ),
)

BY_CODE: Mapping[str, Check] = {check.code: check for check in CHECKS}
CHEAP: tuple[Check, ...] = tuple(check for check in CHECKS if check.cheap)


def run_checks(
    situation: Situation, limits: Limits, purpose: Purpose, *, checks: Iterable[Check] | None = None
) -> tuple[Answer, ...]:
    """Ask every check that applies to this purpose; each answers, none raises."""
    return tuple(
        ask(check, situation, limits, purpose)
        for check in (CHECKS if checks is None else checks)
        if purpose in check.purposes
    )


def run_cheap_checks(situation: Situation, limits: Limits, purpose: Purpose) -> tuple[Answer, ...]:
    """The part of the gate that is repeated inside each SENDING transaction."""
    return run_checks(situation, limits, purpose, checks=CHEAP)


def only_clouds(answers: Iterable[Answer]) -> bool:
    """Whether something denies, and all that denies goes away by itself within a minute."""
    codes = {each.code for each in answers if not each.passed}
    return bool(codes) and all(BY_CODE[code].passing_cloud for code in codes)
