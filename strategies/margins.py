"""What one set blocks by its margin group: our own estimate, above what the exchange asks of a hedged position."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

import numpy as np

from market.chain import Floats
from market.contract import Contract, OptionType
from market.errors import InvalidInput, Reason
from market.quant import black
from market.quant.volatility import TRADING_DAYS_PER_YEAR
from market.rulebook import MarginRates, margin_rates

MarginGroup = Literal["long", "defined", "naked", "cash", "covered", "calendar"]

LONG_DATED = 274  # days: nine months, from which index options are scanned wider
THIRDS = np.array([0.0, 1 / 3, -1 / 3, 2 / 3, -2 / 3, 1.0, -1.0])
# Today's own prices come first, then the sixteen scenarios; the last two are extreme and count in part.
MOVES = np.concatenate([[0.0], THIRDS, THIRDS, [2.0, -2.0]])  # of the price scan range
SHIFTS = np.concatenate([[0.0], np.ones(7), -np.ones(7), [0.0, 0.0]])  # of the volatility scan range
COVER = np.concatenate([np.ones(15), [0.35, 0.35]])  # of the loss
LEAST_VOLATILITY, LEAST_LEVEL = 0.01, 0.01  # where a scenario moves below nothing


@dataclass(frozen=True, slots=True)
class HeldLeg:
    """One leg as margin sees it: signed units of the underlying, bought positive, opened at `premium` rupees per unit.

    `volatility` is annual, a fraction; None for a share.
    """

    contract: Contract
    units: int
    premium: float
    volatility: float | None


Part = tuple[MarginGroup, Sequence[HeldLeg]]  # legs that are reckoned together, and by which rule


def margin_group(legs: Sequence[HeldLeg]) -> MarginGroup:
    """Return how a position's margin is reckoned, by its legs alone.

    Parameters
    ----------
    legs : sequence of HeldLeg
        In any order.

    Returns
    -------
    MarginGroup
        "covered" where a share is held and shares or bought options stand against every sold one, "long" where none
        is sold, "defined" where bought options of the same expiry cover the sold, "calendar" where some of those that
        cover end later, else "naked". Never "cash": legs do not tell that money was set aside.
    """
    if any(not _covered(legs, option_type) for option_type in OptionType):
        return "naked"
    if any(not leg.contract.is_option for leg in legs):
        return "covered"
    if not any(leg.units < 0 for leg in legs):
        return "long"
    within = all(
        _covered([leg for leg in legs if leg.contract.expiry == day], option_type)
        for day in {leg.contract.expiry for leg in legs}
        for option_type in OptionType
    )
    return "defined" if within else "calendar"


def _covered(legs: Sequence[HeldLeg], option_type: OptionType) -> bool:
    """Whether every sold option of this type has a share (calls) or a bought one that lasts at least as long."""
    counted = [leg for leg in legs if leg.contract.option_type is option_type]
    if option_type is OptionType.CALL:
        counted += [leg for leg in legs if not leg.contract.is_option]
    lasting = [
        sum(leg.units for leg in counted if _last_day(leg) >= _last_day(sold)) for sold in counted if sold.units < 0
    ]
    return all(units >= 0 for units in lasting)


def margin_of(legs: Sequence[HeldLeg], *, group: MarginGroup, spot: float, is_index: bool, as_of: date) -> float:
    """Return what one set of one position blocks, as `margins_of` does."""
    return margins_of([(legs, group)], spot=spot, is_index=is_index, as_of=as_of)[0]


def margins_of(
    positions: Sequence[tuple[Sequence[HeldLeg], MarginGroup]], *, spot: float, is_index: bool, as_of: date
) -> list[float]:
    """Return what one set of each blocks of one's own money; the credit of sold options counts towards it, once.

    Parameters
    ----------
    positions : sequence of (legs, group)
        All on one underlying, legs in any order. The group is that of the structure, or `margin_group(legs)` for a
        position without one.
    spot : float
        Rupees, > 0.
    is_index : bool
        Index options are scanned less than those of shares.
    as_of : date
        The day (IST), for the rates and the days to expiry.

    Returns
    -------
    list of float
        Rupees, >= 0: premiums and shares paid for, less the credit, plus by group the most that sold options may cost
        over what bought ones return (long: nothing; defined, calendar: at the worst price on the front expiry;
        covered: the same, and the shares at that price return theirs; naked: in the worst of sixteen scenarios), plus
        exposure on the value of every sold option and a charge for every sold one that is covered by a later one.
        cash: the strike of every put sold, whole.

    Raises
    ------
    InvalidInput
        MARGIN_INPUT where a number is missing, not finite or not positive, or a share is sold; a volatility is asked
        for only where scenarios are gone through. MARGIN_GROUP where the legs are not of this group.
    UnknownDay
        Where the rulebook has no rates for the day.

    Notes
    -----
    Scenarios: the price moved by 0, 1/3, 2/3 and all of the price scan range either way with volatility up and down
    by its scan range, and twice the range either way, of which 35 % of the loss counts. The price scan range is
    6 √2 daily deviations, not less than the floor; the exchange takes the exponential mean of past returns for
    them, we the mean implied volatility of the legs, which is higher on most days. A share is paid for in full, so
    only its rise is held against sold calls. On the day of the front expiry no option covers across expiries where the
    rules say so. Left out: the short option minimum and what a broker adds.
    Source: NSE Clearing, SPAN parameters (dhan.md section 13.8); CME Group, "SPAN Methodology", risk arrays.
    """
    for legs, group in positions:
        _require(legs, spot)
        _require_group(legs, group)
    rates = margin_rates("index" if is_index else "stock", as_of=as_of)
    payouts = _payouts([_ways(legs, group, rates, as_of) for legs, group in positions], spot, rates, as_of)
    return [
        _cash(legs) if group == "cash" else _blocked(legs, payout, spot, rates, as_of)
        for (legs, group), payout in zip(positions, payouts, strict=True)
    ]


def _cash(legs: Sequence[HeldLeg]) -> float:
    return math.fsum(-leg.units * (leg.contract.strike or 0.0) for leg in legs)


def _blocked(legs: Sequence[HeldLeg], payout: float, spot: float, rates: MarginRates, as_of: date) -> float:
    paid = math.fsum(leg.units * leg.premium for leg in legs)
    return max(0.0, paid + payout + _exposure(legs, spot, rates, as_of) + _calendar_charge(legs, spot, rates, as_of))


def _payouts(
    positions: Sequence[Sequence[Sequence[Part]]], spot: float, rates: MarginRates, as_of: date
) -> list[float]:
    """Return the most that what is sold in each position costs; what is scanned is scanned at once."""
    parts = [part for ways in positions for way in ways for part in way]
    scanned = iter(_scanned([legs for rule, legs in parts if rule == "naked"], spot, rates, as_of))
    return [max(math.fsum(max(0.0, _most(part, scanned)) for part in way) for way in ways) for ways in positions]


def _most(part: Part, scanned: Iterator[float]) -> float:
    match part:
        case "naked", _:
            return next(scanned)
        case (("defined" | "calendar" | "covered"), legs):
            return _at_expiry(legs)
    return 0.0  # nothing is sold, or the strikes are set aside


def _require(legs: Sequence[HeldLeg], spot: float) -> None:
    sound = 0.0 < spot < 1e9 and legs and all(map(_is_sound, legs))
    if not sound or len({leg.contract.underlying for leg in legs}) > 1:
        sentence = "Margin needs one underlying, a positive spot, and legs with units and premium."
        raise InvalidInput(Reason("MARGIN_INPUT", sentence, "Nothing is assumed for what is missing."))


def _is_sound(leg: HeldLeg) -> bool:
    return (leg.units != 0 if leg.contract.is_option else leg.units > 0) and 0.0 <= leg.premium < 1e9


def _require_group(legs: Sequence[HeldLeg], group: MarginGroup) -> None:
    if group != (found := margin_group(legs)) and not (group == "cash" and _puts_sold(legs)):
        raise InvalidInput(Reason("MARGIN_GROUP", f"Legs of the margin group {found} were called {group}."))


def _require_volatility(options: Sequence[HeldLeg]) -> None:
    if not all(leg.volatility is not None and 0.0 < leg.volatility < 1e3 for leg in options):
        sentence = "The margin of a sold option that nothing covers needs the volatility of every option."
        raise InvalidInput(Reason("MARGIN_INPUT", sentence, "Nothing is assumed for what is missing."))


def _puts_sold(legs: Sequence[HeldLeg]) -> bool:
    return all(leg.contract.option_type is OptionType.PUT and leg.units < 0 for leg in legs)


def _ways(legs: Sequence[HeldLeg], group: MarginGroup, rates: MarginRates, as_of: date) -> list[list[Part]]:
    """Return how the position may be reckoned, of which the dearest counts: as parts, each by its own rule.

    What expires today stands apart where no later option may cover it, with the shares that its calls need.
    """
    whole: list[Part] = [(group, list(legs))]
    later = [leg for leg in legs if leg.contract.is_option and leg.contract.expiry != as_of]
    ending = [leg for leg in legs if leg.contract.is_option and leg.contract.expiry == as_of]
    if not ending or not later or rates.calendar_benefit_on_expiry:
        return [whole]
    shares = [leg for leg in legs if not leg.contract.is_option]
    with_ending, with_later = _shared_out(shares, ending)
    apart: list[Part] = [(margin_group(part), part) for part in ([*ending, *with_ending], [*later, *with_later])]
    if group in ("calendar", "naked"):
        return [apart]
    if group == "covered" and margin_group([*ending, *shares]) == "naked":
        return [whole, apart]
    return [whole]


def _shared_out(shares: Sequence[HeldLeg], ending: Sequence[HeldLeg]) -> tuple[list[HeldLeg], list[HeldLeg]]:
    """Return the shares that calls sold until today need, and the rest."""
    short = -sum(leg.units for leg in ending if leg.contract.option_type is OptionType.CALL)
    needed, rest = [], []
    for leg in shares:
        taken = min(leg.units, max(0, short))
        short -= taken
        needed += [replace(leg, units=taken)] if taken else []
        rest += [replace(leg, units=leg.units - taken)] if taken < leg.units else []
    return needed, rest


def _exposure(legs: Sequence[HeldLeg], spot: float, rates: MarginRates, as_of: date) -> float:
    """Return the exposure margin on the value of the underlying of every sold option."""
    sold = [leg for leg in legs if leg.units < 0]
    shares = [rates.exposure + (rates.expiry_day_addon if leg.contract.expiry == as_of else 0.0) for leg in sold]
    return spot * math.fsum(-leg.units * share for leg, share in zip(sold, shares, strict=True))


def _calendar_charge(legs: Sequence[HeldLeg], spot: float, rates: MarginRates, as_of: date) -> float:
    """Return the charge on the later contracts that cover sold ones: no more of them than are sold earlier."""
    last = max((_last_day(leg) for leg in legs if leg.contract.is_option), default=date.min)
    sold = -sum(
        leg.units
        for leg in legs
        if leg.units < 0
        and _last_day(leg) < last
        and (rates.calendar_benefit_on_expiry or leg.contract.expiry != as_of)
    )
    later = sum(leg.units for leg in legs if leg.units > 0 and leg.contract.is_option and _last_day(leg) == last)
    return rates.calendar_spread_charge * spot * min(sold, later)


def _at_expiry(legs: Sequence[HeldLeg]) -> float:
    """Return the most that sold options cost over what bought ones and shares return, options at intrinsic value.

    Shares are paid for in full: all they are still worth stands against what is sold.
    """
    levels = [0.0, *(leg.contract.strike or 0.0 for leg in legs)]
    return -min(math.fsum(leg.units * leg.contract.worth_at_expiry(level) for leg in legs) for level in levels)


def _scanned(positions: Sequence[Sequence[HeldLeg]], spot: float, rates: MarginRates, as_of: date) -> list[float]:
    """Return the most that buying back all options costs in any scenario, less what the shares have risen by."""
    options = [[leg for leg in legs if leg.contract.is_option] for legs in positions]
    every = [leg for legs in options for leg in legs]
    if not every:
        return [0.0] * len(positions)
    _require_volatility(every)
    shares = np.array([sum(leg.units for leg in legs if not leg.contract.is_option) for legs in positions])
    means = np.array([math.fsum(leg.volatility or 0.0 for leg in legs) / max(1, len(legs)) for legs in options])
    ranges = [_price_range(legs, mean, rates, as_of) for legs, mean in zip(options, means.tolist(), strict=True)]
    moves = np.outer(ranges, MOVES)
    shifts = np.outer(np.maximum(rates.volatility_scan * means, rates.volatility_scan_floor), SHIFTS)
    owner = np.repeat(np.arange(len(options)), [len(legs) for legs in options])
    held = np.zeros((len(options), len(every)))
    held[owner, np.arange(len(every))] = [leg.units for leg in every]
    worth = held @ _prices(every, spot * (1.0 + moves[owner]), shifts[owner], as_of)
    worth += shares[:, None] * spot * np.maximum(moves, 0.0)
    most: list[float] = (-(worth[:, :1] + COVER * (worth - worth[:, :1])).min(axis=1)).tolist()
    return most


def _price_range(options: Sequence[HeldLeg], volatility: float, rates: MarginRates, as_of: date) -> float:
    """Return how far the price is scanned either way, as a fraction of it."""
    is_long_dated = any((_last_day(leg) - as_of).days > LONG_DATED for leg in options)
    floor = rates.long_dated_price_scan if is_long_dated else rates.price_scan_floor
    return max(floor, rates.price_scan_deviations * volatility / math.sqrt(TRADING_DAYS_PER_YEAR))


def _prices(options: Sequence[HeldLeg], levels: Floats, shifts: Floats, as_of: date) -> Floats:
    """Return the price of each option at levels of the underlying and shifts of volatility; (options, scenarios)."""
    volatility = np.array([[leg.volatility or 0.0] for leg in options]) + shifts
    days = [max(0, (_last_day(leg) - as_of).days) for leg in options]
    return black.price(
        forward=np.maximum(levels, LEAST_LEVEL),
        strike=np.array([[leg.contract.strike or 0.0] for leg in options]),
        years=np.array(days)[:, None] / black.DAYS_PER_YEAR,
        volatility=np.maximum(volatility, LEAST_VOLATILITY),
        is_call=np.array([[leg.contract.option_type is OptionType.CALL] for leg in options]),
    )


def _last_day(leg: HeldLeg) -> date:
    return leg.contract.expiry or date.max
