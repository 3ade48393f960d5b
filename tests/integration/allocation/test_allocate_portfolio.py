"""From pending strategies to sizes and marks, inside every limit of the account."""

import io
import json
import threading
import time
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, transaction

from allocation.errors import RiskError
from allocation.models import Account, Allocation, AllocationRun
from allocation.services import allocate_portfolio, blocked_by, mark_proposed, violations
from strategies.models import GenerationRun, OptionStrategy, SymbolResult
from strategies.services.marking import mark, unmark
from tests.factories import (
    AS_OF,
    AccountFactory,
    AllocationFactory,
    AllocationRunFactory,
    ChainSnapshotFactory,
    IndustryAllocationFactory,
    InstrumentFactory,
    OptionStrategyFactory,
    SectorAllocationFactory,
    UnderlyingFactory,
)

pytestmark = pytest.mark.django_db

# max loss 10,050 + 3.5 % exposure of one short call: 0.035 × 1003.20 × 500
PER_SET = Decimal("27606.00")
BOTH_LEGS = [
    {"bid_quantity": 50_000, "ask_quantity": 50_000},
    {"strike": 1050, "bid_quantity": 50_000, "ask_quantity": 50_000},
]


@pytest.fixture
def account():
    return AccountFactory(name="paper", capital=Decimal(10_000_000), allocator_may_mark=True)


def offer(symbol="ACME", *, quotes=None, industry="Steel", sector="Metals & Mining", **values):
    """A pending strategy on an underlying whose touch takes a hundred sets."""
    UnderlyingFactory(symbol=symbol, industry=industry, sector=sector)
    if not OptionStrategy.objects.filter(stock_name=symbol).exists():
        for strike in (1000, 1050):
            InstrumentFactory(underlying=symbol, strike=strike)
        ChainSnapshotFactory(symbol=symbol, quotes=BOTH_LEGS if quotes is None else quotes)
    return OptionStrategyFactory(stock_name=symbol, **values)


def answers(run):
    return {row.strategy_id: (row.sets, row.reason_code) for row in run.allocations.all()}


def states():
    rows = OptionStrategy.objects.order_by("id")
    return list(rows.values_list("execution_status", "execution_priority", "sets", "marked_for_execution"))


def test_a_paper_account_gets_its_proposal_marked_with_sets_and_priority(account):
    first, second = offer(total_score=Decimal("0.9")), offer("OTHER", total_score=Decimal("0.8"))

    run = allocate_portfolio(account, as_of=AS_OF)

    # 5 % of a crore a strategy, at most 10 sets: 500,000 // 27,606 = 18
    rows = list(run.allocations.values_list("strategy_id", "sets", "margin", "priority", "marked", "reason_code"))
    assert rows == [
        (first.pk, 10, 10 * PER_SET, 100, True, ""),
        (second.pk, 10, 10 * PER_SET, 99, True, ""),
    ]
    assert states() == [("marked", 100, 10, True), ("marked", 99, 10, True)]
    first.refresh_from_db()
    assert first.execution_notes == f"Allocated 10 sets by run {run.pk}"
    assert (run.considered, run.capital) == (2, account.capital)
    assert violations(run) == []


def test_the_seeded_paper_account_may_mark_and_a_live_one_may_not():
    assert Account(mode="live", name="x", capital=1).lets_allocator_mark is False
    assert Account(mode="paper", name="x", capital=1).lets_allocator_mark is True
    assert Account(mode="paper", name="x", capital=1, allocator_may_mark=False).lets_allocator_mark is False
    seeded = Account.objects.filter(name="paper").first()
    assert seeded is None or seeded.lets_allocator_mark


def test_a_live_account_gets_a_proposal_only():
    live = AccountFactory(name="live", mode=Account.Mode.LIVE, allocator_may_mark=False)
    strategy = offer()

    run = allocate_portfolio(live, as_of=AS_OF)

    assert answers(run) == {strategy.pk: (10, "")}
    assert not run.allocations.filter(marked=True).exists()
    assert states() == [("pending", 0, 1, False)]


