"""Limits with history, answers that stay, and what was rejected by day."""

import json
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction

from allocation.models import Account
from execution.checks import LIMIT_NAMES, Answer, Limits
from execution.models import AuditEntry, CheckAnswer, ExecutionRun, RejectionCount, RiskLimits
from execution.models.checks import BOUNDS
from execution.services.checks import keep_answers, limits_for, rejections
from market.errors import Reason
from tests.unit.execution.checks.situations import NOON

PASSED = Answer("LOT", True, None, {"orders": "2"})
DENIED = Answer("MARGIN", False, Reason("FUNDS", "The basket needs ₹2 and ₹1 is free.", "Trade less."), {"free": "1"})
WARNED = Answer("GREEKS", True, Reason("GREEKS_UNKNOWN", "The vega is not known."))


def settle() -> None:
    """Do what a commit does, and chain what the audit has noted."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def test_an_account_without_history_has_its_owners_limits(account):
    limits = limits_for(account)

    assert limits.max_loss == Decimal(500_000)
    assert limits.open_strategies == 10
    assert limits.underlying_at_risk == Decimal(1_500_000)
    assert limits.lots_per_leg == 30
    assert limits.greeks_required is False
    assert limits.quote_age_seconds == 600


def test_a_small_account_keeps_the_tables_numbers_where_they_are_larger(db):
    small = Account.objects.create(name="small", capital=Decimal(1_000_000), max_sets=1, mode="live")

    limits = limits_for(small)

    assert (limits.order_premium, limits.basket_premium) == (Decimal(200_000), Decimal(500_000))
    assert (limits.lots_per_leg, limits.lots_per_basket, limits.max_loss) == (10, 20, Decimal(50_000))
    assert limits.greeks_required is True


def test_the_newest_row_counts_and_an_empty_limit_stays_the_accounts(account):
    RiskLimits.objects.create(account=account, changed_by="ann", valid_from=NOON, max_loss=Decimal(90_000))
    RiskLimits.objects.create(
        account=account,
        changed_by="bob",
        valid_from=NOON + timedelta(days=1),
        quote_age_seconds=Decimal(3),
        lots_per_leg=2,
    )

    limits = limits_for(account)

    assert (limits.quote_age_seconds, limits.lots_per_leg) == (Decimal(3), 2)
    assert limits.max_loss == Decimal(500_000)


def test_every_limit_has_a_column_and_all_but_the_flag_have_bounds():
    columns = {each.name for each in RiskLimits._meta.get_fields()}

    assert set(LIMIT_NAMES) <= columns
    assert set(LIMIT_NAMES) - set(BOUNDS) == {"greeks_required"}


@pytest.mark.parametrize("name", sorted(BOUNDS))
def test_defaults_lie_within_the_bounds(name):
    low, high = BOUNDS[name]

    assert low <= getattr(Limits(), name) <= high


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal(0), Decimal(10) ** 13])
def test_a_limit_beyond_its_bounds_is_not_stored(account, value):
    insert = "INSERT INTO risk_limits (account_id, changed_by, note, max_loss) VALUES (%s, 'x', '', %s)"
    refused = pytest.raises(IntegrityError, match="risk_limits_max_loss_bounded")

    with refused, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(insert, [account.pk, value])

    assert not RiskLimits.objects.exists()


def test_a_change_of_limits_is_a_link_of_the_audit_chain(account):
    limits = RiskLimits.objects.create(account=account, changed_by="ann", max_loss=Decimal(90_000))

    settle()
    entry = AuditEntry.objects.get(subject_kind="limits", subject_id=str(limits.pk))
    assert entry.event == "created"
    assert entry.detail["max_loss"] == 90_000


def test_a_denied_gate_without_a_run_keeps_only_its_denials(account, make_strategy):
    strategy = make_strategy()

    keep_answers([PASSED, DENIED, WARNED], account=account, strategy=strategy, run=None, purpose="entry", at=NOON)

    row = CheckAnswer.objects.get()
    assert (row.code, row.reason_code, row.passed) == ("MARGIN", "FUNDS", False)
    assert (row.sentence, row.numbers) == ("The basket needs ₹2 and ₹1 is free.", {"free": "1"})
    assert (row.strategy, row.account, row.purpose, row.at) == (strategy, account, "entry", NOON)


def test_a_run_keeps_its_whole_gate_in_one_statement_and_one_link(account, make_strategy, django_assert_num_queries):
    strategy = make_strategy()
    run = ExecutionRun.objects.create(strategy=strategy, account=account, broker="paper", as_of=NOON)

    with django_assert_num_queries(1):
        keep_answers([PASSED, DENIED, WARNED], account=account, strategy=strategy, run=run, purpose="entry", at=NOON)

    assert list(CheckAnswer.objects.order_by("id").values_list("code", "reason_code", "passed")) == [
        ("LOT", "", True), ("MARGIN", "FUNDS", False), ("GREEKS", "GREEKS_UNKNOWN", True),
    ]  # fmt: skip
    settle()
    link = AuditEntry.objects.get(subject_kind="gate", detail__run_id=run.pk)
    assert (link.event, link.after) == ("checked", "denied")
    assert link.detail["run_id"] == run.pk
    assert link.detail["answers"]["LOT"] == "pass"
    assert link.detail["answers"]["MARGIN"].startswith("FUNDS: ")


def test_a_denial_without_a_reason_is_not_stored(account):
    with pytest.raises(IntegrityError, match="check_answers_denied_with_a_reason"), transaction.atomic():
        CheckAnswer.objects.create(account=account, code="LOT", passed=False, purpose="entry", at=NOON)

    assert not CheckAnswer.objects.exists()


def test_rejections_are_counted_by_ist_day_account_and_reason(account):
    late = NOON.replace(hour=23, minute=30)
    for at in (NOON, NOON, late, NOON + timedelta(days=1)):
        keep_answers([DENIED], account=account, strategy=None, run=None, purpose="entry", at=at)
    keep_answers(
        [Answer("LOT", False, Reason("LOT", "No."))], account=account, strategy=None, run=None, purpose="exit", at=NOON
    )

    found = [(row.day, row.code, row.reason_code, row.count) for row in rejections(date(2026, 1, 30))]

    assert found == [
        (date(2026, 1, 31), "MARGIN", "FUNDS", 1),
        (date(2026, 1, 30), "MARGIN", "FUNDS", 3),
        (date(2026, 1, 30), "LOT", "LOT", 1),
    ]
    assert rejections(date(2026, 2, 1)) == []
    assert RejectionCount.objects.count() == 3


def test_the_command_counts_rejections(account, capsys):
    keep_answers([DENIED], account=account, strategy=None, run=None, purpose="entry", at=NOON)

    call_command("checks", "rejections", "--days", "1", "--as-of", "2026-01-30", "--json")

    assert json.loads(capsys.readouterr().out) == [
        {"day": "2026-01-30", "account": "paper", "check": "MARGIN", "reason": "FUNDS", "count": 1}
    ]


def test_the_command_shows_the_newest_days_that_have_any(account, capsys):
    for day in range(9):
        keep_answers([DENIED], account=account, strategy=None, run=None, purpose="entry", at=NOON + timedelta(days=day))

    call_command("checks", "rejections", "--json")

    days = [row["day"] for row in json.loads(capsys.readouterr().out)]
    assert days == [f"2026-02-0{day}" for day in range(7, 0, -1)]


def test_the_command_says_so_when_nothing_was_rejected(account, capsys):
    call_command("checks", "rejections")

    assert capsys.readouterr().out.strip() == "No check has rejected anything."


def test_the_command_lists_the_registry(account, capsys):
    call_command("checks", "list", "--json")

    listed = json.loads(capsys.readouterr().out)
    assert len(listed) == 29
    assert listed[0]["code"] == "MODE_ARMED"
    assert listed[0]["each_order"] is True


def test_the_command_writes_the_page(db, settings, tmp_path, capsys):
    settings.BASE_DIR = tmp_path
    (tmp_path / "docs").mkdir()

    call_command("checks", "docs", "--json")

    written = (tmp_path / "docs" / "pre-trade-checks.md").read_text(encoding="utf-8")
    assert written.startswith("# Pre-trade checks")
    assert json.loads(capsys.readouterr().out) == {"written": str(Path("docs/pre-trade-checks.md"))}
