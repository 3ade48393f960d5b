"""The limit of one order: the touch, moved a little, inside a collar and the exchange's band, on a tick. Pure."""

from dataclasses import dataclass
from decimal import Decimal

from execution.errors import ExecutionDenied
from market.contract import Side
from market.errors import Reason
from market.ports import Touch
from market.quant.ticks import snap, to_decimal
from market.rulebook import price_protection_band


@dataclass(frozen=True, slots=True)
class PriceRules:
    """How far a limit may go; fractions of a price, and whole ticks.

    Each attempt adds `step_ticks` to the touch; a limit never leaves mid ± max(`collar`, `collar_ticks`).
    """

    step_ticks: int = 1
    collar: Decimal = Decimal("0.10")
    collar_ticks: int = 4


ENTRY_PRICES = PriceRules()
# Getting out matters more than the price: the same steps, twice the room.
EXIT_PRICES = PriceRules(step_ticks=2, collar=Decimal("0.20"), collar_ticks=8)


def limit_price(*, side: Side, touch: Touch, tick: Decimal, attempt: int, rules: PriceRules, banded: bool) -> Decimal:
    """Return the limit of one attempt.

    Parameters
    ----------
    side : Side
    touch : Touch
        Best bid and ask, exact rupees per unit.
    tick : Decimal
        Price step, rupees.
    attempt : int
        1 for the first; later ones go further from the touch.
    rules : PriceRules
    banded : bool
        Whether the exchange's limit-price protection for options applies.

    Returns
    -------
    Decimal
        Rupees per unit, a whole number of ticks, never worse than the collar, always able to trade at the touch.

    Raises
    ------
    ExecutionDenied
        PRICE_COLLAR when the touch itself lies outside the collar; PRICE_MISSING for a touch without a price.

    Notes
    -----
    Source of the band: dhan.md section 13.6; its reference price is taken to be the mid.
    """
    bid, ask = touch.bid, touch.ask
    if not (bid.is_finite() and ask.is_finite() and ask >= bid >= 0 and ask > 0):
        raise ExecutionDenied(Reason("PRICE_MISSING", f"A touch of {bid} / {ask} is not a price to trade at."))
    mid = (bid + ask) / 2
    low, high = _room(mid, tick, rules, banded=banded)
    nearest, word = (ask, "ask") if side is Side.BUY else (bid, "bid")
    if not low <= nearest <= high:
        raise ExecutionDenied(
            Reason(
                "PRICE_COLLAR",
                f"The {word} {nearest} is outside {low} to {high} around the mid {mid}.",
                "The spread is too wide to cross; wait for a better market.",
            )
        )
    moved = nearest + side.sign * rules.step_ticks * attempt * tick
    if side is Side.BUY:
        return max(snap(min(moved, high), tick, towards="down"), snap(nearest, tick, towards="up"))
    return min(snap(max(moved, low), tick, towards="up"), snap(nearest, tick, towards="down"))


def _room(mid: Decimal, tick: Decimal, rules: PriceRules, *, banded: bool) -> tuple[Decimal, Decimal]:
    """Lowest and highest limit; one tick is the least price there is."""
    reach = max(mid * rules.collar, tick * rules.collar_ticks)
    low, high = max(mid - reach, tick), mid + reach
    if not banded:
        return low, high
    band_low, band_high = price_protection_band(float(mid))
    return max(low, to_decimal(band_low, places=4)), min(high, to_decimal(band_high, places=4))
