"""The recorded market: touches from a stored book, or modelled, or refused with a reason."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from market.contract import Contract, OptionType, Side
from market.errors import BadMaster, Illiquid, MarketError, StaleQuote, UnknownInstrument
from market.models import Underlying
from market.ports import Touch
from market.services.load import listings, touch_depths
from market.sources import build_source
from tests.factories import AS_OF, EXPIRY, ChainSnapshotFactory, InstrumentFactory, ShareFactory, UnderlyingFactory

pytestmark = pytest.mark.django_db

CALL = Contract("ACME", EXPIRY, 1000.0, OptionType.CALL)
NO_BOOK = {"bid": None, "ask": None, "bid_quantity": None, "ask_quantity": None}


@pytest.fixture
def market():
    UnderlyingFactory(symbol="ACME", lot_size=500)
    InstrumentFactory()
    ShareFactory(underlying="ACME")
    return build_source("recorded")


def refused(market, contract=CALL, *, as_of=AS_OF):
    with pytest.raises(MarketError) as refusal:
        market.touch(contract, as_of=as_of)
    return type(refusal.value), refusal.value.reason.code


def test_the_book_is_given_as_it_was(market):
    ChainSnapshotFactory(quotes=[{}])

    touch = market.touch(CALL, as_of=AS_OF)

    assert touch == Touch(Decimal("39.95"), Decimal("40.05"), 1000, 1500, AS_OF, modelled=False)


def test_a_touch_is_modelled_where_the_chain_has_no_book(market):
    ChainSnapshotFactory(quotes=[NO_BOOK])

    touch = market.touch(CALL, as_of=AS_OF)

    assert touch == Touch(Decimal("39.2"), Decimal("40.8"), 1000, 1000, AS_OF, modelled=True)


@pytest.mark.parametrize(
    ("quotes", "code"),
    [
        ([NO_BOOK | {"volume": 0}], "NO_TRADE"),
        ([NO_BOOK | {"last_price": None}], "NO_TRADE"),
        ([NO_BOOK | {"last_price": Decimal("0.05")}], "NO_BID"),
        ([{"bid": None}], "NO_TOUCH"),
        ([{"ask": None}], "NO_TOUCH"),
        ([NO_BOOK, {"strike": 1050, "ask": None}], "NO_TOUCH"),  # a book elsewhere: this one has no market
        ([{"strike": 1050}], "NO_QUOTE"),
        ([{"option_type": "PE"}], "NO_QUOTE"),
        ([{"expiry": date(2026, 3, 30)}], "NO_QUOTE"),
    ],
)
def test_no_honest_touch_is_a_reason(market, quotes, code):
    ChainSnapshotFactory(quotes=quotes)

    assert refused(market) == (Illiquid, code)


def test_the_newest_snapshot_not_later_than_the_moment_is_used(market):
    ChainSnapshotFactory(taken_at=AS_OF - timedelta(minutes=5), quotes=[{"bid": 38}])
    ChainSnapshotFactory(taken_at=AS_OF + timedelta(seconds=1), quotes=[{"bid": 30}])

    touch = market.touch(CALL, as_of=AS_OF)

    assert (touch.bid, touch.quoted_at) == (38, AS_OF - timedelta(minutes=5))
    assert refused(market, as_of=AS_OF - timedelta(hours=1)) == (StaleQuote, "NO_CHAIN")


def test_a_contract_the_master_does_not_list_is_unknown(market):
    ChainSnapshotFactory(quotes=[{"strike": 1050}])

    assert refused(market, Contract("ACME", EXPIRY, 1050.0, OptionType.CALL)) == (UnknownInstrument, "NOT_IN_MASTER")


def test_the_same_contract_on_the_other_exchange_is_not_taken(market):
    InstrumentFactory(exchange="BSE", segment="BSE_FNO", lot_size=700)
    ChainSnapshotFactory(quotes=[NO_BOOK])

    assert market.touch(CALL, as_of=AS_OF).bid_quantity == 1000


def test_a_share_is_one_tick_around_the_spot(market):
    ChainSnapshotFactory(spot=Decimal("1003.22"), quotes=[{}])

    touch = market.touch(Contract("ACME"), as_of=AS_OF)

    assert touch == Touch(Decimal("1003.15"), Decimal("1003.25"), 1000, 1000, AS_OF, modelled=True)


def test_a_share_without_a_spot_or_a_lot_has_no_touch(market):
    snapshot = ChainSnapshotFactory(spot=None, quotes=[{}])
    assert refused(market, Contract("ACME")) == (Illiquid, "NO_SPOT")

    snapshot.spot = 1000
    snapshot.save()
    Underlying.objects.update(lot_size=None)
    assert refused(market, Contract("ACME")) == (Illiquid, "NO_SPOT")


def test_a_recording_has_no_master(market):
    with pytest.raises(BadMaster) as refusal:
        market.master(as_of=AS_OF)

    assert refusal.value.reason.code == "NO_MASTER_SOURCE"


def test_underlyings_are_those_with_options(market):
    UnderlyingFactory(symbol="CASH", fno_stock="no")

    (fact,) = market.underlyings()

    assert (fact.symbol, fact.industry, fact.market_cap) == ("ACME", "Steel", 1_000_000_000.0)


def test_an_unknown_source_is_refused():
    with pytest.raises(MarketError) as refusal:
        build_source("crystal ball")

    assert refusal.value.reason.code == "UNKNOWN_SOURCE"
    assert "recorded, simulated" in refusal.value.reason.remedy


def test_one_source_per_process(market):
    assert build_source("recorded") is market


# --- what the master says ---------------------------------------------------------------------------------------------


def test_the_lot_of_an_expiry_is_that_of_most_of_its_contracts(market):
    InstrumentFactory(strike=1050)
    InstrumentFactory(strike=Decimal("987.65"), lot_size=537)
    InstrumentFactory(expiry=date(2026, 3, 30), lot_size=600)

    listing = listings(["ACME"])["ACME"]

    assert listing.lot_sizes == {EXPIRY: 500, date(2026, 3, 30): 600}
    assert (listing.tick_size, listing.exchange) == (0.05, "NSE")


def test_options_on_another_exchange_and_old_rows_do_not_count(market):
    for strike in (1000, 1050, 1100):
        InstrumentFactory(exchange="BSE", segment="BSE_FNO", strike=strike, lot_size=700, tick_paise=10)
    for strike in (1150, 1200):
        InstrumentFactory(active=False, strike=strike, lot_size=250)

    listing = listings(["ACME", "OTHER"])

    assert list(listing) == ["ACME"]
    assert (listing["ACME"].lot_sizes, listing["ACME"].exchange, listing["ACME"].tick_size) == (
        {EXPIRY: 500},
        "NSE",
        0.05,
    )


def test_an_index_of_the_bse_is_read_from_the_bse():
    UnderlyingFactory(symbol="SENSEX", kind="index", exchange="BSE", lot_size=20)
    InstrumentFactory(underlying="SENSEX", exchange="BSE", instrument_name="OPTIDX", lot_size=20)

    assert (listings(["SENSEX"])["SENSEX"].exchange, listings(["SENSEX"])["SENSEX"].lot_sizes) == ("BSE", {EXPIRY: 20})


def test_depth_is_bought_at_the_ask_and_sold_at_the_bid(market):
    ChainSnapshotFactory(quotes=[{}, {"strike": 1050, "ask_quantity": None}])

    depths = touch_depths(["ACME"], as_of=AS_OF)

    other = Contract("ACME", EXPIRY, 1050.0, OptionType.CALL)
    assert depths == {(CALL, Side.BUY): 1500, (CALL, Side.SELL): 1000, (other, Side.SELL): 1000}


def test_depth_without_a_book_is_two_lots_where_it_traded(market):
    ChainSnapshotFactory(quotes=[NO_BOOK, NO_BOOK | {"strike": 1050, "volume": 0}])

    assert touch_depths(["ACME"], as_of=AS_OF) == {(CALL, Side.BUY): 1000, (CALL, Side.SELL): 1000}


def test_depths_of_many_symbols_cost_four_queries(market, django_assert_num_queries):
    ChainSnapshotFactory(quotes=[{}])

    with django_assert_num_queries(4):
        touch_depths(["ACME", *(f"S{n}" for n in range(50))], as_of=AS_OF)
