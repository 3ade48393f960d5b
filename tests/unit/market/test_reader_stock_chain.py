"""The `Stock,Expiry,Strike,CE_LTP,...` form in its column orders, and the index form."""

from collections import Counter
from datetime import date, datetime
from pathlib import Path

import pytest

from market.calendar import IST
from market.contract import OptionType
from market.ports import CapturedChain, CapturedQuote
from market.readers import batches, readings
from market.readers.archive import Member
from market.readers.rows import Table
from market.readers.stock_chain import read

EXPIRY = date(2026, 2, 24)
CALL, PUT = OptionType.CALL, OptionType.PUT

ORDERS = {
    "2025-12-23": (
        "Stock,Expiry,Strike,CE_LTP,CE_OI,PE_LTP,PE_OI,timestamp,Stock_LTP,Max_Pain",
        "ACME,2026-02-24,100.0,5.5,200.0,0.0,0.0,2026-01-30 17:26,101.5,8814",
    ),
    "2025-12-26": (
        "Stock,Expiry,Strike,CE_LTP,CE_OI,PE_LTP,PE_OI,Stock_LTP,timestamp,Max_Pain",
        "ACME,2026-02-24,100.0,5.5,200.0,0.0,0.0,101.5,2026-01-30 17:26,8814",
    ),
    "2025-12-29": (
        "Stock,Expiry,Strike,CE_LTP,CE_OI,PE_LTP,PE_OI,Stock_LTP,Stock_%_Change,timestamp,Max_Pain",
        "ACME,2026-02-24,100.0,5.5,200.0,0.0,0.0,101.5,-0.7,2026-01-30 17:26,8814",
    ),
}


def one(text: str) -> tuple[list[CapturedChain], Counter[str]]:
    return read(Table(Member("option_chain_2026-01-30_17-26.csv", text.encode())), source="test")


@pytest.mark.parametrize("order", ORDERS)
def test_every_order_without_volume_reads_the_same(order: str) -> None:
    chains, rejected = one("\n".join(ORDERS[order]))

    assert chains == [
        CapturedChain(
            "ACME",
            datetime(2026, 1, 30, 17, 26, tzinfo=IST),
            "test",
            101.5,
            (
                CapturedQuote(EXPIRY, 100.0, CALL, last_price=5.5, open_interest=200),
                CapturedQuote(EXPIRY, 100.0, PUT, last_price=None, open_interest=0),
            ),
        )
    ]
    assert not rejected


def test_the_order_with_volume_reads_volume_and_keeps_true_zeros() -> None:
    text = (
        "Stock,Expiry,Strike,CE_LTP,CE_OI,CE_Volume,PE_LTP,PE_OI,PE_Volume,Stock_LTP,Stock_High,Stock_Low,"
        "Stock_%_Change,timestamp,Max_Pain\n"
        "M&M,2026-02-24,960.0,0.0,0.0,0.0,0.65,2000.0,500.0,1187.0,1209.9,1175.5,-1.001,2026-01-30 17:26,8814\n"
        "BAJAJ-AUTO,2026-02-24,9000.0,10.0,75.0,150.0,1.0,75.0,0.0,9100.0,1.0,1.0,0.1,2026-01-30 17:27,8814\n"
    )

    chains, _ = one(text)

    assert [(chain.underlying, chain.spot, f"{chain.taken_at:%H:%M}") for chain in chains] == [
        ("M&M", 1187.0, "17:26"),
        ("BAJAJ-AUTO", 9100.0, "17:27"),
    ]
    assert chains[0].quotes == (
        CapturedQuote(EXPIRY, 960.0, CALL, open_interest=0, volume=0),
        CapturedQuote(EXPIRY, 960.0, PUT, last_price=0.65, open_interest=2000, volume=500),
    )


@pytest.mark.parametrize(
    "text",
    [
        "Symbol,Expiry,Strike,CE_LTP,CE_OI,CE_Volume,PE_LTP,PE_OI,PE_Volume,Spot,%Change,timestamp,Max_Pain\n"
        "NIFTY,2026-02-24,23500.0,1669.85,2080,8905,4.9,6545110,57699850,0,0,2026-01-22 09:31:32,16698459\n",
        "Symbol,Expiry,Strike,CE_LTP,CE_OI,CE_Volume,PE_LTP,PE_OI,PE_Volume,Spot,%Change,timestamp,Max_Pain\n"
        "NIFTY,24-02-2026,23500,1669.85,2080,8905,4.9,6545110,57699850,0,0,22-01-2026 09:31:32,16698459\n",
    ],
)
def test_an_index_whose_spot_column_is_zero_has_no_spot(text: str) -> None:
    (chain,), rejected = one(text)

    assert chain == CapturedChain(
        "NIFTY",
        datetime(2026, 1, 22, 9, 31, 32, tzinfo=IST),
        "test",
        None,
        (
            CapturedQuote(EXPIRY, 23500.0, CALL, last_price=1669.85, open_interest=2080, volume=8905),
            CapturedQuote(EXPIRY, 23500.0, PUT, last_price=4.9, open_interest=6545110, volume=57699850),
        ),
        is_index=True,
    )
    assert not rejected


