"""What a restarted process does with a run that another one left: look up first, send nothing twice, hinder nobody."""

import logging
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from execution.errors import OrderRefused, OutcomeUnknown
from execution.models import ExecutionRun, LegOrder, StrategyMark
from execution.ports import BrokerOrder, OrderRequest, Placed
from execution.services.orders import send, write_intent
from execution.services.positions import MonitorReport, monitor_positions
from execution.services.preparation import Desk, prepare_entry
from execution.services.runs import execute_queue
from execution.services.trader import in_turn
from execution.services.transitions import state_of
from market.contract import Contract, OptionType
from market.errors import OptionsError, Reason
from strategies.models import OptionStrategy

EXPIRY = date(2026, 2, 24)
LOT = 500
THIRTY = (("SELL", 1050, "CE", 30), ("BUY", 1000, "CE", 30))  # more than the 20 lots one order may hold: two slices
SAID = Reason("SAID", "The broker said so.")

Make = Callable[..., OptionStrategy]


class PowerCut(BaseException):
    """Nothing in our code may catch this."""


class Scripted:
    """The paper broker, where each answer to place() may be replaced; an order it never took is not in its book."""

    def __init__(self, broker: Any, answers: Iterator[Exception | type[BaseException] | None]) -> None:
        self._broker, self._answers = broker, answers
        self.name, self.mode = broker.name, broker.mode
        self.placed: list[OrderRequest] = []

    def place(self, order: OrderRequest, *, now: datetime) -> Placed:
        self.placed.append(order)
        answer = next(self._answers, None)
        if answer is not None:
            raise answer
        return self._broker.place(order, now=now)

    def order_by_correlation(self, name: str, *, now: datetime) -> BrokerOrder | None:
        return self._broker.order_by_correlation(name, now=now)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)


def answering(desk: Desk, *answers: Exception | type[BaseException] | None) -> Desk:
    return Desk(Scripted(desk.broker, iter(answers)), desk.market, desk.account, desk.as_of)


def run_queue(desk: Desk) -> list[Any]:
    return execute_queue(as_of=desk.as_of, broker=desk.broker, market=desk.market, account=desk.account)


def monitor(desk: Desk) -> MonitorReport:
    return monitor_positions(as_of=desk.as_of, broker=desk.broker, market=desk.market, account=desk.account)


def call(strike: float) -> Contract:
    return Contract("ACME", EXPIRY, strike, OptionType.CALL)


def test_after_slice_1_filled_and_slice_2_unknown_nothing_is_sent_at_the_resume(
    desk: Desk, make_strategy: Make
) -> None:
    strategy = make_strategy(*THIRTY, max_loss=Decimal(301_500))
    # two slices bought, the sale refused, slice 1 of the unwind filled, the power cut while slice 2 is sent
    with pytest.raises(PowerCut):
        run_queue(answering(desk, None, None, OrderRefused(SAID), None, PowerCut))
    left = list(LegOrder.objects.order_by("id").values_list("side", "slice_number", "state"))[-2:]
    again = answering(desk)

    (result,) = run_queue(again)

    strategy.refresh_from_db()
    assert left == [("SELL", 1, "filled"), ("SELL", 2, "sending")]
    assert again.broker.placed == []
    assert (result.state, result.reason.code) == ("attention", "OUTCOME_UNKNOWN")
    assert (strategy.execution_status, strategy.execution_detail) == ("executing", "attention")
    assert LegOrder.objects.latest("id").state == "unknown"
    assert run_queue(again) == []


def test_an_exit_with_an_unknown_order_sends_nothing_at_the_resume(desk: Desk, make_strategy: Make) -> None:
    make_strategy(*THIRTY, max_loss=Decimal(301_500), levels={"time_exit_dte": 25})
    run_queue(desk)
    with pytest.raises(PowerCut):
        monitor(answering(desk, None, PowerCut))
    ExecutionRun.objects.filter(purpose="exit").update(state="settling")
    again = answering(desk)

    report = monitor(again)

    assert again.broker.placed == []
    assert [(one.state, one.reason.code) for one in report.resumed] == [("attention", "OUTCOME_UNKNOWN")]


def test_a_leg_with_a_live_order_gets_no_second_one_under_any_slice_number(desk: Desk, make_strategy: Make) -> None:
    strategy = make_strategy(*THIRTY, max_loss=Decimal(301_500))
    run = ExecutionRun.objects.create(strategy=strategy, account=desk.account, broker="paper", as_of=desk.as_of)
    first, second = prepare_entry(strategy, desk).orders[:2]
    assert (first.piece.leg, first.piece.number, second.piece.number) == (second.piece.leg, 1, 2)
    write_intent(run, first, desk)

    with pytest.raises(OptionsError) as refused:
        write_intent(run, second, desk)

    assert refused.value.reason.code == "LIVE_ORDER"
    assert LegOrder.objects.count() == 1


