"""Two writers of one underlying take turns, so that the second finds what the first stored."""

import threading
from datetime import datetime, timedelta

import psycopg
import pytest
from django.db import connection

from market.calendar import IST
from market.services.chains import store_chain
from market.sources.simulated import SimulatedMarket
from strategies.models import GenerationRun, OptionStrategy
from strategies.recommend import recommend
from strategies.services.generation import charge_rates
from strategies.services.known import known_of
from strategies.services.storage import store_recommendations
from strategies.services.surroundings import surroundings_of
from tests.factories import list_chain, record_past
from tests.stored import load_chain

AS_OF = datetime(2026, 1, 30, 12, 0, tzinfo=IST)

LOCK = "SELECT pg_advisory_lock(hashtextextended('INFY', 7))"


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_writer_waits_for_the_one_before():
    captured = SimulatedMarket(seed=1).chain("INFY", as_of=AS_OF)
    list_chain(captured, lot_size=400)
    store_chain(captured)
    record_past("INFY", until=AS_OF.date() - timedelta(days=1), volatility=0.12)
    chain = load_chain("INFY", as_of=AS_OF)
    run = GenerationRun.objects.create(as_of=AS_OF)
    around = surroundings_of("INFY", known_of(["INFY"], as_of=AS_OF)["INFY"], run=run)
    found = recommend(chain, rates=charge_rates(chain), risk="moderate", past=around.past).recommendations[:1]

    def write():
        store_recommendations(found, run=run, around=around)
        connection.close()

    parameters = connection.get_connection_params()
    wanted = {key: parameters[key] for key in ("host", "dbname", "user") if key in parameters}
    writer = threading.Thread(target=write)
    with psycopg.connect(**wanted, autocommit=True) as first:
        first.execute(LOCK)
        writer.start()
        writer.join(timeout=0.7)
        waiting, stored = writer.is_alive(), OptionStrategy.objects.count()
    writer.join(timeout=10)

    assert (waiting, stored) == (True, 0)
    assert OptionStrategy.objects.count() == 1
