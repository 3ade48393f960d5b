"""Pre-trade checks: each answers with a reason to refuse or None; one that cannot answer raises, a refusal. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from market.calendar import IST
from market.contract import Contract
from market.errors import Reason
from market.ports import Touch

# How old a touch may be when an order is priced on it. Recorded chains come every few minutes at best.
MAX_QUOTE_AGE = timedelta(minutes=10)

# How much worse than reviewed the net premium may be: a fraction of it, and ticks for each leg, so that the spread of
# a few cheap options is not taken for a move. The fraction is DRIFT of reliability.md 3.1.
MAX_PREMIUM_DRIFT = Decimal("0.10")
PREMIUM_DRIFT_TICKS = 2


@dataclass(frozen=True, slots=True)
class Candidate:
    """The strategy row as the gate sees it; money is rupees for one set, `expiries` those of its option legs."""

    marked: bool
    priority: int
    generated_on: datetime
    trade_date: date
    content_hash: str
    approved_hash: str
    expiries: Sequence[date]
    sets: int
    max_loss: Decimal | None
    unlimited_loss: bool
    net_premium: Decimal | None


def not_queued(candidate: Candidate) -> Reason | None:
    """Only what a person marked with a priority is executed."""
    if candidate.marked and candidate.priority > 0:
        return None
    return Reason(
        "PRIORITY",
        "The strategy is not marked with a priority above 0.",
        "Mark it: manage.py mark_for_execution mark ID.",
    )


def generated_later(candidate: Candidate, as_of: datetime) -> Reason | None:
    """An idea from the future cannot be traded."""
    if candidate.generated_on <= as_of:
        return None
    return Reason("GENERATED_LATER", f"The strategy was generated at {candidate.generated_on}, after {as_of}.")


def approval_changed(candidate: Candidate) -> Reason | None:
    """What is executed must be what was reviewed."""
    if candidate.approved_hash and candidate.approved_hash == candidate.content_hash:
        return None
    return Reason("APPROVAL_CHANGED", "The strategy is not what was approved.", "Generate it again and review it.")


def approval_expired(candidate: Candidate, today: date) -> Reason | None:
    """A mark is for the day of the strategy; the market of another day was not reviewed."""
    if candidate.trade_date == today:
        return None
    return Reason(
        "APPROVAL_EXPIRED",
        f"The strategy was made and approved for {candidate.trade_date:%d %b %Y}; today is {today:%d %b %Y}.",
        "Generate and mark it again.",
    )


def premium_moved(candidate: Candidate, *, now: Decimal | None, tick_value: Decimal) -> Reason | None:
    """The premium at the touch may not be much worse than the reviewed one.

    Rupees for one set; `tick_value` is one tick of every option leg. Silent where no premium was reviewed, or where
    `now` is unknown: the missing price has its own reason.
    """
    reviewed = candidate.net_premium
    if reviewed is None or now is None:
        return None
    allowed = abs(reviewed) * MAX_PREMIUM_DRIFT + PREMIUM_DRIFT_TICKS * tick_value
    if reviewed - now <= allowed:
        return None
    return Reason(
        "PREMIUM_MOVED",
        f"A set was reviewed at a net premium of ₹{reviewed:.2f} and is now ₹{now:.2f}; ₹{allowed:.2f} less may be.",
        "Generate and mark it again.",
    )


def expired(candidate: Candidate, as_of: datetime) -> Reason | None:
    """Every leg must still be alive."""
    today = as_of.astimezone(IST).date()
    gone = sorted(expiry for expiry in candidate.expiries if expiry < today)
    if not gone:
        return None
    return Reason("EXPIRED", f"A leg expired on {gone[0]:%d %b %Y}.", "Generate new strategies.")


def lot_changed(contract: Contract, *, approved: int | None, listed: int) -> Reason | None:
    """The lot that was reviewed must be the lot that is traded today."""
    if not contract.is_option or approved == listed:
        return None
    return Reason(
        "LOT", f"{contract} trades in lots of {listed}, the strategy was computed for {approved or 'an unknown lot'}."
    )


def quote_unusable(contract: Contract, touch: Touch, as_of: datetime) -> Reason | None:
    """A touch must be known at `as_of` and recent."""
    age = as_of - touch.quoted_at
    if age < timedelta(0):
        return Reason("QUOTE_LATER", f"The quote of {contract} is from {touch.quoted_at}, later than {as_of}.")
    if age > MAX_QUOTE_AGE:
        return Reason(
            "QUOTE_STALE",
            f"The quote of {contract} is {age} old; at most {MAX_QUOTE_AGE} is allowed.",
            "Capture chains again.",
        )
    return None


def naked_not_allowed(candidate: Candidate, *, allow_naked: bool) -> Reason | None:
    """Unlimited loss is a separate permission of the account."""
    if allow_naked or not candidate.unlimited_loss:
        return None
    return Reason("NAKED_SHORT", "The loss of this strategy is unlimited and the account does not allow naked shorts.")


def at_risk(candidate: Candidate, *, margin: Decimal | None) -> Decimal | None:
    """Rupees all sets may lose, or the `margin` they block where that is unlimited; None when it is unknown."""
    return margin if candidate.unlimited_loss else _times(candidate.max_loss, candidate.sets)


def risk_unknown(candidate: Candidate, *, margin: Decimal | None) -> Reason | None:
    """What may be lost must be known before anything is opened."""
    if at_risk(candidate, margin=margin) is not None:
        return None
    return Reason("RISK_UNKNOWN", "Neither the maximum loss nor the margin of this strategy is known.", "Allocate it.")


def funds_short(*, needed: Decimal, free: Decimal) -> Reason | None:
    """The account must be able to pay the purchases and to bear the worst loss out of what is not set aside; rupees."""
    if needed <= free:
        return None
    return Reason("FUNDS", f"The basket needs ₹{needed:.2f} and ₹{free:.2f} is free.", "Close something or trade less.")


def blocked(*, cash: Decimal, max_loss: Decimal | None, sets: int) -> Decimal | None:
    """Rupees that an open strategy keeps set aside out of the cash balance, or None when its risk is unknown.

    A debit is spent already; a credit sits in the balance but must stay there, together with the loss it may turn into.
    """
    loss = _times(max_loss, sets)
    return None if loss is None else max(cash + loss, Decimal(0))


def _times(amount: Decimal | None, sets: int) -> Decimal | None:
    return None if amount is None else amount * sets
