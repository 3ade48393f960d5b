"""Volatility by session: written at capture and from stored chains, read back with reasons instead of numbers."""

import io
import json
from dataclasses import replace
from datetime import date, datetime, timedelta

import numpy as np
import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction

from market.calendar import IST
from market.contract import OptionType
from market.errors import Reason
from market.models import DailyBar, IvSummary
from market.ports import CapturedChain, CapturedQuote
from market.quant import black
from market.quant.volatility import forecast_variance
from market.services.candles import closed_candles
from market.services.capture import capture_chains
from market.services.chains import store_chain
from market.services.past import past_of
from market.services.volatility import Realised, read_volatility, record_iv, record_sessions
from market.sources import build_source
from tests.factories import UnderlyingFactory

pytestmark = pytest.mark.django_db

DAY = date(2026, 1, 30)
AS_OF = datetime(2026, 1, 30, 15, 30, tzinfo=IST)
NEAR, NEXT = date(2026, 2, 24), date(2026, 3, 30)


def chain(symbol="ACME", *, volatility=0.25, expiries=(NEAR, NEXT), taken_at=AS_OF - timedelta(minutes=1), slope=0.0):
    quotes = []
    for expiry in expiries:
        close = datetime(expiry.year, expiry.month, expiry.day, 15, 30, tzinfo=IST)
        years = (close - taken_at).total_seconds() / 31_536_000
        for strike in range(800, 1_221, 20):
            for kind in OptionType:
                level = volatility + slope * (strike / 1_000 - 1)
                is_call = kind is OptionType.CALL
                fair = float(
                    black.price(forward=1_000.0, strike=strike, years=years, volatility=level, is_call=is_call)
                )
                last = max(round(round(fair / 0.05) * 0.05, 2), 0.1)
                book = {"bid": round(last - 0.05, 2), "ask": round(last + 0.05, 2)}
                quotes.append(CapturedQuote(expiry, float(strike), kind, last, volume=10, open_interest=20, **book))
    return CapturedChain(symbol, taken_at, "test", 1_000.0, tuple(quotes))


def history(symbol, volatilities, *, last=DAY, days=30.0):
    rows = [
        IvSummary(symbol=symbol, date=last - timedelta(days=place), atm_iv=float(volatility), iv_skew=0.0,
                  data_points=10, days_to_expiry=days, interpolated=True, fit_error=0.0, source="test", taken_at=AS_OF)
        for place, volatility in enumerate(reversed(volatilities))
    ]  # fmt: skip
    IvSummary.objects.bulk_create(rows)


def bars(symbol, count=23, *, jump=None):
    random = np.random.default_rng(1)
    closes = 1_000 * np.exp(np.cumsum(0.01 * random.normal(size=count)))
    if jump is not None:
        closes[jump:] *= 0.5
    DailyBar.objects.bulk_create(
        DailyBar(symbol=symbol, series="EQ", day=DAY - timedelta(days=count - 1 - place), volume=1,
                 open=round(close, 2), high=round(close * 1.005, 2), low=round(close * 0.995, 2), close=round(close, 2))
        for place, close in enumerate(closes.tolist())
    )  # fmt: skip


def read(symbol="ACME", **options):
    return read_volatility([symbol], as_of=AS_OF, **options)[0]


def test_a_session_is_written_at_constant_maturity_where_two_expiries_reach_around_it():
    store_chain(chain(slope=-0.2))

    assert record_iv(["ACME"], AS_OF) == {"ACME": None}

    row = IvSummary.objects.get()
    assert (row.symbol, row.date, row.source, row.interpolated, row.days_to_expiry) == ("ACME", DAY, "test", True, 30.0)
    assert row.atm_iv == pytest.approx(0.25, abs=0.003)
    assert row.iv_skew == pytest.approx(0.2 * 2 * 0.6745 * 0.25 * (25 / 365) ** 0.5, rel=0.35)
    assert row.put_iv_mean > row.atm_iv > row.call_iv_mean
    assert (row.total_volume, row.total_oi, float(row.spot_price)) == (880, 1_760, 1_000.0)
    assert row.data_points > 60
    assert row.flags == []


