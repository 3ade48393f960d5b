"""Small builders: a request, its clearance, and Dhan's rows."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from execution.brokers.dhan.addresses import PracticeAccess
from execution.brokers.dhan.broker import SimulatorBroker
from execution.brokers.dhan.token import Credential
from execution.ports import ClearedOrder, OrderRequest, Validity
from market.contract import Contract, OptionType, Side

WHO = Credential("1100000001", "header.payload.signature")


@dataclass
class HandClock:
    """A clock that stands still until the test moves it."""

    moment: datetime = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
    seconds: float = 1_000.0
    on_read: list[Callable[[], None]] = field(default_factory=list)

    def now(self) -> datetime:
        return self.moment

    def elapsed(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def make_request(
    correlation_id: str = "P00000001a01-abcdef",
    *,
    side: Side = Side.BUY,
    quantity: int = 65,
    limit_price: str = "101.55",
    validity: Validity = Validity.IOC,
    **changes: Any,
) -> OrderRequest:
    terms: dict[str, Any] = {
        "correlation_id": correlation_id,
        "segment": "NSE_FNO",
        "security_id": "35084",
        "contract": Contract("NIFTY", date(2026, 11, 24), 25_650.0, OptionType.CALL),
        "side": side,
        "quantity": quantity,
        "limit_price": Decimal(limit_price),
        "tick_size": Decimal("0.05"),
        "lot_size": 65,
        "validity": validity,
    }
    return OrderRequest(**terms | changes)


def cleared(request: OrderRequest, at: float = 1_000.0) -> ClearedOrder:
    return ClearedOrder(request, at)


def practice_broker(url: str, clock: Any = None, **options: Any) -> SimulatorBroker:
    return SimulatorBroker(PracticeAccess(url, lambda: WHO), clock=clock or HandClock(), **options)


def order_row(**changes: Any) -> dict[str, Any]:
    """One row of Dhan's order book with synthetic ids."""
    row = {
        "dhanClientId": "1100000001",
        "orderId": "112111182198",
        "exchangeOrderId": "1100000012345678",
        "correlationId": "P00000001a01-abcdef",
        "orderStatus": "TRADED",
        "transactionType": "BUY",
        "exchangeSegment": "NSE_FNO",
        "productType": "MARGIN",
        "orderType": "LIMIT",
        "validity": "IOC",
        "tradingSymbol": "NIFTY-Nov2026-25650-CE",
        "securityId": "35084",
        "quantity": 65,
        "disclosedQuantity": 0,
        "price": 101.55,
        "triggerPrice": 0.0,
        "afterMarketOrder": False,
        "createTime": "2026-11-23 10:31:02",
        "updateTime": "2026-11-23 10:31:03",
        "exchangeTime": None,
        "drvOptionType": "CALL",
        "omsErrorCode": None,
        "omsErrorDescription": None,
        "remainingQuantity": 0,
        "averageTradedPrice": 101.5,
        "filledQty": 65,
    }
    return row | changes


def trade_row(**changes: Any) -> dict[str, Any]:
    row = {
        "orderId": "112111182198",
        "exchangeOrderId": "1100000012345678",
        "exchangeTradeId": "15112345",
        "transactionType": "BUY",
        "exchangeSegment": "NSE_FNO",
        "productType": "MARGIN",
        "securityId": "35084",
        "tradedQuantity": 65,
        "tradedPrice": 101.5,
        "createTime": "2026-11-23 10:31:02",
        "exchangeTime": "2026-11-23 10:31:03",
    }
    return row | changes


def position_row(**changes: Any) -> dict[str, Any]:
    row = {
        "dhanClientId": "1100000001",
        "tradingSymbol": "NIFTY-Nov2026-25650-CE",
        "securityId": "35084",
        "positionType": "LONG",
        "exchangeSegment": "NSE_FNO",
        "productType": "MARGIN",
        "buyQty": 65,
        "sellQty": 0,
        "netQty": 65,
    }
    return row | changes
