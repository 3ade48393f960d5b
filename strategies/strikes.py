"""Where a leg goes: rules that name a target strike, and the choice of a tradable listed strike near it."""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from typing import Literal

import numpy as np
from scipy.special import ndtr

from market.chain import Chain, ExpiryChain, Flags, Floats
from market.contract import OptionType, Side
from market.errors import Reason
from strategies.errors import NotConstructible
from strategies.liquidity import LIQUIDITY, Liquidity, Tradable, refusal, tradable

REACH = 0.35  # standard deviations a chosen strike may lie from its target; one listed step is always allowed
MIRROR_REACH = 0.15  # the same for the second wing of a symmetric structure
CLEARLY_APART = 0.05  # standard deviations: targets further apart than this must keep their order

_GRID = np.linspace(-4.0, 4.0, 321)  # standard deviations; where delta is inverted


@dataclass(frozen=True, slots=True)
class Atm:
    """The listed strike nearest the forward, or `steps` listed strikes above (+) or below (-) it.

    `paired` asks for a strike whose call and put can both be bought and sold, for legs that share it; `lasting` for
    one that the next expiry trades the other way round, for the two legs of a calendar.
    """

    steps: int = 0
    paired: bool = False
    lasting: bool = False


@dataclass(frozen=True, slots=True)
class Delta:
    """The strike whose own option has this absolute forward delta, a fraction."""

    target: float


@dataclass(frozen=True, slots=True)
class Sigma:
    """Signed multiples of the standard deviation at the leg's own expiry, from the forward; `lasting` as for Atm."""

    multiple: float
    lasting: bool = False


@dataclass(frozen=True, slots=True)
class Percent:
    """A signed fraction away from spot: 0.05 is 5 % above."""

    offset: float


@dataclass(frozen=True, slots=True)
class Premium:
    """The strike whose executable premium is nearest a fraction of spot, or of the price of the straddle."""

    fraction: float
    of: Literal["spot", "straddle"] = "straddle"


@dataclass(frozen=True, slots=True)
class StraddleWidth:
    """Signed multiples of the price of the straddle at the forward, from the forward."""

    multiple: float


@dataclass(frozen=True, slots=True)
class Beside:
    """Exactly `steps` tradable strikes above (+) or below (-) the strike of an earlier leg."""

    leg_index: int
    steps: int


@dataclass(frozen=True, slots=True)
class Apart:
    """Signed standard deviations away from the strike of an earlier leg."""

    leg_index: int
    multiple: float


@dataclass(frozen=True, slots=True)
class Mirror:
    """The strike of leg `wing` reflected in the strike of leg `body`: equal wings."""

    wing: int
    body: int


@dataclass(frozen=True, slots=True)
class SameAs:
    """Exactly the strike of an earlier leg."""

    leg_index: int


StrikeRule = Atm | Delta | Sigma | Percent | Premium | StraddleWidth | Beside | Apart | Mirror | SameAs


@dataclass(frozen=True, slots=True)
class Placed:
    """A chosen strike, what the rule aimed at (both rupees), and its place in the expiry's arrays.

    `off_target` is how far the strike lies from the target, signed, in standard deviations: what the nearest listed
    strike cost, to be stored and shown. `interest_known` is False when the source gives no open interest.
    """

    strike: float
    target: float
    index: int
    off_target: float = 0.0
    interest_known: bool = True


@dataclass(frozen=True, slots=True)
class Site:
    """What a leg's strike is chosen from.

    `placed` are the earlier legs (None for a share), `taken` array places, `liquidity` what a quote must offer.
    """

    chain: Chain
    expiry: ExpiryChain
    side: Side
    option_type: OptionType
    placed: Sequence[Placed | None]
    taken: frozenset[int]
    liquidity: Liquidity = LIQUIDITY


