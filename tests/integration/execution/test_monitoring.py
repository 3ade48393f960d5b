"""Open strategies are marked at the price of getting out, and closed by an ordinary basket in reverse."""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from execution.errors import ExecutionDenied
from execution.models import ExecutionRun, LegOrder, Position, StrategyMark, Trade
from execution.services.marks import profit_at_touch
from execution.services.preparation import Desk
from market.contract import Contract, OptionType
from market.models import FileImport, Instrument
from market.ports import CapturedChain, CapturedQuote
from market.quant import black
from strategies.models import OptionStrategy
from tests.integration.execution.desks import at, monitor, run_queue

EXPIRY = date(2026, 2, 24)
LOT = 500
CHARGES = Decimal("70.39")


def call(strike: float) -> Contract:
    return Contract("ACME", EXPIRY, strike, OptionType.CALL)


def move_market(scripted: Any, desk: Desk, long: tuple[str, str], short: tuple[str, str], depth: int = 100_000) -> None:
    scripted.quote(call(1000), *long, at=desk.as_of)
    scripted.quote(call(1050), *short, at=desk.as_of, depth=depth)


@pytest.fixture
def opened(desk: Desk, make_strategy: Callable[..., OptionStrategy]) -> Callable[..., OptionStrategy]:
    """An executed spread: bought at 40.05, sold at 19.95, one lot each."""

    def make(**options: Any) -> OptionStrategy:
        strategy = make_strategy(**options)
        run_queue(desk)
        strategy.refresh_from_db()
        assert strategy.execution_status == "executed"
        return strategy

    return make


def test_the_mark_is_what_getting_out_would_bring_after_charges(desk: Desk, opened: Any) -> None:
    strategy = opened()

    # out at once: sell at 39.95 what cost 40.05, buy at 20.05 what brought 19.95
    assert profit_at_touch(strategy, desk) == -2 * LOT * Decimal("0.10") - CHARGES


def test_without_an_exit_rule_that_holds_it_is_marked_and_kept(
    desk: Desk, scripted: Any, opened: Any, later: Any
) -> None:
    strategy = opened(levels={"profit_target_1": 5_000, "stop_loss": 5_000, "time_exit_dte": 5})
    desk = later(desk, timedelta(minutes=30))
    move_market(scripted, desk, ("44.95", "45.05"), ("21.95", "22.05"))

    (seen,) = monitor(desk).watched

    expected = LOT * (Decimal("44.95") - Decimal("40.05")) - LOT * (Decimal("22.05") - Decimal("19.95")) - CHARGES
    assert (seen.profit, seen.days_to_expiry, seen.decision, seen.exit_run) == (expected, 25, None, None)
    mark = StrategyMark.objects.get()
    assert (mark.strategy_id, mark.profit, mark.decision) == (strategy.pk, expected, "")
    assert ExecutionRun.objects.filter(purpose="exit").count() == 0


@pytest.mark.parametrize(
    ("levels", "long", "short", "code"),
    [
        ({"profit_target_1": 5_000}, ("54.95", "55.05"), ("21.95", "22.05"), "PROFIT_TARGET"),
        ({"stop_loss": 5_000}, ("24.95", "25.05"), ("17.95", "18.05"), "STOP_LOSS"),
        ({"time_exit_dte": 25}, ("39.95", "40.05"), ("19.95", "20.05"), "TIME_EXIT"),
    ],
)
def test_an_exit_buys_the_short_back_first_and_closes(
    desk: Desk, scripted: Any, opened: Any, later: Any, levels: Any, long: Any, short: Any, code: str
) -> None:
    strategy = opened(levels=levels)
    desk = later(desk, timedelta(minutes=30))
    move_market(scripted, desk, long, short)

    (seen,) = monitor(desk).watched

    strategy.refresh_from_db()
    assert (seen.decision.code, seen.exit_run.state) == (code, "complete")
    assert (strategy.execution_status, strategy.execution_detail) == ("executed", "closed")
    exits = Trade.objects.filter(purpose="exit").order_by("id").values_list("action", "strike", "quantity")
    assert list(exits) == [("BUY", Decimal(1050), LOT), ("SELL", Decimal(1000), LOT)]
    assert set(Position.objects.values_list("quantity", flat=True)) == {0}
    assert monitor(desk).watched == ()


