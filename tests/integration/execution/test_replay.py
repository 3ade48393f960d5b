"""A recorded day that is replayed may be known at its last minute only, and can be run again."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from execution.clock import SystemClock
from execution.models import RiskLimits
from execution.services.checks import limits_for
from execution.services.preparation import Desk
from strategies.models import OptionStrategy
from tests.integration.execution.conftest import NOON, ScriptedMarket
from tests.integration.execution.desks import at, planned

LATE = NOON.replace(hour=15, minute=29)


def at_the_close(desk: Desk, scripted: ScriptedMarket, name: str) -> Desk:
    for contract, (touch, *_) in scripted.touches.items():
        scripted.touches[contract] = [replace(touch, quoted_at=LATE)]
    scripted.name = name
    return at(desk, LATE)


@pytest.mark.parametrize(("market", "denied"), [("recorded", []), ("scripted", ["SESSION"])])
def test_only_a_recorded_day_may_be_traded_in_its_last_minute(
    desk: Desk, scripted: ScriptedMarket, make_strategy: Callable[..., OptionStrategy], market: str, denied: list[str]
) -> None:
    strategy = make_strategy()

    plan = planned(strategy, at_the_close(desk, scripted, market))

    assert [reason.code for reason in plan.denials] == denied


def test_what_is_captured_while_the_clock_runs_is_no_replay(desk: Desk, scripted: ScriptedMarket) -> None:
    replayed = at_the_close(desk, scripted, "recorded")

    assert (replayed.replays, replace(replayed, clock=SystemClock()).replays) == (True, False)


def test_a_replay_keeps_the_window_that_a_person_has_set(account: Any) -> None:
    free = limits_for(account, replayed=True)
    RiskLimits.objects.create(account=account, changed_by="ann", entry_before_close_minutes=30)

    own = limits_for(account, replayed=True)

    assert (free.entry_before_close_minutes, free.exit_before_close_minutes) == (0, 0)
    assert (own.entry_before_close_minutes, own.exit_before_close_minutes) == (30, 0)
