"""Each check at its limit and one step beyond, with the exact reason."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from execution.checks import STREAMING, Answer, Counts, Limits, Purpose, Situation, allowed_drift, run_checks
from market.calendar import IST
from market.contract import Contract, OptionType, Side
from tests.unit.execution.checks.situations import LONG, LOT, NOON, SHORT, changed, leg, passing

ENTRY, EXIT, FLATTEN = Purpose.ENTRY, Purpose.EXIT, Purpose.FLATTEN


def answer(code: str, situation: Situation, purpose: Purpose = ENTRY, limits: Limits | None = None) -> Answer:
    return next(each for each in run_checks(situation, limits or Limits(), purpose) if each.code == code)


def reason(code: str, changes: dict[str, object], purpose: Purpose = ENTRY, limits: Limits | None = None) -> str:
    """The reason code of a denial, empty for a pass."""
    situation = passing()
    for path, value in changes.items():
        situation = changed(situation, path, value)
    found = answer(code, situation, purpose, limits)
    return "" if found.passed else found.reason_code


FRIDAY = date(2026, 1, 30)


def at(hour: int, minute: int, day: date = FRIDAY) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=IST)


@pytest.mark.parametrize(
    ("now", "purpose", "expected"),
    [
        (at(9, 14), ENTRY, "MARKET_CLOSED"),
        (at(9, 15), ENTRY, "SESSION"),
        (at(9, 19), ENTRY, "SESSION"),
        (at(9, 20), ENTRY, ""),
        (at(15, 0), ENTRY, ""),
        (at(15, 1), ENTRY, "SESSION"),
        (at(9, 15), EXIT, ""),
        (at(15, 25), EXIT, ""),
        (at(15, 26), EXIT, "SESSION"),
        (at(15, 29), FLATTEN, ""),
        (at(15, 30), FLATTEN, "MARKET_CLOSED"),
        (at(12, 0, date(2026, 1, 31)), ENTRY, "MARKET_CLOSED"),  # a Saturday
        (at(12, 0, date(2026, 1, 26)), EXIT, "MARKET_CLOSED"),  # Republic Day
        (at(12, 0, date(2099, 1, 5)), ENTRY, "MARKET_CLOSED"),  # beyond the calendar
        (at(15, 10, date(2026, 8, 4)), ENTRY, ""),  # options trade to 15:40 since August 2026
        (at(15, 11, date(2026, 8, 4)), ENTRY, "SESSION"),
        (at(15, 35, date(2026, 8, 4)), EXIT, ""),
        (NOON.replace(tzinfo=None), ENTRY, "SESSION_UNKNOWN"),
    ],
)  # fmt: skip
def test_fm_C19_session_follows_the_calendars_own_close(now, purpose, expected):
    assert reason("SESSION", {"now": now}, purpose) == expected


def test_session_asks_every_exchange():
    assert reason("SESSION", {"exchanges": ("NSE", "BSE")}) == ""
    assert reason("SESSION", {"exchanges": ("NSE", "NYSE")}) == "BAD_EXCHANGE"
    assert reason("SESSION", {"exchanges": ()}) == "SESSION_UNKNOWN"


@pytest.mark.parametrize(
    ("state", "allowed"),
    [
        ("ACTIVE", {ENTRY, EXIT, FLATTEN}),
        ("REDUCE_ONLY", {EXIT, FLATTEN}),
        ("HALTED", {FLATTEN}),
        ("active", set()),
        ("SLEEPING", set()),
    ],
)
def test_fm_E16_the_trading_state_lets_through_what_it_says(state, allowed):
    passed = {purpose for purpose in Purpose if not reason("KILL_ACTIVE", {"desk.trading_state": state}, purpose)}

    assert passed == allowed


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"desk.mode": "live", "desk.armed_today": True}, ""),
        ({"desk.mode": "live"}, "NOT_ARMED"),
        ({"desk.mode": "live", "desk.armed_today": None}, "MODE_ARMED_UNKNOWN"),
        ({"desk.mode": "PAPER"}, "NOT_ARMED"),
    ],
)
def test_live_needs_arming_and_an_unknown_mode_is_not_paper(changes, expected):
    assert reason("MODE_ARMED", changes) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"approval.priority": 100}, ""),
        ({"approval.priority": 101}, "PRIORITY"),
        ({"approval.marked": False}, "PRIORITY"),
        ({"approval.content_hash": "b"}, "APPROVAL_CHANGED"),
        ({"approval.content_hash": "", "approval.approved_hash": ""}, "APPROVAL_CHANGED"),
        ({"approval.generated_on": NOON + timedelta(seconds=1)}, "GENERATED_LATER"),
        ({"approval.trade_date": date(2026, 1, 29)}, "APPROVAL_EXPIRED"),
        ({"approval.age": timedelta(minutes=30)}, ""),
        ({"approval.age": timedelta(minutes=30, seconds=1)}, "APPROVAL_EXPIRED"),
        ({"approval.age": timedelta(seconds=-1)}, "MARK_VALID_UNKNOWN"),
    ],
)
def test_fm_F4_an_approval_is_for_this_content_today_and_not_for_long(changes, expected):
    assert reason("MARK_VALID", changes) == expected


def test_fm_E12_the_same_legs_again_within_the_minute_are_denied():
    assert reason("DUP_STRATEGY", {"counts.same_legs_lately": 1}) == "SAME_LEGS"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"legs.in_master": False}, "INSTRUMENT"),
        ({"legs.same_terms": False}, "TERMS_DIFFER"),
        ({"legs.segment": "BSE_FNO"}, ""),
        ({"now": at(12, 0, date(2026, 2, 25))}, "EXPIRED"),
        ({"now": at(12, 0, date(2026, 2, 24))}, ""),
        ({"legs": ()}, "INSTRUMENT_UNKNOWN"),
    ],
)
def test_fm_D3_D4_a_leg_is_a_living_contract_of_the_master(changes, expected):
    assert reason("INSTRUMENT", changes) == expected


def test_fm_D1_a_lot_that_changed_since_the_review_stops_an_entry_and_not_an_exit():
    changes = {"orders.leg.approved_lot": 400}

    assert reason("LOT", changes) == "LOT"
    assert reason("LOT", changes, EXIT) == ""


def test_the_refusal_of_a_lot_shows_both_numbers_and_the_difference():
    found = answer("LOT", changed(passing(), "orders.leg.approved_lot", 400))

    assert found.numbers == {"listed": "500", "approved": "400", "difference": "100"}


@pytest.mark.parametrize(
    ("changes", "limits", "expected"),
    [
        ({"counts.lots_on_underlying_today": 38}, Limits(), ""),
        ({"legs.quantity": 10 * LOT}, Limits(), ""),
        ({"legs.quantity": 11 * LOT}, Limits(), "QTY_MAX"),
        ({"legs.quantity": 10 * LOT + 1}, Limits(), "QTY_MAX"),
        ({"legs.quantity": 10 * LOT}, Limits(lots_per_basket=10), "QTY_MAX"),
    ],
)
def test_fm_D11_lots_are_counted_per_leg_basket_and_day(changes, limits, expected):
    assert reason("QTY_MAX", changes, limits=limits) == expected


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (Decimal("0.05"), ""),
        (Decimal("0.04"), "PRICE_FINITE"),
        (Decimal("999999.95"), ""),
        (Decimal(1_000_000), "PRICE_FINITE"),
        (Decimal("40.001"), "PRICE_FINITE"),
        (Decimal("NaN"), "PRICE_FINITE_UNKNOWN"),
        (Decimal("Infinity"), "PRICE_FINITE_UNKNOWN"),
        (40.1, "PRICE_FINITE_UNKNOWN"),
    ],
)
def test_fm_D6_a_limit_is_a_price_in_whole_paise(limit, expected):
    assert reason("PRICE_FINITE", {"orders.limit": limit}) == expected


@pytest.mark.parametrize(
    ("limit", "purpose", "expected"),
    [
        (Decimal("44.00"), ENTRY, ""),
        (Decimal("44.05"), ENTRY, "PRICE_COLLAR"),
        (Decimal("36.00"), ENTRY, ""),
        (Decimal("35.95"), ENTRY, "PRICE_COLLAR"),
        (Decimal("48.00"), EXIT, ""),
        (Decimal("48.05"), EXIT, "PRICE_COLLAR"),
        (Decimal("48.05"), FLATTEN, "PRICE_COLLAR"),
    ],
)
def test_a_limit_stays_in_its_collar_around_the_mid_of_40(limit, purpose, expected):
    assert reason("PRICE_COLLAR", {"orders.limit": limit}, purpose) == expected


def test_fm_D7_a_limit_stays_well_inside_the_exchanges_own_band():
    wide = Limits(entry_collar=Decimal(1), band_share=Decimal("0.80"))

    # up to a price of 50 the exchange takes 20 rupees either side; 80 % of that is 16
    assert reason("PRICE_COLLAR", {"orders.limit": Decimal("56.00")}, limits=wide) == ""
    assert reason("PRICE_COLLAR", {"orders.limit": Decimal("56.05")}, limits=wide) == "PRICE_COLLAR"


@pytest.mark.parametrize(
    ("bid", "ask", "expected"),
    [
        (Decimal("36.00"), Decimal("44.00"), ""),
        (Decimal("35.95"), Decimal("44.05"), "SPREAD"),
        (Decimal("0.10"), Decimal("0.50"), ""),  # eight ticks
        (Decimal("0.10"), Decimal("0.55"), "SPREAD"),
        (Decimal("40.05"), Decimal("39.95"), "SPREAD_UNKNOWN"),  # crossed
        (Decimal(0), Decimal(0), "SPREAD_UNKNOWN"),
    ],
)
def test_a_spread_is_measured_in_ticks_where_the_price_is_small(bid, ask, expected):
    assert reason("SPREAD", {"orders.quote.bid": bid, "orders.quote.ask": ask}) == expected


@pytest.mark.parametrize(
    ("changes", "purpose", "expected"),
    [
        ({"orders.quote.quoted_at": NOON - timedelta(seconds=600)}, ENTRY, ""),
        ({"orders.quote.quoted_at": NOON - timedelta(seconds=601)}, EXIT, "QUOTE_STALE"),
        ({"orders.quote.quoted_at": NOON + timedelta(seconds=1)}, ENTRY, "QUOTE_LATER"),
        ({"drift.spot_at": NOON - timedelta(seconds=601)}, ENTRY, "SPOT_STALE"),
        ({"drift.spot_at": NOON + timedelta(seconds=1)}, ENTRY, "SPOT_LATER"),
        ({"drift.spot_at": None}, EXIT, ""),
    ],
)
def test_fm_B10_quotes_are_of_now(changes, purpose, expected):
    assert reason("QUOTE_FRESH", changes, purpose) == expected


def test_a_streaming_feed_is_held_to_seconds_by_data_alone():
    limits = replace(Limits(), **STREAMING)

    assert reason("QUOTE_FRESH", {"orders.quote.quoted_at": NOON - timedelta(seconds=1)}, limits=limits) == ""
    assert reason("QUOTE_FRESH", {"orders.quote.quoted_at": NOON - timedelta(seconds=2)}, limits=limits) == "QUOTE_SKEW"
    assert (
        reason("QUOTE_FRESH", {"orders.quote.quoted_at": NOON - timedelta(seconds=4)}, limits=limits) == "QUOTE_STALE"
    )
    assert reason("QUOTE_FRESH", {"drift.spot_at": NOON - timedelta(seconds=3)}, limits=limits) == "SPOT_STALE"


@pytest.mark.parametrize(
    ("changes", "expected", "numbers"),
    [
        ({"drift.spot": Decimal("1015.05")}, "", None),
        ({"drift.spot": Decimal("1004.94")}, "SPOT_MOVED", ("1010", "1004.94", "-5.06")),
        ({"drift.premium": Decimal(-11_050)}, "", None),  # 10 % and two ticks
        ({"drift.premium": Decimal(-11_101)}, "PREMIUM_MOVED", ("-10000", "-11101", "-1101")),
        ({"drift.premium": Decimal(5_000)}, "", None),  # better than reviewed
        ({"drift.worst_premium": Decimal(-10_049)}, "BAND_LEFT", ("-10049", "-10050", "-1")),
        ({"legs.approved_lot": 400}, "LOT", ("400", "500", "100")),
        ({"legs.approved_strike": Decimal(950)}, "STRIKE_CHANGED", ("950", "1000.0", "50.0")),
    ],
)
def test_fm_D13_a_drift_shows_what_was_reviewed_what_is_now_and_the_difference(changes, expected, numbers):
    situation = passing()
    for path, value in changes.items():
        situation = changed(situation, path, value)

    found = answer("DRIFT", situation)

    assert ("" if found.passed else found.reason_code) == expected
    if numbers is not None:
        assert (found.numbers["reviewed"], found.numbers["now"], found.numbers["difference"]) == numbers


def test_fm_D13_a_reviewed_chain_grows_old():
    assert reason("DRIFT", {"drift.reviewed_chain_at": NOON - timedelta(minutes=360)}) == ""
    assert reason("DRIFT", {"drift.reviewed_chain_at": NOON - timedelta(minutes=361)}) == "CHAIN_OLD"
    assert reason("DRIFT", {"drift.reviewed_chain_at": NOON + timedelta(minutes=1)}) == "CHAIN_OLD"


def test_allowed_drift_is_a_tenth_and_two_ticks():
    assert allowed_drift(Decimal(-10_000), Decimal(50), Limits()) == Decimal("1100.00")


def test_fm_D11_notional_caps_options_by_premium_and_everything_by_the_hard_cap():
    share = replace(leg(1, LONG, Side.BUY), contract=Contract("ACME"))
    shares = {"orders.leg": share, "orders.limit": Decimal(1_000), "orders.quantity": 500}

    assert reason("NOTIONAL", shares) == ""
    assert reason("NOTIONAL", shares | {"orders.quantity": 100_001}) == "NOTIONAL"
    assert reason("NOTIONAL", {"orders.quantity": 5_000}) == "NOTIONAL"
    assert reason("NOTIONAL", {"orders.quantity": 5_000}, EXIT) == ""
    assert reason("NOTIONAL", {"orders.quantity": 5_000}, EXIT, Limits(order_value=Decimal(200_000))) == "NOTIONAL"
    assert reason("NOTIONAL", {}, limits=Limits(basket_premium=Decimal(29_999))) == "NOTIONAL"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"risk.max_loss": Decimal(25_000)}, ""),
        ({"risk.max_loss": Decimal(-1)}, "RISK_UNKNOWN"),
        ({"risk.unlimited_loss": True}, "NAKED_SHORT"),
        ({"risk.unlimited_loss": True, "account.allow_naked": True}, "MAX_LOSS"),  # its margin is 30,000
        ({"risk.unlimited_loss": True, "account.allow_naked": True, "risk.margin": Decimal(25_000)}, ""),
        ({"risk.unlimited_loss": True, "account.allow_naked": True, "risk.margin": None}, "RISK_UNKNOWN"),
        ({"risk.unlimited_loss": True, "account.allow_naked": None}, "MAX_LOSS_UNKNOWN"),
    ],
)
def test_what_may_be_lost_is_known_and_allowed(changes, expected):
    assert reason("MAX_LOSS", changes) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"account.available": Decimal(31_500)}, ""),  # 30,000 and 5 %
        ({"account.available": Decimal("31499.99")}, "FUNDS"),
        ({"account.reserved": Decimal(868_501)}, "FUNDS"),
        ({"risk.cash_needed": Decimal(900_000)}, ""),
        ({"risk.cash_needed": Decimal(900_001)}, "FUNDS"),
    ],
)
def test_fm_E13_the_margin_has_headroom_and_reservations_count(changes, expected):
    assert reason("MARGIN", changes) == expected


@pytest.mark.parametrize(
    ("result", "stake", "expected"),
    [
        (Decimal(-11_999), Decimal(20_000), ""),
        (Decimal(-12_000), Decimal(12_500), ""),
        (Decimal(-12_000), Decimal(12_501), "DAILY_LOSS_SOFT"),
        (Decimal(-12_000), None, "DAILY_LOSS_UNKNOWN"),
        (Decimal("-19999.99"), Decimal(100), ""),
        (Decimal(-20_000), Decimal(100), "DAILY_LOSS"),
    ],
)
def test_fm_E10_the_daily_loss_halves_sizes_first_and_then_stops(result, stake, expected):
    assert reason("DAILY_LOSS", {"account.day_result": result, "risk.max_loss": stake}) == expected


def test_past_the_soft_loss_a_pass_is_a_warning():
    found = answer("DAILY_LOSS", changed(passing(), "account.day_result", Decimal(-12_000)))

    assert (found.passed, found.reason_code) == (True, "DAILY_LOSS_SOFT")


def test_unknown_greeks_warn_where_they_are_not_required():
    situation = changed(passing(), "account.net_vega", None)

    required, lenient = answer("GREEKS", situation), answer("GREEKS", situation, limits=Limits(greeks_required=False))

    assert (required.passed, required.reason_code) == (False, "GREEKS_UNKNOWN")
    assert (lenient.passed, lenient.reason_code) == (True, "GREEKS_UNKNOWN")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"risk.net_delta_value": Decimal(3_000_000)}, ""),
        ({"risk.net_delta_value": Decimal(-3_000_001)}, "GREEKS"),
        ({"risk.net_vega": Decimal(-10_001)}, "GREEKS"),
    ],
)
def test_greeks_are_limited_both_ways(changes, expected):
    assert reason("GREEKS", changes) == expected


def test_positions_are_counted_in_all_and_by_underlying():
    assert reason("POSITION_COUNT", {"counts.open_strategies": 9, "counts.open_on_underlying": 2}) == ""
    assert reason("POSITION_COUNT", {"counts.open_on_underlying": 3}) == "POSITION_COUNT"


@pytest.mark.parametrize(
    ("counts", "expected"),
    [({"strategy_rejects": 2}, ""), ({"account_rejects": 4}, ""), ({"account_rejects": 5}, "REJECT_STREAK")],
)
def test_refusals_pile_up(counts, expected):
    situation = passing()

    found = answer("REJECT_STREAK", replace(situation, counts=replace(situation.counts or Counts(), **counts)))

    assert ("" if found.passed else found.reason_code) == expected


def test_calls_are_counted_by_second_and_minute():
    assert reason("RATE", {"counts.calls_this_second": 7, "counts.calls_this_minute": 199}) == ""
    assert reason("RATE", {"counts.calls_this_minute": 200}) == "RATE"


def test_fm_A5_an_exit_is_not_held_back_by_a_full_second_of_its_own_calls():
    full = changed(passing(), "counts.calls_this_second", 9)

    assert all(one.passed for one in run_checks(full, Limits(), Purpose.EXIT) if one.code == "RATE")


@pytest.mark.parametrize(
    ("changes", "entry", "leaving"),
    [
        ({"broker.breaker_closed": False}, "BREAKER_OPEN", "BREAKER_OPEN"),
        ({"broker.reconciled_ago": timedelta(seconds=60)}, "", ""),
        ({"broker.reconciled_ago": timedelta(seconds=61)}, "RECONCILE_OLD", ""),
        ({"broker.unknown_orders": 1}, "ORDERS_UNKNOWN", ""),
        ({"broker.critical_alerts": 1}, "ALERT_OPEN", ""),
    ],
)
def test_opening_asks_more_of_the_broker_than_leaving(changes, entry, leaving):
    assert reason("BROKER_HEALTH", changes) == entry
    assert reason("BROKER_HEALTH", changes, EXIT) == leaving


@pytest.mark.parametrize(
    ("changes", "purpose", "expected"),
    [
        ({"broker.token_expires_at": at(16, 0)}, ENTRY, ""),
        ({"broker.token_expires_at": at(12, 1)}, ENTRY, "TOKEN"),
        ({"broker.token_expires_at": at(12, 1)}, EXIT, ""),
        ({"broker.token_expires_at": NOON}, EXIT, "TOKEN"),
        ({"broker.needs_token": False, "broker.token_expires_at": None}, ENTRY, ""),
    ],
)
def test_a_token_outlives_the_session_of_an_entry(changes, purpose, expected):
    assert reason("TOKEN", changes, purpose) == expected


def test_fm_E2_a_short_is_covered_by_what_is_filled():
    put = Contract("ACME", date(2026, 2, 24), 900.0, OptionType.PUT)

    assert reason("COVER", {"cover.position": {LONG: LOT - 1, SHORT: -LOT}}) == "NAKED_SHORT"
    assert reason("COVER", {"cover.position": {put: -LOT}}) == "NAKED_SHORT"
    assert reason("COVER", {"cover.position": {put: -LOT}, "cover.cash_secured": True}) == ""
    assert reason("COVER", {"cover.position": {SHORT: -LOT}, "cover.allow_naked": True}) == ""
    assert reason("COVER", {"cover.position": {LONG: float("nan")}}) == "COVER_UNKNOWN"


def test_we_do_not_meet_our_own_order():
    assert reason("SELF_CROSS", {"working": ((LONG, Side.BUY), (SHORT, Side.SELL))}) == ""
    assert reason("SELF_CROSS", {"working": ((SHORT, Side.BUY),)}) == "SELF_CROSS"


def test_what_leaves_is_counted_in_orders_and_units():
    assert reason("SHADOW_COUNT", {"shadow.units_leaving": LOT}) == "SHADOW_COUNT"
    assert reason("SHADOW_COUNT", {"shadow.orders_intended": 0, "shadow.orders_leaving": 0}) == "SHADOW_COUNT_UNKNOWN"


def test_limits_of_an_account_are_never_below_the_tables_sizes():
    limits = Limits.for_account(
        capital=Decimal(10_000_000), strategy_share=Decimal("0.05"), underlying_share=Decimal("0.15"),
        open_strategies=7, sets=10, greeks_required=True,
    )  # fmt: skip

    assert (limits.lots_per_leg, limits.lots_per_basket, limits.lots_per_underlying) == (30, 60, 120)
    assert (limits.order_premium, limits.basket_premium, limits.max_loss) == (500_000, 1_000_000, 500_000)
    assert (limits.daily_loss, limits.net_vega, limits.open_strategies) == (200_000, 100_000, 7)
    assert (limits.quote_age_seconds, limits.approval_minutes) == (600, 30)
