"""NSE's chain pages of 2019."""

from collections import Counter
from datetime import date, datetime
from pathlib import Path

import pytest

from market.calendar import IST
from market.contract import OptionType
from market.errors import BadChain
from market.ports import CapturedChain, CapturedQuote
from market.readers import batches, readings
from market.readers.archive import Member
from market.readers.nse_page import moment_key, read
from market.readers.rows import Table, in_units, observed_lot

HEADER = (
    ",CallOI,CallChnginOI,CallVolume,CallIV,CallLTP,CallNetChng,CallBidQty,CallBidPrice,CallAskPrice,CallAskQty,"
    "StrikePrice,PutBidQty,PutBidPrice,PutAskPrice,PutAskQty,PutNetChng,PutLTP,PutIV,PutVolume,PutChnginOI,PutOI,"
    "CurrentVal\n"
)
ROW = (
    '0,"1,300",300,4,-,"2,426.30",840.75,"1,200","2,450.90","2,525.40",75,9100.00,75,0.60,1.65,150,-0.55,2.50,78.78,7,'
    "375,600,11623.9\n"
)
BARE = "1,-,-,-,-,-,-,1275,2281.50,-,-,9150.00,-,-,-,-,-,-,-,-,-,-,11623.9\n"
NAME = "NIFTY/NIFTY_01-04-2019_09:30.csv"
CALL, PUT = OptionType.CALL, OptionType.PUT


def page(name: str, text: str) -> tuple[CapturedChain, Counter[str]]:
    (chain,), rejected = read(Table(Member(name, text.encode())), source="test")
    return chain, rejected


def test_a_page_reads_bids_asks_commas_and_dashes() -> None:
    chain, rejected = page(NAME, HEADER + ROW + BARE)

    assert (chain.underlying, chain.spot, chain.is_index) == ("NIFTY", 11623.9, True)
    assert chain.taken_at == datetime(2019, 4, 1, 9, 30, tzinfo=IST)
    assert not rejected
    expiry = date(2019, 4, 4)
    assert chain.quotes == (
        CapturedQuote(
            expiry, 9100.0, CALL, last_price=2426.3, bid=2450.9, ask=2525.4, bid_quantity=1200, ask_quantity=75,
            volume=None, open_interest=1300, implied_volatility=None,
        ),
        CapturedQuote(
            expiry, 9100.0, PUT, last_price=2.5, bid=0.6, ask=1.65, bid_quantity=75, ask_quantity=150,
            volume=None, open_interest=600, implied_volatility=pytest.approx(0.7878),
        ),
        CapturedQuote(expiry, 9150.0, CALL, bid=2281.5, bid_quantity=1275),
        CapturedQuote(expiry, 9150.0, PUT),
    )  # fmt: skip


def test_volume_becomes_units_only_when_the_page_shows_the_lot() -> None:
    row = ROW.replace('"1,300"', '"1,350"')
    rows = "".join(row.replace("9100.00", f"{9100 + 50 * step}.00") for step in range(6))

    chain, _ = page(NAME, HEADER + rows)

    assert [quote.volume for quote in chain.quotes[:2]] == [4 * 75, 7 * 75]


def test_the_folder_names_the_expiry_where_there_is_one() -> None:
    for folder, expiry in (("11JUL2019", date(2019, 7, 11)), ("4JUL2019", date(2019, 7, 4))):
        chain, _ = page(f"index/NIFTY/{folder}/NIFTY_10-06-2019_09:30.csv", HEADER + ROW)

        assert {quote.expiry for quote in chain.quotes} == {expiry}


def test_pages_of_one_moment_in_several_folders_become_one_chain() -> None:
    batch = [
        Member(f"index/NIFTY/{folder}/NIFTY_10-06-2019_09:30.csv", (HEADER + ROW).encode())
        for folder in ("11JUL2019", "4JUL2019")
    ]

    assert {moment_key(member.name) for member in batch} == {"NIFTY_10-06-2019_09:30.csv"}
    (reading,) = readings(batch)

    (chain,) = reading.chains
    assert chain.source == "nse_page"
    assert [quote.expiry for quote in chain.quotes] == [date(2019, 7, 4)] * 2 + [date(2019, 7, 11)] * 2