def test_the_same_account_and_moment_give_the_same_run(account):
    offer()
    first = allocate_portfolio(account, as_of=AS_OF)
    before = states()
    offer("OTHER")

    again = allocate_portfolio(account, as_of=AS_OF)

    assert again == first
    assert AllocationRun.objects.count() == 1
    assert states() == [*before, ("pending", 0, 1, False)]


def test_another_account_or_moment_is_another_run(account):
    offer()

    runs = {
        allocate_portfolio(account, as_of=AS_OF).pk,
        allocate_portfolio(account, as_of=AS_OF + timedelta(minutes=1)).pk,
        allocate_portfolio(AccountFactory(name="second"), as_of=AS_OF).pk,
    }

    assert len(runs) == 3


@pytest.mark.parametrize(
    ("field", "value", "sets", "code"),
    [
        ("max_sets", 3, 3, ""),
        ("max_share_per_strategy", "0.0056", 2, ""),
        ("max_share_per_underlying", "0.0030", 1, ""),
        ("max_deployed_share", "0.0020", 0, "LIMIT_CAPITAL"),
        ("max_share_per_strategy", "0.0020", 0, "LIMIT_PER_STRATEGY"),
        ("max_share_per_underlying", "0.0020", 0, "LIMIT_PER_UNDERLYING"),
    ],
)
def test_the_accounts_own_limits_bind(account, field, value, sets, code):
    setattr(account, field, value)
    account.save()
    account.refresh_from_db()
    strategy = offer()

    run = allocate_portfolio(account, as_of=AS_OF)

    assert answers(run) == {strategy.pk: (sets, code)}
    assert states()[0][0] == ("marked" if sets else "pending")


def test_weights_are_shares_of_what_may_be_deployed(account):
    IndustryAllocationFactory(industry="Steel", weight_percentage=Decimal("1.5"))  # of 6,000,000: 90,000
    strategy = offer()

    run = allocate_portfolio(account, as_of=AS_OF)

    assert answers(run) == {strategy.pk: (3, "")}


def test_a_sector_without_a_weight_or_an_opposed_direction_takes_nothing(account):
    IndustryAllocationFactory(industry="Steel", weight_percentage=50)
    IndustryAllocationFactory(industry="Banks", weight_percentage=50, position_type="SHORT")
    SectorAllocationFactory(sector="Metals & Mining", weight_percentage=50)
    SectorAllocationFactory(sector="Financial Services", weight_percentage=50, position_type="SHORT")
    fits = offer()
    opposed = offer("BANK", industry="Banks", sector="Financial Services")
    bearish = offer("SHORTED", industry="Banks", sector="Financial Services", market_outlook="Bearish")
    no_industry = offer("NOWHERE", industry="")
    no_sector = offer("NOSECTOR", sector="Unheard")

    run = allocate_portfolio(account, as_of=AS_OF)

    assert answers(run) == {
        fits.pk: (10, ""),
        opposed.pk: (0, "AGAINST_WEIGHT"),
        bearish.pk: (10, ""),
        no_industry.pk: (0, "NO_INDUSTRY_WEIGHT"),
        no_sector.pk: (0, "NO_SECTOR_WEIGHT"),
    }
    assert run.allocations.filter(marked=True).count() == 2


@pytest.mark.parametrize(
    ("quotes", "sets"),
    [
        ([BOTH_LEGS[0] | {"ask_quantity": 1_999}, BOTH_LEGS[1]], 3),
        ([BOTH_LEGS[0], BOTH_LEGS[1] | {"bid_quantity": 1_000}], 2),
        ([BOTH_LEGS[0]], 0),
        ([BOTH_LEGS[0], BOTH_LEGS[1] | {"bid_quantity": 499}], 0),
    ],
)
def test_the_thinnest_touch_limits_the_sets(account, quotes, sets):
    strategy = offer(quotes=quotes)

    run = allocate_portfolio(account, as_of=AS_OF)

    assert answers(run) == {strategy.pk: (sets, "" if sets else "LIMIT_DEPTH")}


