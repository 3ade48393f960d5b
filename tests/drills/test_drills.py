"""The drills with smaller numbers, on servers of their own; `make drills` runs them whole."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.crash.commands import answer_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture
def results(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """By name, what each drill counted and what was wrong."""
    found: Mapping[str, Any] = answer_of("tests.drills", "--quick", factory=tmp_path_factory)
    return found


def test_fm_C6_many_executors_claim_each_strategy_once(results: Mapping[str, Any]) -> None:
    counts = results["claims"]["counts"]

    assert results["claims"]["wrong"] == []
    assert (counts["claims won"], counts["runs"], counts["left"]) == (40, 40, 0)


def test_fm_F1_reviewers_at_once_leave_one_audit_row_per_transition(results: Mapping[str, Any]) -> None:
    counts = results["reviewers"]["counts"]

    assert results["reviewers"]["wrong"] == []
    assert counts["audit rows"] == counts["transitions"] > 0
    assert counts["illegal"] == 0


def test_fm_E6_twenty_exit_reasons_open_one_exit(results: Mapping[str, Any]) -> None:
    assert results["exits"]["wrong"] == []
    assert results["exits"]["counts"]["exit runs"] == 1


def test_fm_C7_each_task_delivered_five_times_sends_each_order_once(results: Mapping[str, Any]) -> None:
    assert results["tasks"]["wrong"] == []
    assert results["tasks"]["counts"]["broker orders"] == 4


def test_fm_C6_six_executors_and_a_killed_leader_execute_each_strategy_once(results: Mapping[str, Any]) -> None:
    counts = results["six"]["counts"]

    assert results["six"]["wrong"] == []
    assert (counts["kills"], counts["executed"] + counts["taken back"]) == (1, 4)
    assert counts["lots held at the exchange"] == 2 * counts["executed"]


def test_fm_C5_a_leader_that_wakes_after_its_lease_sends_nothing(results: Mapping[str, Any]) -> None:
    counts = results["stopped"]["counts"]

    assert results["stopped"]["wrong"] == []
    assert counts["sent by the one that woke"] == 0


def test_fm_C8_C9_C10_without_redis_everything_marked_is_executed(results: Mapping[str, Any]) -> None:
    counts = results["redis"]["counts"]

    assert results["redis"]["wrong"] == []
    assert counts["executed without Redis"] == counts["executed"] == 3


def test_fm_C12_a_crash_of_postgresql_loses_no_acknowledged_row_and_no_order(results: Mapping[str, Any]) -> None:
    counts = results["postgres"]["counts"]

    assert results["postgres"]["wrong"] == []
    assert counts["acknowledged rows lost"] == 0
    assert counts["acknowledged"] > 0
