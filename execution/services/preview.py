"""Exactly what would be sent: every order in line, what is blocked after each, and one hash for all of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from execution.errors import BrokerError
from execution.services.gate import judged, order_request
from execution.services.plan_hash import plan_hash
from execution.services.preparation import BasketPreview, Desk, PlannedOrder, prepare_entry
from market.errors import OptionsError, Reason
from strategies.models import OptionStrategy

PREVIEWED = "preview"  # stands where the correlation id will: the real one names a run that does not exist yet


@dataclass(frozen=True, slots=True)
class Step:
    """One order of the sequence; `margin` is what the basket blocks once it has filled, None where unknown."""

    number: int
    order: PlannedOrder
    margin: Decimal | None


@dataclass(frozen=True, slots=True)
class Preview:
    """A plan with what a person must see of it; `hash` is what `execute_strategies --expect` takes."""

    plan: BasketPreview
    steps: tuple[Step, ...]
    hash: str
    margin_problem: Reason | None


def preview_of(strategy: OptionStrategy, desk: Desk) -> Preview:
    """What executing this strategy now would send; changes nothing and sends nothing."""
    return shown(judged(prepare_entry(strategy, desk), desk), desk)


def shown(plan: BasketPreview, desk: Desk) -> Preview:
    """The plan with the margin along its sequence."""
    margins, problem = _margins(plan.orders, desk)
    steps = tuple(Step(n, order, margins.get(n)) for n, order in enumerate(plan.orders, start=1))
    return Preview(plan, steps, plan_hash(plan), problem)


def _margins(orders: Sequence[PlannedOrder], desk: Desk) -> tuple[dict[int, Decimal], Reason | None]:
    """After each order what all so far block together; the first failed answer ends the asking."""
    found: dict[int, Decimal] = {}
    requests = [order_request(order, PREVIEWED) for order in orders]
    for count in range(1, len(requests) + 1):
        try:
            found[count] = desk.broker.margin(requests[:count]).total
        except (BrokerError, OptionsError) as error:
            return found, error.reason
    return found, None
