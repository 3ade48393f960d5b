"""Every check that there is, and the gate that asks them. Pure."""

from collections.abc import Iterable, Mapping

from execution.basket.values import Purpose
from execution.checks.asking import Answer, Check, ask
from execution.checks.groups import ADMISSION, HEALTH, ORDERS, RISK, SENDING
from execution.checks.limits import Limits
from execution.checks.situation import Situation

CHECKS: tuple[Check, ...] = (*ADMISSION, *ORDERS, *RISK, *HEALTH, *SENDING)
BY_CODE: Mapping[str, Check] = {check.code: check for check in CHECKS}
CHEAP: tuple[Check, ...] = tuple(check for check in CHECKS if check.cheap)


def run_checks(
    situation: Situation, limits: Limits, purpose: Purpose, *, checks: Iterable[Check] | None = None
) -> tuple[Answer, ...]:
    """Ask every check that applies to this purpose; each answers, none raises."""
    return tuple(
        ask(check, situation, limits, purpose)
        for check in (CHECKS if checks is None else checks)
        if purpose in check.purposes
    )


def run_cheap_checks(situation: Situation, limits: Limits, purpose: Purpose) -> tuple[Answer, ...]:
    """The part of the gate that is repeated inside each SENDING transaction."""
    return run_checks(situation, limits, purpose, checks=CHEAP)


def only_clouds(answers: Iterable[Answer]) -> bool:
    """Whether something denies, and all that denies goes away by itself within a minute."""
    codes = {each.code for each in answers if not each.passed}
    return bool(codes) and all(BY_CODE[code].passing_cloud for code in codes)
