"""The tables, the models and the database agree; nothing leads where nothing may."""

import pytest

from execution.lifecycle import (
    ENDED_RUNS,
    ORDER_TABLE,
    PROJECTION,
    RUN_TABLE,
    STRATEGY_TABLE,
    IllegalTransition,
    OrderEvent,
    OrderState,
    RunEvent,
    RunState,
    StrategyEvent,
    StrategyState,
    advance,
)
from strategies.models import LEGAL_TRANSITIONS


def test_every_strategy_step_is_a_step_that_the_database_allows() -> None:
    for (before, _), after in STRATEGY_TABLE.items():
        step = (PROJECTION[before][0], PROJECTION[after][0])
        assert step[0] == step[1] or step in LEGAL_TRANSITIONS


def test_the_two_columns_tell_the_state() -> None:
    assert set(PROJECTION) == set(StrategyState)
    assert len(set(PROJECTION.values())) == len(PROJECTION)


@pytest.mark.parametrize("state", [state for state in OrderState if state is not OrderState.INTENT])
def test_only_an_intent_is_ever_sent(state: OrderState) -> None:
    with pytest.raises(IllegalTransition):
        advance(ORDER_TABLE, state, OrderEvent.SEND)


@pytest.mark.parametrize("event", [event for event in RunEvent if event is not RunEvent.REOPEN])
@pytest.mark.parametrize("state", sorted(ENDED_RUNS))
def test_an_ended_run_stays_ended(state: RunState, event: RunEvent) -> None:
    with pytest.raises(IllegalTransition):
        advance(RUN_TABLE, state, event)


def test_only_an_order_found_late_reopens_a_run_and_only_for_a_person() -> None:
    reopened = {start: end for (start, event), end in RUN_TABLE.items() if event is RunEvent.REOPEN}

    assert reopened == dict.fromkeys(ENDED_RUNS - {RunState.DENIED}, RunState.ATTENTION)


@pytest.mark.parametrize("event", list(StrategyEvent))
@pytest.mark.parametrize("state", [StrategyState.FAILED, StrategyState.CLOSED])
def test_a_failed_or_closed_strategy_stays_so(state: StrategyState, event: StrategyEvent) -> None:
    with pytest.raises(IllegalTransition, match=f"cannot '{event}'"):
        advance(STRATEGY_TABLE, state, event)


def test_denied_means_that_nothing_was_sent() -> None:
    assert [start for (start, event) in RUN_TABLE if event is RunEvent.DENY] == [RunState.PRECHECK]