def test_a_single_expiry_is_written_with_its_own_days():
    store_chain(chain(expiries=(NEAR,)))

    record_iv(["ACME"], AS_OF)

    row = IvSummary.objects.get()
    assert row.interpolated is False
    assert row.days_to_expiry == pytest.approx(25.0, abs=0.01)


def test_a_later_snapshot_of_the_session_replaces_the_earlier_one():
    store_chain(chain(taken_at=AS_OF - timedelta(hours=3), volatility=0.20))
    record_iv(["ACME"], AS_OF)
    store_chain(chain(volatility=0.30))

    record_iv(["ACME"], AS_OF)

    assert IvSummary.objects.get().atm_iv == pytest.approx(0.30, abs=0.003)


def test_what_cannot_be_read_is_a_reason_and_no_row():
    store_chain(chain(taken_at=AS_OF - timedelta(days=1)))  # of yesterday
    store_chain(replace(chain("ZERO"), quotes=chain("ZERO").quotes[:2]))  # a single strike

    outcome = record_iv(["ACME", "NONE", "ZERO"], AS_OF)

    assert {symbol: reason.code for symbol, reason in outcome.items()} == {
        "ACME": "NO_CHAIN",
        "NONE": "NO_CHAIN",
        "ZERO": "NO_USABLE_EXPIRY",
    }
    assert not IvSummary.objects.exists()


def test_every_stored_session_is_written_once():
    for back in (0, 1, 2):
        store_chain(chain(taken_at=AS_OF - timedelta(days=back, minutes=1)))

    assert record_sessions(["ACME"], AS_OF) == 3
    assert record_sessions(["ACME"], AS_OF) == 0
    assert sorted(IvSummary.objects.values_list("date", flat=True)) == [date(2026, 1, day) for day in (28, 29, 30)]


def recorded(tmp_path, *, level):
    """An end-of-day file as the archives have it: last prices only."""
    lines = ["Stock,Expiry,Strike,CE_LTP,CE_OI,PE_LTP,PE_OI,timestamp,Stock_LTP,Max_Pain"]
    years = 25.15 / 365.0
    for strike in range(800, 1201, 10):
        prices = [
            float(black.price(forward=1_000.0, strike=strike, years=years, volatility=level, is_call=is_call))
            for is_call in (True, False)
        ]
        call, put = (max(round(round(price / 0.05) * 0.05, 2), 0.05) for price in prices)
        lines.append(f"ACME,2026-02-24,{strike},{call},900,{put},900,2026-01-30 15:29,1000,1")
    path = tmp_path / "chains.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def imported(*arguments):
    out = io.StringIO()
    call_command("import_chains", *map(str, arguments), "--json", stdout=out)
    return json.loads(out.getvalue())


def test_importing_chains_writes_their_sessions(tmp_path):
    path = recorded(tmp_path, level=0.25)

    found = imported(path)
    again = imported(path)

    assert (found["history"], again["history"]) == (1, 0)
    summary = IvSummary.objects.get()
    assert (summary.symbol, summary.date) == ("ACME", DAY)
    assert summary.atm_iv == pytest.approx(0.25, abs=0.01)


def test_importing_without_history_writes_none(tmp_path):
    found = imported(recorded(tmp_path, level=0.25), "--without-history")

    assert found["history"] == 0
    assert not IvSummary.objects.exists()


def test_replacing_chains_writes_their_sessions_again(tmp_path):
    imported(recorded(tmp_path, level=0.25))

    found = imported(recorded(tmp_path, level=0.35), "--replace")

    assert found["history"] == 1
    assert IvSummary.objects.get().atm_iv == pytest.approx(0.35, abs=0.01)


def test_capturing_writes_the_session():
    moment = datetime(2026, 1, 30, 12, 0, tzinfo=IST)

    capture_chains(build_source("simulated"), ["INFY", "NOBODY"], as_of=moment)

    assert list(IvSummary.objects.values_list("symbol", "date")) == [("INFY", DAY)]


@pytest.mark.parametrize("change", [{"atm_iv": float("nan")}, {"atm_iv": 6.0}, {"fit_error": float("inf")}])
def test_a_volatility_that_is_none_is_refused_by_the_table(change):
    history("ACME", [0.2])

    with pytest.raises(IntegrityError), transaction.atomic():
        IvSummary.objects.update(**change)


