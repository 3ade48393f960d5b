"""The fills of one order as rows, each written once."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from execution.models import ExecutionRun, LegOrder, Trade
from execution.ports import BrokerTrade, OrderStatus
from execution.services.listing import ListedLeg
from execution.services.preparation import order_charges
from market.contract import Side


def keep_trades(
    order: LegOrder, trades: Sequence[BrokerTrade], listed: ListedLeg, run: ExecutionRun, day: date
) -> None:
    """One row per fill; the order's charges stand on its first fill, brokerage being per order."""
    total = sum(trade.quantity for trade in trades)
    if not total:
        return
    average = sum((trade.price * trade.quantity for trade in trades), Decimal(0)) / total
    charges = order_charges(listed, side=Side(order.side), price=average, quantity=total, day=day)
    contract = listed.leg.contract
    for number, trade in enumerate(trades):
        kept, _ = Trade.objects.get_or_create(
            account_id=run.account_id,
            order_id=trade.order_id,
            trade_number=trade.trade_number,
            defaults={
                "strategy_id": run.strategy_id,
                "leg_order": order,
                "security_id": order.security_id,
                "symbol": order.symbol,
                "action": order.side,
                "option_type": contract.option_type.code if contract.option_type else None,
                "strike": order.leg.strike,
                "expiry": contract.expiry,
                "quantity": trade.quantity,
                "price": trade.price,
                "order_status": OrderStatus.TRADED.value,
                "product_type": listed.product.value,
                "purpose": run.purpose,
                "timestamp": trade.traded_at,
            },
        )
        if number == 0 and kept.charges != charges:
            Trade.objects.filter(pk=kept.pk).update(charges=charges)
