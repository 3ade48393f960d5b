"""Every check is wired, needs what it says it needs, and stands in the page."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from execution.checks import (
    BY_CODE,
    CHEAP,
    CHECKS,
    LIMIT_NAMES,
    Answer,
    Group,
    Limits,
    Purpose,
    Situation,
    denials,
    only_clouds,
    run_cheap_checks,
    run_checks,
)
from execution.checks.asking import Check, ask
from execution.checks.table import page
from execution.checks.verdict import passes
from market.contract import Side
from market.errors import Reason
from tests.unit.execution.checks.situations import LONG, LOT, NOON, SHORT, changed, passing, paths

ROOT = Path(__file__).resolve().parents[4]

TABLE = [
    "MODE_ARMED", "KILL_ACTIVE", "SESSION", "MARK_VALID", "DUP_STRATEGY", "INSTRUMENT", "LOT", "TICK", "FREEZE",
    "QTY_MAX", "PRICE_FINITE", "PRICE_COLLAR", "SPREAD", "QUOTE_FRESH", "DRIFT", "NOTIONAL", "MAX_LOSS", "MARGIN",
    "POSITION_COUNT", "CONCENTRATION", "GREEKS", "DAILY_LOSS", "REJECT_STREAK", "RATE", "BROKER_HEALTH", "TOKEN",
    "SELF_CROSS", "COVER", "SHADOW_COUNT",
]  # fmt: skip

# One change for each check that no other check minds, and the exact reason it gives.
CUTS = {
    "MODE_ARMED": ({"desk.mode": "live"}, "NOT_ARMED"),
    "KILL_ACTIVE": ({"desk.trading_state": "REDUCE_ONLY"}, "KILL_ACTIVE"),
    "MARK_VALID": ({"approval.priority": 0}, "PRIORITY"),
    "DUP_STRATEGY": ({"counts.runs_of_strategy": 1}, "DUP_STRATEGY"),
    "INSTRUMENT": ({"legs.segment": "MCX_COMM"}, "SEGMENT"),
    "LOT": ({"orders.quantity": LOT + 1}, "LOT"),
    "TICK": ({"orders.limit": Decimal("40.07")}, "TICK"),
    "FREEZE": ({"orders.leg.order_limit": LOT - 1}, "FREEZE"),
    "QTY_MAX": ({"counts.lots_on_underlying_today": 39}, "QTY_MAX"),
    "PRICE_FINITE": ({"orders.limit": Decimal("40.055"), "orders.leg.tick": Decimal("0.005")}, "PRICE_FINITE"),
    "PRICE_COLLAR": ({"orders.limit": Decimal("45.00")}, "PRICE_COLLAR"),
    "SPREAD": ({"orders.quote.bid": Decimal(35), "orders.quote.ask": Decimal(45)}, "SPREAD"),
    "QUOTE_FRESH": ({"orders.quote.quoted_at": NOON - timedelta(seconds=601)}, "QUOTE_STALE"),
    "DRIFT": ({"drift.spot": Decimal("1015.06")}, "SPOT_MOVED"),
    "NOTIONAL": ({"orders.quantity": 10 * LOT}, "NOTIONAL"),
    "MAX_LOSS": ({"risk.max_loss": Decimal(25_001)}, "MAX_LOSS"),
    "MARGIN": ({"account.available": Decimal(31_499)}, "FUNDS"),
    "POSITION_COUNT": ({"counts.open_strategies": 10}, "POSITION_COUNT"),
    "CONCENTRATION": ({"account.underlying_at_risk": Decimal(240_001)}, "CONCENTRATION"),
    "GREEKS": ({"account.net_vega": Decimal(9_951)}, "GREEKS"),
    "DAILY_LOSS": ({"account.day_result": Decimal(-20_000)}, "DAILY_LOSS"),
    "REJECT_STREAK": ({"counts.strategy_rejects": 3}, "REJECT_STREAK"),
    "RATE": ({"counts.calls_this_second": 8}, "RATE"),
    "BROKER_HEALTH": ({"broker.unknown_orders": 1}, "ORDERS_UNKNOWN"),
    "TOKEN": ({"broker.token_expires_at": NOON.replace(hour=15, minute=59)}, "TOKEN"),
    "SELF_CROSS": ({"working": ((LONG, Side.SELL),)}, "SELF_CROSS"),
    "COVER": ({"cover.position": {SHORT: -LOT}}, "NAKED_SHORT"),
    "SHADOW_COUNT": ({"shadow.orders_leaving": 3}, "SHADOW_COUNT"),
}


def denied(situation: Situation, purpose: Purpose = Purpose.ENTRY, limits: Limits | None = None) -> dict[str, str]:
    answers = run_checks(situation, limits or Limits(), purpose)
    return {each.code: each.reason_code for each in answers if not each.passed}


def test_the_registry_holds_the_whole_table_once():
    assert [check.code for check in CHECKS] == TABLE


@pytest.mark.parametrize("purpose", list(Purpose))
def test_a_sound_situation_passes_everything(purpose):
    assert denied(passing(), purpose) == {}


@pytest.mark.parametrize("code", [code for code in TABLE if code != "SESSION"])
def test_each_check_is_the_only_one_to_deny_something(code):
    situation = passing()
    changes, reason = CUTS[code]

    for path, value in changes.items():
        situation = changed(situation, path, value)

    assert denied(situation) == {code: reason}


def test_session_is_the_only_one_to_deny_an_entry_late_in_the_day():
    situation = passing(NOON.replace(hour=15, minute=0, second=1))

    assert denied(situation) == {"SESSION": "SESSION"}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.code)
def test_a_check_denies_without_each_fact_it_says_it_needs(check):
    for path in check.needs:
        answer = ask(check, changed(passing(), path, None), Limits(), Purpose.ENTRY)

        assert not answer.passed, path
        own = "RISK_UNKNOWN" if path == "risk.max_loss" and check.code == "MAX_LOSS" else f"{check.code}_UNKNOWN"
        assert answer.reason_code == own, path
        assert answer.reason is not None
        assert answer.reason.remedy, path


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.code)
def test_a_check_needs_nothing_it_does_not_say(check):
    silent = [path for path in paths(passing()) if path not in check.needs]

    asked = [path for path in silent if not ask(check, changed(passing(), path, None), Limits(), Purpose.ENTRY).passed]

    assert asked == []


def test_knowing_nothing_denies_everything_that_applies():
    for purpose in Purpose:
        answers = run_checks(Situation(), Limits(), purpose)

        assert {each.code for each in answers if not each.passed} == {
            check.code for check in CHECKS if purpose in check.purposes
        }


def test_exits_are_not_held_to_what_only_entries_must_satisfy():
    for code in ("MARK_VALID", "DRIFT", "MAX_LOSS", "MARGIN", "DAILY_LOSS", "REJECT_STREAK", "SPREAD"):
        assert BY_CODE[code].purposes == {Purpose.ENTRY}


def test_every_order_is_asked_the_cheap_checks_again():
    codes = [check.code for check in CHEAP]

    answers = run_cheap_checks(passing(), Limits(), Purpose.ENTRY)

    assert [each.code for each in answers] == codes
    assert codes == [
        "MODE_ARMED", "KILL_ACTIVE", "SESSION", "LOT", "TICK", "FREEZE", "PRICE_FINITE", "PRICE_COLLAR", "QUOTE_FRESH",
        "RATE", "SELF_CROSS", "COVER", "SHADOW_COUNT",
    ]  # fmt: skip


def test_asking_no_checks_is_not_asking_all_of_them():
    assert run_checks(passing(), Limits(), Purpose.ENTRY, checks=()) == ()


@pytest.mark.parametrize(
    "error", [ZeroDivisionError, KeyError, AttributeError, TypeError, ValueError, RuntimeError, OSError]
)
def test_a_check_that_breaks_denies(error):
    def broken(situation, limits, purpose):
        raise error("boom")

    check = Check("BROKEN", Group.HEALTH, broken, "Guards.", "Mend it.", "none", ())

    answer = ask(check, passing(), Limits(), Purpose.ENTRY)

    assert (answer.passed, answer.reason_code) == (False, "BROKEN_FAILED")
    assert error.__name__ in answer.reason.sentence


def test_only_a_full_rate_window_and_the_brokers_health_are_worth_waiting_for():
    rate = run_checks(changed(passing(), "counts.calls_this_second", 8), Limits(), Purpose.ENTRY)
    both = run_checks(
        changed(changed(passing(), "counts.calls_this_second", 8), "desk.trading_state", "HALTED"),
        Limits(),
        Purpose.ENTRY,
    )

    assert only_clouds(rate)
    assert only_clouds(run_checks(changed(passing(), "broker.breaker_closed", False), Limits(), Purpose.ENTRY))
    assert not only_clouds(both)
    assert not only_clouds(run_checks(passing(), Limits(), Purpose.ENTRY))


def test_denials_are_told_once_and_warnings_never():
    same = Reason("LOT", "No.")
    answers = [Answer("LOT", False, same), Answer("DRIFT", False, same), Answer("GREEKS", True, Reason("W", "Look."))]

    assert denials(answers) == (same,)


def test_every_limit_is_used_by_a_check_and_every_used_limit_exists():
    used = {name for check in CHECKS for name in check.limits}

    assert used == set(LIMIT_NAMES)


def test_numbers_are_texts_and_a_pass_may_warn():
    verdict = passes(Reason("LOOK", "Look."), value=Decimal("1.50"))

    assert (verdict.passed, verdict.reason.code, verdict.numbers) == (True, "LOOK", {"value": "1.50"})


def test_the_page_is_what_the_registry_writes():
    assert (ROOT / "docs" / "pre-trade-checks.md").read_text(encoding="utf-8") == page(), "run: manage.py checks docs"
