"""Bhavcopies: F&O in three forms, cash with delivery."""

from datetime import date
from pathlib import Path

import pytest

from market.errors import BadChain
from market.readers.archive import Member, members
from market.readers.bhavcopy import Bhavcopy, ContractDay, ShareDay, read

UDIFF = (
    "TradDt,BizDt,Sgmt,Src,FinInstrmTp,FinInstrmId,ISIN,TckrSymb,SctySrs,XpryDt,FininstrmActlXpryDt,StrkPric,OptnTp,"
    "FinInstrmNm,OpnPric,HghPric,LwPric,ClsPric,LastPric,PrvsClsgPric,UndrlygPric,SttlmPric,OpnIntrst,ChngInOpnIntrst,"
    "TtlTradgVol,TtlTrfVal,TtlNbOfTxsExctd,SsnId,NewBrdLotQty,Rmks,Rsvd1,Rsvd2,Rsvd3,Rsvd4\n"
)
TRADED = (
    "2026-08-13,2026-08-13,FO,NSE,STO,124366,,MCX,,2026-08-25,2026-08-25,2900.00,PE,MCX26AUG2900PE,49.00,57.60,33.00,"
    "39.15,40.65,50.45,2969.98,39.15,456075,-38700,6311,4180531938.75,5233,F1,225,,,,,\n"
)
QUIET = (
    "2026-08-13,2026-08-13,FO,NSE,STO,93958,,MCX,,2026-10-27,2026-10-27,2500.00,CE,MCX26OCT2500CE,0.00,0.00,0.00,"
    "392.30,0.00,392.30,2969.98,567.11,0,0,0,0.00,0,F1,225,,,,,\n"
)
FUTURE = (
    "2026-08-13,2026-08-13,FO,NSE,IDF,68407,,NIFTY,,2026-09-29,2026-09-29,,,NIFTY26SEPFUT,24580.10,24650.00,24531.00,"
    "24602.00,24601.10,24602.90,24395.85,24602.00,1587430,58890,3541,5656953529.50,2603,F1,65,,,,,\n"
)
OLD = (
    "INSTRUMENT,SYMBOL,EXPIRY_DT,STRIKE_PR,OPTION_TYP,OPEN,HIGH,LOW,CLOSE,SETTLE_PR,CONTRACTS,VAL_INLAKH,OPEN_INT,"
    "CHG_IN_OI,TIMESTAMP,\n"
)
OLD_FUTURE = (
    "FUTIDX,BANKNIFTY,25-Mar-2021,0,XX,34579.8,34820,33668.55,33888.25,33888.25,240381,2059559.31,1503375,102975,"
    "18-MAR-2021,\n"
)
OLD_QUIET = "OPTSTK,AARTIIND,25-Mar-2021,880,CE,0,0,0,371.15,361.4,0,0,0,0,18-MAR-2021,\n"
CONVERTED = (
    "SYMBOL,EXPIRY_DT,STRIKE_PR,OPTION_TYP,SETTLE_PR,OPEN_INT,CHG_IN_OI,VOLUME,TRADE_DATE,UNDERLYING_PRICE,HIGH_PRICE,"
    "LOW_PRICE,OPEN_PRICE,CLOSE_PRICE,LAST_PRICE\n"
    "NIFTY,28-08-2025,23150.0,PE,8.7,27150,4800,324,14-08-2025,24631.3,10.5,7.5,10.5,8.7,8.2\n"
)
CASH = (
    "SYMBOL,SERIES,DATE1,PREV_CLOSE,OPEN_PRICE,HIGH_PRICE,LOW_PRICE,LAST_PRICE,CLOSE_PRICE,AVG_PRICE,TTL_TRD_QNTY,"
    "TURNOVER_LACS,NO_OF_TRADES,DELIV_QTY,DELIV_PER\n"
)
SHARE = (
    "360ONE, EQ, 27-Jan-2026,1112.3,1108.0,1125.0,1100.3,1111.0,1113.7,1111.77,2585701,28747.13,39388, 1972349, 76.28\n"
)


# Forty-nine good rows: with them one bad row is 2 % of a file, which a file may still hold.
OTHERS = "".join(TRADED.replace("2900.00,PE", f"{strike}.00,PE") for strike in range(1000, 1049))
OTHER_SHARES = "".join(SHARE.replace("360ONE", f"ACME{number}") for number in range(49))


def of(text: str) -> Bhavcopy:
    return read(Member("bhavcopy.csv", text.encode()))


