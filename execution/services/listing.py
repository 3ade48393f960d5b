"""Which instrument of the master each leg of a strategy is, and in what lots it is sent."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from execution.errors import ExecutionDenied
from execution.legs import BasketLeg, order_limit
from execution.ports import Product
from market.calendar import IST
from market.contract import Contract, Side
from market.errors import BadMaster, OptionsError, Reason
from market.models import Instrument, Underlying
from market.rulebook import freeze_quantity
from market.services.instruments import current_master, master_status
from market.services.resolve import resolve_all
from strategies.models import OptionStrategy, StrategyLeg

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ListedLeg:
    """One leg with the instrument that today's master names for it."""

    row_id: int
    leg: BasketLeg
    exchange: str
    segment: str
    security_id: str
    symbol: str
    tick: Decimal

    @property
    def product(self) -> Product:
        """Shares are taken into delivery, derivatives go on margin."""
        return Product.MARGIN if self.leg.contract.is_option else Product.CNC

    @property
    def unit_lot(self) -> int:
        """The lot the exchange counts in: one for a share."""
        return self.leg.lot_size if self.leg.contract.is_option else 1


def listed_legs(strategy: OptionStrategy, as_of: datetime, *, leaving: bool = False) -> list[ListedLeg]:
    """Resolve every leg against the master or raise for the whole basket.

    `leaving` names the basket that was sent: it needs only a last good master, and its lots are those of the entry.
    """
    rows = _rows(strategy)
    instruments = _instruments(strategy, rows, as_of, leaving=leaving)
    found = []
    for row in rows:
        lot = _lot(strategy, instruments[row.contract], row.contract)
        sent = strategy.lot_size if leaving and strategy.lot_size is not None else lot
        quantity = row.lots * sent * strategy.sets
        found.append(_listed(row, instruments[row.contract], as_of, side=row.side, quantity=quantity, lot=lot))
    return found


def closing_legs(strategy: OptionStrategy, units: Mapping[Contract, int], as_of: datetime) -> list[ListedLeg]:
    """The legs of the basket that brings these signed units to nothing; raises when one is of no leg's contract."""
    rows: dict[Contract, StrategyLeg] = {}
    for row in _rows(strategy):
        if units.get(row.contract):
            rows.setdefault(row.contract, row)
    strange = [contract for contract, held in units.items() if held and contract not in rows]
    if strange:
        sentence = f"{units[strange[0]]} {strange[0]} are held under strategy {strategy.pk}, which has no such leg."
        raise ExecutionDenied(Reason("HELD_ELSEWHERE", sentence, "Correct the trades by hand."))
    if not rows:
        raise ExecutionDenied(Reason("NOTHING_HELD", f"Nothing is held under strategy {strategy.pk}."))
    instruments = _instruments(strategy, list(rows.values()), as_of, leaving=True)
    found = []
    for contract, row in rows.items():
        lot = instruments[contract].lot_size if contract.is_option else 1
        side = Side.SELL if units[contract] > 0 else Side.BUY
        found.append(_listed(row, instruments[contract], as_of, side=side, quantity=abs(units[contract]), lot=lot))
    return found


def _rows(strategy: OptionStrategy) -> list[StrategyLeg]:
    rows = list(strategy.legs.order_by("leg_number"))
    if not rows:
        raise ExecutionDenied(Reason("NO_LEGS", f"Strategy {strategy.pk} has no legs."))
    return rows


def _instruments(
    strategy: OptionStrategy, rows: Sequence[StrategyLeg], as_of: datetime, *, leaving: bool
) -> dict[Contract, Instrument]:
    _require_master(strategy, leaving=leaving)
    exchange = Underlying.objects.filter(symbol=strategy.stock_name).values_list("exchange", flat=True).first()
    day = as_of.astimezone(IST).date()
    return resolve_all([row.contract for row in rows], as_of=day, exchange=exchange)


def _require_master(strategy: OptionStrategy, *, leaving: bool) -> None:
    """A refused newer master stops what opens risk; getting out goes on with the last good one, still in the table."""
    try:
        current_master()
    except BadMaster as error:
        if not leaving or master_status().current is None:
            raise
        logger.warning("strategy %s is left on the last good master: %s", strategy.pk, error.reason)


def _lot(strategy: OptionStrategy, instrument: Instrument, contract: Contract) -> int:
    """The lot a leg is counted in today; a share comes in the lots of its options."""
    lot = instrument.lot_size if contract.is_option else strategy.lot_size
    if lot is None:
        raise ExecutionDenied(Reason("LOT", f"The lot size of {strategy.stock_name} was not recorded."))
    return lot


def _listed(
    row: StrategyLeg, instrument: Instrument, as_of: datetime, *, side: Side, quantity: int, lot: int
) -> ListedLeg:
    contract = row.contract
    limit = (
        order_limit(lot_size=lot, freeze_quantity=_freeze(instrument, contract, as_of))
        if contract.is_option
        else quantity
    )
    return ListedLeg(
        row_id=row.pk,
        leg=BasketLeg(row.leg_number, contract, side, quantity, lot, limit),
        exchange=instrument.exchange,
        segment=instrument.segment,
        security_id=instrument.security_id,
        symbol=instrument.custom_symbol or instrument.trading_symbol,
        tick=instrument.tick_size,
    )


def _freeze(instrument: Instrument, contract: Contract, as_of: datetime) -> int | None:
    """The master's freeze quantity, else the rulebook's, else unknown."""
    if instrument.freeze_quantity is not None:
        return instrument.freeze_quantity
    try:
        return freeze_quantity(contract.underlying, as_of=as_of.astimezone(IST).date())
    except OptionsError:
        return None
