"""The JSON objects of orders, trades and positions, field for field as Dhan's (dhan.md 4.1, 4.5, section 7). Pure."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from execution.ports import OrderStatus
from execution.simulator.book import Entry, Happening, Listing, Order, Position, Trade
from execution.simulator.wire import Json, number
from market.calendar import IST
from market.contract import OptionType, Side

_STAMP = "%Y-%m-%d %H:%M:%S"
_PRODUCT_LETTERS = {"CNC": "C", "INTRADAY": "I", "MARGIN": "M", "MTF": "F", "CO": "V", "BO": "B"}
_TYPE_LETTERS = {"LIMIT": "LMT", "MARKET": "MKT", "STOP_LOSS": "SL", "STOP_LOSS_MARKET": "SLM"}
_SEGMENT_LETTERS = {"EQ": "E", "FNO": "D", "CURRENCY": "C", "COMM": "M"}


def stamp(moment: datetime | None) -> str | None:
    """Indian wall time as text."""
    return None if moment is None else moment.astimezone(IST).strftime(_STAMP)


def accepted(order: Order) -> Json:
    """The answer to a request about an order."""
    return {"orderId": order.order_id, "orderStatus": order.status.value}


def order_row(order: Order, client_id: str) -> Json:
    """One row of the order book."""
    ticket = order.ticket
    return {
        "dhanClientId": client_id,
        "orderId": order.order_id,
        "exchangeOrderId": order.exchange_order_id if order.reached_at else None,
        "correlationId": ticket.correlation_id or None,
        "orderStatus": order.status.value,
        "transactionType": ticket.side.value,
        "exchangeSegment": ticket.segment,
        "productType": ticket.product,
        "orderType": order.order_type,
        "validity": ticket.validity,
        "tradingSymbol": order.listing.trading_symbol,
        "securityId": ticket.security_id,
        "quantity": order.quantity,
        "disclosedQuantity": ticket.disclosed_quantity,
        "price": number(order.price),
        "triggerPrice": number(order.trigger_price),
        "afterMarketOrder": ticket.after_market,
        "boProfitValue": 0.0,
        "boStopLossValue": 0.0,
        "legName": ticket.leg_name or None,
        "createTime": stamp(order.created_at),
        "updateTime": stamp(order.updated_at),
        "exchangeTime": stamp(order.reached_at),
        **derivative(order.listing),
        "omsErrorCode": order.error_code or None,
        "omsErrorDescription": order.error_text or None,
        "algoId": None,
        "remainingQuantity": order.remaining,
        "averageTradedPrice": number(round(order.average_price, 4)),
        "filledQty": order.filled,
    }


def trade_row(trade: Trade, order: Order, client_id: str) -> Json:
    """One row of the trade book."""
    ticket = order.ticket
    return {
        "dhanClientId": client_id,
        "orderId": trade.order_id,
        "exchangeOrderId": order.exchange_order_id,
        "exchangeTradeId": trade.number,
        "transactionType": ticket.side.value,
        "exchangeSegment": ticket.segment,
        "productType": ticket.product,
        "orderType": order.order_type,
        "tradingSymbol": order.listing.trading_symbol,
        "customSymbol": order.listing.custom_symbol,
        "securityId": ticket.security_id,
        "tradedQuantity": trade.units,
        "tradedPrice": number(trade.price),
        "createTime": stamp(order.created_at),
        "updateTime": stamp(trade.at),
        "exchangeTime": stamp(trade.at),
        **derivative(order.listing),
    }


def position_row(position: Position, client_id: str, last_price: Decimal | None) -> Json:
    """One row of the position book; only netQty is signed."""
    net = position.net_quantity
    bought, sold = max(position.carried, 0), max(-position.carried, 0)
    buys, sells = position.buy_quantity + bought, position.sell_quantity + sold
    buy_value = position.buy_value + bought * position.carried_price
    sell_value = position.sell_value + sold * position.carried_price
    buy_average = buy_value / buys if buys else Decimal(0)
    sell_average = sell_value / sells if sells else Decimal(0)
    cost = buy_average if net > 0 else sell_average
    gain = (last_price - cost) * net if last_price is not None and net else Decimal(0)
    return {
        "dhanClientId": client_id,
        "tradingSymbol": position.listing.trading_symbol,
        "securityId": position.listing.security_id,
        "positionType": "LONG" if net > 0 else "SHORT" if net < 0 else "CLOSED",
        "exchangeSegment": position.listing.segment,
        "productType": position.product,
        "buyAvg": number(round(buy_average, 4)),
        "costPrice": number(round(cost, 4)),
        "buyQty": buys,
        "sellAvg": number(round(sell_average, 4)),
        "sellQty": sells,
        "netQty": net,
        "realizedProfit": number(min(buys, sells) * (sell_average - buy_average)),
        "unrealizedProfit": number(gain),
        "rbiReferenceRate": 1.0,
        "multiplier": 1,
        "carryForwardBuyQty": bought,
        "carryForwardSellQty": sold,
        "carryForwardBuyValue": number(bought * position.carried_price),
        "carryForwardSellValue": number(sold * position.carried_price),
        "dayBuyQty": position.buy_quantity,
        "daySellQty": position.sell_quantity,
        "dayBuyValue": number(position.buy_value),
        "daySellValue": number(position.sell_value),
        **derivative(position.listing, nothing="0001-01-01"),
        "crossCurrency": False,
    }


def derivative(listing: Listing, nothing: str | None = None) -> dict[str, Json]:
    """Expiry, type and strike; CALL and PUT in REST answers."""
    contract = listing.contract
    return {
        "drvExpiryDate": nothing if contract.expiry is None else contract.expiry.isoformat(),
        "drvOptionType": None if contract.option_type is None else contract.option_type.value,
        "drvStrikePrice": contract.strike or 0.0,
    }


def order_alert(entry: Entry, order: Order, client_id: str) -> dict[str, Json]:
    """The fields of an order update, in the documented PascalCase."""
    ticket, listing = order.ticket, order.listing
    exchange, _, kind = ticket.segment.partition("_")
    status = OrderStatus.PENDING if entry.status is None else entry.status
    return {
        "Exchange": exchange,
        "Segment": _SEGMENT_LETTERS.get(kind, "E"),
        "Source": ticket.source,
        "SecurityId": ticket.security_id,
        "ClientId": client_id,
        "ExchOrderNo": order.exchange_order_id if order.reached_at else "",
        "OrderNo": order.order_id,
        "Product": _PRODUCT_LETTERS.get(ticket.product, "M"),
        "TxnType": "B" if ticket.side is Side.BUY else "S",
        "OrderType": _TYPE_LETTERS.get(order.order_type, "LMT"),
        "Validity": ticket.validity,
        "DiscQuantity": ticket.disclosed_quantity,
        "DiscQtyRem": 0,
        "RemainingQuantity": max(entry.quantity - entry.filled, 0),
        "Quantity": entry.quantity,
        "TradedQty": entry.filled,
        "Price": number(order.price),
        "TriggerPrice": number(order.trigger_price),
        "TradedPrice": number(entry.price) if entry.kind is Happening.TRADED else 0.0,
        "AvgTradedPrice": number(round(order.average_price, 4)),
        "AlgoOrdNo": "",
        "OffMktFlag": "1" if ticket.after_market else "0",
        "OrderDateTime": stamp(order.created_at),
        "ExchOrderTime": stamp(order.reached_at or order.created_at),
        "LastUpdatedTime": stamp(entry.at),
        "Remarks": ticket.remark or "NR",
        "MktType": "NL",
        "ReasonDescription": entry.note if status is OrderStatus.REJECTED else "CONFIRMED",
        "LegNo": 1,
        "Instrument": listing.instrument,
        "Symbol": listing.contract.underlying,
        "ProductName": ticket.product,
        "Status": status.value.title(),
        "LotSize": listing.lot_size,
        "StrikePrice": listing.contract.strike or 0.0,
        "ExpiryDate": f"{listing.expiry} 14:30:00" if listing.expiry else "0001-01-01 00:00:00",
        "OptType": _option_code(listing.contract.option_type),
        "DisplayName": listing.custom_symbol,
        "Isin": "NA",
        "Series": "XX",
        "GoodTillDaysDate": stamp(order.created_at),
        "RefLtp": number(order.last_price),
        "TickSize": number(listing.tick_size),
        "AlgoId": "0",
        "Multiplier": 1,
        "CorrelationId": ticket.correlation_id,
    }


def _option_code(option_type: OptionType | None) -> str:
    return "XX" if option_type is None else option_type.code


def recased(row: dict[str, Json], change: Callable[[str], str]) -> dict[str, Json]:
    """The same row with other keys."""
    return {change(key): value for key, value in row.items()}


def camel(key: str) -> str:
    """First letter lowered, as the live socket writes it."""
    return key[:1].lower() + key[1:]
