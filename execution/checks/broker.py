"""Is the way to the broker sound, and is there room on it? Pure."""

from datetime import datetime, timedelta

from execution.basket.values import Purpose
from execution.checks.known import count, flag, known, moment, span
from execution.checks.limits import Limits
from execution.checks.situation import BrokerFact, Situation
from execution.checks.verdict import Verdict, denies, passes
from market.calendar import IST, session_on
from market.errors import Reason


def reject_streak(situation: Situation, limits: Limits, purpose: Purpose) -> Verdict:
    """Refusals of the broker have not piled up."""
    counts = known(situation.counts, "the counts")
    own = count(counts.strategy_rejects, "the refusals in a row of this strategy")
    all_of_them = count(counts.account_rejects, "the refusals of this account lately")
    numbers = {
        "strategy": f"{own} of {limits.strategy_rejects}",
        "account": f"{all_of_them} of {limits.account_rejects}",
    }
    if own >= limits.strategy_rejects:
        return denies(Reason("REJECT_STREAK", f"The broker refused {own} orders of this strategy in a row."), **numbers)
    if all_of_them >= limits.account_rejects:
        sentence = f"The broker refused {all_of_them} orders within {limits.reject_minutes} minutes."
        return denies(Reason("REJECT_STREAK", sentence), **numbers)
    return passes(**numbers)


def rate(situation: Situation, limits: Limits, purpose: Purpose) -> Verdict:
    """One more call fits into this second and this minute."""
    counts = known(situation.counts, "the counts")
    second = count(counts.calls_this_second, "the calls of this second")
    minute = count(counts.calls_this_minute, "the calls of this minute")
    numbers = {"second": f"{second} of {limits.calls_per_second}", "minute": f"{minute} of {limits.calls_per_minute}"}
    if second < limits.calls_per_second and minute < limits.calls_per_minute:
        return passes(**numbers)
    return denies(Reason("RATE", f"{second} calls in this second and {minute} in this minute were made."), **numbers)


def broker_health(situation: Situation, limits: Limits, purpose: Purpose) -> Verdict:
    """Getting out needs a broker that answers; opening needs one whose books agree with ours and nothing unsettled."""
    broker = known(situation.broker, "the broker")
    if not flag(broker.breaker_closed, "whether the broker answers"):
        return denies(Reason("BREAKER_OPEN", "The broker failed too often a moment ago; its calls are paused."))
    return _settled(broker, limits) if purpose is Purpose.ENTRY else passes(breaker="closed")


def _settled(broker: BrokerFact, limits: Limits) -> Verdict:
    ago = span(broker.reconciled_ago, "when our books last agreed with the broker's")
    unknown = count(broker.unknown_orders, "the number of orders of unknown outcome")
    alerts = count(broker.critical_alerts, "the number of unacknowledged critical alerts")
    numbers = {"reconciled_ago": ago, "unknown_orders": unknown, "critical_alerts": alerts}
    if ago > timedelta(seconds=limits.reconcile_seconds):
        sentence = (
            f"Our books were compared with the broker's {ago} ago; at most {limits.reconcile_seconds} s is allowed."
        )
        return denies(Reason("RECONCILE_OLD", sentence, "Look at run_trader; it compares every 30 seconds."), **numbers)
    if unknown:
        sentence = f"The outcome of {unknown} orders is unknown."
        return denies(Reason("ORDERS_UNKNOWN", sentence, "Wait until they are found or given up."), **numbers)
    if alerts:
        sentence = f"{alerts} critical alerts wait for a person."
        return denies(Reason("ALERT_OPEN", sentence, "Read and acknowledge them."), **numbers)
    return passes(**numbers)


def token(situation: Situation, limits: Limits, purpose: Purpose) -> Verdict:
    """The token outlives the session of an entry; getting out needs one that lives now."""
    broker = known(situation.broker, "the broker")
    if not flag(broker.needs_token, "whether the broker needs a token"):
        return passes(needed=False)
    now, expires = moment(situation.now, "the market moment"), moment(broker.token_expires_at, "the token's expiry")
    needed = now
    if purpose is Purpose.ENTRY:
        needed = max(now, _last_close(situation)) + timedelta(minutes=limits.token_minutes)
    numbers = {"expires": expires.isoformat(), "needed_until": needed.isoformat()}
    if expires >= needed and expires > now:
        return passes(**numbers)
    return denies(Reason("TOKEN", f"The token ends at {_ist(expires)}; it must live until {_ist(needed)}."), **numbers)


def _last_close(situation: Situation) -> datetime:
    """The latest close of today's sessions; a closed day has none, and nobody knows it."""
    today = moment(situation.now, "the market moment").astimezone(IST).date()
    found = [session_on(today, exchange=exchange) for exchange in known(situation.exchanges, "the exchange")]
    closes = [session.closes for session in found if session is not None]
    return known(max(closes, default=None), "the close of today's session")


def _ist(stamp: datetime) -> str:
    return f"{stamp.astimezone(IST):%d %b %H:%M} IST"
