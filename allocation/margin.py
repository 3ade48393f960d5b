"""What a strategy blocks: our own conservative estimate, above what the exchange asks for a hedged position."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from market.contract import OptionType, Side
from market.errors import InvalidInput, Reason
from market.rulebook import margin_rates


@dataclass(frozen=True, slots=True)
class MarginLeg:
    """One leg as margin sees it; `quantity` in units, positive, `strike` in rupees (None for the share)."""

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
        When spot or max_loss is not a positive finite number.

    Notes
    -----
    Source: dhan.md section 13.8 (NSE Clearing SPAN price scan floors and exposure margin). The exchange nets
    scenarios across legs; this does not, so the truth is lower.
    """
    if not 0 < spot < 1e9 or (max_loss is not None and not 0 <= max_loss < 1e15):
        raise InvalidInput(Reason("MARGIN_INPUT", "Margin needs a positive spot and a finite maximum loss."))
    rates = margin_rates("index" if is_index else "stock", as_of=as_of)
    shorts = sum(leg.quantity for leg in legs if leg.side is Side.SELL and leg.option_type)
    exposure = rates.exposure * spot * shorts
    if max_loss is not None:
        return max_loss + exposure
    paid = sum(leg.premium * leg.quantity for leg in legs if leg.side is Side.BUY)
    return rates.price_scan_floor * spot * _uncovered(legs) + exposure + paid


def _uncovered(legs: Sequence[MarginLeg]) -> int:
    """Units of short options that no bought option of the same type covers."""
    total = 0
    for option_type in OptionType:
        same = [leg for leg in legs if leg.option_type is option_type]
        total += max(0, -sum(leg.side.sign * leg.quantity for leg in same))
    return total
