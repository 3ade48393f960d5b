"""The quality gate: which quotes of a chain must not be used, and the reason each of them carries."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import IntEnum
from functools import cache

import numpy as np
from numpy.typing import NDArray

from market.calendar import IST, session_on
from market.errors import Reason
from market.ports import CapturedChain
from market.quant import black
from market.quant.black import Flags, Floats
from market.quant.smile import Smile

Codes = NDArray[np.int8]
Counts = NDArray[np.intp]

WIDEST_SPREAD_SHARE = 0.50  # of the mid; wider is no market
WIDEST_SPREAD_TICKS = 8  # cheap options are always wide in per cent
OFF_SMILE_SHARE = 0.15  # of the fair price
OFF_SMILE_TICKS = 4
PARITY_TICKS = 2  # beyond the two half spreads and three standard errors of the forward
FORWARD_ERRORS = 3.0
HIGHEST_RATE = 0.10  # a year: premiums are paid up front, so parity holds discounted at some rate up to this
HIGHEST_VOLATILITY = 5.0  # 500 %
FROZEN_MOVE = 0.002  # of the spot: what a last price without a trade in between may not sit through
LAST_MINUTES = timedelta(minutes=15)  # before the close of the day of expiry
MOST_STAMP_SPREAD = timedelta(minutes=2)
FARTHEST_FORWARD = 0.05  # |ln(forward/spot)| at no time to expiry ...
STEEPEST_CARRY = 0.15  # ... and what each year adds
LOOSEST_FIT = 0.15  # rmse as a share of the at-the-money volatility
LOOSEST_FORWARD = 0.002  # standard error as a share of the forward
FEWEST_PAIRS = 3
_GRID_SHARE = 0.8  # of the strikes stand on the regular grid
_GRID_STEPS = np.array([1000.0, 500.0, 250.0, 100.0, 50.0, 25.0, 20.0, 10.0, 5.0, 2.5, 2.0, 1.0, 0.5])
_EPSILON = 1e-9


class Refusal(IntEnum):
    """Why a quote is not usable; 0 where it is. The order is that of the gates: the first failure counts."""

    NONE = 0
    UNSAID = 1
    NOT_QUOTED = 2
    DUPLICATED = 3
    STALE = 4
    MIXED_TIMES = 5
    NO_PRICE = 6
    FROZEN = 7
    ONE_SIDED = 8
    ZERO_BID = 9
    CROSSED = 10
    LOCKED = 11
    WIDE = 12
    NEGATIVE_TIME_VALUE = 13
    IV_TOO_HIGH = 14
    OFF_SMILE = 15
    OFF_PARITY = 16
    NOT_MONOTONE = 17
    NOT_CONVEX = 18
    ODD_STRIKE = 19
    ODD_LOT = 20
    NO_OPEN_INTEREST = 21


REASONS: Mapping[Refusal, tuple[str, str]] = {
    Refusal.UNSAID: ("The quote was marked unusable without a reason.", ""),
    Refusal.NOT_QUOTED: ("The source says nothing about this option.", "Choose a strike that is quoted."),
    Refusal.DUPLICATED: ("The source gives this option twice, with different values.", "Import the chain again."),
    Refusal.STALE: ("The quote is older than allowed.", "Capture the chain again."),
    Refusal.MIXED_TIMES: ("The quotes of this chain were taken at different times.", "Capture the chain again."),
    Refusal.NO_PRICE: ("There is neither a book nor a last price.", "Choose an option that trades."),
    Refusal.FROZEN: ("The last price is not of now: nothing traded since.", "Choose an option that trades."),
    Refusal.ONE_SIDED: ("The book has only one side, or none.", "Choose an option with a two-sided market."),
    Refusal.ZERO_BID: ("Nobody bids.", "Choose an option with a two-sided market."),
    Refusal.CROSSED: ("The bid is above the ask.", "Capture the chain again."),
    Refusal.LOCKED: ("The bid equals the ask, which a matching market does not leave standing.", "Capture again."),
    Refusal.WIDE: ("The spread is too wide to be a market.", "Choose a more liquid strike."),
    Refusal.NEGATIVE_TIME_VALUE: ("It is offered below its intrinsic value: one of the prices is old.", ""),
    Refusal.IV_TOO_HIGH: ("Its price implies a volatility above 500 %.", "Check the price and the expiry."),
    Refusal.OFF_SMILE: ("Its price contradicts the smile of its expiry.", "Choose a neighbouring strike."),
    Refusal.OFF_PARITY: ("Call and put contradict each other by put-call parity.", "Choose a neighbouring strike."),
    Refusal.NOT_MONOTONE: ("A vertical spread with it would be free money: one of the prices is old.", ""),
    Refusal.NOT_CONVEX: ("A butterfly with it would be free money: one of the prices is old.", ""),
    Refusal.ODD_STRIKE: ("The strike is off the regular grid, as after a corporate action.", "Choose a listed strike."),
    Refusal.ODD_LOT: (
        "Its lot differs from that of its expiry, as after a corporate action.",
        "Choose another strike.",
    ),
    Refusal.NO_OPEN_INTEREST: ("Nobody holds this option: its open interest is zero.", "Choose a held strike."),
}


@cache
def reason_of(code: int) -> Reason | None:
    """The reason behind a code of `OptionSide.refusal`; None for 0. The reason's code is the refusal's name."""
    refusal = Refusal(code)
    if refusal is Refusal.NONE:
        return None
    sentence, remedy = REASONS[refusal]
    return Reason(refusal.name, sentence, remedy)


@dataclass(frozen=True, slots=True, eq=False)
class Circumstances:
    """What one may know about a chain beside its quotes.

    `as_of` and `most_age` bound the age of the chain in time of trading; `previous` is the snapshot before it;
    `odd_lots` are the (expiry, strike) whose lot differs from that of the expiry; `stamp_spread` is the time between
    the first and the last quote.
    """

    as_of: datetime | None = None
    most_age: timedelta | None = None
    previous: CapturedChain | None = None
    odd_lots: Mapping[tuple[date, float], int] = field(default_factory=dict)
    stamp_spread: timedelta = timedelta(0)

    def is_too_old(self, taken_at: datetime, exchange: str) -> bool:
        """Whether more of the session passed since than the caller allows; False when no bound was given."""
        if self.as_of is None or self.most_age is None:
            return False
        return trading_age(taken_at, self.as_of, exchange=exchange) > self.most_age


@dataclass(frozen=True, slots=True, eq=False)
class SideQuotes:
    """One side of an expiry before the gate; arrays by strike, NaN where the source says nothing.

    `rows` counts the different rows the source gave; `frozen` marks last prices known to be old.
    """

    bid: Floats
    ask: Floats
    last_price: Floats
    volume: Floats
    open_interest: Floats
    rows: Counts
    frozen: Flags
    modelled: bool

    @property
    def mid(self) -> Floats:
        """Halfway between bid and ask (rupees)."""
        return 0.5 * (self.bid + self.ask)


def touch_refusals(quotes: SideQuotes, tick_size: float) -> Codes:
    """Judge each quote by itself: is it there once, two-sided, not crossed, and near enough to be a market."""
    bid, ask = quotes.bid, quotes.ask
    spread = ask - bid
    widest = np.maximum(WIDEST_SPREAD_SHARE * quotes.mid, WIDEST_SPREAD_TICKS * tick_size)
    silent = np.isnan(bid) & np.isnan(ask)
    priced = np.isfinite(quotes.last_price) & (quotes.last_price > 0.0)
    tests = [
        (quotes.rows == 0, Refusal.NOT_QUOTED),
        (quotes.rows > 1, Refusal.DUPLICATED),
        (silent & ~priced, Refusal.NO_PRICE),
        (quotes.frozen, Refusal.FROZEN),
        (bid <= 0.0, Refusal.ZERO_BID),
        (np.isnan(bid) & quotes.modelled, Refusal.ZERO_BID),  # too cheap to have a buyer
        (~np.isfinite(spread), Refusal.ONE_SIDED),
        (spread < 0.0, Refusal.CROSSED),
        (spread == 0.0, Refusal.LOCKED),
        (spread > widest + _EPSILON, Refusal.WIDE),
    ]
    codes = np.zeros(bid.size, dtype=np.int8)
    for failed, refusal in reversed(tests):
        codes[failed] = refusal
    return codes


def price_refusals(
    quotes: SideQuotes,
    codes: Codes,
    *,
    strikes: Floats,
    smile: Smile,
    forward_error: float,
    tick_size: float,
    is_call: bool,
    fair: Floats,
) -> Codes:
    """Judge the quotes still usable by the smile of their expiry: time value, volatility, distance.

    `forward_error` is the forward's standard error in rupees, `fair` the smile's prices.
    """
    intrinsic = np.maximum(smile.forward - strikes if is_call else strikes - smile.forward, 0.0)
    half, mid = 0.5 * (quotes.ask - quotes.bid), quotes.mid
    slack = _known(forward_error) + tick_size
    tolerance = np.maximum(OFF_SMILE_SHARE * fair, OFF_SMILE_TICKS * tick_size) + half
    out = codes.copy()
    for failed, refusal in (
        (quotes.ask < intrinsic * (1.0 - HIGHEST_RATE * smile.years) - slack, Refusal.NEGATIVE_TIME_VALUE),
        (np.abs(mid - fair) > tolerance, Refusal.OFF_SMILE),
    ):
        out[failed & (out == 0)] = refusal
    dear = np.flatnonzero((out == Refusal.OFF_SMILE) & (mid > fair))
    if dear.size:
        out[dear[mid[dear] > _ceilings(smile, strikes[dear], is_call)]] = Refusal.IV_TOO_HIGH
    return out


def _ceilings(smile: Smile, strikes: Floats, is_call: bool) -> Floats:
    """Prices (rupees) at the highest volatility believed."""
    return black.price(
        forward=smile.forward, strike=strikes, years=smile.years, volatility=HIGHEST_VOLATILITY, is_call=is_call
    )


def parity_refusals(
    calls: SideQuotes,
    puts: SideQuotes,
    codes: tuple[Codes, Codes],
    *,
    strikes: Floats,
    forward: float,
    years: float,
    forward_error: float,
    tick_size: float,
    fair: tuple[Floats, Floats],
) -> tuple[Codes, Codes]:
    """Refuse the worse of a call and a put that are further from put-call parity than their spreads explain."""
    half = 0.5 * (calls.ask - calls.bid + puts.ask - puts.bid)
    gap = np.abs(calls.mid - puts.mid - (forward - strikes))
    discounting = HIGHEST_RATE * years * np.abs(forward - strikes)
    band = half + discounting + _known(forward_error) + PARITY_TICKS * tick_size
    broken = (codes[0] == 0) & (codes[1] == 0) & (gap > band + _EPSILON * forward)
    call_is_worse = blame(calls, fair[0], tick_size) >= blame(puts, fair[1], tick_size)
    out = codes[0].copy(), codes[1].copy()
    out[0][broken & call_is_worse] = Refusal.OFF_PARITY
    out[1][broken & ~call_is_worse] = Refusal.OFF_PARITY
    return out


def shape_refusals(
    quotes: SideQuotes, codes: Codes, *, strikes: Floats, tick_size: float, is_call: bool, fair: Floats
) -> Codes:
    """Refuse quotes until no two, and no three neighbours, of the rest could be traded for free money.

    Of those that contradict each other the one furthest from the smile goes first.
    """
    out = codes.copy()
    place = np.flatnonzero(out == 0)
    guilt = blame(quotes, fair, tick_size)
    if not is_call:
        place = place[::-1]  # a put falls with -strike as a call falls with strike
    levels = strikes if is_call else -strikes
    while place.size > 1:
        bid, ask, level = quotes.bid[place], quotes.ask[place], levels[place]
        for check, refusal in ((_verticals, Refusal.NOT_MONOTONE), (_butterflies, Refusal.NOT_CONVEX)):
            suspects = check(bid, ask, level)
            if suspects.size:
                worst = place[suspects[np.argmax(guilt[place[suspects]])]]
                out[worst] = refusal
                place = place[place != worst]
                break
        else:
            break
    return out


def blame(quotes: SideQuotes, fair: Floats, tick_size: float) -> Floats:
    """How far a quote is from the smile, in its own half spreads and ticks; 0 where there is none."""
    distance = np.abs(quotes.mid - fair) / (0.5 * np.abs(quotes.ask - quotes.bid) + tick_size)
    return np.where(np.isfinite(distance), distance, 0.0)


def _known(forward_error: float) -> float:
    """Three standard errors of the forward, where a single pair left it open none."""
    return FORWARD_ERRORS * forward_error if math.isfinite(forward_error) else 0.0


def _verticals(bid: Floats, ask: Floats, level: Floats) -> NDArray[np.intp]:
    """Places of calls that form a vertical spread with a sure profit: sold dearer, or above its width."""
    slack = _EPSILON * np.abs(level)
    cheapest = np.minimum.accumulate(ask)[:-1]  # of the lower strikes
    dearer = np.flatnonzero(bid[1:] > cheapest + slack[1:]) + 1
    covered = np.minimum.accumulate((ask + level)[::-1])[::-1][1:]  # of the higher strikes
    wider = np.flatnonzero((bid + level)[:-1] > covered + slack[:-1])
    partners = [int(np.argmin(ask[:place])) for place in dearer.tolist()]
    partners += [int(np.argmin((ask + level)[place + 1 :])) + place + 1 for place in wider.tolist()]
    return np.concatenate([dearer, wider, np.array(partners, dtype=np.intp)]).astype(np.intp)


def _butterflies(bid: Floats, ask: Floats, level: Floats) -> NDArray[np.intp]:
    """Places of three neighbours whose middle sells above what the wings that cover it cost."""
    if bid.size < 3:
        return np.zeros(0, dtype=np.intp)
    left, right = np.diff(level)[:-1], np.diff(level)[1:]
    wings = (ask[:-2] * right + ask[2:] * left) / (left + right)
    middle = np.flatnonzero(bid[1:-1] > wings + _EPSILON * np.abs(level[1:-1])) + 1
    return np.concatenate([middle - 1, middle, middle + 1])


def regular_step(strikes: Floats) -> float | None:
    """Return the largest usual step on which four fifths of the strikes stand; None when there is none."""
    if strikes.size < 5:
        return None
    remainders = np.abs(strikes / _GRID_STEPS[:, None] - np.round(strikes / _GRID_STEPS[:, None]))
    regular = (remainders < 1e-6).mean(axis=1) >= _GRID_SHARE
    return float(_GRID_STEPS[np.argmax(regular)]) if regular.any() else None


def odd_strikes(strikes: Floats) -> Flags:
    """Mark strikes off the grid of the others; halves and quarters of the step are regular (steps change with time)."""
    step = regular_step(strikes)
    if step is None:
        return np.zeros(strikes.size, dtype=np.bool_)
    quarters = 4.0 * strikes / step
    return np.abs(quarters - np.round(quarters)) > 1e-6


def chain_refusal(taken_at: datetime, known: Circumstances, exchange: str) -> Refusal:
    """What is wrong with the whole chain: its age, or times too far apart; NONE when nothing is."""
    if known.is_too_old(taken_at, exchange):
        return Refusal.STALE
    return Refusal.MIXED_TIMES if known.stamp_spread > MOST_STAMP_SPREAD else Refusal.NONE


def trading_age(taken_at: datetime, as_of: datetime, *, exchange: str = "NSE") -> timedelta:
    """How much of the session passed between a quote and `as_of`; after the close nothing ages.

    A quote of another day than `as_of` is as old as the calendar says; of a day without a session too.
    """
    session = session_on(taken_at.astimezone(IST).date(), exchange=exchange)
    if session is None or as_of.astimezone(IST).date() != session.day:
        return as_of - taken_at
    return max(min(as_of, session.closes) - max(taken_at, session.opens), timedelta(0))


def fit_flags(
    *, label: str, smile: Smile, forward: float, forward_error: float, pairs: int, codes: tuple[Codes, Codes]
) -> tuple[Reason, ...]:
    """What is doubtful about an expiry that can still be used; amounts in the sentences."""
    quoted = sum(int((side != Refusal.NOT_QUOTED).sum()) for side in codes)
    usable = sum(int((side == 0).sum()) for side in codes)
    tests = (
        (smile.quality == "flat", "FLAT_SMILE", "its smile is flat: too few strikes have a usable quote"),
        (
            smile.rmse > LOOSEST_FIT * smile.atm_volatility,
            "LOOSE_FIT",
            f"its smile misses the quotes by {100 * smile.rmse:.1f} volatility points",
        ),
        (pairs < FEWEST_PAIRS, "FEW_PAIRS", f"its forward rests on {pairs} strikes"),
        (
            forward_error > LOOSEST_FORWARD * forward,
            "FORWARD_UNCERTAIN",
            f"its forward is uncertain by ₹{forward_error:.2f}" if math.isfinite(forward_error) else "of one pair",
        ),
        (2 * usable < quoted, "MOSTLY_REFUSED", f"{quoted - usable} of its {quoted} quotes failed the gate"),
    )
    return tuple(Reason(code, f"{label}: {sentence}.") for failed, code, sentence in tests if failed)


def expiry_refusal(*, label: str, strikes: Floats, sides: tuple[SideQuotes, SideQuotes], years: float) -> Reason | None:
    """Why an expiry cannot be used whatever its prices say."""
    if years * 365 * 86_400 < LAST_MINUTES.total_seconds():
        minutes = int(LAST_MINUTES.total_seconds() // 60)
        return Reason("LAST_MINUTES", f"{label} expires in less than {minutes} minutes", "Choose the next expiry.")
    if strikes.size == 1:
        return Reason("SINGLE_STRIKE", f"{label} has a single strike", "Wait for a fuller chain.")
    for side, name in zip(sides, ("call", "put"), strict=True):
        if not np.isfinite(side.mid).any():
            return Reason("ONE_SIDE_MISSING", f"{label} has no {name} with a price", "Wait for a fuller chain.")
    return None


def smile_refusal(*, label: str, smile: Smile, spot: float | None) -> Reason | None:
    """Why an expiry cannot be used once its forward and smile are known."""
    if smile.atm_volatility > HIGHEST_VOLATILITY:
        sentence = f"{label} implies a volatility of {100 * smile.atm_volatility:.0f} %"
        return Reason("IV_TOO_HIGH", sentence, "Check the prices and the expiry.")
    if spot is not None:
        gap = abs(math.log(smile.forward / spot))
        if gap > FARTHEST_FORWARD + STEEPEST_CARRY * smile.years:
            sentence = f"{label} implies a forward of {smile.forward:g} with the spot at {spot:g}"
            return Reason("FORWARD_OFF_SPOT", sentence, "One of the two is of another time or before a split.")
    return None
