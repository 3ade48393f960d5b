"""`calibrate` on recorded chains: tried, settled, scored, kept, written and shown."""

import json
import math
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.urls import include, path

from market.calendar import IST, session_on
from market.errors import Reason
from optionsv4.urls import urlpatterns as ours
from strategies.calibration import recalibrated
from strategies.calibration_report import SMILE, report
from strategies.catalog import CATALOGUE
from strategies.errors import StrategyError
from strategies.models import CalibrationBin, CalibrationRun, CalibrationScore, RecalibrationMap
from strategies.services.calibrate import (
    calibrate,
    calibration_of,
    calibration_page_data,
    current_map,
    is_whole,
    keep,
    newest_run,
)
from strategies.services.recorded_trials import ARCHIVES, INDEX_2019, STOCKS_2019, STOCKS_2026, TERMS_2019, orders_of
from strategies.trials import Trials, trials_of

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 2, 2, 18, 0, tzinfo=IST)
SLUGS = [structure.slug for structure in CATALOGUE]
urlpatterns = [*ours, path("strategies/", include("strategies.urls"))]


def week(number: int, symbol: str, bias: float) -> Trials:
    """A chain of one week: everything comes true, or nothing, by the mean forecast less a bias."""
    random = np.random.default_rng([number, int(symbol[1:])])
    smile = random.uniform(0.3, 0.9) + random.uniform(-0.01, 0.01, 20)
    taken_on = date(2025, 9, 1) + timedelta(days=7 * number)
    return Trials(
        archive=STOCKS_2026,
        symbol=symbol,
        taken_on=taken_on,
        expiry=taken_on + timedelta(days=5),
        volatility=0.2,
        structure=np.repeat([0, 1], 10),
        smile=smile,
        flat=smile,
        delta=np.full(20, 0.5),
        after_costs=np.full(20, np.nan),
        profit=np.full(20, 5.0 if random.random() < smile.mean() - bias else -5.0),
        charges=np.full(20, np.nan),
        own=np.ones(20, dtype=np.bool_),
        advised=np.ones(20, dtype=np.bool_),
    )


def kept(
    bias: float = 0.25, *, weeks: int = 20, symbols: int = 20, whole: bool = True, slugs: list[str] = SLUGS
) -> CalibrationRun:
    """A run of weeks of forecasts that promise too much."""
    run = CalibrationRun(
        archives=STOCKS_2026, per_structure=8, finished_at=NOW, seconds=1.0, left_out={"COPY": 3}, whole=whole
    )
    keep(run, report([week(number, f"S{place}", bias) for number in range(weeks) for place in range(symbols)], slugs))
    return run


def test_a_report_is_kept_whole():
    run = kept()

    assert (run.trials, run.chains, run.clusters, run.expiry_dates, run.symbols) == (8_000, 400, 400, 20, 20)
    score = run.scores.get(convention="smile", kind="overall")
    parts = score.reliability - score.resolution + score.uncertainty + score.within
    assert parts == pytest.approx(score.brier, abs=Decimal("0.00000003"))
    assert sum(each.count for each in score.bins.all()) == 8_000
    assert {each.method: each.helps for each in run.maps.all()} == {"logistic": True, "isotonic": True}


def test_the_current_map_corrects_what_was_promised_and_only_later_forecasts():
    run = kept()
    until = run.maps.first().trained_until

    found = current_map(as_of=until + timedelta(days=1))
    too_early = current_map(as_of=until)

    assert isinstance(found, tuple)
    assert recalibrated(0.7, found[0]) < 0.6
    assert found[1].change == min(each.change for each in run.maps.all())
    assert isinstance(too_early, Reason)
    assert too_early.code == "MAP_KNOWS_LATER"


def test_a_map_that_does_not_help_is_kept_with_its_reason_and_never_used():
    run = kept(bias=0.0)

    refusal = current_map(as_of=date(2027, 1, 1))

    assert isinstance(refusal, Reason)
    assert refusal.code == "NO_GAIN_OUT_OF_SAMPLE"
    assert {(each.helps, each.reason_code) for each in run.maps.all()} == {(False, "NO_GAIN_OUT_OF_SAMPLE")}


def test_without_a_calibration_there_is_a_reason():
    refusal = current_map(as_of=NOW.date())

    assert isinstance(refusal, Reason)
    assert refusal.code == "NOT_CALIBRATED"
    assert calibration_of("iron-condor") is None


def test_the_newest_run_speaks_for_a_structure():
    kept(weeks=1)
    newest = kept(bias=0.0, weeks=2)

    found = calibration_of(SLUGS[0])

    assert found is not None
    score = newest.scores.get(convention="smile", kind="structure", label=SLUGS[0])
    assert (found["run"], found["trials"], found["realised"]) == (newest.pk, 400, float(score.realised))


