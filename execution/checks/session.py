"""May this desk act, and is this the time for it? Pure."""

from datetime import datetime, timedelta

from execution.basket.values import Purpose
from execution.checks.known import count, flag, known, moment, text
from execution.checks.limits import Limits
from execution.checks.situation import Situation
from execution.checks.verdict import Verdict, denies, passes
from market.calendar import IST, Session, closed_reason, session_on
from market.errors import Reason

# Which purposes each trading state lets through.
ALLOWED = {
    "ACTIVE": frozenset(Purpose),
    "REDUCE_ONLY": frozenset({Purpose.EXIT, Purpose.FLATTEN}),
    "HALTED": frozenset({Purpose.FLATTEN}),
}


def mode_armed(situation: Situation, limits: Limits, purpose: Purpose) -> Verdict:
    """Paper always; live opens only when two people armed it today, and gets out in any case."""
    desk = known(situation.desk, "the desk")
    mode = text(desk.mode, "the trading mode")
    if mode == "paper" or (mode == "live" and purpose is not Purpose.ENTRY):
        return passes(mode=mode)
    if mode == "live" and flag(desk.armed_today, "whether live trading is armed"):
        return passes(mode=mode, armed=True)
    return denies(Reason("NOT_ARMED", f"Trading in the mode '{mode}' is not armed today."), mode=mode)


def kill_active(situation: Situation, limits: Limits, purpose: Purpose) -> Verdict:
    """The trading state must allow this purpose."""
    desk = known(situation.desk, "the desk")
    state = text(desk.trading_state, "the trading state")
    if purpose in ALLOWED.get(state, frozenset()) or (desk.flattens and purpose is Purpose.EXIT):
        return passes(state=state)
    return denies(Reason("KILL_ACTIVE", f"The desk is {state}: no {purpose} may be sent."), state=state)


def session(situation: Situation, limits: Limits, purpose: Purpose) -> Verdict:
    """The exchange of every leg must be open, and not too near its opening or its close."""
    now = moment(situation.now, "the market moment")
    exchanges = known(situation.exchanges, "the exchange")
    count(len(exchanges), "the number of exchanges", low=1)
    verdict = passes()
    for exchange in sorted(set(exchanges)):
        verdict = _on(exchange, now, limits, purpose)
        if not verdict.passed:
            break
    return verdict


def _on(exchange: str, now: datetime, limits: Limits, purpose: Purpose) -> Verdict:
    closed = closed_reason(now, exchange=exchange)
    if closed is not None:
        return denies(closed, now=now.isoformat(), exchange=exchange)
    today = known(session_on(now.astimezone(IST).date(), exchange=exchange), "the session of today")
    first, last = _window(today, limits, purpose)
    numbers = {"now": f"{now.astimezone(IST):%H:%M:%S}", "from": f"{first:%H:%M}", "until": f"{last:%H:%M}"}
    if first <= now <= last:
        return passes(**numbers)
    sentence = f"Such orders ({purpose}) go out from {first:%H:%M} to {last:%H:%M} IST, not at {numbers['now']}."
    return denies(Reason("SESSION", sentence), **numbers)


def _window(today: Session, limits: Limits, purpose: Purpose) -> tuple[datetime, datetime]:
    """The close is the calendar's: options trade to 15:40 since August 2026, and an hour on Diwali."""
    if purpose is Purpose.FLATTEN:
        return today.opens, today.closes
    if purpose is Purpose.EXIT:
        return today.opens, today.closes - timedelta(minutes=limits.exit_before_close_minutes)
    return (
        today.opens + timedelta(minutes=limits.entry_after_open_minutes),
        today.closes - timedelta(minutes=limits.entry_before_close_minutes),
    )