def test_only_fresh_good_pending_strategies_are_considered(account):
    wanted = offer()
    offer("WEAK", total_score=Decimal("0.49"))
    offer("OLD", generated_on=AS_OF - timedelta(days=1))
    offer("LATER", generated_on=AS_OF + timedelta(minutes=1))
    offer("GONE", execution_detail="expired")
    offer("DONE", status="failed")

    run = allocate_portfolio(account, as_of=AS_OF)

    assert list(answers(run)) == [wanted.pk]
    assert run.considered == 1


NAKED_PUT = [{"leg_number": 1, "setup_type": "SELL", "option_type": "PE", "strike": Decimal(1000), "premium": 13}]
TYPED_SPREAD = [
    {"leg_number": 1, "setup_type": "BUY", "strike": Decimal(1000), "premium": Decimal("40.05")},
    {"leg_number": 2, "setup_type": "SELL", "strike": Decimal(1050), "premium": Decimal("19.95")},
]


@pytest.mark.parametrize(
    ("values", "code", "missing"),
    [
        ({"spot_price": None}, "NOT_SIZABLE", "no spot price"),
        ({"legs": (), "lot_size": None}, "NOT_SIZABLE", "no lot size and no legs"),
        ({"legs": [NAKED_PUT[0] | {"implied_volatility": None}]}, "MARGIN_INPUT", "volatility"),
        ({"legs": NAKED_PUT, "max_loss": None}, "NOT_SIZABLE", "the most it may lose is not known. Complete the row"),
    ],
)
def test_what_a_row_does_not_say_is_recorded_and_stops_no_other(account, values, code, missing):
    wanted, incomplete = offer(), offer("BARE", **values)

    run = allocate_portfolio(account, as_of=AS_OF)

    assert answers(run) == {wanted.pk: (10, ""), incomplete.pk: (0, code)}
    assert missing in run.allocations.get(strategy=incomplete).reason_text
    assert run.considered == 2


@pytest.mark.parametrize("status", ["pending", "marked"])
def test_a_spread_typed_by_hand_needs_no_volatility(account, status):
    typed = offer("TYPED", legs=[leg | {"implied_volatility": None} for leg in TYPED_SPREAD], status=status)

    run = allocate_portfolio(account, as_of=AS_OF)

    assert answers(run) == ({typed.pk: (10, "")} if status == "pending" else {})
    assert blocked_by(account, AS_OF).underlyings == {
        "TYPED": pytest.approx(float(PER_SET) * (10 if status == "pending" else 1))
    }


@pytest.mark.parametrize(("allowed", "sets", "code"), [(True, 1, ""), (False, 0, "NAKED_SHORT")])
def test_a_short_put_is_sized_by_what_it_may_lose_where_nothing_covers_it(account, allowed, sets, code):
    # Its margin is near 70,000; five per cent of a crore are one strike of 500 shares.
    account.allow_naked = allowed
    account.save()
    quotes = [{"option_type": "PE", "bid_quantity": 50_000, "ask_quantity": 50_000}]
    put = offer(quotes=quotes, legs=NAKED_PUT, structure="short-put", max_loss=Decimal(493_500))
    InstrumentFactory(underlying="ACME", strike=1000, option_type="PE")

    run = allocate_portfolio(account, as_of=AS_OF)

    assert answers(run) == {put.pk: (sets, code)}
    assert run.allocations.get().margin == sets * Decimal(493_500)


def answer(symbol, as_of, risk, rows):
    run = GenerationRun.objects.create(as_of=as_of, risk=risk)
    OptionStrategy.objects.filter(pk__in=[row.pk for row in rows]).update(run=run, risk_profile=risk)
    SymbolResult.objects.create(run=run, symbol=symbol, status="done", strategy_ids=[row.pk for row in rows])


