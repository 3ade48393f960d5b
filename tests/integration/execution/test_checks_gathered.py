"""What the checks are told about one strategy on one account, and what they make of it."""

from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from execution.checks import Purpose, run_cheap_checks, run_checks
from execution.errors import NotSent
from execution.legs import Slice
from execution.models import (
    Alert,
    ExecutionRun,
    LegOrder,
    OrderCall,
    ReconcileReport,
    StrategyMark,
    Trade,
    TradingState,
)
from execution.services.checks import Asked, gather, gather_order, limits_for
from execution.services.listing import ListedLeg, listed_legs
from execution.services.standing import standing
from market.contract import Side
from market.errors import Reason
from market.ports import Touch
from strategies.models import OptionStrategy
from tests.factories import AllocationFactory
from tests.integration.execution.conftest import EXPIRY, LOT, NOON

PRICES = {1000.0: ("39.95", "40.05", "40.10"), 1050.0: ("19.95", "20.05", "19.90")}


@dataclass(frozen=True)
class Order:
    """One order as it would be sent."""

    listed: ListedLeg
    piece: Slice
    limit: Decimal
    touch: Touch


@dataclass(frozen=True)
class Mode:
    """As much of a broker as the gate looks at."""

    mode: str = "paper"


def raises() -> Decimal:
    raise NotSent(Reason("NO_NETWORK", "The broker cannot be reached."))


ASKED = Asked(
    free=lambda: Decimal(900_000),
    margin=lambda: Decimal(30_000),
    spot=lambda: (Decimal(1011), NOON),
    profit=lambda strategy, rows: Decimal(-500),
    cash_needed=Decimal(20_050),
    armed_today=False,
    breaker_closed=True,
    needs_token=False,
)


def order_of(listed: ListedLeg) -> Order:
    bid, ask, limit = map(Decimal, PRICES[listed.leg.contract.strike])
    piece = Slice(listed.leg, 1, listed.leg.side, listed.leg.quantity)
    return Order(listed, piece, limit, Touch(bid, ask, 100_000, 100_000, NOON))


@pytest.fixture
def strategy(make_strategy, master, account):
    ReconcileReport.objects.create(account=account, clean=True)
    return make_strategy(net_premium=Decimal(-10_000), spot_price=Decimal(1010))


@pytest.fixture
def ask(account):
    """The whole gate for a strategy: denied checks by code, with their exact reasons."""

    def run(
        strategy: OptionStrategy, *, purpose: Purpose = Purpose.ENTRY, broker: Mode = Mode(), leave_out: int = 0,
        waiting: tuple[int, ...] = (), run_id: int | None = None, **asked: object,
    ) -> dict[str, str]:  # fmt: skip
        legs, limits = listed_legs(strategy, NOON), limits_for(account)
        orders = [order_of(one) for one in legs if one.leg.number != leave_out]
        situation = gather(
            strategy, account=account, broker=broker, legs=legs, orders=orders, now=NOON, purpose=purpose,
            limits=limits, asked=replace(ASKED, **asked), run_id=run_id, waiting=waiting,
        )  # fmt: skip
        answers = run_checks(situation, limits, purpose)
        return {each.code: each.reason_code for each in answers if not each.passed}

    return run


@pytest.fixture
def opened(make_strategy, account):
    """Another strategy on the same underlying that holds one lot it bought, or sold, at 40."""

    def make(side: str = "BUY", **fields: object) -> OptionStrategy:
        other = make_strategy((side, 1000, "CE", 1), spot_price=Decimal(1010), **fields)
        Trade.objects.create(
            strategy=other, account=account, order_id=f"T{other.pk}", security_id="10", action=side, option_type="CE",
            strike=1000, expiry=EXPIRY, quantity=LOT, price=40, order_status="TRADED", timestamp=NOON,
        )  # fmt: skip
        return other

    return make


def attempt(run: ExecutionRun, number: int, **fields: object) -> LegOrder:
    values: dict[str, object] = {
        "run": run, "leg": run.strategy.legs.order_by("leg_number").last(), "side": "BUY", "segment": "NSE_FNO",
        "security_id": "10", "symbol": "x", "quantity": LOT, "limit_price": 40, "attempt": number,
        "correlation_id": f"C-{run.pk}-{number}", "state": "intent",
    }  # fmt: skip
    return LegOrder.objects.create(**(values | fields))


def force(row: ExecutionRun | LegOrder, state: str) -> None:
    """Put a row where it would come by several transitions, past the guard that knows only single steps."""
    for step in state.split():
        type(row).objects.filter(pk=row.pk).update(state=step)


def test_a_sound_strategy_passes_the_whole_gate(ask, strategy):
    assert ask(strategy) == {}


