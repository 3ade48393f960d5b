"""Implied volatility by session, written from stored chains, and what it says beside the realised one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np

from market.assembly import assemble
from market.calendar import IST
from market.chain import Chain, ExpiryChain
from market.errors import OptionsError, Reason
from market.models import ChainSnapshot, IvSummary, Underlying
from market.ports import CapturedChain
from market.quant.implied import implied_volatility
from market.quant.indicators import Bars
from market.quant.term import ConstantMaturity, TermStructure, mixed_maturities, term_structure
from market.quant.volatility import (
    LONGEST_LOOKBACK,
    Standing,
    ewma_volatility,
    forecast_variance,
    garman_klass,
    iv_standing,
    parkinson,
    realised_volatility,
    relative_volatility,
    rogers_satchell,
    yang_zhang,
)
from market.services.candles import closed_candles
from market.services.past import past_of
from market.services.stored_chains import latest_chains

NSE_TICK = 0.05  # rupees; a touch is rounded to it, an implied volatility does not depend on the contract's own
REALISED_SESSIONS = 22
SPLIT_MOVE = 0.20  # of the price between two closes: bars are not adjusted for splits
LOOKBACKS = (5, 20, 60, 120, LONGEST_LOOKBACK)  # sessions in which rank and percentile are told
MATURITIES = (7, 14, 30, 60, 90)  # calendar days at which the term structure is read
LOW, HIGH = 0.9, 1.1  # strikes as shares of the forward
_QUARTER_DELTA = 0.6745  # standard deviations from the forward to a delta of a quarter
_MARKET = "the market"


@dataclass(frozen=True, slots=True)
class Realised:
    """Annual volatilities (fractions) of the last sessions.

    `forecast` is that of the next month, from all closed sessions since the newest break and the implied volatility;
    None where they are too few.
    """

    close_to_close: float
    parkinson: float
    garman_klass: float
    rogers_satchell: float
    yang_zhang: float
    ewma: float
    forecast: float | None
    sessions: int


@dataclass(slots=True)
class IvHistory:
    """At-the-money volatilities (fractions), one per session, oldest first, and the calendar days each is read at.

    `newest` is the session of the last one.
    """

    volatilities: list[float] = field(default_factory=list)
    days: list[float] = field(default_factory=list)
    newest: date | None = None

    def standing(self, *, lookback: int = LONGEST_LOOKBACK) -> Standing | Reason:
        """Where the last one stands among those of the lookback."""
        return iv_standing(self.volatilities, lookback=lookback)

    def mixed(self, *, lookback: int = LONGEST_LOOKBACK) -> Reason | None:
        """Why the sessions of the lookback do not compare with the last one; None where they do."""
        return None if self.newest is None else mixed_maturities(self.days[-lookback:], session=self.newest)

    def and_now(self, current: ConstantMaturity, *, session: date) -> "IvHistory":
        """The history with one more session."""
        return IvHistory([*self.volatilities, current.volatility], [*self.days, current.days], session)


@dataclass(frozen=True, slots=True)
class TermReading:
    """The term structure read at one number of calendar days, between listed expiries or beyond the last ones.

    Volatilities (fractions) at the forward and at strikes LOW and HIGH of it; `fit_error` in volatility.
    """

    days: int
    forward: float
    low: float
    atm: float
    high: float
    fit_error: float
    between_expiries: bool


@dataclass(slots=True)
class VolatilityReading:
    """What is known of one underlying's volatility; whatever is not is a Reason, never a number."""

    symbol: str
    reason: Reason | None = None
    taken_at: datetime | None = None
    atm: float | None = None
    days: float | None = None
    interpolated: bool = False
    skew: float | None = None
    term: TermStructure | None = None
    expiries: tuple[ExpiryChain, ...] = ()
    realised: Realised | Reason | None = None
    standing: Standing | Reason | None = None
    standings: dict[int, Standing | Reason] = field(default_factory=dict)
    readings: tuple[TermReading, ...] = ()
    sector: float | Reason | None = None
    market: float | Reason | None = None
    flags: list[Reason] = field(default_factory=list)

    @property
    def iv_over_realised(self) -> float | None:
        """Implied over realised (Yang-Zhang); None where either is missing."""
        if self.atm is None or not isinstance(self.realised, Realised) or self.realised.yang_zhang <= 0.0:
            return None
        return self.atm / self.realised.yang_zhang


