"""Is this what a person approved, recently, and not sent already? Pure."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from execution.basket.values import Purpose
from execution.checks.known import count, day, flag, known, moment, span
from execution.checks.limits import Limits
from execution.checks.situation import Approval, Situation
from execution.checks.verdict import Verdict, denies, passes
from market.calendar import IST
from market.errors import Reason

HIGHEST_PRIORITY = 100


def mark_valid(situation: Situation, limits: Limits, purpose: Purpose) -> Verdict:
    """Marked with a priority, unchanged since, of today, and approved not long ago."""
    approval = known(situation.approval, "the approval")
    now = moment(situation.now, "the market moment")
    age = span(approval.age, "the age of the approval")
    numbers = {"priority": approval.priority, "age": age, "at_most": f"{limits.approval_minutes} min"}
    for reason in (*_marked(approval), *_unchanged(approval), *_recent(approval, now, age, limits)):
        return denies(reason, **numbers)
    return passes(**numbers)


def _marked(approval: Approval) -> Iterator[Reason]:
    marked = flag(approval.marked, "whether the strategy is marked")
    if not (marked and 1 <= count(approval.priority, "the priority") <= HIGHEST_PRIORITY):
        remedy = "Mark it: manage.py mark_for_execution mark ID."
        yield Reason("PRIORITY", "The strategy is not marked with a priority from 1 to 100.", remedy)


def _unchanged(approval: Approval) -> Iterator[Reason]:
    content, approved = known(approval.content_hash, "the content"), known(approval.approved_hash, "the approved hash")
    if not content or content != approved:
        yield Reason("APPROVAL_CHANGED", "The strategy is not what was approved.")


def _recent(approval: Approval, now: datetime, age: timedelta, limits: Limits) -> Iterator[Reason]:
    generated = moment(approval.generated_on, "the moment of generation")
    trade_date = day(approval.trade_date, "the day of the strategy")
    today = now.astimezone(IST).date()
    if generated > now:
        yield Reason("GENERATED_LATER", f"The strategy was generated at {generated}, after {now}.")
    if trade_date != today:
        sentence = f"The strategy was made and approved for {trade_date:%d %b %Y}; today is {today:%d %b %Y}."
        yield Reason("APPROVAL_EXPIRED", sentence)
    if age > timedelta(minutes=limits.approval_minutes):
        minutes = int(age.total_seconds() // 60)
        sentence = f"The approval is {minutes} minutes old; at most {limits.approval_minutes} are allowed."
        yield Reason("APPROVAL_EXPIRED", sentence, "Look at it again and confirm it.")


def dup_strategy(situation: Situation, limits: Limits, purpose: Purpose) -> Verdict:
    """No other run of this strategy, and no identical legs a moment ago."""
    counts = known(situation.counts, "the counts")
    runs = count(counts.runs_of_strategy, "the number of runs of this strategy")
    same = count(counts.same_legs_lately, "the number of runs with the same legs")
    numbers = {"other_runs": runs, "same_legs": same, "within": f"{limits.same_legs_seconds} s"}
    if runs:
        return denies(Reason("DUP_STRATEGY", f"{runs} other runs of this strategy are live or complete."), **numbers)
    if same:
        sentence = f"{same} baskets with the same legs were started within {limits.same_legs_seconds} seconds."
        return denies(Reason("SAME_LEGS", sentence, "Wait, and check that this one is meant."), **numbers)
    return passes(**numbers)
