"""The fault plan: deterministic, scriptable, one wire fault to a call."""

import subprocess
import sys

import pytest

from execution.simulator.book import ORDINARY
from execution.simulator.faults import APPLIES, STORM, Call, Fault, FaultPlan, Scripted, default_call


def test_a_calm_plan_does_nothing() -> None:
    plan = FaultPlan(1)

    assert [plan.on(call) for call in Call for _ in range(50)] == [None] * 50 * len(Call)
    assert plan.fate() is ORDINARY


def test_the_same_seed_gives_the_same_faults_and_another_one_others() -> None:
    first, second, third = FaultPlan.swarm(7), FaultPlan.swarm(7), FaultPlan.swarm(8)

    drawn = [[plan.on(Call.PLACE) for _ in range(300)] for plan in (first, second, third)]

    assert drawn[0] == drawn[1] != drawn[2]
    assert first.rates == second.rates


def test_reading_more_often_does_not_change_what_happens_to_orders() -> None:
    quiet, busy = FaultPlan(3, STORM), FaultPlan(3, STORM)

    for _ in range(500):
        busy.on(Call.BOOK)
    orders = [[(plan.on(Call.PLACE), plan.fate()) for _ in range(100)] for plan in (quiet, busy)]

    assert orders[0] == orders[1]


def test_a_script_hits_the_nth_call_of_its_kind_from_now() -> None:
    plan = FaultPlan(1)
    plan.on(Call.PLACE)

    plan.add(Scripted(Fault.LATE_ARRIVAL, Call.PLACE, 2, seconds=3.0))

    assert [line.nth for line in plan.pending()] == [2]
    assert plan.on(Call.PLACE) is None
    strike = plan.on(Call.PLACE)
    assert strike is not None
    assert (strike.fault, strike.seconds) == (Fault.LATE_ARRIVAL, 3.0)
    assert plan.pending() == []


@pytest.mark.parametrize("line", [Scripted(Fault.STALE_BOOK, Call.PLACE), Scripted(Fault.STALE_BOOK, Call.BOOK, 0)])
def test_a_script_that_cannot_hit_is_refused(line: Scripted) -> None:
    plan = FaultPlan(1)

    with pytest.raises(ValueError, match="cannot hit"):
        plan.add(line)

    assert plan.pending() == []


def test_one_429_brings_the_next_ones_with_it() -> None:
    plan = FaultPlan(1, script=[Scripted(Fault.TOO_MANY_REQUESTS, Call.PLACE, 1, times=3)])

    faults = [strike and strike.fault for strike in (plan.on(Call.PLACE) for _ in range(5))]

    assert faults == [Fault.TOO_MANY_REQUESTS] * 4 + [None]


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan")])
def test_what_is_no_probability_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="probability"):
        FaultPlan(1, {Fault.NO_FILL: rate})


def test_a_swarm_leaves_out_a_third_of_the_faults_and_amplifies_a_fifth() -> None:
    mixes = [FaultPlan.swarm(seed).rates for seed in range(400)]

    live = sum(len(mix) for mix in mixes) / (400 * len(STORM))
    amplified = sum(rate > STORM[fault] for mix in mixes for fault, rate in mix.items()) / (400 * len(STORM))

    assert live == pytest.approx(0.65, abs=0.02)
    assert amplified == pytest.approx(0.20, abs=0.02)


def test_every_fault_belongs_to_a_call_and_to_the_storm() -> None:
    assert {fault for faults in APPLIES.values() for fault in faults} == set(Fault) == set(STORM)
    assert default_call(Fault.REJECT_LEG) is Call.FATE


def test_rates_are_met() -> None:
    plan = FaultPlan(5, {Fault.ACCEPT_THEN_CLOSE: 0.2, Fault.DROP_REQUEST: 0.1})

    faults = [strike.fault for strike in (plan.on(Call.PLACE) for _ in range(5_000)) if strike is not None]

    assert faults.count(Fault.ACCEPT_THEN_CLOSE) / 5_000 == pytest.approx(0.2, abs=0.02)
    assert faults.count(Fault.DROP_REQUEST) / 5_000 == pytest.approx(0.1, abs=0.02)


def test_exchange_and_faults_import_without_django() -> None:
    code = "import sys, execution.simulator.exchange, execution.simulator.faults; assert 'django' not in sys.modules"

    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)

    assert done.stderr == ""
    assert done.returncode == 0
