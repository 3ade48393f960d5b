"""When to leave: levels of profit, loss, time, delta and vega, from rules that are data."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

from market.errors import InvalidInput, Reason
from strategies.build import BuiltLeg, Candidate
from strategies.evaluate import Evaluation
from strategies.spec import ExitClass, Kind, Structure

ENTRY_SHARE = 0.5  # of the days at entry: a time exit is never earlier than half-way
CAPPED_STOP = 0.8  # of the maximum loss: a stop at the maximum loss would never act
DELTA_ROOM = 0.15  # net delta a position may gain beyond the one it was opened with
NEAR_NOTHING = 0.05  # of the tail loss: a smaller credit says nothing about what may be lost
TAIL_STOP = 0.25  # of the tail loss: the stop of a position whose credit is near nothing
VEGA_GROWTH = 1.5  # times the net vega at entry
OUT_OF_REACH = 0.1  # of the maximum profit: a first target below it says that the maximum is no guide
PRICE_ROOM = 0.25  # standard deviations a strike must lie from spot to be worth watching

PriceBasis = Literal["sold_strikes", "breakevens", "stop", "none"]


@dataclass(frozen=True, slots=True)
class ExitRule:
    """Exits of one class.

    Targets are multiples of the premium paid when `targets_of_debit`, else of the maximum profit (of what the best
    outcomes bring, where that is less). The stop is `stop_of_credit` × premium received, or `stop_of_loss` × maximum
    loss (of what the worst outcomes take, where that is less) where nothing was received. `price` is where the levels
    of the underlying come from, `price_means` what it means when one is reached, or why there is none.
    """

    targets: tuple[float, float, float]
    targets_of_debit: bool
    stop_of_credit: float | None
    stop_of_loss: float
    time_exit_dte: int
    delta: float
    price: PriceBasis
    price_means: str


TESTED = "A sold strike is touched: leave or move it while the loss is small."
REACHED = "The sold strike is reached: nearly all that it can make."
OUTSIDE = "The break-even is crossed: beyond it the trade loses at expiry."
CALLED = "The sold strike is reached: the share will be called or put; roll or accept."
DIRECTION_WRONG = "The price at which the loss reaches the stop, at the delta of entry."
PREMIUM_IS_STOP = "The premium is all that is at stake: a price level would sell the option before its time."

# Section 7 of options-v4.md, corrected by section 14 item 10: half of the profit for short premium, 21 days,
# 1.5-2 × the credit as its stop, a share of the maximum loss for a debit; targets of unlimited profit in debits.
RULES: Mapping[ExitClass, ExitRule] = MappingProxyType(
    {
        ExitClass.LONG_PREMIUM: ExitRule((0.5, 1.0, 2.0), True, None, 0.5, 10, 0.8, "none", PREMIUM_IS_STOP),
        ExitClass.DEBIT_SPREAD: ExitRule((0.5, 0.65, 0.8), False, None, 0.5, 7, 0.8, "sold_strikes", REACHED),
        ExitClass.CREDIT_SPREAD: ExitRule((0.5, 0.65, 0.8), False, 1.5, 0.5, 21, 0.5, "sold_strikes", TESTED),
        ExitClass.PINNED: ExitRule((0.25, 0.5, 0.75), False, None, 0.5, 7, 0.5, "breakevens", OUTSIDE),
        ExitClass.SHORT_PREMIUM: ExitRule((0.5, 0.65, 0.8), False, 2.0, 0.5, 21, 0.5, "sold_strikes", TESTED),
        ExitClass.INCOME: ExitRule((0.5, 0.65, 0.8), False, 2.0, 0.5, 21, 0.8, "sold_strikes", CALLED),
        ExitClass.TIME_SPREAD: ExitRule((0.25, 0.5, 0.75), False, None, 0.5, 5, 0.5, "breakevens", OUTSIDE),
        ExitClass.DELTA_ONE: ExitRule((0.25, 0.5, 0.75), False, None, 0.3, 5, 0.8, "stop", DIRECTION_WRONG),
        ExitClass.HEDGE: ExitRule((0.5, 0.65, 0.8), False, None, 0.5, 5, 0.8, "sold_strikes", CALLED),
    }
)


class ExitKind(StrEnum):
    """What a level is measured in; each kind has one unit."""

    MONEY = "money"
    PERCENT_OF_MAX_PROFIT = "percent_of_max_profit"
    PERCENT_OF_CREDIT = "percent_of_credit"
    DAYS_TO_EXPIRY = "days_to_expiry"
    UNDERLYING_PRICE = "underlying_price"
    DELTA = "delta"
    VEGA = "vega"


UNITS: Mapping[ExitKind, str] = MappingProxyType(
    {
        ExitKind.MONEY: "rupees per unit",
        ExitKind.PERCENT_OF_MAX_PROFIT: "fraction of the maximum profit",
        ExitKind.PERCENT_OF_CREDIT: "fraction of the credit",
        ExitKind.DAYS_TO_EXPIRY: "calendar days to the front expiry",
        ExitKind.UNDERLYING_PRICE: "rupees",
        ExitKind.DELTA: "absolute net delta per unit",
        ExitKind.VEGA: "absolute net vega in rupees per unit and 1.00 of volatility",
    }
)

# What the stored rows count: one set is what one decides about, the greeks stay as the documents' columns have them.
STORED_UNITS: Mapping[ExitKind, str] = MappingProxyType({**UNITS, ExitKind.MONEY: "rupees per set"})


@dataclass(frozen=True, slots=True)
class ExitLevel:
    """One level: `level` says which (profit_target_1, stop_loss, time_exit, price_above ...), `reason` why there.

    `value` is None for a kind that this structure does not have; `reason` then says why not.
    """

    kind: ExitKind
    level: str
    value: float | None
    reason: str

    def __post_init__(self) -> None:
        if not self.reason or (self.value is not None and not (math.isfinite(self.value) and self.value >= 0.0)):
            raise InvalidInput(Reason("BAD_EXIT_LEVEL", f"{self.level} came out as {self.value}."))

    @property
    def unit(self) -> str:
        """What `value` counts."""
        return UNITS[self.kind]


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
        stop_loss=_stop(rule, evaluation)[0],
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


def _stop(rule: ExitRule, evaluation: Evaluation) -> tuple[float, str]:
    """Return the loss to leave at, always short of the maximum loss, and which rule set it."""
    if rule.stop_of_credit is not None and evaluation.option_premium > 0.0:
        return _stop_of_credit(rule.stop_of_credit, evaluation)
    premium, tail, worst = abs(evaluation.option_premium), evaluation.tail_loss, evaluation.max_loss
    share = f"{rule.stop_of_loss:.0%}"
    if worst <= max(tail, premium):
        return rule.stop_of_loss * worst, f"{share} of the maximum loss."
    if premium > tail:
        return rule.stop_of_loss * premium, f"{share} of the premium, which is more than what the worst outcomes take."
    return rule.stop_of_loss * tail, f"{share} of what the worst outcomes take."


def _stop_of_credit(multiple: float, evaluation: Evaluation) -> tuple[float, str]:
    credit, tail, capped = evaluation.option_premium, evaluation.tail_loss, CAPPED_STOP * evaluation.max_loss
    stop, why = multiple * credit, f"{multiple:g} times the credit, short of the maximum loss."
    if credit < NEAR_NOTHING * tail and stop < TAIL_STOP * tail:
        # A multiple of a credit near nothing would stop the position out on the first tick.
        stop = TAIL_STOP * tail
        why = f"{TAIL_STOP:.0%} of what the worst outcomes take: {multiple:g} times so small a credit is no distance."
    if capped < stop:
        return capped, f"{CAPPED_STOP:.0%} of the maximum loss: a stop beyond it would never act."
    return stop, why


# --- typed rows ------------------------------------------------------------------------------------------------------


def exit_rows(structure: Structure, evaluation: Evaluation, candidate: Candidate) -> tuple[ExitLevel, ...]:
    """Return every level at which a position should be closed, each with its kind, unit and reason.

    Parameters
    ----------
    structure : Structure
    evaluation : Evaluation
    candidate : Candidate
        Of the same structure; the levels of the underlying come from its strikes.

    Returns
    -------
    tuple of ExitLevel
        At least one row of every kind; a kind that the structure does not have has no value and says why.

    Raises
    ------
    InvalidInput
        When the candidate has no profitable outcome, so that no target exists.

    Notes
    -----
    The amounts are those of `exit_levels`. Source: options-v4.md sections 7 and 14 item 10.
    """
    rule, levels = RULES[structure.exits], exit_levels(structure, evaluation)
    return (
        *_money_rows(rule, evaluation, levels),
        *_profit_rows(rule, evaluation, levels),
        *_credit_rows(structure, evaluation, levels),
        ExitLevel(
            ExitKind.DAYS_TO_EXPIRY,
            "time_exit",
            float(levels.time_exit_dte),
            f"{rule.time_exit_dte} days before expiry, but not in the first half of the trade: gamma grows at the end.",
        ),
        *_price_rows(rule, evaluation, candidate, levels),
        ExitLevel(
            ExitKind.DELTA, "delta", levels.delta_exit_threshold, "The position has become a bet on the direction."
        ),
        _vega_row(structure, levels),
    )


def _money_rows(rule: ExitRule, evaluation: Evaluation, levels: ExitLevels) -> Iterator[ExitLevel]:
    of_debit = rule.targets_of_debit and evaluation.option_premium < 0.0
    basis = "the premium paid" if of_debit else "what the best outcomes bring"
    for number, (share, amount) in enumerate(zip(rule.targets, _three(levels), strict=True), start=1):
        yield ExitLevel(ExitKind.MONEY, f"profit_target_{number}", amount, f"{share:.0%} of {basis}.")
    yield ExitLevel(ExitKind.MONEY, "stop_loss", levels.stop_loss, _stop(rule, evaluation)[1])


def _profit_rows(rule: ExitRule, evaluation: Evaluation, levels: ExitLevels) -> Iterator[ExitLevel]:
    kind = ExitKind.PERCENT_OF_MAX_PROFIT
    if math.isinf(evaluation.max_profit):
        yield ExitLevel(kind, "profit_target_1", None, "Profit has no maximum: targets are amounts of money.")
    elif rule.targets_of_debit or levels.profit_target_1 < OUT_OF_REACH * evaluation.max_profit:
        yield ExitLevel(kind, "profit_target_1", None, "The maximum is out of reach: targets are amounts of money.")
    else:
        for number, amount in enumerate(_three(levels), start=1):
            share = amount / evaluation.max_profit
            yield ExitLevel(kind, f"profit_target_{number}", share, "The target as a share of the most it can make.")


def _credit_rows(structure: Structure, evaluation: Evaluation, levels: ExitLevels) -> Iterator[ExitLevel]:
    kind, credit = ExitKind.PERCENT_OF_CREDIT, evaluation.option_premium
    if credit <= 0.0:
        yield ExitLevel(kind, "stop_loss", None, "It was opened for a debit: there is no credit to measure by.")
    elif RULES[structure.exits].stop_of_credit is None:
        yield ExitLevel(kind, "stop_loss", None, "Its stop is a share of its loss, not of the credit.")
    else:
        # Where a share is held, the targets count its gain too.
        for number, amount in enumerate(() if structure.holds_share else _three(levels), start=1):
            yield ExitLevel(kind, f"profit_target_{number}", amount / credit, "The target as a share of the credit.")
        yield ExitLevel(kind, "stop_loss", levels.stop_loss / credit, "The stop as a multiple of the credit.")


def _three(levels: ExitLevels) -> tuple[float, float, float]:
    return levels.profit_target_1, levels.profit_target_2, levels.profit_target_3


def _vega_row(structure: Structure, levels: ExitLevels) -> ExitLevel:
    why = "The position has become a bet on implied volatility."
    if structure.exits is ExitClass.DELTA_ONE:
        why = "Bought and sold vega nearly cancel: beyond this they no longer do, a leg is far from the other."
    return ExitLevel(ExitKind.VEGA, "vega", levels.vega_exit_threshold, why)


def _price_rows(
    rule: ExitRule, evaluation: Evaluation, candidate: Candidate, levels: ExitLevels
) -> Iterator[ExitLevel]:
    below, above = _prices(rule.price, evaluation, candidate, levels)
    if below is None and above is None:
        why = rule.price_means if rule.price == "none" else "No sold strike or break-even lies clear of the price."
        yield ExitLevel(ExitKind.UNDERLYING_PRICE, "price_below", None, why)
    if below is not None:
        yield ExitLevel(ExitKind.UNDERLYING_PRICE, "price_below", below, rule.price_means)
    if above is not None:
        yield ExitLevel(ExitKind.UNDERLYING_PRICE, "price_above", above, rule.price_means)


def _prices(
    basis: PriceBasis, evaluation: Evaluation, candidate: Candidate, levels: ExitLevels
) -> tuple[float | None, float | None]:
    """Return the level below and the level above the price at entry, None where there is none."""
    match basis:
        case "sold_strikes":
            return _sold_strikes(evaluation, candidate)
        case "breakevens":
            return _breakevens(evaluation, candidate)
        case "stop":
            return _stop_price(evaluation, candidate, levels)
        case "none":
            return None, None


def _sold_strikes(evaluation: Evaluation, candidate: Candidate) -> tuple[float | None, float | None]:
    """Return the nearest sold strikes clear of spot; where one is not out of the money, the break-even instead."""
    structure, spot = candidate.structure, candidate.spot
    sold = [leg for leg in candidate.option_legs if leg.quantity < 0]
    clear = [leg.strike for leg in sold if _is_clear(leg, candidate)]
    below = max((strike for strike in clear if strike < spot), default=None)
    above = min((strike for strike in clear if strike > spot), default=None)
    if len(clear) < len(sold):
        lower, upper = _breakevens(evaluation, candidate)
        below, above = below or lower, above or upper
    return None if structure.covered_below else below, None if structure.covered_above else above


def _is_clear(leg: BuiltLeg, candidate: Candidate) -> bool:
    """Whether a sold strike is far enough from spot to be watched: out of the money, or a target of a debit spread."""
    away = leg.strike - candidate.spot
    least = PRICE_ROOM * candidate.spot * (leg.iv or 0.0) * math.sqrt(candidate.years)
    out = away if leg.kind is Kind.CALL else -away
    is_target = candidate.structure.exits is ExitClass.DEBIT_SPREAD
    return (abs(away) if is_target else out) >= least


def _breakevens(evaluation: Evaluation, candidate: Candidate) -> tuple[float | None, float | None]:
    """Return the edges of the profit range that spot lies in."""
    for low, high in evaluation.profit_ranges:
        if low < candidate.spot < high:
            return low if low > 0.0 else None, high if math.isfinite(high) else None
    return None, None


def _stop_price(evaluation: Evaluation, candidate: Candidate, levels: ExitLevels) -> tuple[float | None, float | None]:
    """Return the price at which the loss reaches the stop if delta stays what it is."""
    if evaluation.net_delta == 0.0:
        return None, None
    level = candidate.spot - levels.stop_loss / evaluation.net_delta
    if level <= 0.0:
        return None, None
    return (level, None) if evaluation.net_delta > 0.0 else (None, level)
