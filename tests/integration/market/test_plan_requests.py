"""The plan of a capture, from the contracts the master lists; and the gate's facts that only the database knows."""

import io
import json
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.management import call_command

from market.calendar import IST
from market.models import ChainSnapshot, OptionQuote, WatchlistItem
from market.quality import Refusal
from market.services.capture import contract_counts
from market.services.chains import store_chain
from market.services.load import listings
from market.sources.simulated import SimulatedMarket
from tests.factories import InstrumentFactory, UnderlyingFactory
from tests.integration.market.test_volatility_history import chain
from tests.stored import load_chain

pytestmark = pytest.mark.django_db

DAY = date(2026, 1, 30)
NEAR, NEXT, FAR = date(2026, 2, 24), date(2026, 3, 30), date(2026, 4, 28)
AS_OF = datetime(2026, 1, 30, 15, 30, tzinfo=IST)


class LimitedMarket(SimulatedMarket):
    """The simulated market under the name of the one with limits."""

    name = "dhan"


def run(command, *arguments):
    out, err, code = io.StringIO(), io.StringIO(), 0
    try:
        call_command(command, *arguments, "--as-of", "2026-01-30T12:00", stdout=out, stderr=err)
    except SystemExit as stop:
        code = stop.code
    return code, out.getvalue(), err.getvalue()


def listed(symbol, *, strikes=2, expiries=(NEAR, NEXT), **values):
    UnderlyingFactory(symbol=symbol)
    for expiry in expiries:
        for step in range(strikes):
            for kind in ("CE", "PE"):
                terms = {"underlying": symbol, "expiry": expiry, "strike": 1_000 + 20 * step, "option_type": kind}
                InstrumentFactory(**(terms | values))


def test_contracts_are_counted_for_the_nearest_expiries_on_the_home_exchange():
    listed("ACME", expiries=(date(2026, 1, 27), NEAR, NEXT, FAR))
    InstrumentFactory(underlying="ACME", exchange="BSE")
    InstrumentFactory(underlying="ACME", strike=900, active=False)

    assert contract_counts(["ACME"], as_of=DAY, expiries=2) == {("ACME", NEAR): 4, ("ACME", NEXT): 4}


def test_the_command_picks_the_quicker_way():
    listed("ACME")
    listed("OTHER")

    code, output, _ = run("plan_requests", "--json")

    answer = json.loads(output)
    assert (code, answer["quickest"], answer["chains"], answer["contracts"]) == (0, "bulk quotes", 4, 16)
    assert [(each["endpoint"], each["requests"], each["seconds"]) for each in answer["plans"]] == [
        ("bulk quotes", 1, 1.0),
        ("option chain", 4, 12.0),
    ]


def test_the_command_says_it_to_people():
    listed("ACME")

    code, output, _ = run("plan_requests", "--expiries", "1")

    assert code == 0
    assert "1 underlyings, 1 chains, 4 contracts" in output
    assert "Quicker: bulk quotes: 1 requests × 1 per 1 s = 1 s." in output


@pytest.mark.parametrize(("arguments", "chains"), [(["--symbols", "1"], 2), (["--watchlist"], 2), ([], 4)])
def test_fewer_underlyings_may_be_asked_for(arguments, chains):
    listed("ACME")
    listed("OTHER")
    WatchlistItem.objects.create(segment="NSE_EQ", security_id="77", kind="equity", label="OTHER")

    _, output, _ = run("plan_requests", *arguments, "--json")

    assert json.loads(output)["chains"] == chains


def test_fewer_strikes_of_each_chain_may_be_asked_for():
    listed("ACME", strikes=5)

    _, output, _ = run("plan_requests", "--strikes", "3", "--json")

    assert json.loads(output)["contracts"] == 12  # 3 strikes, 2 types, 2 expiries


def test_without_options_in_the_master_there_is_no_plan():
    code, output, _ = run("plan_requests", "--json")

    assert (code, json.loads(output)["quickest"]) == (1, None)