def place(rule: StrikeRule, site: Site) -> Placed:
    """Choose the tradable listed strike nearest to a rule's target.

    Parameters
    ----------
    rule : StrikeRule
    site : Site
        Chain, expiry, side and type of the leg, where the earlier legs are, and the limits of liquidity.

    Returns
    -------
    Placed
        Strike and target in rupees. The strike lies within `REACH` standard deviations of the target or one listed
        step, whichever is more; better open interest decides between strikes that are about as near.

    Raises
    ------
    NotConstructible
        NO_USABLE_STRIKE; NO_BID when the only strikes in reach cannot be sold; TOO_THIN, TOO_WIDE or TOO_CHEAP when
        all that can be traded fail the limits of liquidity.

    Notes
    -----
    Source: options-v4.md section 14, items 2 and 6: strikes in standard deviations or delta at the trade's own
    expiry, nudged by liquidity, tradable quotes only. The nearest listed strike is an explicit rule with a bound, and
    how far it lies from the target is kept; nothing is replaced when an order is sent.
    """
    target, reach = _target(rule, site), _reach(rule, site.expiry)
    rungs, one_deviation = (
        _rungs(site.expiry, site.option_type, site.side, site.chain.tick_size, site.liquidity),
        deviation(site.expiry),
    )
    distance = _distance(rule, site, target)
    best, index = math.inf, -1
    for at in _within(rungs.strikes, target, reach):
        if at in site.taken or not rungs.liquid[at] or not _is_shared(rule, site, at):
            continue
        cost = distance(at) + site.liquidity.pull * one_deviation * rungs.illiquidity[at]
        if cost < best:
            best, index = cost, at
    if index < 0:
        raise NotConstructible(_why_none(site, np.abs(site.expiry.strikes - target) <= reach, target, _judged(site)))
    strike = rungs.strikes[index]
    return Placed(
        strike=strike,
        target=target,
        index=index,
        off_target=(strike - target) / one_deviation,
        interest_known=rungs.interest_known,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Rungs:
    """One side of an expiry as lists, which are read one strike at a time."""

    strikes: list[float]
    liquid: list[bool]
    illiquidity: list[float]
    interest_known: bool


@lru_cache(maxsize=256)
def _rungs(expiry: ExpiryChain, option_type: OptionType, side: Side, tick_size: float, liquidity: Liquidity) -> _Rungs:
    found = tradable(expiry, option_type, side, tick_size=tick_size, liquidity=liquidity)
    return _Rungs(expiry.strikes.tolist(), found.liquid.tolist(), found.illiquidity.tolist(), found.interest_known)


def _within(strikes: Sequence[float], target: float, reach: float) -> Iterator[int]:
    """The places of strikes no further than the reach from the target."""
    start = max(0, bisect_left(strikes, target - reach) - 1)
    for at in range(start, len(strikes)):
        if abs(strikes[at] - target) <= reach:
            yield at
        elif strikes[at] > target:
            return


def require_order(legs: Sequence[tuple[ExpiryChain, Placed]]) -> None:
    """Raise STRIKES_COLLAPSE unless the chosen strikes stand in the order of their targets, expiry by expiry."""
    for position, (expiry, first) in enumerate(legs):
        apart = CLEARLY_APART * deviation(expiry)
        for other, second in legs[position + 1 :]:
            aimed = second.target - first.target
            collapsed = abs(aimed) > apart and (second.strike - first.strike) * aimed <= 0.0
            # A leg that was asked to take the strike of another one may.
            if other is expiry and collapsed and second.target != first.strike:
                raise NotConstructible(
                    Reason(
                        "STRIKES_COLLAPSE",
                        f"Strikes {first.strike:g} and {second.strike:g} do not keep the order the structure needs.",
                        "The listed strikes are too coarse or too few are tradable.",
                    )
                )


@lru_cache(maxsize=64)
def deviation(expiry: ExpiryChain) -> float:
    """Return one standard deviation of the underlying at an expiry, in rupees (forward × volatility × √years)."""
    return expiry.forward * expiry.smile.atm_volatility * math.sqrt(expiry.years)


@lru_cache(maxsize=64)
def straddle_price(expiry: ExpiryChain) -> float:
    """Return what the smile asks for a call and a put at the forward, in rupees per unit."""
    forward = np.array([expiry.forward])
    return float(expiry.smile.prices(forward, True)[0] + expiry.smile.prices(forward, False)[0])


def _target(rule: StrikeRule, site: Site) -> float:
    match rule:
        case Atm(steps):
            nearest = int(np.argmin(np.abs(site.expiry.strikes - site.expiry.forward)))
            return _listed(site.expiry.strikes, nearest + steps)
        case Delta(target):
            return _strike_of_delta(site.expiry, site.option_type, target)
        case Sigma(multiple):
            relative = deviation(site.expiry) / site.expiry.forward
            return site.expiry.forward * math.exp(multiple * relative)
        case Percent(offset):
            return site.chain.spot * (1.0 + offset)
        case Premium() | StraddleWidth():
            return _priced_target(rule, site)
        case _:
            return _relative_target(rule, site)


def _priced_target(rule: Premium | StraddleWidth, site: Site) -> float:
    if isinstance(rule, StraddleWidth):
        return site.expiry.forward + rule.multiple * straddle_price(site.expiry)
    whole = site.chain.spot if rule.of == "spot" else straddle_price(site.expiry)
    return float(_strikes_of_prices(site, np.array(rule.fraction * whole)))


def _relative_target(rule: Beside | Apart | Mirror | SameAs, site: Site) -> float:
    match rule:
        case SameAs(leg_index):
            return _strike_of(site, leg_index)
        case Apart(leg_index, multiple):
            return _strike_of(site, leg_index) + multiple * deviation(site.expiry)
        case Mirror(wing, body):
            return 2.0 * _strike_of(site, body) - _strike_of(site, wing)
        case Beside(leg_index, steps):
            anchor = _strike_of(site, leg_index)
            free = _judged(site).liquid.copy()
            free[list(site.taken)] = False
            ladder = site.expiry.strikes[free | (site.expiry.strikes == anchor)]
            return _listed(ladder, int(np.searchsorted(ladder, anchor)) + steps)


def _strike_of(site: Site, leg_index: int) -> float:
    placed = site.placed[leg_index]
    if placed is None:
        raise ValueError(f"leg {leg_index} is a share and has no strike")
    return placed.strike


def _listed(strikes: Floats, index: int) -> float:
    if not 0 <= index < strikes.size:
        raise NotConstructible(Reason("NO_USABLE_STRIKE", "The chain lists no strike that far out."))
    return float(strikes[index])


def _strike_of_delta(expiry: ExpiryChain, option_type: OptionType, target: float) -> float:
    strikes, call_deltas = _delta_curve(expiry)
    wanted = target if option_type is OptionType.CALL else 1.0 - target
    return float(np.interp(-wanted, call_deltas, strikes))


@lru_cache(maxsize=64)
def _delta_curve(expiry: ExpiryChain) -> tuple[Floats, Floats]:
    """Return strikes over ±4 standard deviations and the undiscounted call delta N(d1) at each, negated, so rising."""
    root_years = math.sqrt(expiry.years)
    strikes = expiry.forward * np.exp(_GRID * deviation(expiry) / expiry.forward)
    spread = expiry.smile.volatility(strikes) * root_years
    return strikes, -ndtr(np.log(expiry.forward / strikes) / spread + 0.5 * spread)


def _reach(rule: StrikeRule, expiry: ExpiryChain) -> float:
    match rule:
        case SameAs() | Beside():
            return 1e-6
        case Mirror():
            return MIRROR_REACH * deviation(expiry)
        case _:
            return max(REACH * deviation(expiry), _step(expiry))


@lru_cache(maxsize=64)
def _step(expiry: ExpiryChain) -> float:
    return float(np.median(np.diff(expiry.strikes))) if expiry.strikes.size > 1 else 0.0


def _judged(site: Site) -> Tradable:
    return tradable(site.expiry, site.option_type, site.side, tick_size=site.chain.tick_size, liquidity=site.liquidity)


def _is_shared(rule: StrikeRule, site: Site, at: int) -> bool:
    """Whether the legs that will share a strike can trade it too, where the rule asks for that."""
    if isinstance(rule, Atm) and rule.paired:
        for option_type, side in product(OptionType, Side):
            rungs = _rungs(site.expiry, option_type, side, site.chain.tick_size, site.liquidity)
            if not rungs.liquid[at]:
                return False
    if isinstance(rule, Atm | Sigma) and rule.lasting:
        return bool(np.isin(site.expiry.strikes[at], _next_strikes(site)))
    return True


def _next_strikes(site: Site) -> Floats:
    """Return the strikes at which the next expiry trades the other way round; empty when there is none."""
    later = site.chain.expiries.index(site.expiry) + 1
    if later == len(site.chain.expiries):
        return np.empty(0)
    expiry = site.chain.expiries[later]
    return expiry.strikes[_judged(replace(site, expiry=expiry, side=site.side.opposite)).liquid]


def _distance(rule: StrikeRule, site: Site, target: float) -> Callable[[int], float]:
    """Return how far a listed strike is from what the rule wants, in rupees of strike, as a function of its place."""
    strikes = site.expiry.strikes
    if not isinstance(rule, Premium):
        return lambda at: abs(float(strikes[at]) - target)
    quotes = site.expiry.side(site.option_type)
    touch = quotes.ask if site.side is Side.BUY else quotes.bid
    priced = np.abs(_strikes_of_prices(site, np.nan_to_num(touch, nan=0.0)) - target)
    return lambda at: float(priced[at])


def _strikes_of_prices(site: Site, prices: Floats) -> Floats:
    """Return the strikes at which the smile gives these premiums, rupees; same shape."""
    curve, strikes = _premium_curve(site.expiry, site.option_type)
    return np.asarray(np.interp(prices, curve, strikes))


@lru_cache(maxsize=64)
def _premium_curve(expiry: ExpiryChain, option_type: OptionType) -> tuple[Floats, Floats]:
    """Return the smile's premiums over ±4 standard deviations, rising, and the strike of each."""
    strikes = expiry.forward * np.exp(_GRID * deviation(expiry) / expiry.forward)
    if option_type is OptionType.CALL:
        strikes = strikes[::-1]
    return expiry.smile.prices(strikes, option_type is OptionType.CALL), strikes


def _why_none(site: Site, near: Flags, target: float, found: Tradable) -> Reason:
    word, expiry = site.option_type.value.lower(), f"{site.expiry.expiry:%d %b %Y}"
    quotes = site.expiry.side(site.option_type)
    if site.side is Side.SELL and bool((near & quotes.usable).any()) and not bool((near & (quotes.bid > 0.0)).any()):
        return Reason(
            "NO_BID", f"Nobody bids for a {word} near {target:g} of {expiry}.", "Wait for a two-sided market."
        )
    if bool((near & found.quoted).any()) and not bool((near & found.liquid).any()):
        return refusal(found, near, f"{word} near {target:g} of {expiry}")
    return Reason(
        "NO_USABLE_STRIKE",
        f"No {word} near {target:g} of {expiry} has a quote that can be traded.",
        "Wait for a fuller chain or choose a more liquid underlying.",
    )
