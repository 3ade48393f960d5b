"""What was reviewed is what is traded: its day, its premium, and the risk that was computed for it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from allocation.models import Account, Allocation, AllocationRun
from allocation.services import allocate_portfolio
from execution.errors import ExecutionDenied
from execution.models import LegOrder
from execution.services.preparation import Desk, free_funds
from market.contract import Contract
from market.errors import Reason
from strategies.margins import HeldLeg, margin_of
from strategies.models import OptionStrategy
from tests.factories import ChainSnapshotFactory
from tests.integration.execution.conftest import option
from tests.integration.execution.desks import at, execute, planned

LOT = 500
BARE_CALL = ("SELL", 1050, "CE", 1)
# Each check that would have looked at the margin says that it cannot: the loss, the funds, the share of the underlying.
UNKNOWN_RISK = ["RISK_UNKNOWN", "MARGIN_UNKNOWN", "CONCENTRATION_UNKNOWN"]
MakeStrategy = Callable[..., OptionStrategy]


def allocate(strategy: OptionStrategy, account: Account, *, sets: int, margin: int, why: str = "") -> None:
    run = AllocationRun.objects.create(account=account, as_of=strategy.generated_on, capital=account.capital)
    Allocation.objects.create(run=run, strategy=strategy, sets=sets, margin=Decimal(margin), reason_code=why)


def codes(strategy: OptionStrategy, desk: Desk) -> list[str]:
    return [reason.code for reason in planned(strategy, desk).denials]


@pytest.fixture
def bare(desk: Desk, make_strategy: MakeStrategy) -> OptionStrategy:
    """A naked call on an account that may hold one."""
    desk.account.allow_naked = True
    return make_strategy(BARE_CALL, sets=2, unlimited_loss=True, max_loss=None)


def test_a_margin_computed_for_these_sets_is_what_the_entry_must_find_free(desk: Desk, bare: OptionStrategy) -> None:
    allocate(bare, desk.account, sets=2, margin=300_000)

    plan = planned(bare, desk)

    assert (plan.denials, plan.cash_needed) == ((), Decimal(300_000))


def test_a_refused_allocation_is_no_margin_of_zero(desk: Desk, bare: OptionStrategy) -> None:
    allocate(bare, desk.account, sets=0, margin=0, why="SHARE")

    plan = planned(bare, desk)

    assert ([reason.code for reason in plan.denials], plan.cash_needed) == (UNKNOWN_RISK, None)


def test_a_refusal_does_not_hide_the_margin_computed_before(desk: Desk, bare: OptionStrategy) -> None:
    allocate(bare, desk.account, sets=2, margin=300_000)
    allocate(bare, desk.account, sets=0, margin=0, why="ALREADY_OPEN")

    assert planned(bare, desk).cash_needed == Decimal(300_000)


def test_a_margin_of_other_sets_or_of_another_account_is_unknown(desk: Desk, bare: OptionStrategy) -> None:
    allocate(bare, desk.account, sets=1, margin=150_000)
    allocate(bare, Account.objects.create(name="other", capital=Decimal(1)), sets=2, margin=300_000)

    assert codes(bare, desk) == UNKNOWN_RISK


def test_free_funds_are_unknown_while_an_open_naked_strategy_has_only_a_refused_allocation(
    desk: Desk, bare: OptionStrategy, make_strategy: MakeStrategy
) -> None:
    allocate(bare, desk.account, sets=2, margin=300_000)
    execute(bare.pk, desk)
    other = make_strategy()
    known = free_funds(desk, but=other)
    Allocation.objects.update(sets=0, margin=0, reason_code="SHARE")

    with pytest.raises(ExecutionDenied, match="RISK_UNKNOWN"):
        free_funds(desk, but=other)

    # The credit of 19.95 × 1,000 lies in the balance, counts towards the margin already, and is nobody's to spend.
    assert known == desk.broker.funds().available - 300_000 - 19_950


@pytest.mark.parametrize(("margin", "denied"), [(299_000, []), (299_001, ["MAX_LOSS"])])
def test_the_largest_loss_counts_the_margin_before_the_credit(
    desk: Desk, bare: OptionStrategy, margin: int, denied: list[str]
) -> None:
    # The row's leg brings 1 × 1,000; what a strategy may lose is 300,000.
    desk.account.capital, desk.account.max_share_per_strategy = Decimal(10_000_000), Decimal("0.03")
    desk.account.max_share_per_underlying = Decimal(1)
    allocate(bare, desk.account, sets=2, margin=margin)

    assert codes(bare, desk) == denied


def test_the_most_the_allocator_gives_a_naked_call_is_the_most_the_gate_lets_pass(
    desk: Desk, make_strategy: MakeStrategy
) -> None:
    desk.account.allow_naked = True
    desk.account.save()
    call = make_strategy(("SELL", 1000, "CE", 1), unlimited_loss=True, max_loss=None, marked=False)
    call.legs.update(premium=Decimal(40), implied_volatility=Decimal("0.25"))
    ChainSnapshotFactory(taken_at=desk.as_of, quotes=[{"bid_quantity": 50_000}])

    run = allocate_portfolio(desk.account, as_of=desk.as_of)

    sold = HeldLeg(option(1000), -LOT, 40.0, 0.25)
    own = margin_of([sold], group="naked", spot=1010.0, is_index=False, as_of=desk.day)
    # 5 % of a crore; each set brings 40 x 500, which is no money of one's own and stays blocked all the same.
    row, limit, credit = run.allocations.get(), Decimal(500_000), Decimal(20_000)
    call.refresh_from_db()
    assert (row.marked, call.sets, codes(call, desk)) == (True, row.sets, [])
    per_set = row.margin / row.sets
    assert float(per_set) == pytest.approx(own, abs=0.01)
    assert (per_set + credit) * row.sets <= limit < (per_set + credit) * (row.sets + 1)
    assert per_set * (row.sets + 1) < limit  # by its own money alone there would be room for another


@pytest.mark.parametrize(("days", "denied"), [(0, []), (3, ["APPROVAL_EXPIRED", "CHAIN_OLD"])])
def test_an_approval_is_good_for_the_day_of_the_strategy(
    desk: Desk, scripted: Any, make_strategy: MakeStrategy, days: int, denied: list[str]
) -> None:
    strategy = make_strategy()
    moment = desk.as_of + timedelta(days=days)
    for contract in list(scripted.touches):
        touch = scripted.touches[contract][0]
        scripted.touches[contract] = [replace(touch, quoted_at=moment)]

    plan = planned(strategy, at(desk, moment))

    assert [reason.code for reason in plan.denials] == denied


def test_fm_D13_an_expired_approval_names_both_days_and_what_to_do(desk: Desk, make_strategy: MakeStrategy) -> None:
    strategy = make_strategy(generated_on=desk.as_of - timedelta(days=1), trade_date=date(2026, 1, 29))

    result = execute(strategy.pk, desk)

    assert result is not None
    assert (result.state, result.reason) == (
        "denied",
        Reason(
            "APPROVAL_EXPIRED",
            "The strategy was made and approved for 29 Jan 2026; today is 30 Jan 2026. "
            "Generate it again if it changed, look at it, and mark it again.",
        ),
    )
    assert not LegOrder.objects.exists()


# The spread costs 40.05 - 19.95 = 20.10 × 500 = 10,050 at the touch. Allowed beyond the reviewed premium: 10 % of it,
# and 2 ticks of 0.05 for each of 2 legs = 0.20 × 500 = 100: of -9,045.46 that is 1,004.546, down to -10,050.006.
@pytest.mark.parametrize(
    ("reviewed", "moved"), [("-9045.46", False), ("-9045.45", True), ("-20000", False), ("9000", True)]
)
def test_fm_D13_a_premium_worse_than_reviewed_is_not_paid(
    desk: Desk, make_strategy: MakeStrategy, reviewed: str, moved: bool
) -> None:
    strategy = make_strategy(net_premium=Decimal(reviewed), sets=3)

    assert codes(strategy, desk) == (["PREMIUM_MOVED"] if moved else [])


def test_a_credit_that_shrank_is_refused_with_both_amounts(desk: Desk, make_strategy: MakeStrategy) -> None:
    strategy = make_strategy(("SELL", 1000, "CE", 1), ("BUY", 1050, "CE", 1), net_premium=Decimal(11_500))

    (reason,) = planned(strategy, desk).denials

    assert reason.code == "PREMIUM_MOVED"
    assert "₹11500.00" in reason.sentence
    assert "₹9950.00" in reason.sentence


def test_the_price_of_the_share_is_no_premium(desk: Desk, scripted: Any, make_strategy: MakeStrategy) -> None:
    scripted.quote(Contract("ACME"), "999.95", "1000.00")
    strategy = make_strategy(
        ("SELL", 1050, "CE", 1), ("BUY", None, None, 1), max_loss=Decimal(490_000), net_premium=Decimal(9_975)
    )

    assert codes(strategy, desk) == []


def test_a_premium_that_cannot_be_known_is_refused_for_the_missing_price_only(
    desk: Desk, scripted: Any, make_strategy: MakeStrategy
) -> None:
    strategy = make_strategy(net_premium=Decimal(50_000))
    del scripted.touches[next(one for one in scripted.touches if one.strike == 1050)]

    # What depends on the price is unknown, and nothing says that the premium of 50,000 had moved.
    assert codes(strategy, desk) == ["NO_TOUCH", "DRIFT_UNKNOWN", "MARGIN_UNKNOWN", "SHADOW_COUNT"]
