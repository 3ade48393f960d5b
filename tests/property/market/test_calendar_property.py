from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from market.calendar import (
    IST,
    closed_reason,
    is_covered,
    next_expiries,
    next_session,
    previous_session,
    session_on,
    sessions_between,
    years_to,
)

covered_days = st.dates(date(2024, 1, 2), date(2026, 12, 30))
any_days = st.dates(date(2020, 1, 1), date(2030, 12, 31))
moments = st.datetimes(datetime(2023, 12, 1), datetime(2027, 1, 31), timezones=st.just(UTC))
underlyings = st.sampled_from(["NIFTY", "BANKNIFTY", "FINNIFTY", "MIDCPNIFTY", "SENSEX", "BANKEX", "RELIANCE"])


@given(any_days)
def test_fm_C19_an_uncovered_day_is_closed(day: date) -> None:
    if not is_covered(day):
        assert session_on(day) is None


@given(covered_days)
def test_next_and_previous_are_inverse_on_sessions(day: date) -> None:
    before, after = previous_session(day), next_session(day)

    assert before.day < day < after.day
    inside = [session.day for session in sessions_between(before.day, after.day)]
    assert inside in ([before.day, after.day], [before.day, day, after.day])
    assert (len(inside) == 3) is (session_on(day) is not None)


@given(moments)
def test_a_reason_is_given_exactly_when_closed(at: datetime) -> None:
    reason = closed_reason(at)

    session = session_on(at.astimezone(IST).date())
    assert (reason is None) is (session is not None and session.trading_at(at))
    if reason is not None:
        assert reason.code == "MARKET_CLOSED"
        assert reason.sentence
        assert reason.remedy


@given(underlyings, covered_days.filter(lambda day: day <= date(2026, 11, 20)), st.integers(1, 8))
def test_expiries_ascend_and_are_full_sessions(underlying: str, as_of: date, count: int) -> None:
    found = next_expiries(underlying, as_of, count)

    assert found == sorted(set(found))
    assert as_of <= found[0] <= as_of + timedelta(days=40)
    for day in found:
        session = session_on(day)
        assert session is not None
        assert session.full


@given(covered_days, st.integers(1, 40))
def test_time_to_expiry_shrinks(as_of: date, days: int) -> None:
    close = next_session(as_of).closes

    earlier = years_to(close.date(), close - timedelta(days=days + 1))
    later = years_to(close.date(), close - timedelta(days=days))

    assert 0 < later < earlier < 1
