"""Is every leg a contract that trades today under the terms that were approved? Pure."""

from collections.abc import Iterator
from datetime import date

from execution.basket.values import Purpose
from execution.checks.known import count, flag, known, moment, text
from execution.checks.limits import Limits
from execution.checks.situation import LegFact, Situation
from execution.checks.verdict import Verdict, denies, passes
from market.calendar import IST
from market.errors import Reason

SEGMENTS = frozenset({"NSE_FNO", "BSE_FNO", "NSE_EQ", "BSE_EQ"})


def legs_of(situation: Situation) -> tuple[LegFact, ...]:
    """The legs, at least one."""
    legs = known(situation.legs, "the legs")
    count(len(legs), "the number of legs", low=1)
    return legs


def instrument(situation: Situation, limits: Limits, purpose: Purpose) -> Verdict:
    """In today's master with the same terms, alive, in a segment we trade."""
    today = moment(situation.now, "the market moment").astimezone(IST).date()
    for leg in legs_of(situation):
        for reason in _faults(leg, today):
            return denies(reason, leg=leg.number, contract=leg.contract)
    return passes(legs=len(legs_of(situation)))


def _faults(leg: LegFact, today: date) -> Iterator[Reason]:
    expiry = leg.contract.expiry
    if expiry is not None and expiry < today:
        yield Reason("EXPIRED", f"A leg expired on {expiry:%d %b %Y}.", "Generate new strategies.")
    if not flag(leg.in_master, f"whether {leg.contract} is in the master"):
        yield Reason("INSTRUMENT", f"{leg.contract} is not in today's master.")
    segment = text(leg.segment, f"the segment of {leg.contract}")
    if segment not in SEGMENTS:
        yield Reason("SEGMENT", f"{leg.contract} is listed in {segment}, which is not traded here.")
    if not flag(leg.same_terms, f"whether the master agrees on {leg.contract}"):
        yield Reason("TERMS_DIFFER", f"The master's terms of {leg.contract} are not those that were approved.")
