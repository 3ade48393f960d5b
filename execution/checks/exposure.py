"""Would the account hold too much, too much of one thing, or a short nobody covers? Pure."""

from decimal import Decimal

from execution.basket.values import Purpose
from execution.checks.known import NotKnown, count, flag, known, money
from execution.checks.limits import Limits
from execution.checks.money import at_stake
from execution.checks.situation import Situation
from execution.checks.verdict import Verdict, denies, passes
from execution.cover import uncovered_short
from market.errors import Reason

ZERO = Decimal(0)


def position_count(situation: Situation, limits: Limits, purpose: Purpose) -> Verdict:
    """Room for one more strategy, in all and on this underlying."""
    counts = known(situation.counts, "the counts")
    everywhere = count(counts.open_strategies, "the number of open strategies")
    here = count(counts.open_on_underlying, "the number of open strategies on this underlying")
    numbers = {"open": f"{everywhere} of {limits.open_strategies}", "here": f"{here} of {limits.open_per_underlying}"}
    if everywhere >= limits.open_strategies:
        sentence = f"{everywhere} strategies are open; at most {limits.open_strategies} may be."
        return denies(Reason("POSITION_COUNT", sentence), **numbers)
    if here >= limits.open_per_underlying:
        sentence = f"{here} strategies are open on this underlying; at most {limits.open_per_underlying} may be."
        return denies(Reason("POSITION_COUNT", sentence), **numbers)
    return passes(**numbers)


def concentration(situation: Situation, limits: Limits, purpose: Purpose) -> Verdict:
    """What is at risk or blocked on one underlying, this basket included, stays within its share."""
    account = known(situation.account, "the account")
    now = money(account.underlying_at_risk, "what is at risk on this underlying", low=ZERO)
    added = money(at_stake(known(situation.risk, "the risk of the basket")), "what the basket may lose")
    numbers = {"now": now, "added": added, "at_most": limits.underlying_at_risk}
    if now + added <= limits.underlying_at_risk:
        return passes(**numbers)
    sentence = (
        f"₹{now + added:.2f} would be at risk on one underlying; at most ₹{limits.underlying_at_risk:.2f} may be."
    )
    return denies(Reason("CONCENTRATION", sentence), **numbers)


def greeks(situation: Situation, limits: Limits, purpose: Purpose) -> Verdict:
    """Net delta and vega with the basket stay within limits; unknown ones may be let pass as a warning."""
    try:
        delta, vega = _net_greeks(situation)
    except NotKnown as unknown:
        if limits.greeks_required:
            raise
        return passes(Reason("GREEKS_UNKNOWN", unknown.reason.sentence), greeks="unknown")
    for what, value, most in (("delta", delta, limits.net_delta_value), ("vega", vega, limits.net_vega)):
        if abs(value) > most:
            sentence = f"The account's net {what} would be ₹{value:.0f}; at most ₹{most:.0f} either way is allowed."
            return denies(Reason("GREEKS", sentence), **{what: value, "at_most": most})
    return passes(delta=delta, vega=vega)


def _net_greeks(situation: Situation) -> tuple[Decimal, Decimal]:
    account, risk = known(situation.account, "the account"), known(situation.risk, "the risk of the basket")
    delta = money(account.net_delta_value, "the account's delta") + money(risk.net_delta_value, "the basket's delta")
    vega = money(account.net_vega, "the account's vega") + money(risk.net_vega, "the basket's vega")
    return delta, vega


def cover(situation: Situation, limits: Limits, purpose: Purpose) -> Verdict:
    """With these orders filled, every short is covered by what is filled too."""
    fact = known(situation.cover, "the position")
    position = known(fact.position, "the position")
    for contract, units in position.items():
        if isinstance(units, bool) or not isinstance(units, int):
            raise NotKnown(Reason("NOT_KNOWN", f"The number of {contract} held is not known."))
    uncovered = uncovered_short(
        position,
        cash_secured=flag(fact.cash_secured, "whether cash covers the puts"),
        allow_naked=flag(fact.allow_naked, "whether naked shorts are allowed"),
    )
    numbers = {str(contract): units for contract, units in position.items()}
    return passes(**numbers) if uncovered is None else denies(uncovered, **numbers)
