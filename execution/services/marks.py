"""What an open strategy would come to if it were closed now."""

from collections.abc import Iterable
from decimal import Decimal

from execution import checks
from execution.errors import ExecutionDenied
from execution.models import Position
from execution.services.preparation import Desk, contract_of
from strategies.models import OptionStrategy

PAISA = Decimal("0.01")


def profit_at_touch(strategy: OptionStrategy, desk: Desk, rows: Iterable[Position] | None = None) -> Decimal:
    """Rupees if everything were closed at the touch now, after the charges paid so far; raises on any missing price.

    `rows` are its positions where the caller has read them.
    """
    total = Decimal(0)
    for row in Position.objects.filter(strategy=strategy, account=desk.account) if rows is None else rows:
        total += row.cash - row.charges
        if row.quantity:
            total += row.quantity * _way_out(strategy, row, desk)
    return total.quantize(PAISA)


def _way_out(strategy: OptionStrategy, row: Position, desk: Desk) -> Decimal:
    """The opposite touch: what a long would be sold at, a short bought back at."""
    contract = contract_of(strategy, row)
    touch = desk.market.touch(contract, as_of=desk.as_of)
    unusable = checks.quote_unusable(contract, touch, desk.as_of)
    if unusable is not None:
        raise ExecutionDenied(unusable)
    return touch.bid if row.quantity > 0 else touch.ask
