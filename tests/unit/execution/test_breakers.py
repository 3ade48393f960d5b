"""What makes trading stop by itself, at its edges."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from execution.breakers import LEAST_FREE_BYTES, Health, paused_until, tripped

SOUND = Health(
    result=Decimal(0),
    most_loss=Decimal(20_000),
    reconciled_ago=timedelta(seconds=30),
    free_bytes=LEAST_FREE_BYTES,
    skew=timedelta(),
)
T0 = datetime(2026, 10, 28, 5, tzinfo=UTC)


def codes(**changes: object) -> list[tuple[str, bool]]:
    return [(trip.reason.code, trip.flatten) for trip in tripped(replace(SOUND, **changes))]


def minutes(*moments: float) -> list[datetime]:
    return [T0 + timedelta(minutes=moment) for moment in moments]


def test_a_sound_account_goes_on() -> None:
    assert codes() == []


@pytest.mark.parametrize(
    ("result", "found"),
    [
        ("-19999.99", []),
        ("-20000", [("DAILY_LOSS", False)]),
        ("-29999.99", [("DAILY_LOSS", False)]),
        ("-30000", [("DAILY_LOSS", True)]),
    ],
)
def test_the_loss_of_the_day_stops_entries_and_half_as_much_again_closes_everything(
    result: str, found: list[tuple[str, bool]]
) -> None:
    assert codes(result=Decimal(result)) == found


def test_fm_E11_a_result_that_is_not_known_trips_nothing() -> None:
    assert codes(result=None) == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"reconciled_ago": timedelta(seconds=120.1)}, "NOT_COMPARED"),
        ({"reconciled_ago": None}, "NOT_COMPARED"),
        ({"free_bytes": LEAST_FREE_BYTES - 1}, "LOW_DISK"),
        ({"skew": timedelta(seconds=2.1)}, "CLOCK_SKEW"),
        ({"skew": timedelta(seconds=-2.1)}, "CLOCK_SKEW"),
    ],
)
def test_what_makes_the_machine_or_the_books_doubtful_stops_entries(changes: dict[str, object], code: str) -> None:
    assert codes(**changes) == [(code, False)]


@pytest.mark.parametrize("changes", [{"reconciled_ago": timedelta(seconds=120)}, {"skew": timedelta(seconds=2)}])
def test_the_limit_itself_is_within(changes: dict[str, object]) -> None:
    assert codes(**changes) == []


def test_the_third_losing_exit_within_half_an_hour_pauses_entries_for_an_hour() -> None:
    losses = minutes(0, 10, 30)

    assert paused_until(losses, T0 + timedelta(minutes=31)) == T0 + timedelta(minutes=90)
    assert paused_until(losses, T0 + timedelta(minutes=90)) is None


@pytest.mark.parametrize("losses", [[], [0], [0, 10], [0, 10, 30.1]])
def test_fewer_or_slower_losses_pause_nothing(losses: list[float]) -> None:
    assert paused_until(minutes(*losses), T0 + timedelta(minutes=31)) is None


def test_a_fourth_loss_prolongs_the_pause() -> None:
    assert paused_until(minutes(0, 10, 20, 40), T0 + timedelta(minutes=41)) == T0 + timedelta(minutes=100)
