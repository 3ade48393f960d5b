"""Has the market, or the contract, moved away from what was reviewed? Every refusal shows both numbers. Pure."""

from datetime import datetime, timedelta
from decimal import Decimal

from execution.basket.values import Purpose
from execution.checks.instrument import legs_of
from execution.checks.known import count, known, moment, money
from execution.checks.limits import Limits
from execution.checks.situation import DriftFact, LegFact, Situation
from execution.checks.verdict import Verdict, denies, passes
from market.errors import Reason

SMALLEST = Decimal("0.0001")


def drift(situation: Situation, limits: Limits, purpose: Purpose) -> Verdict:
    """Spot, premium, lot, strike, price band and the age of the chain against the review."""
    fact = known(situation.drift, "what was reviewed")
    now = moment(situation.now, "the market moment")
    legs = legs_of(situation)
    numbers: dict[str, object] = {}
    for found in (
        *(_lot(leg) for leg in legs),
        *(_strike(leg) for leg in legs),
        _chain(fact, now, limits),
        _spot(fact, limits),
        _premium(fact, limits),
        _band(fact),
    ):
        if not found.passed:
            return found
        numbers |= found.numbers
    return passes(**numbers)


def allowed_drift(reviewed: Decimal, tick_value: Decimal, limits: Limits) -> Decimal:
    """How much less than reviewed the premium may be: a fraction, and ticks against taking a spread for a move."""
    return abs(reviewed) * limits.premium_drift + limits.premium_drift_ticks * tick_value


def _lot(leg: LegFact) -> Verdict:
    if not leg.contract.is_option:
        return passes()
    listed = count(leg.lot_size, f"the lot of {leg.contract}", low=1)
    approved = count(leg.approved_lot, f"the lot of {leg.contract} that was reviewed", low=1)
    return _same("LOT", f"The lot of {leg.contract}", approved, listed)


def _strike(leg: LegFact) -> Verdict:
    if leg.contract.strike is None:
        return passes()
    approved = money(leg.approved_strike, f"the strike of leg {leg.number} that was reviewed", low=SMALLEST)
    return _same("STRIKE_CHANGED", f"The strike of leg {leg.number}", approved, Decimal(str(leg.contract.strike)))


def _same(code: str, what: str, reviewed: Decimal | int, now: Decimal | int) -> Verdict:
    if reviewed == now:
        return passes()
    sentence = f"{what} was reviewed as {reviewed} and is now {now}: a difference of {now - reviewed}."
    return denies(Reason(code, sentence), **_both(reviewed, now))


def _chain(fact: DriftFact, now: datetime, limits: Limits) -> Verdict:
    age = now - moment(fact.reviewed_chain_at, "the moment of the reviewed chain")
    most = timedelta(minutes=limits.chain_minutes)
    if timedelta(0) <= age <= most:
        return passes(chain_age=age)
    sentence = f"The reviewed chain is {age} old; at most {most} is allowed: {age - most} too much."
    return denies(Reason("CHAIN_OLD", sentence), age=age, at_most=most, difference=age - most)


def _spot(fact: DriftFact, limits: Limits) -> Verdict:
    reviewed = money(fact.reviewed_spot, "the reviewed price of the underlying", low=SMALLEST)
    now = money(fact.spot, "the price of the underlying", low=SMALLEST)
    if abs(now - reviewed) <= reviewed * limits.spot_drift:
        return passes(spot=now, reviewed_spot=reviewed)
    sentence = (
        f"The underlying was reviewed at ₹{reviewed} and is now ₹{now}: {(now - reviewed) / reviewed:+.2%} "
        f"(₹{now - reviewed:+}); ±{limits.spot_drift:.2%} may be."
    )
    return denies(Reason("SPOT_MOVED", sentence), **_both(reviewed, now))


def _premium(fact: DriftFact, limits: Limits) -> Verdict:
    reviewed = money(fact.reviewed_premium, "the reviewed premium")
    now = money(fact.premium, "the premium at the touch")
    allowed = allowed_drift(reviewed, money(fact.tick_value, "the value of a tick", low=Decimal(0)), limits)
    if reviewed - now <= allowed:
        return passes(premium=now, reviewed_premium=reviewed)
    sentence = (
        f"A set was reviewed at a net premium of ₹{reviewed:.2f} and is now ₹{now:.2f}: "
        f"₹{reviewed - now:.2f} less; ₹{allowed:.2f} less may be."
    )
    return denies(Reason("PREMIUM_MOVED", sentence), **_both(reviewed, now))


def _band(fact: DriftFact) -> Verdict:
    worst = money(fact.worst_premium, "the worst premium the approval allows")
    now = money(fact.premium, "the premium at the touch")
    if now >= worst:
        return passes(worst_premium=worst)
    sentence = f"A set now brings ₹{now:.2f}; the approval ends at ₹{worst:.2f}: ₹{worst - now:.2f} less."
    return denies(Reason("BAND_LEFT", sentence), **_both(worst, now))


def _both(reviewed: Decimal | int, now: Decimal | int) -> dict[str, object]:
    return {"reviewed": reviewed, "now": now, "difference": now - reviewed}