def test_only_what_the_newest_run_of_a_symbol_says_is_sized_whatever_its_taste(account):
    earlier, later, typed = (offer(total_score=score) for score in (Decimal("0.9"), Decimal("0.8"), Decimal("0.7")))
    elsewhere = offer("OTHER")
    answer("ACME", AS_OF - timedelta(hours=2), "conservative", [earlier])
    answer("OTHER", AS_OF - timedelta(hours=2), "conservative", [elsewhere])
    answer("ACME", AS_OF - timedelta(hours=1), "moderate", [later])
    answer("ACME", AS_OF + timedelta(hours=1), "aggressive", [])

    run = allocate_portfolio(account, as_of=AS_OF)

    assert answers(run) == {later.pk: (10, ""), elsewhere.pk: (10, ""), typed.pk: (0, "UNDERLYING_TAKEN")}


@pytest.mark.parametrize(
    ("status", "proposed"), [("marked", False), ("executing", False), ("executed", False), ("closed", True)]
)
def test_the_legs_of_the_morning_are_not_entered_a_second_time_while_they_stand(account, status, proposed):
    morning = offer(status=status, legs_hash="ab", generated_on=AS_OF - timedelta(hours=2))
    again = offer(legs_hash="ab")

    run = allocate_portfolio(account, as_of=AS_OF)

    assert answers(run) == {again.pk: (10, "") if proposed else (0, "SAME_LEGS")}
    if not proposed:
        text = run.allocations.get().reason_text
        assert f"the same legs as strategy {morning.pk}, which is {status}. Unmark or close that one first" in text


def test_the_legs_of_the_morning_take_no_place_from_the_next_best_of_their_underlying(account):
    account.allocator_may_mark = False  # so that no refused mark says it once more
    account.save()
    offer(status="marked", legs_hash="ab", generated_on=AS_OF - timedelta(hours=2))
    again = offer(legs_hash="ab", total_score=Decimal("0.9"))
    following = offer(legs_hash="cd", total_score=Decimal("0.8"))

    run = allocate_portfolio(account, as_of=AS_OF)

    assert answers(run) == {again.pk: (0, "SAME_LEGS"), following.pk: (10, "")}


def test_a_mark_that_is_refused_leaves_no_size_and_says_why():
    live = AccountFactory(name="live", mode=Account.Mode.LIVE, allocator_may_mark=False)
    strategy = offer(legs_hash="ab", sets=2)
    run = allocate_portfolio(live, as_of=AS_OF)
    twin = offer(legs_hash="ab")
    mark([twin.pk])

    mark_proposed(run)

    row = run.allocations.get(strategy=strategy)
    assert (row.sets, row.margin, row.priority, row.marked, row.reason_code) == (0, 0, 0, False, "SAME_LEGS")
    assert row.reason_text == (
        f"Strategy {strategy.pk} has the same legs as strategy {twin.pk}, which is marked. "
        "Unmark or close that one first, or choose other legs."
    )
    assert states() == [("pending", 0, 2, False), ("marked", 5, 1, True)]


def test_what_a_later_run_superseded_meanwhile_is_not_marked():
    live = AccountFactory(name="live", mode=Account.Mode.LIVE, allocator_may_mark=False)
    strategy = offer()
    run = allocate_portfolio(live, as_of=AS_OF)
    later = GenerationRun.objects.create(as_of=AS_OF + timedelta(hours=1))
    OptionStrategy.objects.update(superseded_by=later)

    mark_proposed(run)

    row = run.allocations.get(strategy=strategy)
    assert (row.sets, row.marked, row.reason_code) == (0, False, "SUPERSEDED")
    assert str(later.pk) in row.reason_text
    assert states() == [("pending", 0, 1, False)]


def test_a_decimal_and_a_float_mean_the_same_score(account):
    strategy = offer(total_score=Decimal("0.6"))

    assert answers(allocate_portfolio(account, as_of=AS_OF, min_score=Decimal("0.6"))) == {strategy.pk: (10, "")}
    other = AccountFactory(name="other", allocator_may_mark=False)
    unmark([strategy.pk])
    assert list(answers(allocate_portfolio(other, as_of=AS_OF, min_score=0.6))) == [strategy.pk]


