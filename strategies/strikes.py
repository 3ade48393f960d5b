"""Where a leg goes: rules that name a target strike, and the choice of a tradable listed strike near it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import ndtr

from market.chain import Chain, ExpiryChain, Flags, Floats, OptionSide
from market.contract import OptionType, Side
from market.errors import Reason
from strategies.errors import NotConstructible

REACH = 0.35  # standard deviations a chosen strike may lie from its target; one listed step is always allowed
MIRROR_REACH = 0.15  # the same for the second wing of a symmetric structure
LIQUIDITY_PULL = 0.05  # standard deviations of distance that the best open interest is worth over none
CLEARLY_APART = 0.05  # standard deviations: targets further apart than this must keep their order

_GRID = np.linspace(-4.0, 4.0, 321)  # standard deviations; where delta is inverted


@dataclass(frozen=True, slots=True)
class Atm:
    """The listed strike nearest the forward, or `steps` listed strikes above (+) or below (-) it."""

    steps: int = 0


@dataclass(frozen=True, slots=True)
class Delta:
    """The strike whose own option has this absolute forward delta, a fraction."""

    target: float


@dataclass(frozen=True, slots=True)
class Sigma:
    """Signed multiples of the standard deviation at the leg's own expiry, from the forward."""

    multiple: float


@dataclass(frozen=True, slots=True)
class Percent:
    """A signed fraction away from spot: 0.05 is 5 % above."""

    offset: float


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


StrikeRule = Atm | Delta | Sigma | Percent | Beside | Apart | Mirror | SameAs


@dataclass(frozen=True, slots=True)
class Placed:
    """A chosen strike, what the rule aimed at (both rupees), and its place in the expiry's arrays."""

    strike: float
    target: float
    index: int


@dataclass(frozen=True, slots=True)
class Site:
    """What a leg's strike is chosen from; `placed` are the earlier legs (None for a share), `taken` array places."""

    chain: Chain
    expiry: ExpiryChain
    side: Side
    option_type: OptionType
    placed: Sequence[Placed | None]
    taken: frozenset[int]


def place(rule: StrikeRule, site: Site) -> Placed:
    """Choose the tradable listed strike nearest to a rule's target.

    Parameters
    ----------
    rule : StrikeRule
    site : Site
        Chain, expiry, side and type of the leg, and where the earlier legs are.

    Returns
    -------
    Placed
        Strike and target in rupees. The strike lies within `REACH` standard deviations of the target or one listed
        step, whichever is more; better open interest decides between strikes that are about as near.

    Raises
    ------
    NotConstructible
        NO_USABLE_STRIKE, or NO_BID when the only strikes in reach cannot be sold.

    Notes
    -----
    Source: options-v4.md section 14, items 2 and 6: strikes in standard deviations or delta at the trade's own
    expiry, nudged by liquidity, tradable quotes only.
    """
    target = _target(rule, site)
    tradable = _tradable(site)
    distance = np.abs(site.expiry.strikes - target)
    near = distance <= _reach(rule, site.expiry)
    eligible = near & tradable
    if not eligible.any():
        raise NotConstructible(_why_none(site, near, target))
    cost = distance + LIQUIDITY_PULL * deviation(site.expiry) * _illiquidity(site.expiry.side(site.option_type))
    index = int(np.argmin(np.where(eligible, cost, np.inf)))
    return Placed(strike=float(site.expiry.strikes[index]), target=target, index=index)


def require_order(legs: Sequence[tuple[ExpiryChain, Placed]]) -> None:
    """Raise STRIKES_COLLAPSE unless the chosen strikes stand in the order of their targets, expiry by expiry."""
    for position, (expiry, first) in enumerate(legs):
        apart = CLEARLY_APART * deviation(expiry)
        for other, second in legs[position + 1 :]:
            aimed = second.target - first.target
            if other is expiry and abs(aimed) > apart and (second.strike - first.strike) * aimed <= 0.0:
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
        case _:
            return _relative_target(rule, site)


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
            ladder = site.expiry.strikes[_tradable(site) | (site.expiry.strikes == anchor)]
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
    return float(np.interp(-wanted, -call_deltas, strikes))


@lru_cache(maxsize=64)
def _delta_curve(expiry: ExpiryChain) -> tuple[Floats, Floats]:
    """Return strikes over ±4 standard deviations and the undiscounted call delta N(d1) at each, falling."""
    root_years = math.sqrt(expiry.years)
    strikes = expiry.forward * np.exp(_GRID * deviation(expiry) / expiry.forward)
    spread = expiry.smile.volatility(strikes) * root_years
    return strikes, ndtr(np.log(expiry.forward / strikes) / spread + 0.5 * spread)


def _reach(rule: StrikeRule, expiry: ExpiryChain) -> float:
    match rule:
        case SameAs() | Beside():
            return 1e-6
        case Mirror():
            return MIRROR_REACH * deviation(expiry)
        case _:
            return max(REACH * deviation(expiry), _step(expiry.strikes))


def _step(strikes: Floats) -> float:
    return float(np.median(np.diff(strikes))) if strikes.size > 1 else 0.0


def _tradable(site: Site) -> Flags:
    quotes = site.expiry.side(site.option_type)
    touch = quotes.ask if site.side is Side.BUY else quotes.bid
    tradable: Flags = quotes.usable & (touch > 0.0)
    if site.taken:
        tradable[list(site.taken)] = False
    return tradable


def _illiquidity(quotes: OptionSide) -> Floats:
    """Return 0 for the strike with the most open interest up to 1 for none."""
    known = np.nan_to_num(quotes.open_interest, nan=0.0)
    most = float(known.max(initial=0.0))
    return 1.0 - known / most if most > 0.0 else np.zeros_like(known)


def _why_none(site: Site, near: Flags, target: float) -> Reason:
    word, expiry = site.option_type.value.lower(), f"{site.expiry.expiry:%d %b %Y}"
    quotes = site.expiry.side(site.option_type)
    if site.side is Side.SELL and bool((near & quotes.usable).any()) and not bool((near & (quotes.bid > 0.0)).any()):
        return Reason(
            "NO_BID", f"Nobody bids for a {word} near {target:g} of {expiry}.", "Wait for a two-sided market."
        )
    return Reason(
        "NO_USABLE_STRIKE",
        f"No {word} near {target:g} of {expiry} has a quote that can be traded.",
        "Wait for a fuller chain or choose a more liquid underlying.",
    )
