"""What a restarted process does with a run that another one left: look up first, send nothing twice, hinder nobody."""

from collections.abc import Callable

import pytest

from execution.errors import OrderRefused, OutcomeUnknown
from execution.models import Alert, ExecutionRun, LegOrder, Position, StrategyMark
from execution.services.intended import to_json
from execution.services.listing import listed_legs
from execution.services.preparation import Desk
from execution.services.standing import standing
from strategies.models import OptionStrategy
from tests.factories import walk
from tests.integration.execution.conftest import LOT
from tests.integration.execution.desks import SAID, PowerCut, answering, monitor, run_queue, watched, work_for

THIRTY = (("SELL", 1050, "CE", 30), ("BUY", 1000, "CE", 30))  # more than the 20 lots one order may hold: two slices
NO = OrderRefused(SAID)

Make = Callable[..., OptionStrategy]


def held() -> set[int]:
    return set(Position.objects.exclude(quantity=0).values_list("quantity", flat=True))


def test_while_the_fate_of_a_slice_is_unknown_its_leg_is_not_sent_again(desk: Desk, make_strategy: Make) -> None:
    strategy = make_strategy(*THIRTY, max_loss=301_500)
    # two slices bought, the sale refused twice, slice 1 of the unwind filled, the power cut while slice 2 is sent
    with pytest.raises(PowerCut):
        run_queue(answering(desk, None, None, NO, NO, None, PowerCut()))
    left = list(LegOrder.objects.order_by("id").values_list("side", "quantity", "state"))[-2:]
    again, spy = watched(desk)

    (waiting,) = work_for(25, again)
    sent_meanwhile = list(spy.placed)
    (result,) = run_queue(again)

    strategy.refresh_from_db()
    assert left == [("SELL", 20 * LOT, "filled"), ("SELL", 10 * LOT, "sending")]
    assert (waiting.state, sent_meanwhile) == ("unwinding", [])
    assert (result.state, strategy.execution_status, held()) == ("flat", "failed", set())
    assert [order.quantity for order in spy.placed] == [10 * LOT]


def test_an_exit_with_an_unknown_order_sends_nothing_for_that_leg_at_the_resume(
    desk: Desk, make_strategy: Make
) -> None:
    make_strategy(*THIRTY, max_loss=301_500, levels={"time_exit_dte": 25})
    run_queue(desk)
    with pytest.raises(PowerCut):
        monitor(answering(desk, PowerCut()))
    again, spy = watched(desk)

    work_for(25, again)

    short = LegOrder.objects.get(run__purpose="exit", side="BUY")
    assert short.state == "unknown"
    assert [order.side for order in spy.placed if order.side == "BUY"] == []


def test_an_unknown_order_of_an_unwind_is_looked_up_and_not_sent_again(desk: Desk, make_strategy: Make) -> None:
    make_strategy()
    lost = answering(desk, None, NO, NO, OutcomeUnknown(SAID))

    (result,) = run_queue(lost)

    tries = LegOrder.objects.filter(phase="unwinding").order_by("id")
    assert (result.state, held()) == ("flat", set())
    assert list(tries.values_list("state", flat=True)) == ["not_placed", "filled"]
    lost_one, next_one = tries
    assert (next_one.intended_at - lost_one.sent_at).total_seconds() > 30


@pytest.fixture
def poisoned(desk: Desk, make_strategy: Make) -> Callable[[], ExecutionRun]:
    """A run whose books say that a leg of one lot bought two, since the first order was given up for lost and
    filled after all: nobody can say what is outstanding.
    """

    def make() -> ExecutionRun:
        strategy = make_strategy()
        OptionStrategy.objects.claim(strategy.pk)
        run = ExecutionRun.objects.create(
            strategy=strategy, account=desk.account, broker="paper", as_of=desk.as_of,
            intended=to_json(listed_legs(strategy, desk.as_of)),
        )  # fmt: skip
        walk(run, "precheck", "ready", "buying")
        lost = walk(bought(run, 1), "sending", "not_placed")
        again = walk(bought(run, 2), "sending", "acked")
        for order in (again, lost):
            LegOrder.objects.filter(pk=order.pk).update(state="filled", filled_quantity=LOT, average_price=40)
        return run

    def bought(run: ExecutionRun, attempt: int) -> LegOrder:
        order: LegOrder = LegOrder.objects.create(
            run=run, leg=run.strategy.legs.get(setup_type="BUY"), side="BUY", segment="NSE_FNO", security_id="10",
            symbol="ACME-1000-CE", quantity=LOT, limit_price=40, correlation_id=f"P-POISON-{attempt}",
            attempt=attempt, intended_at=desk.as_of, sent_at=desk.as_of,
        )  # fmt: skip
        return order

    return make


def test_a_run_that_makes_no_sense_is_for_a_person_and_opens_nothing_more(
    desk: Desk, poisoned: Callable[[], ExecutionRun]
) -> None:
    run = poisoned()

    work_for(5, desk)

    run.refresh_from_db()
    assert (run.state, run.reason_code) == ("attention", "OVERFILL")
    assert list(Alert.objects.values_list("code", "level", "run_id")) == [("OVERFILL", "CRITICAL", run.pk)]
    assert standing(desk.account.pk).state == "REDUCE_ONLY"


def test_a_run_that_makes_no_sense_keeps_nobody_from_leaving(
    desk: Desk, make_strategy: Make, poisoned: Callable[[], ExecutionRun]
) -> None:
    other = make_strategy(levels={"time_exit_dte": 25})
    run_queue(desk)
    poisoned()

    report = monitor(desk)

    other.refresh_from_db()
    assert [(one.strategy_id, one.exit_run.state) for one in report.watched if one.exit_run] == [(other.pk, "complete")]
    assert other.execution_detail == "closed"
    assert StrategyMark.objects.filter(strategy=other).count() == 1