def test_what_the_newest_whole_run_did_not_try_is_not_told_from_an_older_one():
    kept(weeks=2)
    kept(bias=0.0, weeks=2, slugs=[*SLUGS[2:4], *SLUGS[:2]])

    assert calibration_of(SLUGS[0]) is None
    assert calibration_of(SLUGS[2]) is not None


def test_a_look_at_a_part_speaks_for_nothing_and_chooses_no_map(client):
    whole = kept()
    part = kept(bias=0.0, weeks=2, whole=False)
    until = whole.maps.first().trained_until

    found, told, page = current_map(as_of=until + timedelta(days=1)), calibration_of(SLUGS[0]), calibration_page_data()

    assert isinstance(found, tuple)
    assert {found[1].run_id, told["run"], page["run"].pk} == {whole.pk}
    assert newest_run() == whole != part


def test_without_a_whole_run_there_is_a_reason():
    kept(whole=False)

    refusal = current_map(as_of=date(2027, 1, 1))

    assert (refusal.code, calibration_page_data()) == ("NOT_CALIBRATED", {"run": None})
    assert refusal.sentence == "No calibration over all recorded chains has been run."


@pytest.mark.parametrize(
    ("options", "whole"),
    [
        ({}, True),
        ({"archives": ARCHIVES[::-1], "per_structure": 9}, True),
        ({"archives": ARCHIVES[:3]}, False),
        ({"symbols": 2}, False),
        ({"symbols": 10_000}, False),
        ({"per_structure": 7}, False),
    ],
)
def test_whole_is_a_run_over_all_archives_and_underlyings_with_the_usual_choices(options, whole):
    assert is_whole(**{"archives": ARCHIVES, "symbols": None, "per_structure": 8} | options) is whole


@pytest.mark.parametrize(
    ("model", "changes"),
    [
        (CalibrationRun, {"last_day": date(2000, 1, 1)}),
        (CalibrationRun, {"trials": 0}),
        (CalibrationScore, {"brier": Decimal("1.5")}),
        (CalibrationBin, {"effective": math.nan}),
        (CalibrationRun, {"seconds": math.nan}),
        (CalibrationScore, {"convention": "tarot"}),
        (CalibrationBin, {"low": Decimal("0.9"), "high": Decimal("0.1")}),
        (CalibrationBin, {"interval_high": Decimal(0), "interval_low": Decimal(0), "realised": Decimal("0.5")}),
        (RecalibrationMap, {"helps": True, "change": Decimal("0.01"), "reason_code": ""}),
        (RecalibrationMap, {"helps": False, "reason_code": ""}),
        (RecalibrationMap, {"trained_until": date(2000, 1, 1)}),
    ],
)
def test_the_database_refuses_what_cannot_be(model: type, changes: dict[str, object]):
    kept(weeks=2, symbols=12)
    row = model.objects.order_by("pk").first()

    with pytest.raises(IntegrityError), transaction.atomic():
        model.objects.filter(pk=row.pk).update(**changes)


@pytest.mark.urls(__name__)
def test_the_page_shows_the_newest_run_to_staff_in_few_queries(client, django_assert_max_num_queries):
    kept()
    client.force_login(User.objects.create_user("asha", is_staff=True))

    with django_assert_max_num_queries(9):
        response = client.get("/strategies/calibration")

    shown = response.content.decode()
    assert response.status_code == 200
    assert "<svg" in shown
    assert "smile-implied, before charges" in shown
    assert "helps out of sample" in shown
    assert SLUGS[0] in shown


@pytest.mark.urls(__name__)
def test_the_page_without_a_run_says_how_to_get_one_and_strangers_see_nothing(client):
    stranger = client.get("/strategies/calibration")
    client.force_login(User.objects.create_user("asha", is_staff=True))

    response = client.get("/strategies/calibration")

    assert stranger.status_code == 302
    assert "manage.py calibrate" in response.content.decode()


# --- recorded chains -------------------------------------------------------------------------------------------------


@pytest.mark.realdata
def test_the_command_calibrates_a_slice_and_writes_its_page(settings, tmp_path: Path, shared_data: Path, capsys):
    settings.BASE_DIR = tmp_path
    (tmp_path / "docs").mkdir()
    options = ("--archive", STOCKS_2019, "--limit-symbols", "1", "--per-structure", "1", "--workers", "1")

    call_command("calibrate", *options, "--data", str(shared_data), "--write", "--json")

    shown = json.loads(capsys.readouterr().out)
    run = CalibrationRun.objects.get()
    assert (shown["run"], shown["symbols"], shown["dates"]) == (run.pk, 1, 2)
    assert shown["trials"] == run.trials > 1_000
    assert (shown["whole"], run.whole) == (False, False)
    assert shown["left_out"]["NO_SETTLEMENT_PRICE"] == 4  # the last sessions belong to an expiry never recorded
    written = (tmp_path / "docs" / "calibration.md").read_text(encoding="utf-8")
    assert written.startswith("# Calibration") and "A look at a part of what is recorded" in written
    assert (tmp_path / "docs" / "calibration.svg").read_text(encoding="utf-8").startswith("<svg")