def test_a_reading_compares_implied_with_realised():
    UnderlyingFactory(symbol="ACME")
    store_chain(chain())
    bars("ACME")

    reading = read()

    assert reading.atm == pytest.approx(0.25, abs=0.003)
    assert [expiry.expiry for expiry in reading.expiries] == [NEAR, NEXT]
    assert isinstance(reading.realised, Realised)
    assert reading.iv_over_realised == pytest.approx(reading.atm / reading.realised.yang_zhang)
    assert reading.realised.forecast > 0.0


def test_the_forecast_is_the_generators_from_all_closed_sessions():
    UnderlyingFactory(symbol="ACME")
    store_chain(chain())
    bars("ACME", 400)

    reading = read()

    past = past_of(closed_candles(["ACME"], as_of=AS_OF)["ACME"], as_of=AS_OF)
    assert past.variances.size == 200  # the sessions of 200 days, as the generator looks back
    assert reading.realised.forecast == pytest.approx(forecast_variance(past.variances, implied=reading.atm) ** 0.5)


def test_without_a_chain_the_forecast_rests_on_all_sessions_too():
    bars("ACME", 400)

    reading = read()

    variances = past_of(closed_candles(["ACME"], as_of=AS_OF)["ACME"], as_of=AS_OF).variances
    assert reading.realised.forecast == pytest.approx(forecast_variance(variances) ** 0.5)
    assert reading.realised.forecast != pytest.approx(forecast_variance(variances[-22:]) ** 0.5)


def test_a_session_that_has_not_closed_is_not_read():
    bars("ACME", 23)

    reading = read_volatility(["ACME"], as_of=AS_OF - timedelta(minutes=1))[0]

    assert reading.realised.code == "INSUFFICIENT_HISTORY"


def test_a_history_of_other_maturities_is_flagged():
    store_chain(chain())
    history("ACME", [0.2] * 40 + [0.3] * 25, last=DAY - timedelta(days=1))
    history("ACME", [0.3] * 5, last=DAY - timedelta(days=70), days=4.0)
    record_iv(["ACME"], AS_OF)

    flag = next(flag for flag in read().flags if flag.code == "MIXED_MATURITIES")

    assert "5 of 71 sessions" in flag.sentence
    assert "MIXED_MATURITIES" not in {flag.code for flag in read(lookback=60).flags}


def test_without_a_summary_of_the_day_the_flag_names_the_session_it_is_of():
    store_chain(chain())
    history("ACME", [0.2] * 40 + [0.3] * 25, last=DAY - timedelta(days=1))
    history("ACME", [0.3] * 5, last=DAY - timedelta(days=70), days=4.0)

    flag = next(flag for flag in read().flags if flag.code == "MIXED_MATURITIES")

    assert flag.sentence.startswith("The volatility of 29 Jan 2026 is that of 30 days; 5 of 70 sessions")


@pytest.mark.parametrize(("count", "jump", "code"), [(22, None, "INSUFFICIENT_HISTORY"), (23, 20, "SPLIT_SUSPECTED")])
def test_realised_volatility_is_a_reason_where_the_bars_do_not_carry_it(count, jump, code):
    bars("ACME", count, jump=jump)

    reading = read()

    assert reading.realised.code == code
    assert reading.iv_over_realised is None
    assert reading.reason.code == "NO_CHAIN"


def test_rank_waits_for_sixty_sessions():
    history("ACME", np.linspace(0.1, 0.3, 59))
    assert read().standing.code == "INSUFFICIENT_HISTORY"

    history("ACME", [0.2], last=DAY - timedelta(days=59))
    assert (read().standing.rank, read().standing.percentile) == (1.0, 1.0)
    assert read(lookback=5).standing.observations == 5


def test_relative_volatility_needs_a_sector_and_peers():
    for symbol, sector in (("ACME", "Banks"), ("B1", "Banks"), ("B2", "Banks"), ("B3", "Banks"), ("LONE", "")):
        UnderlyingFactory(symbol=symbol, sector=sector)
        store_chain(chain(symbol, volatility=0.30 if symbol == "ACME" else 0.20))
    record_iv(["ACME", "B1", "B2", "B3", "LONE"], AS_OF)

    assert read("ACME").sector == pytest.approx(1.5, abs=0.02)
    assert read("ACME").market == pytest.approx(1.5, abs=0.02)
    assert read("LONE").sector.code == "UNKNOWN_GROUP"
    assert isinstance(read("LONE").market, float)