@pytest.mark.parametrize(("source", "planned"), [("dhan", True), ("simulated", False)])
def test_a_capture_from_a_source_with_limits_prints_the_plan_it_follows(settings, capsys, source, planned):
    path = f"{LimitedMarket.__module__}.LimitedMarket"
    settings.MARKET_SOURCES = settings.MARKET_SOURCES | {"dhan": path}
    settings.MARKET_SOURCE_OPTIONS = {name: {"seed": 1} for name in ("dhan", "simulated")}
    listed("INFY")

    code, _, _ = run("capture_chains", "--source", source, "--symbol", "INFY")

    assert code == 0
    assert ("bulk quotes: 1 requests" in capsys.readouterr().err) is planned


# --- what the loader tells the gate -----------------------------------------------------------------------------------


def stored(**options):
    listed("ACME", strikes=22)
    for row in range(2):
        InstrumentFactory(underlying="ACME", expiry=NEAR, strike=Decimal(800 + 20 * row), option_type="CE")
    store_chain(chain(expiries=(NEAR,), **options))


def code_at(loaded, strike):
    front = loaded.expiries[0]
    return Refusal(int(front.calls.refusal[front.strikes.tolist().index(strike)]))


def test_an_adjusted_contract_is_refused_by_its_lot():
    stored()
    InstrumentFactory(underlying="ACME", expiry=NEAR, strike=Decimal(980), option_type="CE", lot_size=512)

    assert listings(["ACME"])["ACME"].odd_lots == {(NEAR, 980.0): 512}
    assert code_at(load_chain("ACME", as_of=AS_OF), 980.0) is Refusal.ODD_LOT
    assert code_at(load_chain("ACME", as_of=AS_OF), 1_000.0) is Refusal.NONE


def test_quotes_written_minutes_apart_are_refused():
    stored()
    assert code_at(load_chain("ACME", as_of=AS_OF), 1_000.0) is Refusal.NONE

    first = OptionQuote.objects.first()
    OptionQuote.objects.filter(pk=first.pk).update(quoted_at=first.quoted_at - timedelta(minutes=5))

    assert code_at(load_chain("ACME", as_of=AS_OF), 1_000.0) is Refusal.MIXED_TIMES


def test_a_chain_of_the_morning_is_stale_in_the_afternoon_unless_any_age_is_trusted():
    stored(taken_at=AS_OF - timedelta(hours=3))

    assert code_at(load_chain("ACME", as_of=AS_OF), 1_000.0) is Refusal.STALE
    assert code_at(load_chain("ACME", as_of=AS_OF, most_age=None), 1_000.0) is Refusal.NONE
    assert code_at(load_chain("ACME", as_of=AS_OF, most_age=timedelta(hours=4)), 1_000.0) is Refusal.NONE


@pytest.mark.parametrize(("spot", "refusal"), [(Decimal(995), Refusal.FROZEN), (Decimal(1_000), Refusal.NONE)])
def test_a_last_price_that_stood_still_since_the_snapshot_before_is_refused(spot, refusal):
    listed("ACME", strikes=22)
    for taken_at in (AS_OF - timedelta(minutes=30), AS_OF - timedelta(minutes=1)):
        store_chain(chain(expiries=(NEAR,), taken_at=taken_at))
    OptionQuote.objects.update(bid=None, ask=None)
    earlier = ChainSnapshot.objects.earliest("taken_at")
    ChainSnapshot.objects.filter(pk=earlier.pk).update(spot=spot)
    OptionQuote.objects.filter(snapshot=earlier).exclude(strike=1_000).update(volume=1)
    standing = OptionQuote.objects.get(snapshot=earlier, strike=1_000, option_type="CE")
    OptionQuote.objects.filter(strike=1_000, option_type="CE").update(last_price=standing.last_price)

    loaded = load_chain("ACME", as_of=AS_OF)

    assert code_at(loaded, 1_000.0) is refusal
    assert code_at(loaded, 1_020.0) is Refusal.NONE
