"""The whole day on the simulated market, as `make demo` runs it: twice, the second time changing nothing."""

import io
import json

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command

from allocation.models import Allocation
from execution.models import ExecutionRun, LegOrder, Position, StrategyMark, Trade
from market.models import ChainSnapshot, FileImport, Instrument, Underlying, WatchlistItem
from strategies.models import OptionStrategy, SymbolResult

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.django_db, pytest.mark.timeout(900)]

AS_OF = "2026-10-28T10:00"


@pytest.fixture
def simulated(settings):
    settings.MARKET_SOURCE, settings.BROKER, settings.TRADING_MODE = "simulated", "paper", "paper"


def run_demo():
    out = io.StringIO()
    call_command("demo", as_of=_moment(), as_json=True, sessions=8, stdout=out)
    return json.loads(out.getvalue())


def _moment():
    from market.console import moment

    return moment(AS_OF)


def counts():
    models = (Instrument, ChainSnapshot, OptionStrategy, Allocation, ExecutionRun, LegOrder, Trade, StrategyMark)
    return {model.__name__: model.objects.count() for model in models}


def test_a_simulated_day_runs_from_master_to_exits_and_again(simulated):
    first = run_demo()
    after_first = counts()
    second = run_demo()

    assert first["chains"] == 53
    assert first["symbols_succeeded"] == 53  # the simulated options cost more than past prices lead one to expect
    assert first["allocated"] >= 1
    assert any(result["status"] == "executed" for result in first["executed"])
    assert first["exits"] >= 1
    assert counts() == after_first
    assert second["executed"] == []
    assert second["exits"] == 0

    assert FileImport.objects.masters().first().status in ("accepted", "unchanged")
    assert Underlying.objects.exclude(industry="").values("industry").distinct().count() >= 6
    assert WatchlistItem.objects.filter(watchable__isnull=False).count() == 3
    assert not SymbolResult.objects.exclude(status="done").exists()
    assert OptionStrategy.objects.filter(execution_status="executed", executed_at__isnull=True).count() == 0
    assert not ExecutionRun.objects.filter(state="attention").exists()
    assert not LegOrder.objects.live().exists()
    # What is closed holds nothing, and a short never stands without its cover.
    closed = OptionStrategy.objects.filter(execution_detail="closed")
    assert not Position.objects.filter(strategy__in=closed).exclude(quantity=0).exists()
    assert get_user_model().objects.filter(username="demo", is_staff=True).exists()


def test_the_demo_refuses_any_other_market(settings):
    settings.MARKET_SOURCE = "recorded"

    with pytest.raises(SystemExit) as stop:
        call_command("demo", as_of=_moment(), as_json=True, stdout=io.StringIO())

    assert stop.value.code == 3
    assert Trade.objects.count() == 0
