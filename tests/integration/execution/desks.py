"""Desks whose broker a test watches, scripts or cuts off, and the ways to let them work."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from execution.clock import SteppedClock
from execution.errors import ReadFailed
from execution.ports import BrokerOrder, ClearedOrder, OrderRequest, Placed
from execution.services.outcomes import RunResult, result_of
from execution.services.paper_ledger import build_paper_broker
from execution.services.positions import MonitorReport, monitor_positions
from execution.services.preparation import BasketPreview, Desk
from execution.services.preview import preview_of
from execution.services.runs import execute_queue, execute_strategy, open_entry
from execution.services.trading import trading
from market.errors import Reason
from strategies.models import OptionStrategy

SAID = Reason("SAID", "The broker said so.")

Answer = Exception | type[BaseException] | None


class PowerCut(BaseException):
    """Nothing in our code may catch this."""


class Spy:
    """Passes everything to the paper broker; a script may act before or after each place(), or lie in both reads;
    a deaf one answers no read once an order was placed.
    """

    def __init__(
        self, broker: Any, *, before: Any = None, after: Any = None, lie: Any = None, deaf: bool = False
    ) -> None:
        self._broker, self._before, self._after, self._lie, self._deaf = broker, before, after, lie, deaf
        self.name, self.mode = broker.name, broker.mode
        self.placed: list[OrderRequest] = []

    def place(self, order: ClearedOrder) -> Placed:
        self.placed.append(order.request)
        if self._before:
            self._before(order.request)
        answer: Placed = self._broker.place(order)
        if self._after:
            self._after(order.request)
        return answer

    def orders(self) -> list[BrokerOrder]:
        self._hear()
        return [told for order in self._broker.orders() if (told := self._told(order)) is not None]

    def order_by_correlation(self, name: str) -> BrokerOrder | None:
        self._hear()
        found = self._broker.order_by_correlation(name)
        return None if found is None else self._told(found)

    def _hear(self) -> None:
        if self._deaf and self.placed:
            raise ReadFailed(SAID)

    def _told(self, order: BrokerOrder) -> BrokerOrder | None:
        return self._lie(order) if self._lie else order

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)


def answering(desk: Desk, *answers: Answer) -> Desk:
    """The desk with a broker whose first answers to place() are these; None, or none left, is the real one."""
    script: Iterator[Answer] = iter(answers)

    def act(_: OrderRequest) -> None:
        answer = next(script, None)
        if answer is not None:
            raise answer

    return replace(desk, broker=Spy(desk.broker, before=act))


def watched(desk: Desk, **script: Any) -> tuple[Desk, Spy]:
    """The desk with a spy at its broker, and the spy."""
    spy = Spy(desk.broker, **script)
    return replace(desk, broker=spy), spy


def cut(*_: Any) -> None:
    raise PowerCut


def at(desk: Desk, moment: datetime) -> Desk:
    """Another desk of the account at another moment."""
    clock = SteppedClock(moment)
    broker = build_paper_broker(account=desk.account, market=desk.market, clock=clock)
    return Desk(broker, desk.market, desk.account, clock)


def planned(strategy: OptionStrategy, desk: Desk) -> BasketPreview:
    """What executing it now would send, and what stands against it."""
    return preview_of(strategy, desk).plan


def run_queue(desk: Desk, **options: Any) -> list[RunResult]:
    return execute_queue(desk, **options)


def execute(strategy_id: int, desk: Desk, **options: Any) -> RunResult | None:
    with trading(desk) as leader:
        leader.reconcile()
        return execute_strategy(strategy_id, leader=leader, **options)


def monitor(desk: Desk) -> MonitorReport:
    return monitor_positions(desk)


def work_for(longest: float, desk: Desk, *, strategy_id: int | None = None) -> list[RunResult]:
    """Begin this strategy if one is named, then drive everything open at most so many seconds of the clock."""
    with trading(desk) as leader:
        leader.reconcile()
        if strategy_id is not None:
            open_entry(strategy_id, desk)
        runs = leader.movable()
        leader.until_quiet(longest)
        return [result_of(run) for run in runs]
