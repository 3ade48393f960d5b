"""The fills of one order as rows, each written once."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from django.db import connection

from execution.models import ExecutionRun, LegOrder
from execution.ports import BrokerTrade, OrderStatus
from execution.services.listing import ListedLeg
from execution.services.preparation import order_charges
from market.contract import Side

# A fill that is known already keeps what it is; what the whole order cost may have grown with it.
_KEEP = """
INSERT INTO trades (strategy_id, leg_order_id, account_id, security_id, symbol, action, option_type, strike_price,
       expiry_date, order_status, product_type, purpose, order_id, trade_number, quantity, price, timestamp, charges)
VALUES (%s, %s, %s, %s, %s, %s, %s, (SELECT strike_price FROM strategy_details WHERE id = %s),
       %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (account_id, order_id, trade_number) DO UPDATE SET charges = excluded.charges
    WHERE %s AND trades.charges <> excluded.charges
"""


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
    about_the_order = (
        *(run.strategy_id, order.pk, run.account_id, order.security_id, order.symbol, order.side),
        *(contract.option_type.code if contract.option_type else None, order.leg_id, contract.expiry),
        *(OrderStatus.TRADED.value, listed.product.value, run.purpose),
    )
    with connection.cursor() as cursor:
        for number, trade in enumerate(trades):
            of_the_fill = trade.order_id, trade.trade_number, trade.quantity, trade.price, trade.traded_at
            first = number == 0
            cursor.execute(_KEEP, [*about_the_order, *of_the_fill, charges if first else Decimal(0), first])
