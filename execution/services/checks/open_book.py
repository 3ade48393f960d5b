"""What is open on an account at one moment, read at once: several checks look at it, and each read of it is dear."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from allocation.models import Account
from execution.lifecycle import RunState
from execution.models import ExecutionRun, Position, RunPurpose
from strategies.models import OptionStrategy

ZERO = Decimal(0)

# The view is added up once; a flat leg of a strategy that still holds another one belongs to what was made of it.
_POSITIONS = """
WITH of_account AS MATERIALIZED (SELECT * FROM v_positions WHERE account_id = %s)
SELECT * FROM of_account WHERE strategy_id IN (
    SELECT strategy_id FROM of_account WHERE quantity <> 0
    UNION SELECT strategy_id FROM trades WHERE account_id = %s AND timestamp >= %s
)
"""


@dataclass(frozen=True, slots=True)
class OpenBook:
    """Positions by strategy of all that holds something or traded since a moment, and which entries are under way."""

    positions: Mapping[int, Sequence[Position]]
    entering: frozenset[int]
    strategies: Mapping[int, OptionStrategy]

    def others(self, but: OptionStrategy) -> list[OptionStrategy]:
        """What holds something or has an entry under way, without this one."""
        holding = {number for number, rows in self.positions.items() if any(row.quantity for row in rows)}
        return [self.strategies[number] for number in sorted((holding | self.entering) - {but.pk})]


def read_book(account: Account, *, since: datetime) -> OpenBook:
    """Everything open now or traded since (four queries)."""
    positions: dict[int, list[Position]] = {}
    for row in Position.objects.raw(_POSITIONS, [account.pk, account.pk, since]):
        positions.setdefault(row.strategy_id, []).append(row)
    entries = ExecutionRun.objects.open().filter(account=account, purpose=RunPurpose.ENTRY)
    under_way = entries.exclude(state__in=[RunState.CREATED, RunState.PRECHECK])
    entering = frozenset(under_way.values_list("strategy_id", flat=True))
    strategies = OptionStrategy.objects.prefetch_related("legs").in_bulk({*positions, *entering})
    return OpenBook(positions, entering, strategies)
