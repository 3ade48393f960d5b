"""Whether every short of a position stays covered, now and with one more order filled. Pure."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal

from execution.legs import BasketLeg, Held, Slice
from market.contract import Contract, OptionType
from market.errors import Reason


def positions(legs: Sequence[BasketLeg], held: Held) -> dict[Contract, int]:
    """Return signed units by contract."""
    totals: dict[Contract, int] = {}
    for leg in legs:
        totals[leg.contract] = totals.get(leg.contract, 0) + held.get(leg.number, 0)
    return totals


def after(position: Mapping[Contract, int], piece: Slice) -> dict[Contract, int]:
    """Return the position as it would be with this order filled in full."""
    contract = piece.leg.contract
    return {**position, contract: position.get(contract, 0) + piece.side.sign * piece.quantity}


def uncovered_short(
    position: Mapping[Contract, int], *, cash_secured: bool = False, allow_naked: bool = False
) -> Reason | None:
    """Return why a position holds a short without cover, or None when every short is covered.

    A call is covered by a long call of the same underlying that does not expire sooner, or by shares; a put by
    such a long put, or by cash when `cash_secured`. A short share is never covered.

    Parameters
    ----------
    position : mapping of Contract to int
        Signed units, what is filled plus what is about to be sent.
    cash_secured : bool
        The strikes of all short puts are set aside in cash.
    allow_naked : bool
        The account may hold uncovered shorts.
    """
    if allow_naked:
        return None
    for underlying in sorted({contract.underlying for contract, units in position.items() if units < 0}):
        own = {contract: units for contract, units in position.items() if contract.underlying == underlying}
        shares = own.get(Contract(underlying), 0)
        if shares < 0:
            return _naked(f"{-shares} shares of {underlying} would be sold without being held.")
        calls = _shortfall(own, OptionType.CALL) - shares
        if calls > 0:
            return _naked(f"{calls} units of {underlying} calls would be short without a filled long call or shares.")
        puts = 0 if cash_secured else _shortfall(own, OptionType.PUT)
        if puts > 0:
            return _naked(f"{puts} units of {underlying} puts would be short without a filled long put.")
    return None


def _shortfall(position: Mapping[Contract, int], option_type: OptionType) -> int:
    """Units of short options beyond the long ones that live at least as long, at the worst expiry."""
    by_expiry: dict[date, int] = {}
    for contract, units in position.items():
        if contract.option_type is option_type and contract.expiry is not None:
            by_expiry[contract.expiry] = by_expiry.get(contract.expiry, 0) + units
    worst = running = 0
    for expiry in sorted(by_expiry, reverse=True):
        running += by_expiry[expiry]
        worst = max(worst, -running)
    return worst


def _naked(sentence: str) -> Reason:
    return Reason("NAKED_SHORT", sentence, "Add the covering leg, or let a person allow naked shorts on the account.")


def worst_at_expiry(position: Mapping[Contract, int], cash: Decimal) -> Decimal | None:
    """Return the most a position of one expiry can lose at it, rupees, or None when that is unlimited or unknown.

    Parameters
    ----------
    position : mapping of Contract to int
        Signed units.
    cash : Decimal
        Rupees received minus paid for it.

    Notes
    -----
    The payoff is a polyline with its corners at the strikes, so its minimum lies at a strike or at a spot of zero,
    or there is none when it falls beyond the last strike.
    """
    held = {contract: units for contract, units in position.items() if units}
    if len({contract.expiry for contract in held if contract.is_option}) > 1:
        return None
    if sum(units for contract, units in held.items() if contract.option_type is not OptionType.PUT) < 0:
        return None
    spots = [Decimal(0), *(Decimal(str(contract.strike)) for contract in held if contract.strike is not None)]
    return max(Decimal(0), -min(cash + _payoff(held, spot) for spot in spots))


def _payoff(position: Mapping[Contract, int], spot: Decimal) -> Decimal:
    return sum((units * _intrinsic(contract, spot) for contract, units in position.items()), Decimal(0))


def _intrinsic(contract: Contract, spot: Decimal) -> Decimal:
    if contract.strike is None:
        return spot
    above = spot - Decimal(str(contract.strike))
    return max(above if contract.option_type is OptionType.CALL else -above, Decimal(0))
