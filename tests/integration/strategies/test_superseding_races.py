"""Two runs over one symbol, and a run beside people who mark: nobody deadlocks, and the newest answer stands."""

import io
import threading
import time
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from market.calendar import IST
from market.errors import MarketError, Reason
from market.moment import now
from market.services.chains import store_chain
from market.sources import build_source
from strategies.models import GenerationRun, OptionStrategy
from strategies.services.generation import generate_result, start_run
from strategies.services.marking import mark
from strategies.services.superseding import refuse_future
from tests.factories import GenerationRunFactory, OptionStrategyFactory, list_chain, record_past
from tests.integration.strategies.test_marking import at_once

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

MORNING = datetime(2026, 1, 30, 12, 0, tzinfo=IST)
NOON = MORNING + timedelta(hours=2)
REFUSED = Reason("CHAIN_REFUSED", "The source gave no chain.", "Ask again.")


def master():
    """An instrument master that lists something, so that a run may start."""
    chain = build_source("simulated").chain("INFY", as_of=MORNING)
    list_chain(chain, lot_size=400)
    return chain


def waits(thread):
    """Whether the thread comes to wait for a lock of another before it ends."""
    until = time.monotonic() + 20
    while thread.is_alive() and time.monotonic() < until:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
            if cursor.fetchone() != (0,):
                return True
        time.sleep(0.02)
    return False


def test_an_answer_without_rows_waits_for_the_one_with_rows_before_it():
    chain = master()
    record_past("INFY", until=MORNING.date() - timedelta(days=1), volatility=0.12)
    store_chain(chain)
    later = build_source("simulated").chain("INFY", as_of=NOON)
    wide = [replace(quote, ask=3 * quote.ask) if quote.ask else quote for quote in later.quotes]
    store_chain(replace(later, quotes=tuple(wide)))
    morning, noon = (start_run(as_of=at, symbols=["INFY"]).results.get() for at in (MORNING, NOON))

    def answer():
        generate_result(noon.pk)
        connection.close()

    empty = threading.Thread(target=answer)
    with transaction.atomic():
        generate_result(morning.pk)
        empty.start()
        waiting = waits(empty)
    empty.join(timeout=20)

    noon.refresh_from_db()
    assert (noon.status, noon.strategy_ids) == ("failed", [])
    assert waiting
    assert OptionStrategy.objects.filter(run=morning.run).exists()
    assert not OptionStrategy.objects.all().pending().exists()


def test_what_a_run_refuses_waits_for_the_rows_that_an_earlier_one_is_writing():
    chain = master()
    record_past("INFY", until=MORNING.date() - timedelta(days=1), volatility=0.12)
    store_chain(chain)
    morning = start_run(as_of=MORNING, symbols=["INFY"]).results.get()

    def refuse():
        start_run(as_of=NOON, symbols=[], refused={"INFY": REFUSED})
        connection.close()

    second = threading.Thread(target=refuse)
    with transaction.atomic():
        generate_result(morning.pk)
        second.start()
        waiting = waits(second)
    second.join(timeout=20)

    assert waiting
    assert OptionStrategy.objects.filter(run=morning.run).exists()
    assert not OptionStrategy.objects.all().pending().exists()


def test_a_run_that_refuses_many_symbols_and_a_person_who_marks_lock_in_one_order():
    master()
    for round_ in range(6):
        at = MORNING + timedelta(days=round_)
        run = GenerationRunFactory(as_of=at)
        rows = [
            OptionStrategyFactory(details=False, stock_name=f"{name}{n:02}", generated_on=at, run=run)
            for name in ("ZZZ", "AAA")  # by name the second come first, by key the first
            for n in range(25)
        ]
        refused = {row.stock_name: REFUSED for row in rows}

        started, report = at_once(
            lambda at=at, refused=refused: start_run(as_of=at + timedelta(hours=2), symbols=[], refused=refused),
            lambda rows=rows: mark([row.pk for row in rows]),
        )

        assert isinstance(started, GenerationRun), started
        assert not isinstance(report, Exception), report
        assert {reason.code for reason in report.refused.values()} <= {"SUPERSEDED"}
        found = OptionStrategy.objects.filter(run=run).values_list("superseded_by", flat=True)
        assert set(found) == {started.pk}


def test_rows_of_two_refused_symbols_are_locked_by_key_whatever_the_names():
    """The schedule of the deadlock, step by step: somebody holds the row of the lowest key, then wants the highest."""
    master()
    run = GenerationRunFactory(as_of=MORNING)
    low, high = (OptionStrategyFactory(stock_name=name, generated_on=MORNING, run=run) for name in ("ZZZ", "AAA"))
    refused = {row.stock_name: REFUSED for row in (low, high)}
    answers = []

    def start():
        answers.append(start_run(as_of=NOON, symbols=[], refused=refused))
        connection.close()

    second = threading.Thread(target=start)
    with transaction.atomic():
        OptionStrategy.objects.select_for_update().get(pk=low.pk)
        second.start()
        second.join(timeout=0.7)
        waiting = second.is_alive()
        OptionStrategy.objects.select_for_update(nowait=True).get(pk=high.pk)  # the run does not hold it yet
    second.join(timeout=20)

    assert waiting
    assert set(OptionStrategy.objects.values_list("superseded_by", flat=True)) == {answers[0].pk}


# --- moments to come -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ahead", [timedelta(minutes=3), timedelta(days=400)])
def test_a_moment_to_come_is_refused_and_nothing_is_started(ahead):
    master()
    run = GenerationRunFactory(as_of=MORNING)
    row = OptionStrategyFactory(stock_name="INFY", generated_on=MORNING, run=run)
    at = (now() + ahead).astimezone(IST)

    with pytest.raises(CommandError, match=r"is later than now, .* \[FUTURE_MOMENT\]") as refusal:
        call_command("generate_strategies", "--as-of", f"{at:%Y-%m-%dT%H:%M}", "--symbol", "INFY", stdout=io.StringIO())

    assert f"{at:%Y-%m-%d %H:%M} is later than now" in str(refusal.value)
    assert list(GenerationRun.objects.all()) == [run]
    row.refresh_from_db()
    assert row.superseded_by is None


def test_this_very_moment_and_one_of_a_shifted_clock_have_come(settings):
    refuse_future(now())
    later = now() + timedelta(minutes=1)
    with pytest.raises(MarketError, match="FUTURE_MOMENT"):
        refuse_future(later)

    settings.CLOCK_SHIFT_SECONDS = settings.CLOCK_SHIFT_SECONDS + 120
    refuse_future(later)
