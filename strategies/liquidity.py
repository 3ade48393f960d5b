"""What is liquid enough to trade: limits as data, and a reason for every quote that fails them."""

import math
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from market.chain import Chain, ExpiryChain, Flags, Floats, OptionSide
from market.contract import OptionType, Side
from market.errors import Reason


@dataclass(frozen=True, slots=True)
class Liquidity:
    """Limits on one quote.

    `least_lots` of open interest; `widest_spread` as a share of the mid, but a spread of `narrow_ticks` or fewer is
    never too wide; `least_ticks` is the cheapest premium worth trading. `pull` is how many standard deviations of
    distance from the target the best open interest is worth over none.
    """

    least_lots: float = 1.0
    widest_spread: float = 0.30
    narrow_ticks: float = 3.0
    least_ticks: float = 2.0
    pull: float = 0.05


LIQUIDITY = Liquidity()

REMEDIES = MappingProxyType(
    {
        "TOO_THIN": "Choose a strike or an underlying that more people hold.",
        "TOO_WIDE": "Wait for a narrower market, or choose a more liquid underlying.",
        "TOO_CHEAP": "A premium of a tick or two only pays charges: move the strike nearer.",
    }
)


@dataclass(frozen=True, slots=True, eq=False)
class Tradable:
    """Which strikes of one side of an expiry can be traded; arrays of shape (strikes,).

    `quoted` passed the gate and has the touch, `liquid` is within the limits too. `failures` are, by reason code, the
    strikes that are quoted and fail. `illiquidity` is 0 for the most open interest up to 1 for none.
    `interest_known` is False when the source gives no open interest at all: that limit was then not applied.
    """

    quoted: Flags
    liquid: Flags
    failures: MappingProxyType[str, Flags]
    illiquidity: Floats
    interest_known: bool


@lru_cache(maxsize=256)
def tradable(
    expiry: ExpiryChain,
    option_type: OptionType,
    side: Side,
    *,
    tick_size: float,
    liquidity: Liquidity = LIQUIDITY,
) -> Tradable:
    """Judge every strike of one side of an expiry.

    Parameters
    ----------
    expiry : ExpiryChain
    option_type : OptionType
    side : Side
        Buying needs an ask, selling a bid.
    tick_size : float
        Rupees.
    liquidity : Liquidity

    Returns
    -------
    Tradable
        Its arrays are shared and must not be written to.

    Notes
    -----
    Source: options-v4.md section 14 item 2: tradable quotes only. A spread is known only where both sides are quoted.
    """
    quotes = expiry.side(option_type)
    touch = quotes.ask if side is Side.BUY else quotes.bid
    quoted: Flags = quotes.usable & (touch > 0.0)
    known = bool((np.nan_to_num(quotes.open_interest, nan=0.0) > 0.0).any())
    failures = {code: quoted & failed for code, failed in _failing(quotes, touch, expiry, tick_size, liquidity)}
    if not known:
        failures["TOO_THIN"] = np.zeros_like(quoted)
    return Tradable(
        quoted=quoted,
        liquid=quoted & ~np.logical_or.reduce(list(failures.values())),
        failures=MappingProxyType(failures),
        illiquidity=_illiquidity(quotes.open_interest),
        interest_known=known,
    )


def refusal(found: Tradable, near: Flags, where: str) -> Reason:
    """Return why none of the quoted strikes in reach is liquid enough: the limit most of them fail."""
    counts = {code: int((failed & near).sum()) for code, failed in found.failures.items()}
    code = max(counts, key=lambda each: (counts[each], each))
    words = {
        "TOO_THIN": "has too little open interest",
        "TOO_WIDE": "has too wide a spread",
        "TOO_CHEAP": "costs too few ticks",
    }
    return Reason(code, f"Every {where} {words[code]} to be traded.", REMEDIES[code])


def liquidity_flags(chain: Chain) -> dict[date, Reason]:
    """Return by expiry what about its liquidity is not known, so that a limit that was not applied is seen."""
    return {
        expiry.expiry: Reason(
            "OPEN_INTEREST_UNKNOWN",
            f"The chain of {expiry.expiry:%d %b %Y} gives no open interest, so that limit was not applied.",
            "Capture the chain from a source that reports open interest.",
        )
        for expiry in chain.expiries
        if not any((np.nan_to_num(side.open_interest, nan=0.0) > 0.0).any() for side in (expiry.calls, expiry.puts))
    }


def _failing(
    quotes: OptionSide, touch: Floats, expiry: ExpiryChain, tick_size: float, liquidity: Liquidity
) -> tuple[tuple[str, Flags], ...]:
    width = quotes.ask - quotes.bid
    allowed = np.maximum(
        liquidity.widest_spread * 0.5 * (quotes.ask + quotes.bid), (liquidity.narrow_ticks + 1e-6) * tick_size
    )
    two_sided = (quotes.bid > 0.0) & (quotes.ask > 0.0)
    held = np.nan_to_num(quotes.open_interest, nan=math.inf)
    return (
        ("TOO_THIN", held < liquidity.least_lots * expiry.lot_size),
        ("TOO_WIDE", two_sided & (width > allowed)),
        ("TOO_CHEAP", touch < (liquidity.least_ticks - 1e-6) * tick_size),
    )


def _illiquidity(open_interest: Floats) -> Floats:
    known = np.nan_to_num(open_interest, nan=0.0)
    most = float(known.max(initial=0.0))
    return 1.0 - known / most if most > 0.0 else np.zeros_like(known)