def record_iv(symbols: Sequence[str], as_of: datetime) -> dict[str, Reason | None]:
    """Write the session's implied volatility of each symbol from its newest stored chain of the day of `as_of`.

    None means written (a later snapshot of the same session replaces an earlier one), else why not. One statement
    writes them all, so it is safe to run at the same time as itself.
    """
    outcome: dict[str, Reason | None] = {}
    rows = []
    for symbol, chain in _chains(symbols, as_of).items():
        if isinstance(chain, Reason):
            outcome[symbol] = chain
            continue
        rows.append(_summary(chain))
        outcome[symbol] = None
    fields = [each.name for each in IvSummary._meta.fields if each.name not in ("id", "symbol", "date", "created_at")]
    IvSummary.objects.bulk_create(rows, update_conflicts=True, unique_fields=["symbol", "date"], update_fields=fields)
    return outcome


def record_sessions(
    symbols: Sequence[str],
    as_of: datetime,
    *,
    again: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Write every stored session up to `as_of` that has no summary yet, or all of them; returns how many it wrote."""
    snapshots = ChainSnapshot.objects.filter(symbol__in=list(symbols)).fresh(as_of)
    stored = {
        (symbol, taken_at.astimezone(IST).date()) for symbol, taken_at in snapshots.values_list("symbol", "taken_at")
    }
    summaries = IvSummary.objects.filter(symbol__in=list(symbols))
    held = set() if again else set(summaries.values_list("symbol", "date"))
    by_day: dict[date, list[str]] = {}
    total = len(stored - held)
    for symbol, day in sorted(stored - held):
        by_day.setdefault(day, []).append(symbol)
    written = done = 0
    for day, names in sorted(by_day.items()):
        end = datetime(day.year, day.month, day.day, 23, 59, 59, tzinfo=IST)
        written += sum(reason is None for reason in record_iv(names, min(end, as_of)).values())
        done += len(names)
        progress(done, total)
    return written


def read_volatility(
    symbols: Sequence[str], *, as_of: datetime, lookback: int = LONGEST_LOOKBACK
) -> list[VolatilityReading]:
    """What is known of the volatility of these underlyings at a moment (five queries, however many symbols)."""
    day = as_of.astimezone(IST).date()
    histories = iv_history(symbols, before=day + timedelta(days=1))
    candles = closed_candles(symbols, as_of=as_of)
    sectors, newest = _groups(day)
    readings = []
    for symbol, chain in _chains(symbols, as_of).items():
        reading = VolatilityReading(symbol, chain if isinstance(chain, Reason) else None)
        if not isinstance(chain, Reason):
            _read_chain(reading, chain)
        reading.realised = _realised(candles.get(symbol), reading.atm, as_of)
        _stand(reading, histories.get(symbol, IvHistory()), lookback)
        if reading.atm is not None:
            _compare(reading, sectors, newest)
        readings.append(reading)
    return readings


def _chains(symbols: Sequence[str], as_of: datetime) -> dict[str, Chain | Reason]:
    captured = latest_chains(symbols, as_of=as_of)
    return {symbol: _chain(symbol, captured.get(symbol), as_of) for symbol in symbols}


def _chain(symbol: str, captured: CapturedChain | None, as_of: datetime) -> Chain | Reason:
    """Of the day asked for; lots do not matter to a volatility, so expiries that left the master count too."""
    day = as_of.astimezone(IST).date()
    if captured is None or captured.taken_at.astimezone(IST).date() != day:
        return Reason("NO_CHAIN", f"No chain of {symbol} is stored on {day}.", "Import or capture one.")
    try:
        lots = {quote.expiry: 1 for quote in captured.quotes}
        return assemble(captured, lot_sizes=lots, tick_size=NSE_TICK)
    except OptionsError as error:
        return error.reason


def _summary(chain: Chain) -> IvSummary:
    term = term_structure([expiry.smile for expiry in chain.expiries])
    maturity = term.constant_maturity()
    nearest = _nearest(chain, maturity.days)
    means = _means(nearest)
    sides = [side for expiry in chain.expiries for side in (expiry.calls, expiry.puts)]
    return IvSummary(
        symbol=chain.underlying,
        date=chain.taken_at.astimezone(IST).date(),
        atm_iv=maturity.volatility,
        iv_skew=quarter_delta_skew(nearest),
        call_iv_mean=means[0],
        put_iv_mean=means[1],
        total_volume=_total([side.volume for side in sides]),
        total_oi=_total([side.open_interest for side in sides]),
        spot_price=None if chain.spot is None else round(chain.spot, 4),
        data_points=sum(int(side.usable.sum()) for side in sides),
        days_to_expiry=maturity.days,
        interpolated=maturity.interpolated,
        fit_error=term.fit_error(maturity.days / 365.0),
        flags=sorted({flag.code for flag in (*chain.flags, *nearest.flags, *term.flags)}),
        source=chain.source,
        taken_at=chain.taken_at,
    )


def term_reading(term: TermStructure, days: int) -> TermReading:
    """Read a term structure at so many calendar days."""
    years = days / 365.0
    forward = term.forward(years)
    low, atm, high = (float(level) for level in term.volatility(forward * np.array([LOW, 1.0, HIGH]), years))
    inside = bool(term.years[0] <= years <= term.years[-1])
    return TermReading(days, forward, low, atm, high, term.fit_error(years), inside)


def quarter_delta_skew(expiry: ExpiryChain) -> float:
    """Volatility of the 25-delta put minus that of the 25-delta call, read off the smile."""
    reach = _QUARTER_DELTA * expiry.smile.atm_volatility * expiry.years**0.5
    put, call = expiry.smile.volatility(expiry.forward * np.exp(np.array([-reach, reach])))
    return float(put - call)


def _nearest(chain: Chain, days: float) -> ExpiryChain:
    return min(chain.expiries, key=lambda expiry: abs(365.0 * expiry.years - days))


def _means(expiry: ExpiryChain) -> tuple[float | None, float | None]:
    """Mean volatility implied by the usable out-of-the-money calls and puts."""
    means: list[float | None] = []
    for side, is_call in ((expiry.calls, True), (expiry.puts, False)):
        outside = expiry.strikes >= expiry.forward if is_call else expiry.strikes <= expiry.forward
        taken = side.usable & outside
        implied = implied_volatility(
            price=0.5 * (side.bid + side.ask)[taken],
            forward=expiry.forward,
            strike=expiry.strikes[taken],
            years=expiry.years,
            is_call=is_call,
        )
        known = implied[np.isfinite(implied) & (implied > 0.0)]
        means.append(float(known.mean()) if known.size else None)
    return means[0], means[1]


def _total(columns: Sequence[np.ndarray]) -> int | None:
    """The sum of what is known; None where nothing is."""
    known = np.concatenate(columns)
    known = known[np.isfinite(known)]
    return int(known.sum()) if known.size else None


def _read_chain(reading: VolatilityReading, chain: Chain) -> None:
    term = term_structure([expiry.smile for expiry in chain.expiries])
    maturity = term.constant_maturity()
    reading.taken_at, reading.term, reading.expiries = chain.taken_at, term, chain.expiries
    reading.atm, reading.days, reading.interpolated = maturity.volatility, maturity.days, maturity.interpolated
    reading.readings = tuple(term_reading(term, days) for days in MATURITIES)
    reading.skew = quarter_delta_skew(_nearest(chain, maturity.days))
    reading.flags = [*chain.flags, *term.flags, *(flag for expiry in chain.expiries for flag in expiry.flags)]


def _stand(reading: VolatilityReading, past: IvHistory, lookback: int) -> None:
    reading.standing = past.standing(lookback=lookback)
    reading.standings = {sessions: past.standing(lookback=sessions) for sessions in LOOKBACKS}
    mixed = past.mixed(lookback=lookback)
    if mixed and isinstance(reading.standing, Standing):
        reading.flags.append(mixed)


def iv_history(symbols: Sequence[str], *, before: date) -> dict[str, IvHistory]:
    """What is remembered of each symbol before a day, up to the longest lookback (one query)."""
    found: dict[str, IvHistory] = {}
    rows = IvSummary.objects.filter(symbol__in=list(symbols), date__lt=before).order_by("symbol", "date")
    for symbol, volatility, days, session in rows.values_list("symbol", "atm_iv", "days_to_expiry", "date"):
        past = found.setdefault(symbol, IvHistory())
        past.volatilities.append(volatility)
        past.days.append(days)
        past.newest = session
    return {
        symbol: IvHistory(past.volatilities[-LONGEST_LOOKBACK:], past.days[-LONGEST_LOOKBACK:], past.newest)
        for symbol, past in found.items()
    }


def atm_volatility(chain: Chain) -> ConstantMaturity:
    """At-the-money volatility of a chain, as the history keeps it: at 30 days where two expiries reach around them."""
    return term_structure([expiry.smile for expiry in chain.expiries]).constant_maturity()


def _realised(candles: Bars | None, implied: float | None, as_of: datetime) -> Realised | Reason:
    needed, known = REALISED_SESSIONS + 1, 0 if candles is None else len(candles)
    if candles is None or known < needed:
        sentence = f"There are {known} of the {needed} daily bars this needs."
        return Reason("INSUFFICIENT_HISTORY", sentence, "Import cash bhavcopies.")
    recent = candles.since(known - needed)
    opens, highs, lows, closes = recent.opens, recent.highs, recent.lows, recent.closes
    if (np.abs(np.log(opens[1:] / closes[:-1])) > SPLIT_MOVE).any():
        sentence = f"A price moved by more than {SPLIT_MOVE:.0%} overnight: a split the bars are not adjusted for?"
        return Reason("SPLIT_SUSPECTED", sentence, "Wait until the window has passed it, or import adjusted bars.")
    inside: dict[str, Any] = {"opens": opens[1:], "highs": highs[1:], "lows": lows[1:], "closes": closes[1:]}
    try:
        return Realised(
            close_to_close=float(realised_volatility(closes)),
            parkinson=float(parkinson(highs=highs[1:], lows=lows[1:])),
            garman_klass=float(garman_klass(**inside)),
            rogers_satchell=float(rogers_satchell(**inside)),
            yang_zhang=float(yang_zhang(opens=opens, highs=highs, lows=lows, closes=closes)),
            ewma=float(ewma_volatility(closes)),
            forecast=_forecast(candles, implied, as_of),
            sessions=REALISED_SESSIONS,
        )
    except OptionsError as error:
        return error.reason


def _forecast(candles: Bars, implied: float | None, as_of: datetime) -> float | None:
    """What the generator expects too: one past, of all sessions since the newest break, and one set of weights."""
    past = past_of(candles, as_of=as_of)
    return None if past is None else float(np.sqrt(forecast_variance(past.variances, implied=implied)))


def _groups(day: date) -> tuple[dict[str, str], dict[str, float]]:
    """The sector of each underlying, and the volatility of each that has one on the day."""
    sectors = dict(Underlying.objects.values_list("symbol", "sector"))
    newest = dict(IvSummary.objects.filter(date=day).values_list("symbol", "atm_iv"))
    return sectors, newest


def _compare(reading: VolatilityReading, sectors: dict[str, str], newest: dict[str, float]) -> None:
    others = {symbol: volatility for symbol, volatility in newest.items() if symbol != reading.symbol}
    sector = sectors.get(reading.symbol, "")
    peers = [volatility for symbol, volatility in others.items() if sectors.get(symbol) == sector]
    own = reading.atm or 0.0
    reading.sector = relative_volatility(own, peers, group=sector)
    reading.market = relative_volatility(own, list(others.values()), group=_MARKET)
