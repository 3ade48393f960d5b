"""The matched real day, 30 January 2026, typed as a user would type it."""

import io
import json

import pytest
from django.core.management import call_command
from django.db.models import F

from execution.models import LegOrder, Position, Trade
from market.calendar import IST
from market.models import ChainSnapshot, Instrument
from strategies.models import OptionStrategy, StrategyLeg, StrategyParameters, SymbolResult

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.realdata, pytest.mark.django_db, pytest.mark.timeout(900)]

MASTER = "A_instruments/api-scrip-master_2026-02.csv.gz"
CHAINS = "C_option_chains/stock_option_chain_eod_2026-01-28_to_2026-01-30.tar.xz"
PAST = "B_bhavcopy_cash/sec_bhavdata_full_2025-11-03_to_2026-01-23.tar.xz"
DAYS = "B_bhavcopy_cash/sec_bhavdata_full_2026-01-27_to_2026-01-30.tar.xz"


def type_in(line):
    """Run one command line of the issue with --json and give back what it printed."""
    out = io.StringIO()
    name, *words = line.split()
    call_command(name, *words, "--json", stdout=out)
    return json.loads(out.getvalue())


def test_a_whole_real_day(shared_data):
    type_in(f"import_scrip_master --file {shared_data / MASTER}")
    type_in(f"import_chains {shared_data / CHAINS}")
    type_in(f"import_bhavcopy {shared_data / PAST} {shared_data / DAYS}")
    generated = type_in("generate_strategies --as-of 2026-01-30T15:29")
    marked = type_in_verb("mark_for_execution", "top", "--count", "5", "--min-score", "0.5")
    preview = type_in("execute_strategies --as-of 2026-01-30T15:29")
    sent_by_preview = LegOrder.objects.count()
    type_in("execute_strategies --execute --as-of 2026-01-30T15:29")
    type_in("execution_status --all")

    stamps = {
        taken.astimezone(IST).strftime("%H:%M:%S") for taken in ChainSnapshot.objects.values_list("taken_at", flat=True)
    }
    assert stamps == {"15:29:00"}
    assert generated["symbols"] == 215  # nine of the master have no chain that day: NO_CHAIN
    assert generated["succeeded"] == SymbolResult.objects.filter(status="done").count() == 200
    assert not SymbolResult.objects.filter(status="failed", reason_code="").exists()
    assert len(marked["marked"]) == 5
    assert preview
    assert sent_by_preview == 0

    executed = OptionStrategy.objects.filter(execution_status="executed")
    failed = OptionStrategy.objects.filter(execution_status="failed")
    assert executed.count() + failed.count() == 5
    assert executed.exists()
    assert all(strategy.execution_notes for strategy in failed)
    for strategy in executed:
        legs = {leg.leg_number: leg for leg in strategy.legs.all()}
        held = {(row.strike, row.option_type): row.quantity for row in Position.objects.filter(strategy=strategy)}
        wanted = {
            (leg.strike, leg.option_type): leg.side.sign * leg.lots * strategy.lot_size * strategy.sets
            for leg in legs.values()
        }
        assert held == wanted
    assert not Position.objects.filter(strategy__in=failed).exclude(quantity=0).exists()
    assert Trade.objects.exclude(timestamp__date="2026-01-30").count() == 0
    # Every leg of every stored strategy is a real contract of the master, matched on its terms.
    leg = StrategyLeg.objects.filter(option_type__isnull=False).select_related("strategy").first()
    assert Instrument.objects.all().of(leg.contract).count() == 1
    assert StrategyParameters.objects.count() == OptionStrategy.objects.count()
    assert not OptionStrategy.objects.filter(expected_profit__lte=0, unlimited_profit=False).exists()
    assert not OptionStrategy.objects.filter(parameters__expected_value__gt=F("expected_profit")).exists()


def type_in_verb(name, verb, *words):
    """`mark_for_execution` takes --json before its verb."""
    out = io.StringIO()
    call_command(name, "--json", verb, *words, stdout=out)
    return json.loads(out.getvalue())
