"""What is known of symbols is read for several at once, and for each alone where that fails."""

from datetime import datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from market.calendar import IST
from market.services.chains import store_chain
from market.sources import build_source
from strategies.services.crew import take_part
from strategies.services.generation import generate, generate_result, start_run
from strategies.services.known import known_of, with_known
from tests.factories import list_chain

AS_OF = datetime(2026, 1, 30, 12, 0, tzinfo=IST)
SYMBOLS = ["INFY", "RELIANCE", "TCS"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def run():
    for symbol in SYMBOLS:
        chain = build_source("simulated").chain(symbol, as_of=AS_OF)
        list_chain(chain, lot_size=400)
        store_chain(chain)
    return start_run(as_of=AS_OF, symbols=SYMBOLS)


def orders(run):
    return list(run.results.order_by("pk").values_list("pk", flat=True))


def reads_of_quotes(work) -> int:
    with CaptureQueriesContext(connection) as queries:
        work()
    return sum('FROM "option_chain_data"' in each["sql"] and "MAX" in each["sql"] for each in queries)


@pytest.mark.parametrize("work", [generate, lambda run: take_part(run.pk, orders(run))], ids=["alone", "crew"])
def test_the_symbols_of_a_run_are_read_together(run, work):
    assert reads_of_quotes(lambda: work(run)) == 1
    assert not run.results.filter(status="pending").exists()


def test_an_order_without_what_is_known_reads_it_itself(run):
    assert reads_of_quotes(lambda: [generate_result(pk) for pk in orders(run)]) == len(SYMBOLS)


def test_what_is_read_together_is_what_is_read_alone(run):
    together = dict(with_known(orders(run)))

    for pk, symbol in zip(orders(run), SYMBOLS, strict=True):
        alone = known_of([symbol], as_of=AS_OF)[symbol]
        assert [each.strikes.tolist() for each in together[pk].chain.expiries] == [
            each.strikes.tolist() for each in alone.chain.expiries
        ]
        assert together[pk].chain.underlying == symbol


def test_what_somebody_did_meanwhile_is_not_read(run):
    first, *others = orders(run)
    run.results.filter(pk=first).update(status="failed")

    assert [pk for pk, known in with_known(orders(run)) if known is not None] == others


def test_what_cannot_be_read_together_is_left_to_each_order(run, caplog):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE historical_iv_summary RENAME COLUMN atm_iv TO planted")

    assert [known for _, known in with_known(orders(run))] == [None, None, None]
    assert "reading INFY, RELIANCE, TCS together failed" in caplog.text
    generate(run)
    assert set(run.results.values_list("reason_code", flat=True)) == {"INTERNAL_ERROR"}