@pytest.mark.parametrize("score", [-1, 1.5, float("nan")])
def test_a_score_that_is_none_is_refused(account, score):
    with pytest.raises(RiskError) as refusal:
        allocate_portfolio(account, as_of=AS_OF, min_score=score)

    assert refusal.value.reason.code == "SCORE_RANGE"
    assert not AllocationRun.objects.exists()


# --- what is open already --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["marked", "executing", "executed"])
def test_what_is_marked_or_open_counts_as_used(account, status):
    offer("HELD", status=status, sets=2)

    used = blocked_by(account, AS_OF)

    assert used.strategies == 1
    assert used.total == used.underlyings["HELD"] == used.industries["Steel"] == pytest.approx(float(2 * PER_SET))


def test_what_is_closed_failed_or_pending_does_not_count(account):
    offer("CLOSED", status="closed")
    offer("FAILED", status="failed")
    offer("PENDING")

    assert blocked_by(account, AS_OF).strategies == 0


def test_a_strategy_allocated_in_several_runs_counts_once(account):
    strategy = offer("HELD", status="marked", sets=2)
    for minutes in range(3):
        run = AllocationRunFactory(account=account, as_of=AS_OF - timedelta(minutes=minutes))
        AllocationFactory(run=run, strategy=strategy, marked=minutes == 0)

    used = blocked_by(account, AS_OF)

    assert (used.strategies, used.total) == (1, pytest.approx(float(2 * PER_SET)))


def test_what_another_accounts_allocator_took_is_not_ours_but_what_a_person_marked_is(account):
    other = AccountFactory(name="other")
    theirs, persons = offer("THEIRS", status="marked"), offer("PERSONS", status="marked")
    AllocationFactory(run=AllocationRunFactory(account=other), strategy=theirs, marked=True)
    AllocationFactory(run=AllocationRunFactory(account=other), strategy=persons, marked=False, sets=0)

    assert list(blocked_by(account, AS_OF).underlyings) == ["PERSONS"]
    assert sorted(blocked_by(other, AS_OF).underlyings) == ["PERSONS", "THEIRS"]


def test_open_strategies_leave_less_room(account):
    account.max_open_strategies = 1
    account.save()
    offer("HELD", status="executed")
    strategy = offer()

    run = allocate_portfolio(account, as_of=AS_OF)

    assert answers(run) == {strategy.pk: (0, "LIMIT_POSITIONS")}


def test_nothing_is_allocated_while_nobody_knows_what_is_blocked(account):
    held = offer("HELD", status="marked", spot_price=None)
    offer()

    with pytest.raises(RiskError) as refusal:
        allocate_portfolio(account, as_of=AS_OF)

    assert refusal.value.reason.code == "USED_UNKNOWN"
    assert f"{held.pk}: It has no spot price" in refusal.value.reason.sentence
    assert not AllocationRun.objects.exists()
    assert states()[1][0] == "pending"


def test_a_thousand_queries_are_not_needed(account, django_assert_max_num_queries):
    account.allocator_may_mark = False
    account.save()
    for number in range(20):
        offer(f"S{number}")

    with django_assert_max_num_queries(18):  # the exchanges are asked apart: joined they took seconds
        allocate_portfolio(account, as_of=AS_OF)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_two_allocators_at_once_make_one_run():
    account = AccountFactory(name="paper")
    offer()
    together, runs = threading.Barrier(2, timeout=20), []

    def work():
        try:
            together.wait()
            runs.append(allocate_portfolio(account, as_of=AS_OF).pk)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert len(runs) == 2
    assert len(set(runs)) == AllocationRun.objects.count() == Allocation.objects.count() == 1


