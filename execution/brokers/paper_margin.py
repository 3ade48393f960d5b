"""What the paper exchange blocks for shorts, by the published rates; an unknown spot is never a zero. Pure."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal

from execution.errors import OrderRefused
from market.calendar import IST
from market.contract import Contract, OptionType, Side
from market.errors import MarketError, Reason
from market.margin import MarginLeg, margin_per_set
from market.ports import MarketSource
from market.quant.ticks import to_decimal

Position = Mapping[Contract, int]


def blocked(position: Position, *, market: MarketSource, now: datetime) -> Decimal:
    """Return the rupees a position blocks beyond the premiums that changed hands.

    Parameters
    ----------
    position : mapping of Contract to int
        Signed units; a position without short options blocks nothing.
    market : MarketSource
        Asked for the kind and the spot of every underlying with a short option.
    now : datetime
        Aware.

    Raises
    ------
    OrderRefused
        MARGIN_UNKNOWN when the market does not know the underlying or its spot.

    Notes
    -----
    Source: dhan.md section 13.8 through market.margin: the loss at expiry plus exposure where the loss is bounded,
    price scan plus exposure otherwise, the smaller of both where both exist.
    """
    return sum((_blocked_by(own, market, now) for own in _by_underlying(position)), Decimal(0))


def _blocked_by(own: Position, market: MarketSource, now: datetime) -> Decimal:
    if not any(units < 0 and contract.is_option for contract, units in own.items()):
        return Decimal(0)
    underlying = next(iter(own)).underlying
    is_index, spot = _facts(underlying, market, now)
    legs = [
        MarginLeg(Side.BUY if units > 0 else Side.SELL, contract.option_type, abs(units), 0.0)
        for contract, units in own.items()
    ]
    day = now.astimezone(IST).date()
    bounds = {None, _worst_loss(own)}
    return to_decimal(
        min(margin_per_set(legs, spot=spot, max_loss=bound, is_index=is_index, as_of=day) for bound in bounds),
        places=2,
    )


def _facts(underlying: str, market: MarketSource, now: datetime) -> tuple[bool, float]:
    """Whether it is an index, and its spot."""
    kinds = {fact.symbol: fact.kind for fact in market.underlyings()}
    try:
        spot = market.chain(underlying, as_of=now).spot
    except MarketError as error:
        raise _unknown(underlying, error.reason.sentence) from error
    if underlying not in kinds or spot is None:
        raise _unknown(underlying, "The market source knows no kind or no spot of it.")
    return kinds[underlying] == "index", spot


def _worst_loss(own: Position) -> float | None:
    """Rupees lost at the worst expiry level, premiums aside; None when there is no bound.

    An option bought for an earlier day than the last short covers nothing.
    """
    last = max(_day(contract) for contract, units in own.items() if units < 0 and contract.is_option)
    counted = {c: units for c, units in own.items() if units < 0 or not c.is_option or _day(c) >= last}
    if sum(units for contract, units in counted.items() if contract.option_type is not OptionType.PUT) < 0:
        return None
    levels = [0.0, *(contract.strike or 0.0 for contract in counted)]
    return max(0.0, -min(_value(counted, level) for level in levels))


def _value(position: Position, level: float) -> float:
    return sum(units * contract.worth_at_expiry(level) for contract, units in position.items())


def _day(contract: Contract) -> date:
    return contract.expiry or date.max


def _by_underlying(position: Position) -> Iterable[Position]:
    found: dict[str, dict[Contract, int]] = {}
    for contract, units in position.items():
        if units:
            found.setdefault(contract.underlying, {})[contract] = units
    return found.values()


def _unknown(underlying: str, why: str) -> OrderRefused:
    sentence = f"The margin of {underlying} cannot be computed: {why}"
    return OrderRefused(Reason("MARGIN_UNKNOWN", sentence, "Nothing was assumed; give the market source a spot."))
