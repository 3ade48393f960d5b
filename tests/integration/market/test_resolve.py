"""A contract is found by its exact terms or not at all."""

import io
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from market.contract import Contract, OptionType
from market.errors import UnknownInstrument
from market.models import Instrument
from market.services.instruments import import_scrip_master
from market.services.resolve import resolve, resolve_all
from tests.master_csv import FEB_10, FEB_24, market_rows, master, option, share

pytestmark = pytest.mark.django_db
TODAY = date(2026, 1, 30)


@pytest.fixture(autouse=True)
def _master() -> None:
    rows = [
        *market_rows(),
        option(40020, strike="1047.55000"),
        option(40021, underlying="NIFTYNXT50"),
        share(500325, "RELIANCE", exchange="BSE", series="A"),
    ]
    import_scrip_master(io.BytesIO(master(rows)), source="dhan", fewest_rows=1)


def call(strike: float | None = 25_000.0, *, underlying: str = "NIFTY", expiry: date = FEB_24) -> Contract:
    return Contract(underlying, expiry, strike, OptionType.CALL)


def code_of(contract: Contract, **options: Any) -> str:
    with pytest.raises(UnknownInstrument) as refusal:
        resolve(contract, **{"as_of": TODAY, **options})
    return refusal.value.reason.code


def test_exact_terms_find_the_one_row():
    row = resolve(call(), as_of=TODAY)

    assert (row.security_id, row.contract) == ("40002", call())
    assert resolve(call(expiry=FEB_10), as_of=TODAY).security_id == "40001"
    assert resolve(Contract("NIFTY", FEB_24, 25_000.0, OptionType.PUT), as_of=TODAY).security_id == "40003"
    assert resolve(call(1_047.55), as_of=TODAY).strike == Decimal("1047.55000")


def test_a_prefix_of_a_name_is_another_underlying():
    assert resolve(call(underlying="NIFTYNXT50"), as_of=TODAY).security_id == "40021"
    assert code_of(call(underlying="NIFTYNXT")) == "NOT_IN_MASTER"


def test_a_share_is_found_on_nse():
    assert resolve(Contract("RELIANCE"), as_of=TODAY).security_id == "2885"


@pytest.mark.parametrize(
    "contract",
    [
        call(25_010.0),
        call(25_000.000_02),
        call(expiry=date(2026, 2, 17)),
        call(underlying="nifty"),
        call(float("nan")),
        call(float("inf")),
        call(1e300),
        call(None),
        Contract("NIFTY"),
        Contract("SENSEX", date(2026, 2, 26), 80_000.0, OptionType.PUT),
    ],
)
def test_a_neighbour_is_never_offered(contract: Contract):
    assert code_of(contract) == "NOT_IN_MASTER"


def test_fm_D3_an_expired_contract_is_refused_and_the_expiry_day_is_not():
    assert resolve(call(), as_of=FEB_24).security_id == "40002"
    assert code_of(call(), as_of=date(2026, 2, 25)) == "EXPIRED"


def test_an_inactive_row_is_not_found():
    Instrument.objects.filter(security_id="40002").update(active=False, inactive_reason="missing")

    assert code_of(call()) == "NOT_IN_MASTER"


def test_two_listings_are_ambiguous_until_the_exchange_is_named():
    rows = [*market_rows(), option(900_001, exchange="BSE")]
    import_scrip_master(io.BytesIO(master(rows)), source="dhan", fewest_rows=1)

    assert code_of(call()) == "AMBIGUOUS"
    assert resolve(call(), as_of=TODAY, exchange="BSE").security_id == "900001"
    assert resolve(call(), as_of=TODAY, exchange="NSE").security_id == "40002"


def test_a_basket_takes_one_query(django_assert_num_queries: Any):
    basket = [
        call(),
        call(25_050.0),
        call(80_000.0, underlying="SENSEX", expiry=date(2026, 2, 26)),
        Contract("RELIANCE"),
    ]

    with django_assert_num_queries(1):
        found = resolve_all(basket, as_of=TODAY)

    assert [found[contract].security_id for contract in basket] == ["40002", "40004", "850001", "2885"]


def test_fm_D12_one_unknown_leg_refuses_the_basket():
    with pytest.raises(UnknownInstrument) as refusal:
        resolve_all([call(), call(25_051.0)], as_of=TODAY)

    assert refusal.value.reason.code == "NOT_IN_MASTER"
    assert "25051" in refusal.value.reason.sentence


def test_an_empty_basket_is_empty():
    assert resolve_all([], as_of=TODAY) == {}