def chain_of(spot: float, desk: Desk) -> CapturedChain:
    """Black-76 prices at 30 % volatility, twenty-five days before expiry, with a tight book."""
    quotes = []
    for strike in range(800, 1225, 25):
        for option_type in OptionType:
            fair = float(
                black.price(
                    forward=spot, strike=strike, years=25 / 365, volatility=0.3, is_call=option_type is OptionType.CALL
                )
            )
            bid, ask = max(round(fair - 0.05, 2), 0.05), max(round(fair + 0.05, 2), 0.10)
            quotes.append(
                CapturedQuote(EXPIRY, float(strike), option_type, fair, bid, ask, 5_000, 5_000, 10_000, 10_000)
            )
    return CapturedChain("ACME", desk.as_of, "test", spot, tuple(quotes))


@pytest.mark.parametrize(("threshold", "code"), [("0.23", "DELTA_EXIT"), ("0.24", None)])
def test_the_delta_rule_reads_the_chain_of_the_moment(
    desk: Desk, scripted: Any, opened: Any, later: Any, threshold: str, code: str | None
) -> None:
    # N(d1) = 0.5157 at strike 1000 and 0.2802 at 1050: a net delta of 0.2354 per unit of one set
    opened(sets=2, levels={"delta_exit_threshold": threshold})
    desk = later(desk, timedelta(minutes=5))
    scripted.chains["ACME"] = chain_of(1000.0, desk)

    (seen,) = monitor(desk).watched

    assert (seen.decision.code if seen.decision else None) == code


def test_levels_are_per_set(desk: Desk, scripted: Any, opened: Any, later: Any) -> None:
    opened(sets=3, levels={"profit_target_1": 5_000})
    desk = later(desk, timedelta(minutes=30))
    move_market(scripted, desk, ("49.95", "50.05"), ("21.95", "22.05"))

    (seen,) = monitor(desk).watched

    assert Decimal(5_000) < seen.profit < Decimal(15_000)
    assert seen.decision is None


def test_fm_E11_a_missing_price_marks_nothing_and_decides_nothing(
    desk: Desk, scripted: Any, opened: Any, later: Any
) -> None:
    strategy = opened(levels={"profit_target_1": 0, "stop_loss": 0})
    desk = later(desk, timedelta(minutes=5))
    del scripted.touches[call(1050)]

    (seen,) = monitor(desk).watched

    strategy.refresh_from_db()
    assert (seen.profit, seen.decision, seen.problem.code) == (None, None, "NO_TOUCH")
    assert strategy.execution_detail == ""
    assert not StrategyMark.objects.exists()
    assert not ExecutionRun.objects.filter(purpose="exit").exists()


def test_fm_B10_a_stale_price_is_a_missing_price(desk: Desk, scripted: Any, opened: Any, later: Any) -> None:
    opened(levels={"stop_loss": 0})

    (seen,) = monitor(later(desk, timedelta(minutes=11))).watched

    assert (seen.profit, seen.decision, seen.problem.code) == (None, None, "QUOTE_STALE")


def test_an_exit_that_cannot_be_priced_leaves_the_strategy_as_it_was(
    desk: Desk, scripted: Any, opened: Any, later: Any
) -> None:
    strategy = opened(levels={"time_exit_dte": 30})
    desk = later(desk, timedelta(minutes=5))
    del scripted.touches[call(1050)]

    (seen,) = monitor(desk).watched

    strategy.refresh_from_db()
    assert (seen.decision.code, seen.exit_run.state) == ("TIME_EXIT", "denied")
    assert (strategy.execution_status, strategy.execution_detail) == ("executed", "")
    assert not LegOrder.objects.filter(run__purpose="exit").exists()


