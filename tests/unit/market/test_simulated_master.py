"""The simulated master: the very columns and formats of Dhan's file, complete for what the chains show."""

import csv
import io
import re
from datetime import date, datetime, timedelta

import pytest

from market.calendar import IST, sessions_between
from market.contract import Contract, OptionType
from market.sources.simulated import SimulatedMarket
from market.sources.simulated.universe import UNIVERSE

SOURCE = SimulatedMarket()
MORNING = datetime(2026, 2, 6, 8, 0, tzinfo=IST)
Row = dict[str, str]


def rows(source: SimulatedMarket, as_of: datetime) -> list[Row]:
    with source.master(as_of=as_of) as opened:
        return list(csv.DictReader(io.TextIOWrapper(opened, encoding="ascii", newline="")))


def options(master: list[Row]) -> dict[Contract, Row]:
    found = {}
    for row in master:
        if row["SEM_INSTRUMENT_NAME"] in {"OPTIDX", "OPTSTK"}:
            underlying = re.sub(r"-[A-Z][a-z]{2}\d{4}-[\d.]+-(CE|PE)$", "", row["SEM_TRADING_SYMBOL"])
            expiry = date.fromisoformat(row["SEM_EXPIRY_DATE"][:10])
            option_type = OptionType.from_code(row["SEM_OPTION_TYPE"])
            found[Contract(underlying, expiry, float(row["SEM_STRIKE_PRICE"]), option_type)] = row
    return found


def test_the_lines_have_the_form_of_the_real_file():
    with SOURCE.master(as_of=MORNING) as opened:
        text = opened.read().decode("ascii")

    lines = text.splitlines()
    assert text.endswith("\n")
    assert lines[0].split(",") == [
        "SEM_EXM_EXCH_ID",
        "SEM_SEGMENT",
        "SEM_SMST_SECURITY_ID",
        "SEM_INSTRUMENT_NAME",
        "SEM_EXPIRY_CODE",
        "SEM_TRADING_SYMBOL",
        "SEM_LOT_UNITS",
        "SEM_CUSTOM_SYMBOL",
        "SEM_EXPIRY_DATE",
        "SEM_STRIKE_PRICE",
        "SEM_OPTION_TYPE",
        "SEM_TICK_SIZE",
        "SEM_EXPIRY_FLAG",
        "SEM_EXCH_INSTRUMENT_TYPE",
        "SEM_SERIES",
        "SM_SYMBOL_NAME",
    ]
    assert {line.count(",") for line in lines} == {15}
    assert "NSE,I,13,INDEX,0,NIFTY,1.0,Nifty 50,,7.00000,,1.0000,NA,INDEX,X,NIFTY" in lines
    assert "NSE,I,25,INDEX,0,BANKNIFTY,1.0,Nifty Bank,,7.00000,,1.0000,NA,INDEX,X,BANKNIFTY" in lines
    assert "BSE,I,51,INDEX,0,SENSEX,1.0,Sensex,,7.00000,,1.0000,NA,INDEX,X,SENSEX" in lines
    assert "NSE,I,21,INDEX,0,INDIA VIX,1.0,India VIX,,7.00000,,1.0000,NA,INDEX,X,INDIA VIX" in lines
    assert "NSE,E,2885,EQUITY,0,RELIANCE,1.0,Reliance Industries,,,,10.0000,NA,ES,EQ,RELIANCE INDUSTRIES" in lines


@pytest.mark.parametrize(
    "pattern",
    [
        r"NSE,D,\d+,OPTIDX,0,NIFTY-Feb2026-25800-CE,65\.0,NIFTY 24 FEB 25800 CALL,"
        r"2026-02-24 14:30:00,25800\.00000,CE,5\.0000,M,OP,,",
        r"NSE,D,\d+,OPTIDX,0,NIFTY-Feb2026-25800-PE,65\.0,NIFTY 10 FEB 25800 PUT,"
        r"2026-02-10 14:30:00,25800\.00000,PE,5\.0000,W,OP,,",
        r"BSE,D,\d+,OPTIDX,0,SENSEX-Feb2026-82000-CE,20\.0,SENSEX 26 FEB 82000 CALL,"
        r"2026-02-26 15:30:00,82000\.00000,CE,5\.0000,M,OPTIDX,,BSXOPT",
        r"NSE,D,\d+,OPTSTK,0,NTPC-Mar2026-332\.5-CE,1500\.0,NTPC 30 MAR 332\.5 CALL,"
        r"2026-03-30 14:30:00,332\.50000,CE,5\.0000,M,OP,,",
        r"NSE,D,\d+,OPTSTK,0,PNB-Feb2026-150-PE,8000\.0,PNB 24 FEB 150 PUT,"
        r"2026-02-24 14:30:00,150\.00000,PE,1\.0000,M,OP,,",
        r"NSE,D,\d+,FUTIDX,0,NIFTY-Mar2026-FUT,65\.0,NIFTY MAR FUT,2026-03-30 14:30:00,-0\.01000,XX,10\.0000,M,FUT,,",
        r"NSE,D,\d+,FUTSTK,0,BAJAJ-AUTO-Apr2026-FUT,75\.0,BAJAJ-AUTO APR FUT,"
        r"2026-04-28 14:30:00,-0\.01000,XX,50\.0000,M,FUT,,",
        r"NSE,E,12841,EQUITY,0,11NSETEST,1\.0,11NSETEST,,,,5\.0000,NA,Other,EQ,11NSETEST",
        r"NSE,D,36687,FUTSTK,0,011NSETEST-Nov2036-FUT,.*",
    ],
)
def test_one_line_of_every_kind(pattern: str):
    with SOURCE.master(as_of=MORNING) as opened:
        lines = opened.read().decode("ascii").splitlines()

    assert sum(re.fullmatch(pattern, line) is not None for line in lines) == 1


