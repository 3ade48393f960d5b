"""A run done by several hands: everything once, and what one leaves another does."""

from datetime import datetime

import pytest
from django.db import connection

from market.calendar import IST
from market.services.chains import store_chain
from market.sources import build_source
from strategies.models import SymbolResult
from strategies.services.crew import generate_in_processes, take_part
from strategies.services.generation import start_run
from tests.factories import list_chain

AS_OF = datetime(2026, 1, 30, 12, 0, tzinfo=IST)
ABSENT = ["AAA", "BBB", "CCC", "DDD"]  # no chain of theirs is stored: refused at once


@pytest.fixture
def run():
    chain = build_source("simulated").chain("INFY", as_of=AS_OF)
    list_chain(chain, lot_size=400)
    store_chain(chain)
    return start_run(as_of=AS_OF, symbols=[*ABSENT, "INFY"])


def orders(run) -> list[int]:
    return list(run.results.order_by("pk").values_list("pk", flat=True))


@pytest.mark.django_db
def test_a_share_comes_first_and_then_the_last_of_what_is_left(run):
    first, second, third, fourth, fifth = orders(run)
    done: list[set[int]] = []

    def look() -> None:
        done.append(set(run.results.exclude(status="pending").values_list("pk", flat=True)))

    take_part(run.pk, [second, fourth], after_each=look)

    new = [later - earlier for earlier, later in zip([set(), *done], done, strict=False)]
    assert new == [{second}, {fourth}, {fifth}, {third}, {first}]


@pytest.mark.django_db
def test_one_hand_finishes_the_run_and_tells_how_far_it_is(run):
    told: list[int] = []

    finished = generate_in_processes(run, workers=1, progress=told.append)

    assert finished.finished_at is not None
    assert told == sorted(told)
    assert told[-1] == 5
    assert set(run.results.exclude(symbol="INFY").values_list("status", "reason_code")) == {("failed", "NO_CHAIN")}


@pytest.mark.slow
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_two_processes_do_every_order_once(run):
    generate_in_processes(run, workers=2)

    results = SymbolResult.objects.filter(run=run)
    assert results.filter(status="pending").count() == 0
    assert results.filter(status="failed", reason_code="NO_CHAIN").count() == 4
    assert connection.settings_dict["NAME"].startswith("test")
