"""Changes of a strategy, each one conditional UPDATE of exactly one row, by the table."""

import logging
from datetime import datetime

from execution.errors import LostRace
from execution.lifecycle import PROJECTION, STRATEGY_TABLE, StrategyEvent, StrategyState, advance
from market.errors import Reason
from strategies.models import OptionStrategy

logger = logging.getLogger(__name__)

_STATES = {columns: state for state, columns in PROJECTION.items()}


def move_strategy(
    strategy: OptionStrategy, event: StrategyEvent, *, note: str | None = None, executed_at: datetime | None = None
) -> None:
    """Change the state of a strategy in the two columns of the contract; the trigger writes the audit row."""
    before = state_of(strategy)
    status, detail = PROJECTION[advance(STRATEGY_TABLE, before, event)]
    changes: dict[str, object] = {"execution_status": status, "execution_detail": detail}
    if note is not None:
        changes["execution_notes"] = note
    if executed_at is not None:
        changes["executed_at"] = executed_at
    row = OptionStrategy.objects.filter(
        pk=strategy.pk, execution_status=strategy.execution_status, execution_detail=strategy.execution_detail
    )
    if row.update(**changes) != 1:
        raise LostRace(Reason("LOST_RACE", f"Strategy {strategy.pk} was changed by somebody else."))
    for name, value in changes.items():
        setattr(strategy, name, value)
    logger.info("strategy %s %s -> %s %s", strategy.pk, before, event, note or "")


def state_of(strategy: OptionStrategy) -> StrategyState:
    """Read the two columns; a detail that does not belong to the status is history, not state."""
    status = strategy.execution_status
    found = _STATES.get((status, strategy.execution_detail))
    return found if found is not None else _STATES[status, ""]
