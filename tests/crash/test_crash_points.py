"""A sample of the crash points, those of the send path, with real processes and kills; `make crash-points` runs all."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.crash.commands import answer_of
from tests.crash.points import AGAIN, FIRST, NAMED, POINTS, UNREACHABLE

SAMPLE = (
    "entry:intent.inside",
    "entry:intent.after",
    "entry:sending.after",
    "entry:place.sent",
    "unwind:sending.after",
    "entry:not-placed.inside",
    "exit:found.inside",
    "entry:place.sent:recovery.inside",
)
BROKEN = ("entry:place.answered+resend", "entry:fill.after+deaf")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """By the words that asked for it, what came of each crash."""
    asked = (*SAMPLE, *BROKEN)
    answers = answer_of("tests.crash", "--jobs", "2", "--combinations", *asked, factory=tmp_path_factory)
    return {one["asked"]: one for one in answers}


def require_good(outcomes: Mapping[str, Any], *asked: str) -> None:
    """Nothing lost, nothing twice, and the trader did die where it should."""
    for words in asked:
        one = outcomes[words]
        assert one["struck"]
        assert one["verdict"]["lost"] == []
        assert one["verdict"]["duplicate"] == []
        assert one["good"], one["trouble"]


def test_fm_C1_killed_before_the_intent_is_committed(outcomes: Mapping[str, Any]) -> None:
    require_good(outcomes, "entry:intent.inside")


def test_fm_C2_killed_between_intent_and_sending(outcomes: Mapping[str, Any]) -> None:
    require_good(outcomes, "entry:intent.after")


def test_fm_C3_killed_before_and_after_the_request_left(outcomes: Mapping[str, Any]) -> None:
    require_good(outcomes, "entry:sending.after", "entry:place.sent")


def test_fm_C4_killed_while_a_basket_is_taken_back(outcomes: Mapping[str, Any]) -> None:
    require_good(outcomes, "unwind:sending.after")


def test_fm_A1_A12_killed_while_a_lost_request_becomes_not_placed(outcomes: Mapping[str, Any]) -> None:
    require_good(outcomes, "entry:not-placed.inside")


def test_fm_A2_killed_while_an_order_without_an_answer_is_found(outcomes: Mapping[str, Any]) -> None:
    require_good(outcomes, "exit:found.inside")


def test_fm_C3_the_one_that_recovers_is_killed_as_well(outcomes: Mapping[str, Any]) -> None:
    require_good(outcomes, "entry:place.sent:recovery.inside")
    assert outcomes["entry:place.sent:recovery.inside"]["struck_again"]


def test_a_recovery_that_sends_again_is_reported_as_a_duplicate(outcomes: Mapping[str, Any]) -> None:
    broken = outcomes["entry:place.answered+resend"]

    assert broken["struck"]
    assert any("stands twice at the broker" in word for word in broken["verdict"]["duplicate"])
    assert not broken["good"]


def test_an_executor_that_forgets_trades_is_reported_as_losing_them(outcomes: Mapping[str, Any]) -> None:
    broken = outcomes["entry:fill.after+deaf"]

    assert broken["struck"]
    assert any("our trades None" in word for word in broken["verdict"]["lost"])
    assert not broken["good"]


def test_there_are_forty_points_and_every_name_that_is_used_is_one_of_them() -> None:
    assert len(NAMED) == len(POINTS) >= 40
    assert set(FIRST) <= set(NAMED)
    assert len(set(AGAIN)) == len(AGAIN)
    assert {words.split(":")[1] for words in UNREACHABLE} <= set(NAMED)