def test_the_udiff_form_reads_volume_in_units_and_no_prices_where_nothing_traded() -> None:
    bhavcopy = of(UDIFF + TRADED + QUIET + FUTURE)

    day = date(2026, 8, 13)
    assert bhavcopy.contracts == (
        ContractDay(
            "NSE", "OPTSTK", "MCX", date(2026, 8, 25), 2900.0, "PE", day, 49.0, 57.6, 33.0, 39.15, 39.15, 2969.98,
            6311 * 225, 456075, -38700, 225,
        ),
        ContractDay(
            "NSE", "OPTSTK", "MCX", date(2026, 10, 27), 2500.0, "CE", day, None, None, None, None, 567.11, 2969.98,
            0, 0, 0, 225,
        ),
        ContractDay(
            "NSE", "FUTIDX", "NIFTY", date(2026, 9, 29), None, "XX", day, 24580.1, 24650.0, 24531.0, 24602.0, 24602.0,
            24395.85, 3541 * 65, 1587430, 58890, 65,
        ),
    )  # fmt: skip
    assert not bhavcopy.rejected


def test_the_old_form_leaves_volume_in_contracts_and_the_lot_unknown() -> None:
    bhavcopy = of(OLD + OLD_FUTURE + OLD_QUIET)

    day, expiry = date(2021, 3, 18), date(2021, 3, 25)
    assert bhavcopy.contracts == (
        ContractDay(
            "NSE", "FUTIDX", "BANKNIFTY", expiry, None, "XX", day, 34579.8, 34820.0, 33668.55, 33888.25, 33888.25,
            None, 240381, 1503375, 102975, None,
        ),
        ContractDay(
            "NSE", "OPTSTK", "AARTIIND", expiry, 880.0, "CE", day, None, None, None, None, 361.4, None, 0, 0, 0, None,
        ),
    )  # fmt: skip


def test_the_converted_form_reads() -> None:
    (contract,) = of(CONVERTED).contracts

    assert contract == ContractDay(
        "NSE", "OPTIDX", "NIFTY", date(2025, 8, 28), 23150.0, "PE", date(2025, 8, 14), 10.5, 10.5, 7.5, 8.7, 8.7,
        24631.3, 324, 27150, 4800, None,
    )  # fmt: skip


def test_the_cash_form_strips_blanks_and_takes_a_dash_for_unknown() -> None:
    bhavcopy = of(CASH + SHARE + SHARE.replace("360ONE", "M&M").replace(" 1972349, 76.28", " -, -"))

    first, second = bhavcopy.shares
    assert first == ShareDay(
        "NSE", "360ONE", "EQ", date(2026, 1, 27), 1108.0, 1125.0, 1100.3, 1113.7, 1111.0, 1112.3, 2585701, 1972349
    )
    assert (second.symbol, second.delivered) == ("M&M", None)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("39.15,40.65", "-39.15,40.65", "NEGATIVE_PRICE"),
        ("39.15,40.65", "nan,40.65", "NOT_A_PRICE"),
        ("39.15,40.65", "inf,40.65", "NOT_A_PRICE"),
        ("57.60,33.00", "33.00,57.60", "BAD_RANGE"),
        ("STO", "STX", "UNKNOWN_TYPE"),
        (",PE,", ",XX,", "UNKNOWN_TYPE"),
        ("2900.00", "0", "BAD_STRIKE"),
        ("2026-08-25", "2026-08-12", "EXPIRED"),
        ("2026-08-25", "soon", "BAD_DATE"),
        (",6311,", ",-6311,", "BAD_COUNT"),
        (",225,", ",0,", "BAD_LOT"),
        (",225,", ",,", "BAD_COUNT"),
        (",NSE,", ",XYZ,", "UNKNOWN_EXCHANGE"),
        (",MCX,", ",M CX,", "BAD_SYMBOL"),
        (",2969.98,", ",0.00,", "ZERO_SPOT"),
        (",2969.98,", ",-0.0,", "ZERO_SPOT"),
    ],
)
def test_a_bad_contract_is_rejected_with_its_code_and_the_rest_stays(old: str, new: str, code: str) -> None:
    bhavcopy = of(UDIFF + TRADED.replace(old, new) + OTHERS)

    assert bhavcopy.rejected == {code: 1}
    assert [contract.strike for contract in bhavcopy.contracts] == list(range(1000, 1049))


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("1108.0", "0", "NO_PRICE"),
        ("1113.7", "-1113.7", "NEGATIVE_PRICE"),
        ("2585701", "", "BAD_COUNT"),
        (" EQ", " E Q", "BAD_SERIES"),
        ("1125.0", "1000.0", "BAD_RANGE"),
        ("27-Jan-2026", "2026", "BAD_DATE"),
    ],
)
def test_a_bad_share_is_rejected_with_its_code(old: str, new: str, code: str) -> None:
    bhavcopy = of(CASH + SHARE.replace(old, new) + OTHER_SHARES)

    assert bhavcopy.rejected == {code: 1}
    assert [share.symbol for share in bhavcopy.shares] == [f"ACME{number}" for number in range(49)]


