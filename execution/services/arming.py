"""Live trading is armed for one day by two persons who saw the same thing, and disarmed by anything that changes it.

The row of another IST day never counts, so the end of a session disarms by itself. A halt, a change of limits and a
new access token disarm by triggers (migration 0009), whoever makes the change and however; new code by comparison.
Only entries ask: getting out is never locked in.
"""

import hashlib
import json
import logging
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef
from django.db.models.functions import Now

from allocation.models import Account, Allocation
from execution.checks import LIMIT_NAMES
from execution.errors import ExecutionDenied
from execution.models import ExecutionRun, LiveArming, Position, Standing
from execution.models.arming import CONFIRM_WITHIN
from execution.services.access import stored_access
from execution.services.alerts import require_none_critical
from execution.services.checks import limits_for
from execution.services.standing import SYSTEM, standing
from market.calendar import IST, session_on
from market.errors import Reason
from strategies.models import OptionStrategy

logger = logging.getLogger(__name__)

LAST_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Shown:
    """What a person sees before they sign: whose money, under which limits, what is open, what is marked."""

    account: str
    client_id: str
    day: date
    code_version: str
    token_generation: int | None
    limits: dict[str, str]
    positions: list[dict[str, Any]]
    marked: list[dict[str, Any]]
    open_runs: list[int]

    @property
    def hash(self) -> str:
        """SHA-256 of all of it; it names what was signed."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        return hashlib.sha256(json.dumps(fields, sort_keys=True, default=str).encode()).hexdigest()


def shown(account: Account, *, now: datetime) -> Shown:
    """What arming this account now would sign."""
    limits, access = limits_for(account), stored_access()
    return Shown(
        account=str(account),
        client_id=settings.DHAN_CLIENT_ID,
        day=_day(now),
        code_version=settings.CODE_VERSION,
        token_generation=None if access is None else access.generation,
        limits={name: str(getattr(limits, name)) for name in LIMIT_NAMES},
        positions=_positions(account),
        marked=_marked(account),
        open_runs=list(ExecutionRun.objects.open().filter(account=account).order_by("pk").values_list("pk", flat=True)),
    )


def arm(account: Account, *, last_digits: str, actor: str, now: datetime) -> LiveArming:
    """The first signature; it trades nothing until somebody else confirms it within ten minutes."""
    with transaction.atomic():
        _require_may_arm(account, actor, now)
        _require_known_money(last_digits)
        seen = shown(account, now=now)
        # Half of an arming is nothing: a new first signature takes its place.
        _end(LiveArming.objects.filter(account=account, confirmed_at=None), "Armed anew.", actor)
        if LiveArming.objects.filter(account=account, day=seen.day, disarmed_at=None).exists():
            raise _denied(
                "ARMED", f"Account {account} is armed for {seen.day} already.", "See: manage.py arm_live status"
            )
        row: LiveArming = LiveArming.objects.create(
            account=account,
            day=seen.day,
            armed_by=actor,
            shown_hash=seen.hash,
            client_id=seen.client_id,
            code_version=seen.code_version,
        )
    logger.warning("account %s half armed for %s by %s", account, row.day, actor)
    return row


def confirm(account: Account, *, shown_hash: str, actor: str, now: datetime) -> LiveArming:
    """The second signature, by another person who names the hash of what both were shown."""
    with transaction.atomic():
        _require_may_arm(account, actor, now)
        rows = LiveArming.objects.select_for_update().filter(account=account, day=_day(now), disarmed_at=None)
        row: LiveArming | None = rows.filter(confirmed_at=None).first()
        if row is None:
            sentence = f"Nobody has begun to arm account {account} for {_day(now)}."
            raise _denied("NOT_BEGUN", sentence, "First: manage.py arm_live arm --account NAME --last4 NNNN")
        _require_other_person(row, actor)
        _require_same(row, shown(account, now=now), shown_hash)
        in_time = LiveArming.objects.filter(pk=row.pk, confirmed_at=None, armed_at__gte=Now() - CONFIRM_WITHIN)
        if in_time.update(confirmed_by=actor, confirmed_at=Now()) != 1:
            sentence = f"The first signature is older than {CONFIRM_WITHIN.seconds // 60} minutes."
            raise _denied("TOO_LATE", sentence, "Begin again: manage.py arm_live arm")
    row.refresh_from_db()
    logger.warning("account %s armed for %s by %s and %s", account, row.day, row.armed_by, actor)
    return row


def disarm(account: Account, *, reason: str, actor: str) -> int:
    """End every arming of the account; anybody may, at any time. Returns how many there were."""
    ended = _end(LiveArming.objects.filter(account=account), reason, actor)
    if ended:
        logger.warning("account %s disarmed by %s: %s", account, actor, reason)
    return ended


def armed_today(account: Account, now: datetime) -> bool:
    """Whether two persons armed this account for this IST day and nothing ended that since (one query)."""
    rows = LiveArming.objects.filter(account=account, day=_day(now), disarmed_at=None, confirmed_at__isnull=False)
    return rows.filter(code_version=settings.CODE_VERSION, client_id=settings.DHAN_CLIENT_ID).exists()


def newest(account: Account) -> LiveArming | None:
    """The last attempt to arm the account, whatever came of it."""
    return LiveArming.objects.filter(account=account).order_by("-pk").first()


def _require_may_arm(account: Account, actor: str, now: datetime) -> None:
    if _name(actor) in ("", SYSTEM):
        raise _denied("NO_PERSON", "Only a named person may arm live trading.", "Sign in as yourself.")
    if account.mode != Account.Mode.LIVE or not account.active:
        raise _denied("NOT_LIVE", f"{account} is no active live account.", "A paper account needs no arming.")
    session = session_on(_day(now))
    if session is None or now >= session.closes:
        raise _denied(
            "NO_SESSION", f"There is no session left on {_day(now)}.", "Arm on the day itself, before its close."
        )
    found = standing(account.pk)
    if found.state == Standing.HALTED:
        raise _denied("HALTED", f"{account} is halted.", "Release it first: manage.py kill_switch release")
    require_none_critical(account.pk)  # somebody who has not read the alarm arms nothing


def _require_known_money(last_digits: str) -> None:
    """Who types the last digits has looked at whose money it is."""
    client_id = settings.DHAN_CLIENT_ID
    if len(client_id) <= LAST_DIGITS:
        raise _denied("NO_CLIENT", "No client id of a live account is set.", "Set DHAN_CLIENT_ID.")
    if last_digits != client_id[-LAST_DIGITS:]:
        sentence = f"These are not the last {LAST_DIGITS} digits of the client id this installation trades for."
        raise _denied("WRONG_CLIENT", sentence, "Look at what is shown and type them again.")


def _require_other_person(row: LiveArming, actor: str) -> None:
    if _name(actor) == _name(row.armed_by):
        sentence = f"{row.armed_by} signed first; the second signature is another person's."
        raise _denied("SAME_PERSON", sentence, "Ask a colleague; one person alone cannot arm live trading.")


def _require_same(row: LiveArming, now_shown: Shown, shown_hash: str) -> None:
    if shown_hash != row.shown_hash:
        raise _denied(
            "OTHER_HASH", "This is not the hash that the first person was shown.", "Compare what you both see."
        )
    if now_shown.hash != row.shown_hash:
        sentence = "What is signed has changed since: the marked list, positions, limits, the token or the code."
        raise _denied("SHOWN_CHANGED", sentence, "Begin again: manage.py arm_live arm")


def _end(rows: Any, reason: str, actor: str) -> int:
    ended: int = rows.filter(disarmed_at=None).update(disarmed_at=Now(), disarmed_by=actor[:80], reason=reason)
    return ended


def _positions(account: Account) -> list[dict[str, Any]]:
    rows = Position.objects.filter(account=account).exclude(quantity=0).order_by("strategy_id", "symbol", "security_id")
    return [dict(row) for row in rows.values("strategy_id", "symbol", "quantity")]


def _marked(account: Account) -> list[dict[str, Any]]:
    """The queue of this account: what its allocator took, or a person marked for whoever trades first."""
    taken = Allocation.objects.filter(strategy=OuterRef("pk"), marked=True)
    rows = OptionStrategy.objects.queued().filter(Exists(taken.filter(run__account=account)) | ~Exists(taken))
    names = {"strategy": F("id"), "content": F("approved_hash")}
    return list(rows.order_by("id").values("stock_name", "strategy_name", "sets", "max_loss", **names))


def _name(actor: str) -> str:
    """The person behind `cli:asha` and `asha`: the way they came in makes nobody a second person."""
    return actor.rpartition(":")[2].strip().casefold()


def _day(now: datetime) -> date:
    return now.astimezone(IST).date()


def _denied(code: str, sentence: str, remedy: str) -> ExecutionDenied:
    return ExecutionDenied(Reason(code, sentence, remedy))