def test_without_a_recent_clean_comparison_of_the_books_nothing_opens(ask, strategy, account):
    ReconcileReport.objects.create(account=account, clean=False)
    assert ask(strategy) == {"BROKER_HEALTH": "BROKER_HEALTH_UNKNOWN"}

    ReconcileReport.objects.all().update(at=timezone.now() - timedelta(seconds=61), clean=True)
    assert ask(strategy) == {"BROKER_HEALTH": "RECONCILE_OLD"}

    ReconcileReport.objects.all().delete()
    assert ask(strategy) == {"BROKER_HEALTH": "BROKER_HEALTH_UNKNOWN"}


def test_fm_F17_a_critical_alert_stops_entries_until_somebody_has_read_it(ask, strategy, account):
    alert = Alert.objects.create(account=account, level="CRITICAL", code="ZOMBIE", sentence="Look.", dedupe="z")
    assert ask(strategy) == {"BROKER_HEALTH": "ALERT_OPEN"}

    Alert.objects.filter(pk=alert.pk).update(acknowledged_at=timezone.now(), acknowledged_by="ann")
    assert ask(strategy) == {}


def test_fm_E16_a_stopped_desk_opens_nothing(ask, strategy, account):
    TradingState.objects.create(account=account, state="REDUCE_ONLY")

    assert ask(strategy) == {"KILL_ACTIVE": "KILL_ACTIVE"}


def test_a_broker_of_another_mode_is_nobodys_broker(ask, strategy):
    assert ask(strategy, broker=Mode("live")) == {"MODE_ARMED": "MODE_ARMED_UNKNOWN"}


def test_fm_F4_a_changed_strategy_is_not_what_was_approved(ask, strategy):
    strategy.content_hash = "something else"

    assert ask(strategy) == {"MARK_VALID": "APPROVAL_CHANGED"}


def test_an_approval_ages_by_the_clock_of_people(ask, strategy):
    strategy.marked_at = timezone.now() - timedelta(minutes=31)

    assert ask(strategy) == {"MARK_VALID": "APPROVAL_EXPIRED"}


def test_what_nobody_reviewed_cannot_be_compared(ask, strategy):
    strategy.net_premium = None
    assert ask(strategy) == {"DRIFT": "DRIFT_UNKNOWN"}

    strategy.net_premium, strategy.spot_price = Decimal(-10_000), None
    assert ask(strategy) == {"DRIFT": "DRIFT_UNKNOWN"}


def test_a_worse_premium_and_a_moved_spot_are_told_apart(ask, strategy):
    strategy.net_premium = Decimal(-9_000)
    assert ask(strategy) == {"DRIFT": "PREMIUM_MOVED"}

    strategy.net_premium = Decimal(-10_000)
    assert ask(strategy, spot=lambda: (Decimal(1016), NOON)) == {"DRIFT": "SPOT_MOVED"}


def test_a_broker_that_does_not_answer_denies_what_depends_on_it(ask, strategy):
    assert ask(strategy, free=raises) == {"MARGIN": "MARGIN_UNKNOWN"}
    assert ask(strategy, margin=raises) == {"MARGIN": "MARGIN_UNKNOWN"}
    assert ask(strategy, spot=raises) == {"QUOTE_FRESH": "QUOTE_FRESH_UNKNOWN", "DRIFT": "DRIFT_UNKNOWN"}


def test_fm_D12_a_leg_that_lost_its_order_is_missed_at_the_gate(ask, strategy):
    assert ask(strategy, leave_out=1) == {"SHADOW_COUNT": "SHADOW_COUNT", "DRIFT": "DRIFT_UNKNOWN"}


def test_a_live_run_of_the_same_strategy_is_a_duplicate(ask, strategy, account):
    run = ExecutionRun.objects.create(strategy=strategy, account=account, broker="paper", as_of=NOON)

    assert ask(strategy) == {"DUP_STRATEGY": "DUP_STRATEGY"}
    assert ask(strategy, run_id=run.pk) == {}


def test_the_same_legs_are_not_sent_twice_in_a_minute(ask, strategy, make_strategy, account):
    twin = make_strategy()
    run = ExecutionRun.objects.create(strategy=twin, account=account, broker="paper", as_of=NOON)
    assert ask(strategy) == {"DUP_STRATEGY": "SAME_LEGS"}

    ExecutionRun.objects.filter(pk=run.pk).update(started_at=timezone.now() - timedelta(seconds=61))
    assert ask(strategy) == {}


def test_fm_E10_the_days_loss_counts_open_positions_at_the_touch(ask, strategy, opened):
    opened()

    assert ask(strategy, profit=lambda strategy, rows: Decimal(-199_999)) == {}
    assert ask(strategy, profit=lambda strategy, rows: Decimal(-200_000)) == {"DAILY_LOSS": "DAILY_LOSS"}


def test_fm_E11_a_position_without_a_price_is_no_loss_of_zero(ask, strategy, opened):
    opened()

    assert ask(strategy, profit=lambda strategy, rows: raises()) == {"DAILY_LOSS": "DAILY_LOSS_UNKNOWN"}


