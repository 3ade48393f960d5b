"""Marked rows become filled baskets, or nothing at all, or are taken back."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from execution.errors import ExecutionDenied, OrderRefused
from execution.models import Alert, ExecutionRun, LegOrder, PaperOrder, Position, RiskLimits, Trade
from execution.services.preparation import CASH_SECURED, Desk
from execution.services.runs import preview_queue
from market.contract import Contract, OptionType, Side
from market.errors import Reason
from market.models import FileImport, Instrument
from market.ports import Touch
from strategies.catalog import BY_SLUG
from strategies.models import OptionStrategy, StrategyLeg
from strategies.spec import Kind
from tests.integration.execution.conftest import NOON
from tests.integration.execution.desks import SAID, answering, at, execute, planned, run_queue, work_for

EXPIRY = date(2026, 2, 24)
LOT = 500


def call(strike: float) -> Contract:
    return Contract("ACME", EXPIRY, strike, OptionType.CALL)


def nothing_was_sent() -> bool:
    return not (LegOrder.objects.exists() or PaperOrder.objects.exists() or Trade.objects.exists())


def test_a_full_fill_is_executed_with_trades_buys_first(
    desk: Desk, make_strategy: Callable[..., OptionStrategy]
) -> None:
    strategy = make_strategy()

    (result,) = run_queue(desk)

    strategy.refresh_from_db()
    assert (result.state, strategy.execution_status) == ("complete", "executed")
    # half a second from each order to its fill
    assert strategy.executed_at == desk.as_of == NOON + timedelta(seconds=1)
    trades = list(Trade.objects.order_by("id").values_list("action", "strike", "quantity", "price", "timestamp"))
    assert trades == [
        ("BUY", Decimal(1000), LOT, Decimal("40.05"), NOON + timedelta(seconds=0.5)),
        ("SELL", Decimal(1050), LOT, Decimal("19.95"), NOON + timedelta(seconds=1)),
    ]
    # dhan.md section 14 in January 2026: brokerage 20, NSE 0.03553 %, SEBI 0.0001 %, stamp 0.003 %, STT 0.1 %, GST 18 %
    assert list(Trade.objects.order_by("id").values_list("charges", flat=True)) == [Decimal("32.62"), Decimal("37.77")]
    assert strategy.execution_notes.startswith('Execution Details: {"run": ')
    assert result.net == Decimal("-10050.00") - Decimal("70.39")


def test_positions_follow_from_the_trades(desk: Desk, make_strategy: Callable[..., OptionStrategy]) -> None:
    make_strategy()

    run_queue(desk)

    assert sorted(Position.objects.values_list("strike", "quantity")) == [(Decimal(1000), LOT), (Decimal(1050), -LOT)]


def test_the_shares_of_a_covered_call_are_bought_before_the_call_is_sold(
    desk: Desk, scripted: Any, make_strategy: Callable[..., OptionStrategy]
) -> None:
    scripted.quote(Contract("ACME"), "999.95", "1000.00")
    make_strategy(("SELL", 1050, "CE", 1), ("BUY", None, None, 1), max_loss=Decimal(490_000))

    (result,) = run_queue(desk)

    assert result.state == "complete"
    assert list(LegOrder.objects.values_list("side", "segment", "quantity")) == [
        ("BUY", "NSE_EQ", LOT),
        ("SELL", "NSE_FNO", LOT),
    ]
    assert list(Trade.objects.order_by("id").values_list("product_type", flat=True)) == ["CNC", "MARGIN"]


def test_a_partial_fill_is_completed_by_a_new_attempt(
    desk: Desk, scripted: Any, make_strategy: Callable[..., OptionStrategy]
) -> None:
    strategy = make_strategy(("SELL", 1050, "CE", 3), ("BUY", 1000, "CE", 3))
    scripted.quote(call(1000), "39.95", "40.05", depth=LOT)
    scripted.then(call(1000), "39.95", "40.10", depth=5 * LOT, after=1.5)

    (result,) = run_queue(desk)

    strategy.refresh_from_db()
    assert (result.state, strategy.execution_status) == ("complete", "executed")
    bought = LegOrder.objects.filter(side="BUY").values_list("attempt", "quantity", "filled_quantity", "state")
    assert list(bought) == [(1, 3 * LOT, LOT, "cancelled"), (2, 2 * LOT, 2 * LOT, "filled")]
    # the next attempt follows two seconds after the first, one tick further from the touch
    assert list(LegOrder.objects.filter(side="BUY").values_list("intended_at", "limit_price")) == [
        (NOON, Decimal("40.10")),
        (NOON + timedelta(seconds=2), Decimal("40.20")),
    ]


def test_a_refused_second_leg_is_tried_once_more_then_the_first_one_is_taken_back(
    desk: Desk, make_strategy: Callable[..., OptionStrategy]
) -> None:
    strategy = make_strategy()
    no = OrderRefused(Reason("DH-906", "Order error."))

    (result,) = run_queue(answering(desk, None, no, no))

    strategy.refresh_from_db()
    assert (result.state, result.reason.code, strategy.execution_status) == ("flat", "DH-906", "failed")
    assert strategy.executed_at is None
    assert "DH-906" in strategy.execution_notes
    assert set(Position.objects.values_list("quantity", flat=True)) == {0}
    # margin is released a moment after the hedge has filled, so one refusal of a sale is not the last word
    assert [(o.side, o.leg.strike, o.state) for o in LegOrder.objects.select_related("leg")] == [
        ("BUY", Decimal(1000), "filled"),
        ("SELL", Decimal(1050), "refused"),
        ("SELL", Decimal(1050), "refused"),
        ("SELL", Decimal(1000), "filled"),
    ]


def test_a_sale_that_is_refused_once_is_filled_by_the_next_try(
    desk: Desk, make_strategy: Callable[..., OptionStrategy]
) -> None:
    make_strategy()

    (result,) = run_queue(answering(desk, None, OrderRefused(SAID)))

    assert (result.state, result.reason) == ("complete", None)
    assert list(LegOrder.objects.values_list("side", "attempt", "state")) == [
        ("BUY", 1, "filled"),
        ("SELL", 1, "refused"),
        ("SELL", 2, "filled"),
    ]


def test_what_cannot_be_completed_within_the_attempts_is_taken_back(
    desk: Desk, scripted: Any, make_strategy: Callable[..., OptionStrategy]
) -> None:
    strategy = make_strategy(("SELL", 1050, "CE", 3), ("BUY", 1000, "CE", 3))
    scripted.quote(call(1050), "19.95", "20.05", depth=LOT)

    (result,) = run_queue(desk)

    strategy.refresh_from_db()
    assert (result.state, result.reason.code) == ("flat", "PARTIAL_FILL")
    assert strategy.execution_status == "failed"
    assert set(Position.objects.values_list("quantity", flat=True)) == {0}
    tries = LegOrder.objects.filter(phase="selling").values_list("attempt", "filled_quantity")
    assert list(tries) == [(1, LOT), (2, 0), (3, 0), (4, 0), (5, 0), (6, 0)]
    # beside the short that is bought back only the cover it does not need is sold, the rest afterwards
    rows = LegOrder.objects.filter(phase="unwinding").order_by("id")
    *first, last = rows.values_list("side", "leg__strike", "filled_quantity")
    assert sorted(first) == [("BUY", Decimal(1050), LOT), ("SELL", Decimal(1000), 2 * LOT)]
    assert last == ("SELL", Decimal(1000), LOT)


def test_nothing_filled_is_failed_and_flat(
    desk: Desk, scripted: Any, make_strategy: Callable[..., OptionStrategy]
) -> None:
    strategy = make_strategy()
    scripted.quote(call(1000), "39.95", "40.05", depth=0)

    (result,) = run_queue(desk)

    strategy.refresh_from_db()
    assert (result.state, strategy.execution_status) == ("failed_flat", "failed")
    assert not Trade.objects.exists()
    assert not LegOrder.objects.filter(side="SELL").exists()


@pytest.mark.slow
def test_what_cannot_be_taken_back_needs_attention_and_is_taken_back_later(
    desk: Desk, scripted: Any, make_strategy: Callable[..., OptionStrategy]
) -> None:
    strategy = make_strategy()
    scripted.quote(call(1050), "19.95", "20.05", depth=0)
    scripted.touches[call(1000)] = [Touch(Decimal("39.95"), Decimal("40.05"), 0, LOT, desk.as_of)]

    (stuck,) = run_queue(desk)
    strategy.refresh_from_db()
    stuck_columns = (strategy.execution_status, strategy.execution_detail)
    scripted.quote(call(1000), "39.95", "40.05")
    (freed,) = run_queue(desk)

    strategy.refresh_from_db()
    assert (stuck.state, stuck_columns) == ("unwinding", ("executing", "attention"))
    assert Alert.objects.get().code == "STILL_HELD"
    assert (freed.state, strategy.execution_status) == ("flat", "failed")
    assert set(Position.objects.values_list("quantity", flat=True)) == {0}


def test_the_cover_of_a_short_is_not_sold_while_that_cannot_be_bought_back(
    desk: Desk, scripted: Any, make_strategy: Callable[..., OptionStrategy]
) -> None:
    strategy = make_strategy(("SELL", 1050, "CE", 3), ("BUY", 1000, "CE", 3))
    scripted.touches[call(1050)] = [Touch(Decimal("19.95"), Decimal("20.05"), LOT, 0, desk.as_of)]

    (result,) = work_for(30, desk, strategy_id=strategy.pk)

    held = dict(Position.objects.values_list("strike", "quantity"))
    assert result.state == "unwinding"
    assert held == {Decimal(1000): LOT, Decimal(1050): -LOT}


def test_an_unwind_goes_on_under_a_refused_newer_master(
    desk: Desk, scripted: Any, make_strategy: Callable[..., OptionStrategy]
) -> None:
    strategy = make_strategy(("SELL", 1050, "CE", 3), ("BUY", 1000, "CE", 3))
    scripted.touches[call(1050)] = [Touch(Decimal("19.95"), Decimal("20.05"), LOT, 0, desk.as_of)]
    (left,) = work_for(30, desk, strategy_id=strategy.pk)
    _stale_master(strategy, scripted)
    scripted.quote(call(1050), "19.95", "20.05")

    (result,) = run_queue(desk)

    strategy.refresh_from_db()
    assert (left.state, result.state, strategy.execution_status) == ("unwinding", "flat", "failed")
    assert set(Position.objects.values_list("quantity", flat=True)) == {0}


def test_a_closed_market_refuses_before_anything_is_claimed(
    desk: Desk, make_strategy: Callable[..., OptionStrategy]
) -> None:
    strategy = make_strategy()
    evening = at(desk, desk.as_of.replace(hour=18))

    with pytest.raises(ExecutionDenied, match="MARKET_CLOSED"):
        run_queue(evening)

    strategy.refresh_from_db()
    assert strategy.execution_status == "marked"
    assert not ExecutionRun.objects.exists()
    assert nothing_was_sent()


def _remove_contract(strategy: OptionStrategy, scripted: Any) -> None:
    Instrument.objects.filter(strike=1050, option_type="CE").delete()


def _stale_master(strategy: OptionStrategy, scripted: Any) -> None:
    FileImport.objects.create(kind="master", source="test", file_name="bad", status="refused", reason_code="TRUNCATED")


def _old_quote(strategy: OptionStrategy, scripted: Any) -> None:
    touch = scripted.touches[call(1050)][0]
    scripted.quote(call(1050), "19.95", "20.05", at=touch.quoted_at - timedelta(minutes=11))


def _future_quote(strategy: OptionStrategy, scripted: Any) -> None:
    touch = scripted.touches[call(1050)][0]
    scripted.quote(call(1050), "19.95", "20.05", at=touch.quoted_at + timedelta(seconds=1))


def _no_quote(strategy: OptionStrategy, scripted: Any) -> None:
    del scripted.touches[call(1050)]


def _wide_quote(strategy: OptionStrategy, scripted: Any) -> None:
    scripted.quote(call(1050), "10.00", "30.00")


@contextmanager
def unmarked(strategy: OptionStrategy) -> Iterator[None]:
    """Legs are frozen while marked: step back, change, mark again."""
    row = OptionStrategy.objects.filter(pk=strategy.pk)
    row.update(execution_status="pending", marked_for_execution=False)
    yield
    row.update(execution_status="marked", marked_for_execution=True)


def _naked(strategy: OptionStrategy, scripted: Any) -> None:
    with unmarked(strategy):
        strategy.legs.filter(setup_type="BUY").delete()


def _more_shorts(strategy: OptionStrategy, scripted: Any) -> None:
    with unmarked(strategy):
        strategy.legs.filter(setup_type="SELL").update(lots=2)


def _unlimited(strategy: OptionStrategy, scripted: Any) -> None:
    OptionStrategy.objects.filter(pk=strategy.pk).update(unlimited_loss=True, max_loss=None)


def _lot_changed(strategy: OptionStrategy, scripted: Any) -> None:
    Instrument.objects.update(lot_size=250)


def _hash_changed(strategy: OptionStrategy, scripted: Any) -> None:
    OptionStrategy.objects.filter(pk=strategy.pk).update(content_hash="other")


def _unknown_risk(strategy: OptionStrategy, scripted: Any) -> None:
    OptionStrategy.objects.filter(pk=strategy.pk).update(max_loss=None)


def _too_dear(strategy: OptionStrategy, scripted: Any) -> None:
    OptionStrategy.objects.filter(pk=strategy.pk).update(max_loss=Decimal(10_000_001))


def _beyond_the_money(strategy: OptionStrategy, scripted: Any) -> None:
    RiskLimits.objects.update(max_loss=Decimal(20_000_000))
    _too_dear(strategy, scripted)


def _no_legs(strategy: OptionStrategy, scripted: Any) -> None:
    with unmarked(strategy):
        StrategyLeg.objects.all().delete()


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (_remove_contract, "NOT_IN_MASTER"),
        (_stale_master, "MASTER_STALE"),
        (_old_quote, "QUOTE_STALE"),
        (_future_quote, "QUOTE_LATER"),
        (_no_quote, "NO_TOUCH"),
        (_wide_quote, "PRICE_COLLAR"),
        (_naked, "NAKED_SHORT"),
        (_more_shorts, "NAKED_SHORT"),
        (_unlimited, "NAKED_SHORT"),
        (_lot_changed, "LOT"),
        (_hash_changed, "APPROVAL_CHANGED"),
        (_unknown_risk, "RISK_UNKNOWN"),
        (_too_dear, "MAX_LOSS"),
        (_beyond_the_money, "FUNDS"),
        (_no_legs, "NO_LEGS"),
    ],
)
def test_fm_D12_a_denied_basket_sends_nothing_and_says_why(
    desk: Desk, scripted: Any, make_strategy: Callable[..., OptionStrategy], spoil: Any, code: str
) -> None:
    strategy = make_strategy()
    spoil(strategy, scripted)

    (result,) = run_queue(desk)

    strategy.refresh_from_db()
    assert (result.state, result.reason.code, strategy.execution_status) == ("denied", code, "failed")
    assert strategy.execution_notes.startswith(f"Error: {code}: ")
    assert nothing_was_sent()


def test_an_account_that_allows_naked_shorts_needs_a_margin_figure(
    desk: Desk, make_strategy: Callable[..., OptionStrategy]
) -> None:
    desk.account.allow_naked = True
    make_strategy(("SELL", 1050, "CE", 1), unlimited_loss=True, max_loss=None)

    (result,) = run_queue(desk)

    assert result.reason.code == "RISK_UNKNOWN"
    assert nothing_was_sent()


def test_cash_covers_the_put_of_a_cash_secured_put_only(
    desk: Desk, make_strategy: Callable[..., OptionStrategy]
) -> None:
    secured = make_strategy(
        ("SELL", 1000, "PE", 1), structure="cash-secured-put", max_loss=Decimal(480_000), priority=9
    )
    bare = make_strategy(("SELL", 1000, "PE", 1), structure="short-put", max_loss=Decimal(480_000), priority=1)

    results = {result.strategy_id: result for result in run_queue(desk)}

    assert results[secured.pk].state == "complete"
    assert results[bare.pk].reason.code == "NAKED_SHORT"


def test_the_catalogue_knows_the_structure_whose_put_is_covered_by_cash() -> None:
    structure = BY_SLUG[CASH_SECURED]

    assert [(leg.side, leg.kind) for leg in structure.legs] == [(Side.SELL, Kind.PUT)]


@pytest.mark.parametrize(("later_by", "denied"), [(0, False), (1, True)])
def test_the_gate_itself_denies_an_idea_from_the_future(
    desk: Desk, make_strategy: Callable[..., OptionStrategy], later_by: int, denied: bool
) -> None:
    strategy = make_strategy(generated_on=desk.as_of + timedelta(seconds=later_by))

    plan = planned(strategy, desk)

    assert [reason.code for reason in plan.denials] == (["GENERATED_LATER", "CHAIN_OLD"] if denied else [])


@pytest.mark.parametrize(("later_by", "marked"), [(0, False), (1, True)])
def test_what_is_not_in_the_queue_at_that_moment_is_left_alone(
    desk: Desk, make_strategy: Callable[..., OptionStrategy], later_by: int, marked: bool
) -> None:
    strategy = make_strategy(marked=marked, generated_on=desk.as_of + timedelta(seconds=later_by))
    before = strategy.execution_status

    assert run_queue(desk) == []
    assert execute(strategy.pk, desk) is None

    strategy.refresh_from_db()
    assert strategy.execution_status == before
    assert not ExecutionRun.objects.exists()


def test_the_queue_is_worked_by_priority_then_score_up_to_the_limit(
    desk: Desk, make_strategy: Callable[..., OptionStrategy]
) -> None:
    third = make_strategy(priority=3, score="0.9")
    second = make_strategy(priority=8, score="0.5")
    first = make_strategy(priority=8, score="0.7")

    results = run_queue(desk, limit=2)

    third.refresh_from_db()
    assert [result.strategy_id for result in results] == [first.pk, second.pk]
    assert third.execution_status == "marked"


def test_executing_again_is_a_no_op(desk: Desk, make_strategy: Callable[..., OptionStrategy]) -> None:
    strategy = make_strategy()
    run_queue(desk)
    orders = LegOrder.objects.count()

    again = run_queue(desk)

    assert again == []
    assert execute(strategy.pk, desk) is None
    assert (LegOrder.objects.count(), PaperOrder.objects.count()) == (orders, orders)


def test_a_row_marked_by_plain_sql_executes_like_any_other(
    desk: Desk, make_strategy: Callable[..., OptionStrategy]
) -> None:
    strategy = make_strategy(marked=False)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE strategies SET marked_for_execution = true, execution_status = 'marked', execution_priority = 5,"
            " execution_notes = 'High conviction trade' WHERE id = %s",
            [strategy.pk],
        )

    (result,) = run_queue(desk)

    assert result.state == "complete"


def test_a_preview_changes_nothing_and_shows_the_order_of_sending(
    desk: Desk, make_strategy: Callable[..., OptionStrategy]
) -> None:
    strategy = make_strategy()

    (shown,) = preview_queue(desk=desk)

    plan = shown.plan
    assert [(str(o.piece.side), o.piece.quantity, o.limit) for o in plan.orders] == [
        ("BUY", LOT, Decimal("40.10")),
        ("SELL", LOT, Decimal("19.90")),
    ]
    assert plan.denials == ()
    assert plan.net_premium == Decimal("-10050.00")
    assert plan.cash_needed == Decimal("20050.00") + plan.charges  # more than the maximum loss of 15,000
    strategy.refresh_from_db()
    assert strategy.execution_status == "marked"
    assert not ExecutionRun.objects.exists()
    assert nothing_was_sent()


def test_the_preview_asks_for_the_cash_that_the_funds_check_asks_for(
    desk: Desk, make_strategy: Callable[..., OptionStrategy]
) -> None:
    RiskLimits.objects.update(max_loss=Decimal(20_000_000), underlying_at_risk=Decimal(20_000_000))
    put = (("SELL", 1000, "PE", 1),)
    dear = make_strategy(*put, structure=CASH_SECURED, max_loss=Decimal(5_000_001), sets=2)

    plan = planned(dear, desk)

    (funds,) = plan.denials
    assert plan.cash_needed == Decimal(10_000_002)
    assert (funds.code, "needs ₹10000002.00 " in funds.sentence) == ("FUNDS", True)


def test_what_cannot_be_priced_is_unknown_not_nothing(
    desk: Desk, scripted: Any, make_strategy: Callable[..., OptionStrategy]
) -> None:
    strategy = make_strategy()
    del scripted.touches[call(1050)]

    plan = planned(strategy, desk)

    assert (plan.net_premium, plan.charges, plan.cash_needed) == (None, None, None)
    assert plan.denials[0].code == "NO_TOUCH"


def test_a_basket_of_unknown_risk_asks_for_an_unknown_amount(
    desk: Desk, make_strategy: Callable[..., OptionStrategy]
) -> None:
    plan = planned(make_strategy(max_loss=None), desk)

    assert (plan.net_premium, plan.cash_needed) == (Decimal("-10050.00"), None)
    assert plan.denials[0].code == "RISK_UNKNOWN"


def test_sets_multiply_every_leg(desk: Desk, make_strategy: Callable[..., OptionStrategy]) -> None:
    make_strategy(sets=3)

    run_queue(desk)

    assert set(LegOrder.objects.values_list("quantity", flat=True)) == {3 * LOT}


def test_fm_A18_D5_a_leg_above_the_freeze_quantity_is_cut(
    desk: Desk, make_strategy: Callable[..., OptionStrategy]
) -> None:
    Instrument.objects.update(freeze_quantity=2 * LOT + 1)
    make_strategy(sets=5)

    (result,) = run_queue(desk)

    assert result.state == "complete"
    assert list(LegOrder.objects.filter(side="BUY").values_list("slice_number", "quantity")) == [
        (1, 2 * LOT),
        (2, 2 * LOT),
        (3, LOT),
    ]


def test_money_set_aside_for_an_open_credit_spread_is_not_spent_again(
    desk: Desk, make_strategy: Callable[..., OptionStrategy]
) -> None:
    # The broker blocks 52,725 for one spread and wants 5 % more free; what is set aside leaves too little for two.
    RiskLimits.objects.update(max_loss=Decimal(15_050), underlying_at_risk=Decimal(100_000))
    desk.account.capital = Decimal(60_000)
    poor = at(desk, desk.as_of)
    credit = (("SELL", 1000, "CE", 1), ("BUY", 1050, "CE", 1))
    make_strategy(*credit, max_loss=Decimal(15_050), priority=9)
    second = make_strategy(*credit, max_loss=Decimal(15_050), priority=1)

    results = run_queue(poor)

    assert [result.state for result in results] == ["complete", "denied"]
    assert results[1].reason.code == "FUNDS"
    second.refresh_from_db()
    assert second.execution_status == "failed"


def test_a_run_tells_which_code_sent_it(
    desk: Desk, make_strategy: Callable[..., OptionStrategy], settings: Any
) -> None:
    settings.CODE_VERSION = "abc123"
    make_strategy()

    run_queue(desk)

    assert ExecutionRun.objects.get().code_version == "abc123"


def test_the_day_of_the_desk_is_indian(desk: Desk) -> None:
    midnight = datetime(2026, 1, 29, 18, 30, tzinfo=UTC)

    assert at(desk, midnight).day == date(2026, 1, 30)
    assert at(desk, midnight - timedelta(seconds=1)).day == date(2026, 1, 29)