def test_a_leg_whose_order_has_ended_gets_its_next_one(desk: Desk, make_strategy: Make) -> None:
    strategy = make_strategy(*THIRTY, max_loss=Decimal(301_500))
    run = ExecutionRun.objects.create(strategy=strategy, account=desk.account, broker="paper", as_of=desk.as_of)
    first, second = prepare_entry(strategy, desk).orders[:2]
    send(write_intent(run, first, desk), first, desk)

    assert write_intent(run, second, desk).state == "intent"


def test_an_unknown_order_in_the_second_unwind_pass_ends_in_attention(desk: Desk, make_strategy: Make) -> None:
    strategy = make_strategy()
    # bought, sale refused, three refused attempts to take it back; then one whose answer is lost
    (stuck,) = run_queue(answering(desk, None, *[OrderRefused(SAID)] * 4))
    lost = answering(desk, OutcomeUnknown(SAID))

    (result,) = run_queue(lost)

    strategy.refresh_from_db()
    run = ExecutionRun.objects.get()
    assert (stuck.state, stuck.reason.code) == ("unwinding", "UNWIND_INCOMPLETE")
    assert (result.state, result.reason.code, run.state) == ("attention", "OUTCOME_UNKNOWN", "attention")
    assert (strategy.execution_status, state_of(strategy)) == ("executing", "attention")
    assert "OUTCOME_UNKNOWN" in strategy.execution_notes
    assert run_queue(lost) == []
    assert len(lost.broker.placed) == 1


def poisoned_run(strategy: OptionStrategy, desk: Desk) -> ExecutionRun:
    """A run whose books say that a leg of one lot bought two: nobody can say what is outstanding."""
    OptionStrategy.objects.claim(strategy.pk)
    run = ExecutionRun.objects.create(
        strategy=strategy, account=desk.account, broker="paper", state="buying", as_of=desk.as_of
    )
    LegOrder.objects.create(
        run=run, leg=strategy.legs.get(setup_type="BUY"), side="BUY", segment="NSE_FNO", security_id="10",
        symbol="ACME-1000-CE", quantity=2 * LOT, filled_quantity=2 * LOT, limit_price=40, state="filled",
        correlation_id="P-POISON",
    )  # fmt: skip
    return run


def test_a_run_that_raises_hinders_neither_the_queue_nor_the_other_runs(
    desk: Desk, make_strategy: Make, caplog: pytest.LogCaptureFixture
) -> None:
    run = poisoned_run(make_strategy(), desk)
    dead, waiting = make_strategy(), make_strategy()
    OptionStrategy.objects.claim(dead.pk)
    ExecutionRun.objects.create(strategy=dead, account=desk.account, broker="paper", as_of=desk.as_of)

    results = {result.strategy_id: result for result in run_queue(desk)}

    poison = results.pop(run.strategy_id)
    assert (poison.run_id, poison.state, poison.reason.code) == (run.pk, "buying", "OVERFILL")
    assert {pk: result.state for pk, result in results.items()} == {dead.pk: "denied", waiting.pk: "complete"}
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
    assert errors[0].startswith(f"strategy {run.strategy_id} cannot go on: OVERFILL")


def test_a_strategy_that_raises_does_not_stop_those_behind_it_in_the_queue(desk: Desk, make_strategy: Make) -> None:
    first, second = make_strategy(priority=9), make_strategy(priority=1)

    results = run_queue(answering(desk, OptionsError(SAID)))

    assert [(one.strategy_id, one.state) for one in results] == [(first.pk, "buying"), (second.pk, "complete")]
    assert results[0].reason == SAID


def test_an_exit_that_raises_is_told_and_does_not_stop_the_next_one(desk: Desk, make_strategy: Make) -> None:
    make_strategy(priority=9, levels={"time_exit_dte": 25})
    make_strategy(priority=1, levels={"time_exit_dte": 25})
    run_queue(desk)

    report = monitor(answering(desk, OptionsError(SAID)))

    assert [one.exit_run.state for one in report.watched] == ["buying", "complete"]
    assert report.watched[0].exit_run.reason == SAID


def test_a_poisoned_run_does_not_keep_positions_from_being_watched(desk: Desk, make_strategy: Make) -> None:
    poisoned_run(make_strategy(), desk)
    held = make_strategy()
    run_queue(desk)

    report = monitor(desk)

    assert [one.strategy_id for one in report.watched] == [held.pk]
    assert [one.reason.code for one in report.resumed] == ["OVERFILL"]
    assert StrategyMark.objects.count() == 1


def test_the_trader_takes_the_next_step_when_one_is_refused(desk: Desk) -> None:
    seen: list[Desk] = []

    def refuse(**_: Any) -> None:
        raise OptionsError(SAID)

    refusals = in_turn([refuse, lambda **known: seen.append(Desk(**known))], desk)

    assert refusals == [SAID]
    assert seen == [desk]
