"""When to leave: levels of profit, loss, time, delta and vega, from rules that are data."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType

from market.errors import InvalidInput, Reason
from strategies.evaluate import Evaluation
from strategies.spec import ExitClass, Structure

ENTRY_SHARE = 0.5  # of the days at entry: a time exit is never earlier than half-way
CAPPED_STOP = 0.8  # of the maximum loss: a stop at the maximum loss would never act
DELTA_ROOM = 0.15  # net delta a position may gain beyond the one it was opened with
NEAR_NOTHING = 0.05  # of the tail loss: a smaller credit says nothing about what may be lost
TAIL_STOP = 0.25  # of the tail loss: the stop of a position whose credit is near nothing
VEGA_GROWTH = 1.5  # times the net vega at entry


@dataclass(frozen=True, slots=True)
class ExitRule:
    """Exits of one class.

    Targets are multiples of the premium paid when `targets_of_debit`, else of the maximum profit (of what the best
    outcomes bring, where that is less). The stop is `stop_of_credit` × premium received, or `stop_of_loss` × maximum
    loss (of what the worst outcomes take, where that is less) where nothing was received.
    """

    targets: tuple[float, float, float]
    targets_of_debit: bool
    stop_of_credit: float | None
    stop_of_loss: float
    time_exit_dte: int
    delta: float


# Section 7 of options-v4.md, corrected by section 14 item 10: half of the profit for short premium, 21 days,
# 1.5-2 × the credit as its stop, a share of the maximum loss for a debit; targets of unlimited profit in debits.
RULES: Mapping[ExitClass, ExitRule] = MappingProxyType(
    {
        ExitClass.LONG_PREMIUM: ExitRule((0.5, 1.0, 2.0), True, None, 0.5, 10, 0.8),
        ExitClass.DEBIT_SPREAD: ExitRule((0.5, 0.65, 0.8), False, None, 0.5, 7, 0.8),
        ExitClass.CREDIT_SPREAD: ExitRule((0.5, 0.65, 0.8), False, 1.5, 0.5, 21, 0.5),
        ExitClass.PINNED: ExitRule((0.25, 0.5, 0.75), False, None, 0.5, 7, 0.5),
        ExitClass.SHORT_PREMIUM: ExitRule((0.5, 0.65, 0.8), False, 2.0, 0.5, 21, 0.5),
        ExitClass.INCOME: ExitRule((0.5, 0.65, 0.8), False, 2.0, 0.5, 21, 0.8),
        ExitClass.TIME_SPREAD: ExitRule((0.25, 0.5, 0.75), False, None, 0.5, 5, 0.5),
    }
)


@dataclass(frozen=True, slots=True)
class ExitLevels:
    """Positive amounts: targets and stop in rupees per unit, |net delta| per unit, |net vega| in rupees per 1.00.

    time_exit_dte is calendar days to the front expiry at which to leave.
    """

    profit_target_1: float
    profit_target_2: float
    profit_target_3: float
    stop_loss: float
    time_exit_dte: int
    delta_exit_threshold: float
    vega_exit_threshold: float

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self)):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0.0):
                raise InvalidInput(Reason("BAD_EXIT_LEVEL", f"{name} came out as {value}."))


def exit_levels(structure: Structure, evaluation: Evaluation) -> ExitLevels:
    """Return the levels at which a position of this structure should be closed.

    Parameters
    ----------
    structure : Structure
    evaluation : Evaluation

    Returns
    -------
    ExitLevels
        All populated and finite, also where profit or loss is unlimited.

    Raises
    ------
    InvalidInput
        When the candidate has no profitable outcome, so that no target exists.

    Notes
    -----
    Source: options-v4.md sections 7 and 14 item 10.
    """
    rule = RULES[structure.exits]
    first, second, third = _targets(rule, evaluation)
    return ExitLevels(
        profit_target_1=first,
        profit_target_2=second,
        profit_target_3=third,
        stop_loss=_stop(rule, evaluation),
        time_exit_dte=min(rule.time_exit_dte, int(evaluation.days_to_expiry * ENTRY_SHARE)),
        delta_exit_threshold=max(rule.delta, abs(evaluation.net_delta) + DELTA_ROOM),
        vega_exit_threshold=max(VEGA_GROWTH * abs(evaluation.net_vega), evaluation.tail_loss),
    )


def _targets(rule: ExitRule, evaluation: Evaluation) -> tuple[float, float, float]:
    if evaluation.max_profit <= 0.0:
        raise InvalidInput(Reason("NO_PROFIT_TO_TARGET", "No outcome makes money, so there is no profit target."))
    basis = _target_basis(rule, evaluation)
    first, second, third = (min(share * basis, evaluation.max_profit) for share in rule.targets)
    return first, second, third


def _target_basis(rule: ExitRule, evaluation: Evaluation) -> float:
    if rule.targets_of_debit and evaluation.option_premium < 0.0:
        return -evaluation.option_premium
    return min(evaluation.max_profit, max(evaluation.tail_gain, abs(evaluation.option_premium)))


def _stop(rule: ExitRule, evaluation: Evaluation) -> float:
    """Return the loss to leave at, always short of the maximum loss."""
    capped = CAPPED_STOP * evaluation.max_loss
    if rule.stop_of_credit is not None and evaluation.option_premium > 0.0:
        credit = evaluation.option_premium
        # A multiple of a credit near nothing would stop the position out on the first tick.
        floor = TAIL_STOP * evaluation.tail_loss if credit < NEAR_NOTHING * evaluation.tail_loss else 0.0
        return min(max(rule.stop_of_credit * credit, floor), capped)
    return rule.stop_of_loss * min(evaluation.max_loss, max(evaluation.tail_loss, abs(evaluation.option_premium)))