def test_ids_are_unique_in_a_segment():
    master = rows(SOURCE, MORNING)

    ids = [(row["SEM_EXM_EXCH_ID"], row["SEM_SEGMENT"], row["SEM_SMST_SECURITY_ID"]) for row in master]

    assert len(ids) == len(set(ids))
    assert all(0 < int(number) < 2**31 for _, _, number in ids)


def test_expired_contracts_are_gone_and_ids_stay_while_a_contract_lives():
    before, after = options(rows(SOURCE, MORNING)), options(rows(SOURCE, MORNING + timedelta(days=19)))

    assert min(contract.expiry for contract in before) == date(2026, 2, 10)
    assert min(contract.expiry for contract in after) == date(2026, 2, 26)
    both = before.keys() & after.keys()
    assert len(both) > 10_000
    assert all(before[c]["SEM_SMST_SECURITY_ID"] == after[c]["SEM_SMST_SECURITY_ID"] for c in both)


def test_a_contract_expiring_today_is_in_the_morning_file():
    master = options(rows(SOURCE, datetime(2026, 2, 10, 8, 0, tzinfo=IST)))

    assert {contract.underlying for contract in master if contract.expiry == date(2026, 2, 10)} == {"NIFTY"}


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("morning", [MORNING, datetime(2024, 5, 27, 8, 0, tzinfo=IST)])
def test_the_file_holds_what_the_chains_show_on_ten_sessions(seed: int, morning: datetime):
    source = SimulatedMarket(seed=seed)
    master = options(rows(source, morning))
    known = {(contract.underlying, contract.expiry) for contract in master}

    for session in sessions_between(morning.date(), morning.date() + timedelta(days=16))[:11]:
        for listing in UNIVERSE[:: 1 if session.day == morning.date() else 4]:
            chain = source.chain(listing.symbol, as_of=session.opens + timedelta(minutes=session.day.day * 10))
            shown = {Contract(listing.symbol, q.expiry, q.strike, q.option_type) for q in chain.quotes}
            new = {contract for contract in shown if (contract.underlying, contract.expiry) not in known}
            assert shown - new <= master.keys()
            assert session.day != morning.date() or not new


def test_lots_and_ticks_of_the_file_are_those_of_the_chain():
    master = options(rows(SOURCE, MORNING))
    noon = datetime(2026, 2, 6, 12, 0, tzinfo=IST)

    for symbol in ("NIFTY", "BANKNIFTY", "SENSEX", "PNB", "ITC"):
        for quote in SOURCE.chain(symbol, as_of=noon).quotes:
            row = master[Contract(symbol, quote.expiry, quote.strike, quote.option_type)]
            paise = float(row["SEM_TICK_SIZE"])
            assert quote.open_interest % float(row["SEM_LOT_UNITS"]) == 0
            assert quote.ask is None or round(quote.ask * 100, 6) % paise == 0


def test_a_file_can_be_had_on_a_day_without_trading():
    saturday = options(rows(SOURCE, datetime(2026, 2, 7, 12, 0, tzinfo=IST)))

    assert min(contract.expiry for contract in saturday) == date(2026, 2, 10)


@pytest.mark.realdata
def test_the_ids_of_indices_and_shares_are_those_of_the_real_file(shared_data):
    import gzip

    with gzip.open(shared_data / "A_instruments" / "api-scrip-master_2026-02.csv.gz", "rt") as real:
        real_rows = csv.DictReader(real)
        real_ids = {
            (row["SEM_EXM_EXCH_ID"], row["SEM_TRADING_SYMBOL"]): row["SEM_SMST_SECURITY_ID"]
            for row in real_rows
            if row["SEM_SEGMENT"] in {"I", "E"} and row["SEM_SERIES"] in {"EQ", "X"}
        }

    assert {listing.symbol: real_ids[listing.exchange, listing.symbol] for listing in UNIVERSE} == {
        listing.symbol: str(listing.security_id) for listing in UNIVERSE
    }