@pytest.mark.realdata
def test_recorded_corporate_actions_drop_their_chains_and_nothing_else_settles_wrong(shared_data: Path):
    orders = orders_of(STOCKS_2026, shared_data)

    assert orders.left_out["CORPORATE_ACTION"] == 14
    last = {"KOTAKBANK": date(2026, 1, 14), "MCX": date(2026, 1, 2), "NUVAMA": date(2025, 12, 31)}
    for symbol, since in last.items():  # splits of 14 January, 2 January and 26 December
        tried = [order for order in orders.ready if order.captured.underlying == symbol]
        assert min(order.taken_on for order in tried if order.expiry > since) >= since
    for order in orders.ready:
        assert order.taken_on < order.expiry
        if order.captured.spot is not None:
            assert 0.6 < order.settled / order.captured.spot < 1.6


@pytest.mark.realdata
def test_closed_days_and_unrecorded_expiries_of_2019_are_left_out(shared_data: Path):
    orders = orders_of(INDEX_2019, shared_data, symbols=1)

    closed = {date(2019, 4, 17), date(2019, 4, 19), date(2019, 4, 29), date(2019, 5, 1), date(2019, 6, 5)}
    assert closed.isdisjoint(order.taken_on for order in orders.ready)
    assert date(2019, 7, 9) not in {order.taken_on for order in orders.ready}  # the page stood still
    assert orders.left_out["OUT_OF_SESSION"] == 6
    for order in orders.ready:
        moved = order.captured.quotes[0].expiry - order.captured.taken_at.date()
        assert moved == order.expiry - order.taken_on  # the time to expiry stayed


@pytest.mark.realdata
def test_structures_of_two_expiries_are_settled_by_the_chain_of_their_front_expirys_day(shared_data: Path):
    orders = orders_of(TERMS_2019, shared_data)

    assert {order.captured.underlying for order in orders.ready} == {"NIFTY", "BANKNIFTY"}
    assert orders.left_out["NO_CLOSING_CHAIN"] > 0
    for order in orders.ready:
        assert order.closing is not None
        front = min(quote.expiry for quote in order.captured.quotes)
        assert order.closing.taken_at.date() == front
        assert front - order.captured.taken_at.date() == order.expiry - order.taken_on  # moved by the same weeks
        _, following = sorted({quote.expiry for quote in order.captured.quotes})[:2]
        assert following in {quote.expiry for quote in order.closing.quotes}
        for quote in order.captured.quotes:
            session = session_on(quote.expiry)
            assert session is not None
            assert session.closes.time() == time(15, 30)
    read_at = {(order.captured.underlying, order.expiry): order.closing.taken_at.time() for order in orders.ready}
    # The fullest pages of the 27th are of 11:30 and 12:00; later ones lack expiries, but not the next one.
    assert read_at["BANKNIFTY", date(2019, 6, 27)] == time(11, 46)
    assert read_at["NIFTY", date(2019, 6, 27)] == time(12, 45)
    tried = [trials_of(order, CATALOGUE, most=8) for order in orders.ready]
    found = [trials for trials, _ in tried if trials is not None]
    slugs = {CATALOGUE[place].slug for trials in found for place in trials.structure.tolist()}
    assert sum(trials.profit.size for trials in found) > 400
    assert slugs == {structure.slug for structure in CATALOGUE if structure.expiries_needed == 2}
    assert not any("LEG_LIVES_ON" in left_out for _, left_out in tried)


@pytest.mark.realdata
def test_a_short_look_keeps_its_run(shared_data: Path):
    run, found = calibrate(archives=[STOCKS_2019], data=shared_data, as_of=NOW, symbols=1, per_structure=1, workers=1)

    assert (CalibrationRun.objects.get(), newest_run()) == (run, None)
    assert found.of(SMILE)[0].score.trials == run.trials


def test_a_folder_without_archives_is_refused(tmp_path: Path):
    with pytest.raises(CommandError, match="FILE_NOT_FOUND"):
        call_command("calibrate", "--archive", STOCKS_2019, "--data", str(tmp_path), "--workers", "1")

    assert not CalibrationRun.objects.exists()


def test_nothing_to_settle_keeps_nothing(tmp_path: Path):
    with pytest.raises(StrategyError, match="NO_TRIALS"):
        calibrate(archives=[], data=tmp_path, as_of=NOW)

    assert not CalibrationRun.objects.exists()
