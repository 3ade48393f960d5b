"""The one-minute parquet of every expiry."""

import io
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from market.calendar import IST
from market.contract import OptionType
from market.ports import CapturedQuote
from market.readers import Reading, batches, readings
from market.readers.archive import Member

ROW: dict[str, Any] = {
    "Fetch_Time": "29-Aug-2025 12:28:21",
    "Symbol": "NIFTY",
    "Expiry_Date": "02-Sep-2025",
    "Strike_Price": 24500,
    "source_file": "NIFTY_20250829_122907.parquet",
}
for _side, _volume in (("CALLS", 10), ("PUTS", 0)):
    ROW |= {f"{_side}_OI": 12.0, f"{_side}_Volume": _volume, f"{_side}_IV": 12.5, f"{_side}_LTP": 101.5}
    ROW |= {f"{_side}_Bid_Qty": 75, f"{_side}_Bid_Price": 101.0, f"{_side}_Ask_Price": 102.0, f"{_side}_Ask_Qty": 150}


def parquet(*rows: dict[str, Any]) -> Member:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows)), buffer)
    return Member("chain.parquet", buffer.getvalue())


def read(*rows: dict[str, Any]) -> list[Reading]:
    return list(readings([parquet(*rows)]))


def strikes(count: int, **changes: Any) -> list[dict[str, Any]]:
    return [{**ROW, "Strike_Price": 24500 + 50 * step, **changes} for step in range(count)]


def test_a_page_reads_in_units_without_a_spot() -> None:
    (reading,) = read(*strikes(5))

    (chain,) = reading.chains
    assert (chain.underlying, chain.spot, chain.is_index) == ("NIFTY", None, True)
    assert chain.taken_at == datetime(2025, 8, 29, 12, 28, 21, tzinfo=IST)
    assert len(chain.quotes) == 10
    assert chain.quotes[0] == CapturedQuote(
        date(2025, 9, 2), 24500.0, OptionType.CALL, last_price=101.5, bid=101.0, ask=102.0, bid_quantity=75,
        ask_quantity=150, volume=10 * 75, open_interest=12 * 75, implied_volatility=0.125,
    )  # fmt: skip
    assert chain.quotes[1].volume is None


def test_zero_means_none_everywhere() -> None:
    nothing = {name: 0 * value for name, value in ROW.items() if name.startswith("CALLS_")}

    (reading,) = read(*strikes(5), {**ROW, **nothing, "Strike_Price": 30000})

    at_strike = [quote.option_type for quote in reading.chains[0].quotes if quote.strike == 30000]
    assert at_strike == [OptionType.PUT]


def test_open_interest_in_lots_stays_unknown_without_an_observed_lot() -> None:
    (reading,) = read(ROW)

    assert [quote.open_interest for quote in reading.chains[0].quotes] == [None, None]


def test_a_page_collected_twice_counts_once_with_the_newer_content() -> None:
    again = {"source_file": "NIFTY_20250829_123007.parquet", "CALLS_LTP": 99.0}

    (reading,) = read(*strikes(5, **again), *strikes(5))

    assert {quote.last_price for quote in reading.chains[0].quotes} == {99.0, 101.5}
    assert len(reading.chains[0].quotes) == 10


def test_every_stamp_and_symbol_is_a_chain_of_its_own_in_order_of_time() -> None:
    later = {"Fetch_Time": "29-Aug-2025 12:29:21"}

    found = read(*strikes(1, **later), *strikes(1), *strikes(1, Symbol="BANKNIFTY"))

    assert [(reading.chains[0].underlying, reading.chains[0].taken_at.minute) for reading in found] == [
        ("BANKNIFTY", 28),
        ("NIFTY", 28),
        ("NIFTY", 29),
    ]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"CALLS_LTP": float("nan")}, "NOT_FINITE"),
        ({"CALLS_Bid_Price": 103.0}, "CROSSED"),
        ({"CALLS_OI": 0.3}, "NOT_WHOLE"),
        ({"CALLS_Volume": -4}, "BAD_COUNT"),
    ],
)
def test_a_bad_side_costs_itself_only(changes: dict[str, Any], code: str) -> None:
    (reading,) = read(*strikes(5), {**ROW, "Strike_Price": 30000, **changes})

    assert reading.rejected == {code: 1}
    assert len(reading.chains[0].quotes) == 11


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([{"Symbol": "NIFTY"}], "WRONG_COLUMNS"),
        ([{**ROW, "CALLS_LTP": "5"}], "WRONG_COLUMNS"),
        ([{**ROW, "Fetch_Time": "soon"}], "BAD_DATE"),
        ([{**ROW, "Symbol": "a b"}], "BAD_SYMBOL"),
        ([{**ROW, "Fetch_Time": "27-Aug-2025 10:00:00"}], "OUT_OF_SESSION"),
    ],
)
def test_a_file_of_another_shape_is_refused(rows: list[dict[str, Any]], code: str) -> None:
    (reading,) = read(*rows)

    assert [reason.code for reason in reading.refusals] == [code]
    assert reading.chains == ()


def test_a_cut_file_is_refused() -> None:
    whole = parquet(ROW)

    (reading,) = readings([Member(whole.name, whole.data[:-40])])

    assert [reason.code for reason in reading.refusals] == ["TRUNCATED"]


@pytest.mark.realdata
def test_the_real_file_gives_282_chains_without_a_rejected_row(shared_data: Path) -> None:
    (batch,) = batches(shared_data / "C_option_chains" / "nse_chain_1min_NIFTY_BANKNIFTY_2025-08-27_and_29_am.parquet")

    found = list(readings(batch))

    assert len(found) == 282
    assert not any(reading.rejected or reading.refusals for reading in found)
    newest = found[-1].chains[0]
    assert newest.taken_at == datetime(2025, 8, 29, 12, 28, 21, tzinfo=IST)
    # 25 was the lot before 75: an interest from then shows as thirds of a lot.
    assert all(quote.open_interest % 25 == 0 for quote in newest.quotes if quote.open_interest)
