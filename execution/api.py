"""REST: the queue, the trades and what is held."""

from datetime import date, datetime

from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Field, Query, Router, Schema

from execution.models import Position, Trade
from strategies.models import QueuedStrategy

router = Router(tags=["execution"])


class QueuedOut(Schema):
    """A row of v_execution_queue."""

    id: int
    stock_name: str
    strategy_name: str
    total_score: float
    conviction_level: str
    execution_priority: int
    execution_status: str
    execution_notes: str | None


class TradeOut(Schema):
    """One fill; quantity in units, price in rupees per unit."""

    id: int
    strategy_id: int
    order_id: str
    security_id: str
    symbol: str
    action: str
    quantity: int
    price: float
    order_status: str
    timestamp: datetime


class PositionOut(Schema):
    """What the trades of one strategy add up to in one contract; quantity in units, signed."""

    strategy_id: int
    security_id: str
    symbol: str
    option_type: str | None
    strike_price: float | None = Field(alias="strike")
    expiry: date | None
    quantity: int
    cash: float
    charges: float


class Page(Schema):
    """Which part of a list."""

    limit: int = Field(50, ge=1, le=500)
    offset: int = Field(0, ge=0, le=1_000_000)


@router.get("/queue", response=list[QueuedOut])
def read_queue(request: HttpRequest, page: Query[Page]) -> QuerySet[QueuedStrategy]:
    """What will be executed, in order."""
    return QueuedStrategy.objects.all()[page.offset : page.offset + page.limit]


@router.get("/trades", response=list[TradeOut])
def read_trades(request: HttpRequest, page: Query[Page]) -> QuerySet[Trade]:
    """Fills, newest first."""
    return Trade.objects.all()[page.offset : page.offset + page.limit]


@router.get("/positions", response=list[PositionOut])
def read_positions(request: HttpRequest, page: Query[Page]) -> QuerySet[Position]:
    """What is held now."""
    held = Position.objects.exclude(quantity=0).order_by("strategy_id", "id")
    return held[page.offset : page.offset + page.limit]
