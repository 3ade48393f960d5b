"""What a person who practises asks of the exchange beside Dhan's own paths: faults, the journal, acts."""

import httpx
import pytest

from execution.simulator.faults import PLANS, Fault
from execution.simulator.serving import RunningSimulator


def control(simulator: RunningSimulator) -> str:
    return simulator.addresses.base.removesuffix("/v2") + "/simulator"


def test_a_mix_of_faults_is_set_and_shown(simulator: RunningSimulator) -> None:
    where = control(simulator) + "/faults"

    set_to = httpx.post(where, content=b'{"rates": {"ACCEPT_THEN_CLOSE": 0.3, "DROP_REQUEST": 0.1}}')
    shown = httpx.get(where)

    assert (set_to.status_code, shown.status_code) == (200, 200)
    assert shown.json()["rates"] == {"ACCEPT_THEN_CLOSE": 0.3, "DROP_REQUEST": 0.1}
    assert simulator.plan.rates == {Fault.ACCEPT_THEN_CLOSE: 0.3, Fault.DROP_REQUEST: 0.1}


@pytest.mark.parametrize("plan", sorted(PLANS))
def test_every_plan_can_be_chosen_by_name(simulator: RunningSimulator, plan: str) -> None:
    where = control(simulator) + "/faults"

    assert httpx.post(where, json={"plan": plan}).status_code == 200
    assert httpx.get(where).json()["rates"] == {fault.value: rate for fault, rate in PLANS[plan].items()}


def test_a_scripted_fault_is_listed_until_it_strikes(simulator: RunningSimulator) -> None:
    where = control(simulator) + "/faults"

    answer = httpx.post(where, json={"script": [{"fault": "PARTIAL_FILL", "nth": 2}]})

    assert [line["fault"] for line in answer.json()["script"]] == ["PARTIAL_FILL"]


@pytest.mark.parametrize(
    "body",
    [
        {"plan": "nobody's"},
        {"rates": {"ACCEPT_THEN_CLOSE": 2}},
        {"rates": {"NO_SUCH": 0.1}},
        {"script": [{}]},
        {"switches": {"x": 1}},
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(simulator: RunningSimulator, body: object) -> None:
    before = dict(simulator.plan.rates)

    answer = httpx.post(control(simulator) + "/faults", json=body)

    assert answer.status_code == 400
    assert dict(simulator.plan.rates) == before


def test_the_journal_is_a_list_of_what_happened(simulator: RunningSimulator) -> None:
    assert httpx.get(control(simulator) + "/journal").json() == []


@pytest.mark.parametrize("act", ["foreign-order", "square-off", "expire-token", "refuse-ip", "allow-ip"])
def test_every_act_is_done(simulator: RunningSimulator, act: str) -> None:
    assert httpx.post(f"{control(simulator)}/act/{act}").json() == {"status": "success"}


def test_an_unknown_act_names_the_known_ones(simulator: RunningSimulator) -> None:
    answer = httpx.post(f"{control(simulator)}/act/nothing")

    assert (answer.status_code, "expire-token" in answer.json()["message"]) == (404, True)