def test_reading_many_takes_no_more_queries_than_reading_one(django_assert_num_queries):
    for symbol in ("ACME", "B1", "B2"):
        store_chain(chain(symbol))

    with django_assert_num_queries(6):
        read_volatility(["ACME", "B1", "B2"], as_of=AS_OF)


def test_the_view_ranks_as_the_function_does_and_is_null_below_sixty():
    history("ACME", [0.10] * 30 + [0.30] * 29 + [0.25])
    history("YOUNG", [0.1, 0.2, 0.15])

    with connection.cursor() as cursor:
        cursor.execute("SELECT symbol, lookback_days, iv_rank, iv_percentile, data_days FROM iv_percentiles")
        rows = {(symbol, days): rest for symbol, days, *rest in cursor.fetchall()}

    assert rows["ACME", 60] == [pytest.approx(0.75), pytest.approx(30 / 59), 60]
    assert rows["ACME", 252] == rows["ACME", 60]
    assert rows["YOUNG", 252] == [None, None, 3]


# --- the command ------------------------------------------------------------------------------------------------------


def run(*arguments):
    out, code = io.StringIO(), 0
    try:
        call_command("volatility", *arguments, "--as-of", "2026-01-30T15:30", stdout=out, stderr=io.StringIO())
    except SystemExit as stop:
        code = stop.code
    return code, out.getvalue()


def test_the_command_prints_raw_numbers_or_reasons():
    UnderlyingFactory(symbol="ACME", sector="")
    store_chain(chain())

    code, output = run("--symbol", "acme", "--record", "--json")

    answer = json.loads(output)
    only = answer["symbols"][0]
    assert (code, answer["written"], only["symbol"]) == (0, 1, "ACME")
    assert only["atm_iv"] == pytest.approx(0.25, abs=0.003)
    assert [each["days"] for each in only["term"]] == [25, 59]
    assert only["term"][0]["fit_error"] < 0.01
    assert only["reasons"] == {
        "realised": "INSUFFICIENT_HISTORY",
        "rank": "INSUFFICIENT_HISTORY",
        "sector": "UNKNOWN_GROUP",
        "market": "TOO_FEW_PEERS",
    }
    assert (only["standing"], only["iv_over_realised"]) == (None, None)
    assert [each["days"] for each in only["term_readings"]] == [7, 14, 30, 60, 90]
    assert [each["between_expiries"] for each in only["term_readings"]] == [False, False, True, False, False]
    assert all(each["atm"] == pytest.approx(0.25, abs=0.003) for each in only["term_readings"])
    assert only["standings"] == []


def test_asking_for_one_symbol_shows_estimators_term_structure_and_every_lookback():
    UnderlyingFactory(symbol="ACME")
    store_chain(chain())
    bars("ACME")
    history("ACME", np.linspace(0.2, 0.3, 70), last=DAY - timedelta(days=1))

    code, output = run("--symbol", "ACME", "--record")
    data = json.loads(run("--symbol", "ACME", "--json")[1])["symbols"][0]

    assert code == 0
    for words in ("Rogers–Satchell", "Garman–Klass", "IV at 90%", "between expiries"):
        assert words in output
    assert [each["lookback"] for each in data["standings"]] == [5, 20, 60, 120, 252]
    assert data["realised"]["rogers_satchell"] == pytest.approx(read().realised.rogers_satchell)


def test_the_command_shows_a_table_and_fails_where_nothing_is_known():
    UnderlyingFactory(symbol="ACME")
    store_chain(chain())

    code, output = run()
    assert code == 0
    assert "25.0 %" in output
    assert "INSUFFICIENT_HISTORY" in output

    code, output = run("--symbol", "NONE")
    assert code == 1
    assert "NO_CHAIN" in output


def test_a_reason_is_never_a_number():
    assert isinstance(read().standing, Reason)
    assert read().atm is None