def somebody_waits():
    """Whether a lock is waited for, at last."""
    for _ in range(200):
        with connection.cursor() as cursor:
            cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
            if cursor.fetchone()[0]:
                return True
        time.sleep(0.05)
    return False


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_person_who_marks_the_same_rows_meanwhile_is_waited_for():
    account, runs = AccountFactory(name="paper"), []
    worse, better = offer(total_score=Decimal("0.8")).pk, offer("OTHER", total_score=Decimal("0.9")).pk

    def work():
        try:
            runs.append(allocate_portfolio(account, as_of=AS_OF))
        finally:
            connection.close()

    allocator = threading.Thread(target=work)
    with transaction.atomic():
        first = mark([worse])
        allocator.start()
        waits = somebody_waits()
        second = mark([better])  # the allocator's first by priority: it must not hold it while it waits
    allocator.join(timeout=30)

    assert (waits, first.done, second.done) == (True, [worse], [better])
    assert [answers(run) for run in runs] == [{better: (0, "NOT_PENDING"), worse: (0, "NOT_PENDING")}]
    assert states() == [("marked", 5, 1, True), ("marked", 5, 1, True)]


# --- checking a proposal ---------------------------------------------------------------------------------------------


def set_sets(run, sets):
    run.allocations.update(sets=sets)


def shrink(field, value):
    return lambda run: Account.objects.update(**{field: value})


@pytest.mark.parametrize(
    ("plant", "codes"),
    [
        (lambda run: set_sets(run, 11), {"LIMIT_SETS"}),
        (lambda run: set_sets(run, 300), {"LIMIT_SETS", "LIMIT_PER_STRATEGY", "LIMIT_CAPITAL", "LIMIT_PER_UNDERLYING"}),
        (shrink("capital", 300_000), {"LIMIT_CAPITAL", "LIMIT_PER_UNDERLYING", "LIMIT_PER_STRATEGY"}),
        (shrink("max_deployed_share", "0.01"), {"LIMIT_CAPITAL"}),
        (shrink("max_share_per_underlying", "0.01"), {"LIMIT_PER_UNDERLYING"}),
        (shrink("max_share_per_strategy", "0.01"), {"LIMIT_PER_STRATEGY"}),
        (shrink("max_sets", 9), {"LIMIT_SETS"}),
        (lambda run: IndustryAllocationFactory(industry="Steel", weight_percentage=1), {"LIMIT_INDUSTRY"}),
        (lambda run: SectorAllocationFactory(weight_percentage=1), {"LIMIT_SECTOR"}),
        (lambda run: IndustryAllocationFactory(industry="Banks"), {"NO_INDUSTRY_WEIGHT", "LIMIT_INDUSTRY"}),
        (
            lambda run: IndustryAllocationFactory(weight_percentage=50, position_type="SHORT"),
            {"AGAINST_WEIGHT"},
        ),
        (lambda run: AllocationFactory(run=run, strategy=offer(total_score=0)), {"UNDERLYING_TAKEN"}),
    ],
)
def test_a_planted_violation_is_found(account, plant, codes):
    offer()
    run = allocate_portfolio(account, as_of=AS_OF)
    assert violations(run) == []

    plant(run)

    assert {reason.code for reason in violations(AllocationRun.objects.get())} == codes


def test_a_margin_that_was_written_too_small_does_not_hide_a_violation(account):
    offer()
    run = allocate_portfolio(account, as_of=AS_OF)

    run.allocations.update(sets=300, margin=1)

    assert "LIMIT_CAPITAL" in {reason.code for reason in violations(run)}


def test_what_was_open_before_counts_in_the_check(account):
    account.max_open_strategies = 2
    account.save()
    offer("HELD", status="executed")
    offer()
    run = allocate_portfolio(account, as_of=AS_OF)
    assert violations(run) == []

    Account.objects.update(max_open_strategies=1)

    assert [reason.code for reason in violations(AllocationRun.objects.get())] == ["LIMIT_POSITIONS"]


@pytest.mark.django_db(
    transaction=True, serialized_rollback=True
)  # else the mark has the time at which the test's transaction began
def test_what_a_person_marked_later_is_not_the_proposals_fault(account):
    account.max_open_strategies = 1
    account.save()
    offer()
    run = allocate_portfolio(account, as_of=AS_OF)

    mark([offer("LATER").pk])

    assert violations(run) == []


# --- the commands ----------------------------------------------------------------------------------------------------


def run_command(*arguments):
    out, code = io.StringIO(), 0
    try:
        call_command(*arguments, stdout=out)
    except SystemExit as stop:
        code = stop.code
    except CommandError as error:
        return error.returncode, str(error)
    return code, out.getvalue()