def test_a_symbol_collected_over_two_minutes_counts_from_the_later_one() -> None:
    header, row = ORDERS["2025-12-23"]
    later = row.replace("100.0", "110.0").replace("17:26,101.5", "17:27,101.6")

    (chain,), _ = one("\n".join([header, later, row.replace("101.5", "101.6")]))

    assert chain.taken_at == datetime(2026, 1, 30, 17, 27, tzinfo=IST)
    assert chain.spot == 101.6


@pytest.mark.parametrize(
    ("broken", "code", "quotes"),
    [
        ("ACME,2026-02-24,abc,5.5,200.0,1.0,0.0,2026-01-30 17:26,101.5,1", "NOT_A_NUMBER", 2),
        ("ACME,2026-02-24,,5.5,200.0,1.0,0.0,2026-01-30 17:26,101.5,1", "BAD_STRIKE", 2),
        ("ACME,24/02/2026,110,5.5,200.0,1.0,0.0,2026-01-30 17:26,101.5,1", "BAD_DATE", 2),
        ("ACME,2026-02-24,110,5.5,200.0,1.0,0.0,yesterday,101.5,1", "BAD_DATE", 2),
        ("A;B,2026-02-24,110,5.5,200.0,1.0,0.0,2026-01-30 17:26,101.5,1", "BAD_SYMBOL", 2),
        ("ACME,2026-02-24,110,5.5", "WRONG_WIDTH", 2),
        ("ACME,2026-02-24,110,5.5,200.5,1.0,0.0,2026-01-30 17:26,101.5,1", "NOT_WHOLE", 3),
        ("ACME,2026-02-24,110,5.5,inf,1.0,0.0,2026-01-30 17:26,101.5,1", "NOT_FINITE", 3),
        ("ACME,2026-02-24,110,five,200,1.0,0.0,2026-01-30 17:26,101.5,1", "NOT_A_NUMBER", 3),
    ],
)
def test_a_broken_row_costs_itself_only(broken: str, code: str, quotes: int) -> None:
    (chain,), rejected = one("\n".join([*ORDERS["2025-12-23"], broken]))

    assert rejected == {code: 1}
    assert len(chain.quotes) == quotes


@pytest.mark.realdata
def test_the_matched_real_days_hold_206_stocks_each_in_the_closing_minute(shared_data: Path) -> None:
    path = shared_data / "C_option_chains" / "stock_option_chain_eod_2026-01-28_to_2026-01-30.tar.xz"

    found = [reading for batch in batches(path) for reading in readings(batch)]

    for reading, day in zip(found, (28, 29, 30), strict=True):
        assert len(reading.chains) == 206
        assert {chain.taken_at for chain in reading.chains} == {datetime(2026, 1, day, 15, 29, tzinfo=IST)}
        assert not reading.rejected
        assert not reading.refusals


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "chains", "refused"),
    [
        ("stock_option_chain_intraday_2026-01.tar.xz", 213, 0),
        ("index_option_chain_intraday_2026-01-22_to_2026-01-29.tar.xz", 0, 3),
    ],
)
def test_the_first_member_of_the_intraday_archives(shared_data: Path, name: str, chains: int, refused: int) -> None:
    batch = batches(shared_data / "C_option_chains" / name)[0]

    (reading,) = readings(batch)

    assert len(reading.refusals) == refused
    assert len(reading.chains) == chains


def rows_at(*clocks: str) -> str:
    head = ORDERS["2025-12-23"][0]
    rows = [
        f"ACME,2026-02-24,{100 + rung}.0,5.5,200,4.5,200,2026-01-30 {clock},101.5,1"
        for rung, clock in enumerate(clocks)
    ]
    return "\n".join([head, *rows])


def test_a_row_of_another_time_keeps_its_own() -> None:
    (chain,), _ = one(rows_at("11:50", "11:59"))

    assert chain.taken_at == datetime(2026, 1, 30, 11, 59, tzinfo=IST)
    early = datetime(2026, 1, 30, 11, 50, tzinfo=IST)
    assert [quote.quoted_at for quote in chain.quotes] == [early, early, None, None]


def test_rows_collected_after_the_close_are_all_of_the_closing_minute() -> None:
    member = Member("option_chain_2026-01-30.csv", rows_at("16:50", "17:26").encode())

    (reading,) = readings([member])

    (chain,) = reading.chains
    assert chain.taken_at == datetime(2026, 1, 30, 15, 29, tzinfo=IST)
    assert {quote.quoted_at for quote in chain.quotes} == {None}


def test_a_row_from_before_the_close_keeps_its_time_beside_those_of_the_closing_minute() -> None:
    member = Member("option_chain_2026-01-30.csv", rows_at("15:10", "17:26").encode())

    (reading,) = readings([member])

    times = {quote.quoted_at for quote in reading.chains[0].quotes}
    assert times == {None, datetime(2026, 1, 30, 15, 10, tzinfo=IST)}