def test_what_was_lost_before_today_is_not_todays_loss(ask, strategy, opened):
    other = opened()
    Trade.objects.filter(strategy=other).update(timestamp=NOON - timedelta(days=1))
    StrategyMark.objects.create(strategy=other, as_of=NOON - timedelta(hours=20), profit=Decimal(-150_000))

    assert ask(strategy, profit=lambda strategy, rows: Decimal(-220_000)) == {}


def test_the_fourth_strategy_on_an_underlying_is_one_too_many(ask, strategy, opened):
    for _ in range(3):
        opened()

    assert ask(strategy) == {"POSITION_COUNT": "POSITION_COUNT"}


def test_an_open_strategy_of_unknown_risk_makes_the_underlyings_risk_unknown(ask, strategy, opened):
    opened(max_loss=None)

    assert ask(strategy) == {"CONCENTRATION": "CONCENTRATION_UNKNOWN"}


def test_what_one_underlying_may_take_is_shared(ask, strategy, opened):
    opened(max_loss=Decimal(1_485_001))

    assert ask(strategy) == {"CONCENTRATION": "CONCENTRATION"}


@pytest.mark.parametrize(("limit", "denied"), [(314_000, {}), (313_999, {"CONCENTRATION": "CONCENTRATION"})])
def test_an_unlimited_strategy_takes_its_margin_before_the_credit_from_the_underlying(
    ask, strategy, opened, account, limit, denied
):
    # The open call blocks 298,500 of one's own money and the 1 x 500 it was sold for; the spread may lose 15,000.
    naked = opened("SELL", unlimited_loss=True, max_loss=None)
    AllocationFactory(run__account=account, strategy=naked, margin=Decimal(298_500))
    account.max_share_per_underlying = Decimal(limit) / account.capital

    assert ask(strategy) == denied


def test_three_refusals_in_a_row_stop_a_strategy(ask, strategy, account):
    run = ExecutionRun.objects.create(strategy=strategy, account=account, broker="paper", as_of=NOON)
    for number in (1, 2, 3):
        force(attempt(run, number), "sending refused")
    assert ask(strategy, run_id=run.pk) == {"REJECT_STREAK": "REJECT_STREAK"}

    force(attempt(run, 4), "sending acked filled")
    assert ask(strategy, run_id=run.pk) == {}


def test_an_order_of_unknown_outcome_stops_entries(ask, strategy, account):
    run = ExecutionRun.objects.create(strategy=strategy, account=account, broker="paper", as_of=NOON)
    force(attempt(run, 1), "sending unknown")

    assert ask(strategy, run_id=run.pk) == {"BROKER_HEALTH": "ORDERS_UNKNOWN"}


def test_our_own_working_order_is_not_met_from_the_other_side(ask, strategy, make_strategy, account):
    other = ExecutionRun.objects.create(
        strategy=make_strategy(("SELL", 1000, "CE", 1)), account=account, broker="paper", as_of=NOON
    )
    attempt(other, 1, side=Side.SELL)

    assert ask(strategy) == {"SELF_CROSS": "SELF_CROSS"}


def test_calls_of_this_second_are_counted_from_the_governors_table(ask, strategy, account):
    for number in range(1, 9):
        OrderCall.objects.create(account=account, number=number, urgent=False)
    OrderCall.objects.update(taken_at=timezone.now())

    assert ask(strategy) == {"RATE": "RATE"}


def test_an_exit_asks_neither_broker_nor_spot_and_may_leave_a_leg_for_later(ask, strategy, account):
    ReconcileReport.objects.all().delete()

    found = ask(strategy, purpose=Purpose.EXIT, free=raises, margin=raises, spot=raises, leave_out=1, waiting=(1,))

    assert found == {}


def test_the_cheap_checks_look_at_one_order_and_what_is_really_filled(strategy, account):
    legs = {one.leg.side: one for one in listed_legs(strategy, NOON)}
    limits = limits_for(account)

    def denied(listed: ListedLeg, intended: int = LOT) -> dict[str, str]:
        situation = gather_order(
            strategy, order_of(listed), account=account, broker=Mode(), now=NOON, asked=ASKED, intended=intended,
            run_id=1, found=standing(account.pk),
        )  # fmt: skip
        answers = run_cheap_checks(situation, limits, Purpose.ENTRY)
        return {each.code: each.reason_code for each in answers if not each.passed}

    assert denied(legs[Side.BUY]) == {}
    assert denied(legs[Side.BUY], intended=2 * LOT) == {"SHADOW_COUNT": "SHADOW_COUNT"}
    assert denied(legs[Side.SELL]) == {"COVER": "NAKED_SHORT"}

    Trade.objects.create(
        strategy=strategy, account=account, order_id="T1", security_id="10", action="BUY", option_type="CE",
        strike=1000, expiry=EXPIRY, quantity=LOT, price=40, order_status="TRADED", timestamp=NOON,
    )  # fmt: skip

    assert denied(legs[Side.SELL]) == {}
