"""Daily histories as they are found: shares in bhavcopy columns, indices as Yahoo and NSE print them."""

from datetime import date

import pytest

from market.errors import BadChain
from market.readers.archive import Member
from market.readers.history import read_history

SHARES = (
    "Date,SYMBOL,SERIES,DATE1,PREV_CLOSE,OPEN_PRICE,HIGH_PRICE,LOW_PRICE,LAST_PRICE,CLOSE_PRICE,AVG_PRICE,"
    "TTL_TRD_QNTY,TURNOVER_LACS,NO_OF_TRADES,DELIV_QTY,DELIV_PER\n"
    "2019-08-23,ACC, EQ, 23-Aug-2019,1464.6,1460.0,1478.2,1445.85,1468.9,1468.75,1465.7,807076,"
    "11829.3,43093,215700,26.73\n"
    "2019-10-01,ACC, EQ, 01-Oct-2019,1608.15,1611.65,1627.4,1555.05,1579.8,1575.7,1587.87,460449,"
    "7311.32,28156, -,10.75\n"
)
YAHOO = "Date,Open,High,Low,Close,Adjusted Close,Volume\n2026-01-27,25063.35,25246.65,24932.55,25175.4,25175.4,618700\n"
VIX = (
    "Date ,Open ,High ,Low ,Close ,Prev. Close ,Change ,% Change \n"
    "27-JAN-2026,14.1925,16.0575,13.9225,14.45,14.1925,0.26,1.81\n"
    "12-FEB-2021,0,0,0,22.2,22.1,0.1,0.5\n"
)


def read(text, name="ACC.csv"):
    return read_history(Member(name, text.encode()))


def test_a_share_has_many_sessions_in_one_file():
    found = read(SHARES)

    assert [share.day for share in found.shares] == [date(2019, 8, 23), date(2019, 10, 1)]
    first, second = found.shares
    assert (first.symbol, first.series, first.open, first.high, first.low, first.close) == (
        *("ACC", "EQ"),
        *(1460.0, 1478.2, 1445.85, 1468.75),
    )
    assert (first.volume, first.delivered, second.delivered) == (807076, 215700, None)


@pytest.mark.parametrize(
    "name", ["daily_NIFTY50.csv", "daily_NIFTY50_2026-01-27_to_2026-01-30.csv", "D/daily_NIFTY50.csv"]
)
def test_an_index_is_known_by_its_file(name):
    (share,) = read(YAHOO, name).shares

    assert (share.exchange, share.symbol, share.series, share.volume) == ("NSE", "NIFTY", "IDX", 618700)
    assert (share.close, share.last_price, share.delivered) == (25175.4, None, None)


def test_the_sensex_is_the_other_exchanges():
    assert read(YAHOO, "daily_SENSEX.csv").shares[0].exchange == "BSE"


def test_a_day_of_zeros_is_counted_and_never_filled():
    found = read(VIX, "india_vix_daily.csv")

    assert [(share.symbol, share.close, share.volume) for share in found.shares] == [("INDIAVIX", 14.45, 0)]
    assert found.rejected == {"NO_PRICE": 1}


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("25246.65", "25100", "BAD_RANGE"),  # a high below the close
        ("25063.35", "-1", "NEGATIVE_PRICE"),
        ("25063.35", "nan", "NOT_A_PRICE"),
        ("618700", "1.5", "NOT_WHOLE"),
        ("2026-01-27", "someday", "BAD_DATE"),
    ],
)
def test_a_row_that_is_no_candle_is_rejected_by_code(old, new, code):
    good = YAHOO.splitlines()[1].replace("2026-01-27", "2026-01-28")

    found = read(YAHOO.replace(old, new) + good + "\n", "daily_NIFTY50.csv")

    assert (len(found.shares), found.rejected) == (1, {code: 1})


def test_a_session_twice_counts_once():
    found = read(YAHOO + YAHOO.splitlines()[1] + "\n", "daily_NIFTY50.csv")

    assert (len(found.shares), found.rejected) == (1, {"DUPLICATE": 1})


@pytest.mark.parametrize(
    ("text", "name", "code"),
    [
        (YAHOO, "daily_MOON.csv", "UNKNOWN_INDEX"),
        (YAHOO.splitlines()[0] + "\n", "daily_NIFTY50.csv", "NO_ROWS"),
        ("SYMBOL,SERIES\nACC,EQ\n", "ACC.csv", "WRONG_COLUMNS"),
    ],
)
def test_a_file_that_is_no_history_is_refused(text, name, code):
    with pytest.raises(BadChain) as refusal:
        read(text, name)

    assert refusal.value.reason.code == code