def test_allocate_prints_what_was_taken_and_why_the_rest_was_not(account):
    taken = offer(total_score=Decimal("0.9"))
    offer(total_score=Decimal("0.8"))

    code, output = run_command("allocate_portfolio", "--as-of", "2026-01-30T15:29")

    assert code == 0
    assert "1 of 2 allocated on paper (paper): ₹2,76,060 of ₹1,00,00,000 needed" in output
    row = next(line for line in output.splitlines() if line.lstrip("│ ").startswith(f"{taken.pk} "))
    assert [cell.strip() for cell in row.strip("│ ").split("│")] == [
        str(taken.pk), "ACME", "Bull Call Spread", "0.900", "10", "₹2,76,060", "100", "yes",
    ]  # fmt: skip


TAKEN = "A better strategy on ACME is in already. Unmark that one if you want this one instead."


def test_allocate_says_once_per_code_why_and_what_to_do(account):
    offer(total_score=Decimal("0.9"))
    second, _ = offer(total_score=Decimal("0.8")), offer(total_score=Decimal("0.7"))

    _, output = run_command("allocate_portfolio", "--as-of", "2026-01-30T15:29")

    (row,) = [line for line in output.splitlines() if "UNDERLYING_TAKEN" in line]
    assert [cell.strip() for cell in row.strip("│ ").split("│")] == ["UNDERLYING_TAKEN", "2", f"#{second.pk}: {TAKEN}"]


def test_allocate_as_json(account):
    strategy, second = offer(), offer(total_score=Decimal("0.6"))

    code, output = run_command("allocate_portfolio", "--as-of", "2026-01-30T15:29", "--json")

    row, left = json.loads(output)["allocations"]
    assert code == 0
    assert (row["strategy_id"], row["sets"], row["margin"], row["marked"]) == (strategy.pk, 10, 276_060.0, True)
    assert (row["reason_code"], row["reason_text"]) == ("", "")
    assert (left["strategy_id"], left["reason_code"], left["reason_text"]) == (second.pk, "UNDERLYING_TAKEN", TAKEN)


@pytest.mark.parametrize("command", ["allocate_portfolio", "validate_allocation"])
def test_an_unknown_account_is_refused_with_a_sentence(account, command):
    AccountFactory(name="asleep", active=False)

    for name in ("nobody", "asleep"):
        code, error = run_command(command, "--account", name)
        assert code == 1
        assert error == f"There is no active account '{name}'. Active accounts: paper. [UNKNOWN_ACCOUNT]"


def test_validate_says_that_every_limit_is_kept(account):
    offer()
    run = allocate_portfolio(account, as_of=AS_OF)

    code, output = run_command("validate_allocation")

    assert (code, output) == (0, f"Allocation {run.pk} keeps every limit.\n")


def test_validate_names_what_is_broken_and_fails(account):
    offer()
    set_sets(allocate_portfolio(account, as_of=AS_OF), 11)

    code, output = run_command("validate_allocation")
    json_code, as_json = run_command("validate_allocation", "--json")

    assert (code, json_code) == (1, 1)
    remedy = "Trade fewer sets, or raise the limit."
    assert f"on ACME: 11 sets of at most 10. {remedy} [LIMIT_SETS]" in " ".join(output.split())
    found = json.loads(as_json)
    assert found["violations"] == [found["reasons"][0]["code"]] == ["LIMIT_SETS"]
    assert (found["reasons"][0]["sentence"][-31:], found["reasons"][0]["remedy"]) == (
        "on ACME: 11 sets of at most 10.", remedy
    )  # fmt: skip


def test_validate_without_a_proposal_fails(account):
    code, output = run_command("validate_allocation")

    assert code == 1
    assert "There is no allocation yet." in output


def test_validation_looks_no_later_than_its_moment():
    AccountFactory(name="early")

    code, output = run_command("validate_allocation", "--account", "early", "--as-of", "2020-01-01")

    assert code == 1
    assert "There is no allocation yet" in output