def test_an_exit_that_is_half_done_is_finished_at_the_next_pass_without_a_naked_moment(
    desk: Desk, scripted: Any, opened: Any, later: Any
) -> None:
    strategy = opened(sets=2, levels={"time_exit_dte": 30})
    desk = later(desk, timedelta(minutes=5))
    move_market(scripted, desk, ("39.95", "40.05"), ("19.95", "20.05"), depth=LOT)

    first = monitor(desk)
    strategy.refresh_from_db()
    half = (first.watched[0].exit_run.state, strategy.execution_detail)
    sold = Trade.objects.filter(purpose="exit", action="SELL").exists()
    move_market(scripted, desk, ("39.95", "40.05"), ("19.95", "20.05"))
    second = monitor(desk)

    strategy.refresh_from_db()
    assert half == ("settling", "closing")
    assert not sold
    assert [run.state for run in second.resumed] == ["complete"]
    assert strategy.execution_detail == "closed"
    assert set(Position.objects.values_list("quantity", flat=True)) == {0}
    # What is written as the reason is the rule it left by, not the fill that came late.
    assert ExecutionRun.objects.get(purpose="exit").reason_code not in ("", "PARTIAL_FILL")


def test_a_closed_market_refuses(desk: Desk, opened: Any) -> None:
    opened(levels={"time_exit_dte": 30})

    with pytest.raises(ExecutionDenied, match="MARKET_CLOSED"):
        monitor(at(desk, desk.as_of.replace(hour=16)))

    assert not StrategyMark.objects.exists()


def test_what_was_filled_later_is_not_watched_earlier(desk: Desk, opened: Any) -> None:
    opened()

    assert monitor(at(desk, desk.as_of - timedelta(minutes=1))).watched == ()


def refuse_the_next_master() -> None:
    FileImport.objects.create(kind="master", source="test", file_name="bad", status="refused", reason_code="TRUNCATED")


def test_a_refused_newer_master_does_not_stop_an_exit_and_is_logged(
    desk: Desk, opened: Any, later: Any, caplog: pytest.LogCaptureFixture
) -> None:
    strategy = opened(levels={"time_exit_dte": 30})
    refuse_the_next_master()

    (seen,) = monitor(later(desk, timedelta(minutes=5))).watched

    strategy.refresh_from_db()
    assert (seen.exit_run.state, strategy.execution_detail) == ("complete", "closed")
    assert set(Position.objects.values_list("quantity", flat=True)) == {0}
    warnings = [one for one in caplog.records if "last good master" in one.message]
    assert {one.levelname for one in warnings} == {"WARNING"}  # when the run is opened, and again at the gate
    assert ["MASTER_STALE" in one.message for one in warnings] == [True, True]


def test_a_half_done_exit_goes_on_under_a_refused_newer_master(
    desk: Desk, scripted: Any, opened: Any, later: Any
) -> None:
    strategy = opened(sets=2, levels={"time_exit_dte": 30})
    desk = later(desk, timedelta(minutes=5))
    move_market(scripted, desk, ("39.95", "40.05"), ("19.95", "20.05"), depth=LOT)
    monitor(desk)
    refuse_the_next_master()
    move_market(scripted, desk, ("39.95", "40.05"), ("19.95", "20.05"))

    report = monitor(desk)

    strategy.refresh_from_db()
    assert [run.state for run in report.resumed] == ["complete"]
    assert strategy.execution_detail == "closed"


def test_a_contract_that_the_last_good_master_does_not_hold_is_not_sold(desk: Desk, opened: Any, later: Any) -> None:
    strategy = opened(levels={"time_exit_dte": 30})
    refuse_the_next_master()
    Instrument.objects.filter(strike=1050, option_type="CE").delete()

    (seen,) = monitor(later(desk, timedelta(minutes=5))).watched

    strategy.refresh_from_db()
    assert (seen.exit_run.state, seen.exit_run.reason.code) == ("denied", "NOT_IN_MASTER")
    assert strategy.execution_detail == ""
    assert not LegOrder.objects.filter(run__purpose="exit").exists()


def test_without_any_good_master_nothing_is_sold(desk: Desk, opened: Any, later: Any) -> None:
    opened(levels={"time_exit_dte": 30})
    FileImport.objects.filter(kind="master").update(status="refused", reason_code="TRUNCATED")

    (seen,) = monitor(later(desk, timedelta(minutes=5))).watched

    assert (seen.exit_run.state, seen.exit_run.reason.code) == ("denied", "NO_MASTER")
    assert not LegOrder.objects.filter(run__purpose="exit").exists()
