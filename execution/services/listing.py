"""Which instrument of the master each leg of a strategy is, and in what lots it is sent."""

import logging
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from execution.basket import BasketLeg, order_limit
from execution.errors import ExecutionDenied
from execution.ports import Product
from market.calendar import IST
from market.contract import Contract
from market.errors import BadMaster, OptionsError, Reason
from market.models import Instrument, Underlying
from market.rulebook import freeze_quantity
from market.services.instruments import current_master, master_status, resolve_all
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
    """Resolve every leg against the master or raise for the whole basket; `leaving` needs only a last good master."""
    rows = list(strategy.legs.select_related("strategy").order_by("leg_number"))
    if not rows:
        raise ExecutionDenied(Reason("NO_LEGS", f"Strategy {strategy.pk} has no legs."))
    _require_master(strategy, leaving=leaving)
    exchange = Underlying.objects.filter(symbol=strategy.stock_name).values_list("exchange", flat=True).first()
    day = as_of.astimezone(IST).date()
    instruments = resolve_all([row.contract for row in rows], as_of=day, exchange=exchange)
    return [_listed(strategy, row, instruments[row.contract], as_of) for row in rows]


def _require_master(strategy: OptionStrategy, *, leaving: bool) -> None:
    """A refused newer master stops what opens risk; getting out goes on with the last good one, still in the table."""
    try:
        current_master()
    except BadMaster as error:
        if not leaving or master_status().current is None:
            raise
        logger.warning("strategy %s is left on the last good master: %s", strategy.pk, error.reason)


def _listed(strategy: OptionStrategy, row: StrategyLeg, instrument: Instrument, as_of: datetime) -> ListedLeg:
    contract = row.contract
    lot = instrument.lot_size if contract.is_option else strategy.lot_size
    if lot is None:
        raise ExecutionDenied(Reason("LOT", f"The lot size of {strategy.stock_name} was not recorded."))
    quantity = row.lots * lot * strategy.sets
    limit = (
        order_limit(lot_size=lot, freeze_quantity=_freeze(instrument, contract, as_of))
        if contract.is_option
        else quantity
    )
    return ListedLeg(
        row_id=row.pk,
        leg=BasketLeg(row.leg_number, contract, row.side, quantity, lot, limit),
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
