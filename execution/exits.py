"""When to leave an open strategy: levels in rupees, days and delta against one mark. Pure."""

from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal

from market.calendar import IST, previous_session
from market.errors import Reason

EXPIRY_EXIT = time(14, 45)  # IST; reliability.md E14


@dataclass(frozen=True, slots=True)
class ExitLevels:
    """When to leave: rupees for the whole position as positive amounts; None means that there is no such rule."""

    profit_target: Decimal | None = None
    stop_loss: Decimal | None = None
    time_exit_dte: int | None = None
    delta_threshold: float | None = None


@dataclass(frozen=True, slots=True)
class PositionMark:
    """What is known of an open strategy at one moment; None means unknown, which never triggers anything.

    `profit` is rupees if closed at the touch now; `net_delta` is per unit of one set.
    """

    profit: Decimal | None
    days_to_expiry: int | None
    net_delta: float | None = None


@dataclass(frozen=True, slots=True)
class ExitDecision:
    """Leave, and why."""

    reason: Reason


def decide_exit(levels: ExitLevels, mark: PositionMark) -> ExitDecision | None:
    """Return the first exit rule that holds, the protective ones first, or None to stay.

    Parameters
    ----------
    levels : ExitLevels
    mark : PositionMark

    Returns
    -------
    ExitDecision or None
        A rule whose datum is missing decides nothing: an unknown price is not a price of zero.
    """
    for rule in (_stop, _time, _delta, _target):
        reason = rule(levels, mark)
        if reason is not None:
            return ExitDecision(reason)
    return None


def _stop(levels: ExitLevels, mark: PositionMark) -> Reason | None:
    if mark.profit is None or levels.stop_loss is None or mark.profit > -levels.stop_loss:
        return None
    return Reason("STOP_LOSS", f"The loss of ₹{-mark.profit} reached the stop of ₹{levels.stop_loss}.")


def _target(levels: ExitLevels, mark: PositionMark) -> Reason | None:
    if mark.profit is None or levels.profit_target is None or mark.profit < levels.profit_target:
        return None
    return Reason("PROFIT_TARGET", f"The profit of ₹{mark.profit} reached the target of ₹{levels.profit_target}.")


def _time(levels: ExitLevels, mark: PositionMark) -> Reason | None:
    if mark.days_to_expiry is None or levels.time_exit_dte is None or mark.days_to_expiry > levels.time_exit_dte:
        return None
    return Reason("TIME_EXIT", f"{mark.days_to_expiry} days to expiry; the rule leaves at {levels.time_exit_dte}.")


def _delta(levels: ExitLevels, mark: PositionMark) -> Reason | None:
    if mark.net_delta is None or levels.delta_threshold is None or abs(mark.net_delta) < levels.delta_threshold:
        return None
    return Reason("DELTA_EXIT", f"The net delta of {mark.net_delta:.2f} reached {levels.delta_threshold:.2f}.")


def expiry_exit(expiry: date, now: datetime, *, delivers: bool) -> ExitDecision | None:
    """Leave before expiry whatever the levels say: nothing is carried unattended into settlement.

    Parameters
    ----------
    expiry : date
        The nearest of what is held.
    now : datetime
    delivers : bool
        Whether the contract settles in shares: stock options do, and are left a session earlier.

    Returns
    -------
    ExitDecision or None
        From 14:45 IST on the expiry day, or on the session before it for what delivers.

    Raises
    ------
    UnknownDay
        When the calendar does not cover the days around the expiry.
    """
    last = previous_session(expiry).day if delivers else expiry
    if now < datetime.combine(last, EXPIRY_EXIT, tzinfo=IST):
        return None
    settles = "in shares" if delivers else "in cash"
    return ExitDecision(
        Reason("EXPIRY_EXIT", f"It expires on {expiry:%d %b} and settles {settles}; nothing is carried.")
    )
