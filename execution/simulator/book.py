"""What the exchange writes down: listed contracts, orders, fills, positions and the journal. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from execution.ports import OrderStatus
from market.contract import Contract, Side
from market.ports import Touch

ZERO = Decimal(0)

TouchOf = Callable[[str, str, datetime], Touch | None]
"""(segment, security id, moment) -> the touch, None where nobody quotes."""

ClosedReason = Callable[[str, datetime], str | None]
"""(segment, moment) -> why the market is closed, None while it is open."""


@dataclass(frozen=True, slots=True)
class Listing:
    """One line of the instrument master; prices in rupees, quantities in units."""

    segment: str
    security_id: str
    trading_symbol: str
    instrument: str  # OPTIDX, OPTSTK, FUTIDX, FUTSTK, EQUITY, INDEX
    lot_size: int
    tick_size: Decimal
    contract: Contract
    custom_symbol: str = ""
    expiry_flag: str = "NA"
    freeze_quantity: int | None = None  # the largest order
    lower_limit: Decimal | None = None
    upper_limit: Decimal | None = None

    @property
    def expiry(self) -> date | None:
        """The last day of trading, None for what does not expire."""
        return self.contract.expiry

    @property
    def is_option(self) -> bool:
        """True for options."""
        return self.contract.is_option


class Refused(Exception):
    """The front door said no: nothing became of the request."""

    def __init__(self, code: str, kind: str, sentence: str) -> None:
        super().__init__(f"{code} {kind}: {sentence}")
        self.code, self.kind, self.sentence = code, kind, sentence


@dataclass(frozen=True, slots=True)
class Ticket:
    """An order as it was asked for."""

    segment: str
    security_id: str
    side: Side
    quantity: int
    price: Decimal
    correlation_id: str = ""
    order_type: str = "LIMIT"  # LIMIT, MARKET, STOP_LOSS
    product: str = "MARGIN"
    validity: str = "DAY"
    trigger_price: Decimal = ZERO
    disclosed_quantity: int = 0
    after_market: bool = False
    source: str = "P"  # P: the API; N: a person's app; R: the broker's risk desk
    leg_name: str = ""
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Fate:
    """What goes wrong with one order after it was taken."""

    reject: str = ""  # the exchange's text
    share: float | None = None  # at most this share of it ever fills; 0.0: nothing
    stays_in_transit: bool = False
    hidden_seconds: float = 0.0  # how long book and lookup do not show it
    overfill_lots: int = 0  # units beyond the order, when it is complete
    fills_on_cancel: bool = False
    loses_cancel: bool = False


ORDINARY = Fate()


class Happening(StrEnum):
    """What the journal can say."""

    SUBMITTED = "SUBMITTED"  # the front door took it
    REFUSED = "REFUSED"  # the front door did not
    CONFIRMED = "CONFIRMED"  # it rests at the exchange
    TRIGGERED = "TRIGGERED"
    TRADED = "TRADED"
    REJECTED = "REJECTED"
    MODIFY_ASKED = "MODIFY_ASKED"
    MODIFIED = "MODIFIED"
    MODIFY_FAILED = "MODIFY_FAILED"
    CANCEL_ASKED = "CANCEL_ASKED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    SWITCHED = "SWITCHED"  # kill switch
    NOTED = "NOTED"  # anything the server or a test adds


class Entry(NamedTuple):
    """One line of the journal; `filled` is what the order has in total after it, `units` what this fill added."""

    number: int
    at: datetime
    kind: Happening
    order_id: str
    correlation_id: str
    segment: str
    security_id: str
    side: Side | None
    status: OrderStatus | None
    quantity: int
    filled: int
    units: int
    price: Decimal | None
    source: str
    note: str


class Trade(NamedTuple):
    """One fill."""

    number: str
    order_id: str
    units: int
    price: Decimal
    at: datetime


class Mark(NamedTuple):
    """How an order stood from a moment on; kept so that a stale book can be shown."""

    at: datetime
    status: OrderStatus
    quantity: int
    price: Decimal
    filled: int
    value: Decimal


@dataclass(slots=True, eq=False)
class Order:
    """One order as the exchange keeps it; only the exchange changes it."""

    order_id: str
    exchange_order_id: str
    ticket: Ticket
    listing: Listing
    fate: Fate
    created_at: datetime
    visible_at: datetime
    status: OrderStatus
    quantity: int
    price: Decimal
    order_type: str
    trigger_price: Decimal
    updated_at: datetime
    reached_at: datetime | None = None  # when the exchange confirmed it
    filled: int = 0
    value: Decimal = ZERO  # sum of price times units
    answered_at: datetime | None = None  # when the exchange deals with the newest request about it
    modifications: int = 0
    triggered: bool = False
    error_code: str = ""
    error_text: str = ""
    last_price: Decimal = ZERO
    marks: list[Mark] = field(default_factory=list)

    @property
    def correlation_id(self) -> str:
        """The name its sender gave it, or nothing."""
        return self.ticket.correlation_id

    @property
    def side(self) -> Side:
        """BUY or SELL."""
        return self.ticket.side

    @property
    def is_live(self) -> bool:
        """True while something can still happen to it."""
        return not self.status.is_final

    @property
    def remaining(self) -> int:
        """Units that are not filled; never negative."""
        return max(self.quantity - self.filled, 0)

    @property
    def average_price(self) -> Decimal:
        """Rupees per filled unit, 0 while nothing filled."""
        return self.value / self.filled if self.filled else ZERO

    def as_of(self, moment: datetime) -> "Order | None":
        """The order as the book showed it then; None when it was not there yet."""
        mark = next((mark for mark in reversed(self.marks) if mark.at <= moment), None)
        if mark is None:
            return None
        return Order(
            self.order_id,
            self.exchange_order_id,
            self.ticket,
            self.listing,
            self.fate,
            self.created_at,
            self.visible_at,
            mark.status,
            mark.quantity,
            mark.price,
            self.order_type,
            self.trigger_price,
            mark.at,
            filled=mark.filled,
            value=mark.value,
        )


@dataclass(slots=True, eq=False)
class Position:
    """What the account did in one security and product; quantities in units."""

    listing: Listing
    product: str
    buy_quantity: int = 0
    sell_quantity: int = 0
    buy_value: Decimal = ZERO
    sell_value: Decimal = ZERO
    carried: int = 0  # signed, from earlier days
    carried_price: Decimal = ZERO

    @property
    def net_quantity(self) -> int:
        """Signed units held."""
        return self.carried + self.buy_quantity - self.sell_quantity

    @property
    def cost_price(self) -> Decimal:
        """Rupees per unit that the open side cost, carried units first."""
        if self.carried or not self.net_quantity:
            return self.carried_price
        if self.net_quantity > 0:
            return self.buy_value / self.buy_quantity
        return self.sell_value / self.sell_quantity

    def add(self, side: Side, units: int, value: Decimal) -> None:
        """Count a fill."""
        if side is Side.BUY:
            self.buy_quantity += units
            self.buy_value += value
        else:
            self.sell_quantity += units
            self.sell_value += value


class Account(NamedTuple):
    """What the account may spend, rupees."""

    opening: Decimal
    cash: Decimal  # received minus paid by every fill
    blocked: Decimal  # margin of shorts, and what live orders would need
    available: Decimal


@dataclass(frozen=True, slots=True)
class Rules:
    """How this exchange behaves; the defaults are Dhan's as far as they are known."""

    transit_seconds: tuple[float, float] = (0.02, 0.08)  # from the front door to the exchange
    answer_seconds: tuple[float, float] = (0.02, 0.08)  # for a modification or a cancellation to take effect
    duplicates_refused: bool = False
    modify_quantity: str = "total"  # or "pending": what the quantity of a modification means
    most_modifications: int = 25
    longest_correlation: int = 25  # 26 characters were seen refused with DH-905 (reliability.md 0.2)
    check_hours: bool = True
    check_margin: bool = True
    check_prices: bool = True  # limit price protection and the day's band
    stop_loss_market: bool = False  # refused as it is live: DH-906