def test_a_row_twice_counts_once() -> None:
    bhavcopy = of(UDIFF + TRADED + TRADED + OTHERS)

    assert len(bhavcopy.contracts) == 50
    assert bhavcopy.rejected == {"DUPLICATE": 1}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (UDIFF, "NO_ROWS"),
        (UDIFF + TRADED[:60], "NO_ROWS"),
        ("<html>blocked</html>", "HTML"),
        (UDIFF.replace("SttlmPric", "Other") + TRADED, "WRONG_COLUMNS"),
        (UDIFF.replace("Rmks", "SttlmPric") + TRADED, "WRONG_COLUMNS"),
        ("a,b\n1,2\n", "WRONG_COLUMNS"),
        ("", "EMPTY"),
        (UDIFF + TRADED + TRADED.replace("2026-08-13", "2026-08-14").replace("2900.00", "2800.00"), "MIXED_DATES"),
        (CASH + SHARE + SHARE.replace("27-Jan-2026", "28-Jan-2026"), "MIXED_DATES"),
    ],
)
def test_a_file_that_is_no_bhavcopy_is_refused(text: str, code: str) -> None:
    with pytest.raises(BadChain) as refusal:
        of(text)

    assert refusal.value.reason.code == code


def test_a_file_with_more_than_one_bad_row_in_fifty_is_refused_whole() -> None:
    unpriced = TRADED.replace(",2969.98,", ",0.00,")
    fewer = OTHERS[: OTHERS.rindex("\n", 0, -1) + 1]

    with pytest.raises(BadChain) as refusal:
        of(UDIFF + unpriced + fewer)

    assert refusal.value.reason.code == "TOO_MANY_BAD_ROWS"
    assert "1 of 49 rows are unusable (ZERO_SPOT 1)" in refusal.value.reason.sentence


def test_a_file_without_any_spot_says_so() -> None:
    with pytest.raises(BadChain, match="no usable row.*ZERO_SPOT 2") as refusal:
        of(UDIFF + (TRADED + QUIET).replace(",2969.98,", ",0,"))

    assert refusal.value.reason.code == "NO_ROWS"


def test_the_converted_form_needs_a_spot_as_well() -> None:
    with pytest.raises(BadChain, match="ZERO_SPOT 1"):
        of(CONVERTED.replace("24631.3", "0"))


@pytest.mark.parametrize(
    "day",
    [
        "24-Jan-2026",  # a Saturday
        "25-Jan-2026",  # a Sunday
        "26-Jan-2026",  # Republic Day
        "04-Jan-2027",  # a Monday after the covered years
        "20-Mar-2021",  # a Saturday before them
    ],
)
def test_a_day_without_a_session_is_refused(day: str) -> None:
    with pytest.raises(BadChain) as refusal:
        of(CASH + SHARE.replace("27-Jan-2026", day))

    assert refusal.value.reason.code == "OUT_OF_SESSION"


@pytest.mark.parametrize(
    "day",
    [
        "01-Feb-2026",  # the budget on a Sunday
        "08-Nov-2026",  # a muhurat session on a Sunday: its hours are unknown, that it is held is not
        "31-Dec-2026",
        "18-Mar-2021",  # a weekday before the covered years
        "01-Apr-2019",
    ],
)
def test_a_day_with_a_session_and_a_weekday_of_old_are_taken(day: str) -> None:
    assert len(of(CASH + SHARE.replace("27-Jan-2026", day)).shares) == 1


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "contracts", "rejected"),
    [
        ("BhavCopy_NSE_FO_20260813_NIFTY-subset.csv.gz", 1735, {"DUPLICATE": 1}),
        ("converted_bhavcopy_FINNIFTY_20250814.csv.gz", 404, {}),
        ("converted_bhavcopy_NIFTY_20250814.csv.gz", 1560, {}),
        ("fo18MAR2021bhav.csv.gz", 52060, {}),
    ],
)
def test_the_real_contract_bhavcopies(shared_data: Path, name: str, contracts: int, rejected: dict[str, int]) -> None:
    (member,) = members(shared_data / "B_bhavcopy_fo" / name)

    bhavcopy = read(member)

    assert len(bhavcopy.contracts) == contracts
    assert bhavcopy.rejected == rejected


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("sec_bhavdata_full_2026-01-27_to_2026-01-30.tar.xz", 9623),
        ("sec_bhavdata_full_misc.tar.xz", 40376),
    ],
)
def test_the_real_cash_bhavcopies(shared_data: Path, name: str, rows: int) -> None:
    found = [read(member) for member in members(shared_data / "B_bhavcopy_cash" / name)]

    assert sum(len(bhavcopy.shares) for bhavcopy in found) == rows
    assert not any(bhavcopy.rejected for bhavcopy in found)
