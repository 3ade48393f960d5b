"""What a strategy blocks: our own conservative estimate, above what the exchange asks for a hedged position."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from market.contract import OptionType, Side
from market.errors import InvalidInput, Reason
from market.rulebook import margin_rates


@dataclass(frozen=True, slots=True)
class MarginLeg:
    """One leg as margin sees it; `quantity` in units, positive; `option_type` None for the share.

    `premium` is rupees per unit.
    """

    side: Side
    option_type: OptionType | None
    quantity: int
    premium: float


def margin_per_set(
    legs: Sequence[MarginLeg],
    *,
    spot: float,
    max_loss: float | None,
    is_index: bool,
    as_of: date,
) -> float:
    """Rupees one set blocks.

    Parameters
    ----------
    legs : sequence of MarginLeg
        Quantities in units.
    spot : float
        Rupees, > 0.
    max_loss : float or None
        Rupees for the set, positive; None when it is unlimited.
    is_index : bool
        Index options scan less than stock options.
    as_of : date
        Which day's rates.

    Returns
    -------
    float
        Defined risk: the maximum loss plus exposure margin on every short option. Unlimited risk: price scan plus
        exposure on every uncovered short, plus the premium of the longs.

    Raises
    ------
    InvalidInput
        MARGIN_INPUT when spot, max_loss, a quantity or a premium is not a positive finite number.

    Notes
    -----
    Source: dhan.md section 13.8 (NSE Clearing SPAN price scan floors and exposure margin). The exchange nets
    scenarios across legs; this does not, so the truth is lower.
    """
    _require_numbers(legs, spot, max_loss)
    rates = margin_rates("index" if is_index else "stock", as_of=as_of)
    shorts = sum(leg.quantity for leg in legs if leg.side is Side.SELL and leg.option_type)
    exposure = rates.exposure * spot * shorts
    if max_loss is not None:
        return max_loss + exposure
    paid = sum(leg.premium * leg.quantity for leg in legs if leg.side is Side.BUY)
    # A loss without bound that no count of legs explains is scanned as if nothing covered any short.
    return rates.price_scan_floor * spot * (_uncovered(legs) or shorts) + exposure + paid


def _require_numbers(legs: Sequence[MarginLeg], spot: float, max_loss: float | None) -> None:
    sound = 0 < spot < 1e9 and (max_loss is None or 0 <= max_loss < 1e15)
    if not sound or not all(leg.quantity > 0 and 0 <= leg.premium < 1e9 for leg in legs):
        sentence = "Margin needs a positive spot, a finite maximum loss and legs with quantity and premium."
        raise InvalidInput(Reason("MARGIN_INPUT", sentence))


def _uncovered(legs: Sequence[MarginLeg]) -> int:
    """Units of short options that no bought option of the same type covers."""
    total = 0
    for option_type in OptionType:
        same = [leg for leg in legs if leg.option_type is option_type]
        total += max(0, -sum(leg.side.sign * leg.quantity for leg in same))
    return total