def test_a_page_of_the_nearest_expiry_alone_has_a_source_of_its_own() -> None:
    (reading,) = readings([Member(NAME, (HEADER + ROW).encode())])

    assert [chain.source for chain in reading.chains] == ["nse_page_near"]


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        (NAME, HEADER, "NO_ROWS"),
        ("NIFTY.csv", HEADER + ROW, "NAME_WITHOUT_TIME"),
        ("NIFTY_41-04-2019_09:30.csv", HEADER + ROW, "NAME_WITHOUT_TIME"),
        ("NIFTY_01-04-2021_09:30.csv", HEADER + ROW, "UNKNOWN_EXPIRY"),
        (NAME, HEADER + ROW.replace("11623.9", "spot"), "BAD_SPOT"),
        (NAME, (HEADER + ROW).replace("CallIV", "Other"), "WRONG_COLUMNS"),
    ],
)
def test_a_page_that_cannot_be_placed_is_refused(name: str, text: str, code: str) -> None:
    with pytest.raises(BadChain) as refusal:
        page(name, text)

    assert refusal.value.reason.code == code


def test_zero_spot_crossed_and_negative_prices_are_refused() -> None:
    zero = Member("RELIANCE_03-06-2019_10:00.csv", (HEADER + ROW.replace("11623.9", "0")).encode())
    crossed = Member(
        NAME, (HEADER + ROW.replace('"2,525.40"', '"2,425.40"').replace("0.60,1.65", "-0.60,1.65")).encode()
    )

    (first,), (second,) = readings([zero]), readings([crossed])

    assert [reason.code for reason in first.refusals] == ["ZERO_SPOT"]
    assert [reason.code for reason in second.refusals] == ["NO_ROWS"]
    assert second.refusals[0].remedy == "Rejected: CROSSED 1, NEGATIVE_PRICE 1."


@pytest.mark.parametrize(
    ("quantities", "lot"),
    [
        ([75] + [150] * 19, 75),
        ([75, 75, None, 0], None),
        ([150] * 10 + [225] * 10, None),
        ([75] * 10 + [65] * 10, None),
        ([], None),
    ],
)
def test_a_lot_is_observed_or_unknown_never_guessed(quantities: list[int | None], lot: int | None) -> None:
    assert observed_lot(quantities) == lot


@pytest.mark.parametrize(
    ("lots", "lot_size", "units"),
    [(4, 75, 300), (0, None, 0), (None, 75, None), (4, None, None), (2119.714285714286, 35, 74190)],
)
def test_lots_become_units(lots: float | None, lot_size: int | None, units: int | None) -> None:
    assert in_units(lots, lot_size) == units


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "symbol", "lot"),
    [
        ("nse_option_chain_2019_near_expiry_NIFTY_BANKNIFTY.tar.xz", "/NIFTY", 75),
        ("nse_option_chain_2019_stocks.tar.xz", "RELIANCE", 500),
        ("nse_option_chain_2019_all_expiries_NIFTY.tar.xz", "/NIFTY", 75),
        ("nse_option_chain_2019_all_expiries_BANKNIFTY.tar.xz", "/BANKNIFTY", 20),
    ],
)
def test_a_real_page_of_each_archive(shared_data: Path, name: str, symbol: str, lot: int) -> None:
    groups = batches(shared_data / "C_option_chains" / name)
    batch = next(group for group in groups if symbol + "_10-06-2019_11:" in group[0].name)

    (reading,) = readings(batch)

    (chain,) = reading.chains
    assert not reading.rejected
    assert len({quote.strike for quote in chain.quotes}) > 20
    assert any(quote.bid and quote.ask and quote.volume for quote in chain.quotes)
    assert all(quote.volume % lot == 0 for quote in chain.quotes if quote.volume)
    assert all(quote.open_interest % lot == 0 for quote in chain.quotes if quote.open_interest)
