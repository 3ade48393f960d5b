"""`volatility`: what is known of each underlying's implied and realised volatility, or why it is not."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.core.management.base import CommandParser

from market.console import FAILED, ConsoleCommand, now_or, percent, row_count, table
from market.errors import Reason
from market.quant.volatility import LONGEST_LOOKBACK, Standing
from market.services.capture import capturable
from market.services.volatility import (
    HIGH,
    LOW,
    Realised,
    TermReading,
    VolatilityReading,
    read_volatility,
    record_sessions,
)

COLUMNS = ("Symbol", "ATM IV", "Days", "Skew 25Δ", "Term", "Realised", "Forecast", "IV/RV", "Rank", "Percentile",
           "Sector ×", "Market ×", "Why not")  # fmt: skip
ESTIMATORS = {
    "close_to_close": "Close to close",
    "parkinson": "Parkinson",
    "garman_klass": "Garman–Klass",
    "rogers_satchell": "Rogers–Satchell",
    "yang_zhang": "Yang–Zhang",
    "ewma": "EWMA",
    "forecast": "Forecast",
}
TERM = ("Days", "Forward", f"IV at {LOW:.0%}", "IV at the forward", f"IV at {HIGH:.0%}", "Fit error", "Read")
STANDING = ("Sessions", "Rank", "Percentile", "Low", "High", "Why not")
RIGHT = tuple(column for column in COLUMNS if column not in ("Symbol", "Term", "Why not"))


class Command(ConsoleCommand):
    """Show volatility."""

    help = "At-the-money volatility, skew, term structure, realised volatility, rank and percentile, or the reason."

    def add_arguments(self, parser: CommandParser) -> None:
        """Which underlyings, how far back, and whether to write the history first."""
        parser.add_argument(
            "--symbol", action="append", type=str.upper, metavar="S", help="only these; may be repeated"
        )
        parser.add_argument("--lookback", type=row_count, default=LONGEST_LOOKBACK, metavar="N", help="sessions, 5-252")
        parser.add_argument("--record", action="store_true", help="first write every stored session not yet written")

    def run(self, **options: Any) -> int | None:
        """Report; exit code 1 when no underlying has a volatility."""
        symbols, as_of = options["symbol"] or capturable(), now_or(options["as_of"])
        written = self._record(symbols, as_of) if options["record"] else 0
        readings = read_volatility(symbols, as_of=as_of, lookback=options["lookback"])
        shown = [table("Volatility", COLUMNS, [_row(reading) for reading in readings], right=RIGHT)]
        noted = [(reading.symbol, flag.code, flag.sentence) for reading in readings for flag in reading.flags]
        if options["symbol"]:
            shown += [part for reading in readings for part in _details(reading)]
        if noted:
            shown.append(table("Doubtful", ("Symbol", "Reason", "Why"), noted))
        self.emit({"written": written, "symbols": [_plain(reading) for reading in readings]}, *shown)
        return None if any(reading.atm is not None for reading in readings) else FAILED

    def _record(self, symbols: Sequence[str], as_of: datetime) -> int:
        with self.progress("Volatility history") as advance:
            return record_sessions(symbols, as_of, progress=advance)


def _row(reading: VolatilityReading) -> list[Any]:
    realised = reading.realised if isinstance(reading.realised, Realised) else None
    standing = reading.standing if isinstance(reading.standing, Standing) else None
    ratio = reading.iv_over_realised
    term = ", ".join(f"{expiry.days_to_expiry}d {percent(expiry.smile.atm_volatility)}" for expiry in reading.expiries)
    return [
        reading.symbol,
        percent(reading.atm),
        None if reading.days is None else f"{reading.days:.0f}",
        percent(reading.skew),
        term or None,
        percent(realised.yang_zhang if realised else None),
        percent(realised.forecast if realised else None),
        None if ratio is None else f"{ratio:.2f}",
        percent(standing.rank if standing else None, places=0),
        percent(standing.percentile if standing else None, places=0),
        *(f"{value:.2f}" if isinstance(value, float) else None for value in (reading.sector, reading.market)),
        ", ".join(dict.fromkeys(reason.code for reason in _reasons(reading).values())) or None,
    ]


def _reasons(reading: VolatilityReading) -> dict[str, Reason]:
    """Why something is not a number, by what it is."""
    known = {
        "atm_iv": reading.reason,
        "realised": reading.realised,
        "rank": reading.standing,
        "sector": reading.sector,
        "market": reading.market,
    }
    return {name: value for name, value in known.items() if isinstance(value, Reason)}


def _plain(reading: VolatilityReading) -> dict[str, Any]:
    realised = reading.realised if isinstance(reading.realised, Realised) else None
    standing = reading.standing if isinstance(reading.standing, Standing) else None
    fields = (*ESTIMATORS, "sessions")
    return {
        "symbol": reading.symbol,
        "taken_at": reading.taken_at,
        "atm_iv": reading.atm,
        "days": reading.days,
        "interpolated": reading.interpolated,
        "skew": reading.skew,
        "term": [_term(expiry) for expiry in reading.expiries],
        "realised": realised and {name: getattr(realised, name) for name in fields},
        "iv_over_realised": reading.iv_over_realised,
        "standing": standing and _standing(standing),
        "standings": [_standing(each) for each in reading.standings.values() if isinstance(each, Standing)],
        "term_readings": [asdict(each) for each in reading.readings],
        "relative_to_sector": reading.sector if isinstance(reading.sector, float) else None,
        "relative_to_market": reading.market if isinstance(reading.market, float) else None,
        "reasons": {name: reason.code for name, reason in _reasons(reading).items()},
        "flags": [flag.code for flag in reading.flags],
    }


def _standing(standing: Standing) -> dict[str, Any]:
    ranks = ("rank", "percentile", "low", "high", "observations", "lookback")
    return {name: getattr(standing, name) for name in ranks}


def _details(reading: VolatilityReading) -> list[Any]:
    """Every estimator, the term structure between its expiries, and rank and percentile over each lookback."""
    parts: list[Any] = []
    if isinstance(reading.realised, Realised):
        words = list(ESTIMATORS.values())
        row = [percent(getattr(reading.realised, name)) for name in ESTIMATORS]
        title = f"{reading.symbol}: realised over {reading.realised.sessions} sessions, and the forecast"
        parts.append(table(title, words, [row], right=words))
    if reading.readings:
        rows = [_term_row(each) for each in reading.readings]
        parts.append(table(f"{reading.symbol}: term structure", TERM, rows, right=TERM[:6]))
    if reading.standings:
        rows = [_standing_row(sessions, each) for sessions, each in reading.standings.items()]
        parts.append(table(f"{reading.symbol}: implied volatility in its history", STANDING, rows, right=STANDING[:5]))
    return parts


def _term_row(each: TermReading) -> list[Any]:
    levels = [percent(level) for level in (each.low, each.atm, each.high, each.fit_error)]
    return [each.days, f"{each.forward:,.2f}", *levels, "between expiries" if each.between_expiries else "flat beyond"]


def _standing_row(sessions: int, each: Standing | Reason) -> list[Any]:
    if isinstance(each, Reason):
        return [sessions, None, None, None, None, each.code]
    shares = [percent(value, places=0) for value in (each.rank, each.percentile)]
    return [sessions, *shares, percent(each.low), percent(each.high), None]


def _term(expiry: Any) -> dict[str, Any]:
    return {
        "expiry": expiry.expiry,
        "days": expiry.days_to_expiry,
        "atm_iv": expiry.smile.atm_volatility,
        "skew_slope": expiry.smile.skew,
        "fit_error": expiry.smile.rmse,
        "quality": expiry.smile.quality,
        "forward": expiry.forward,
        "carry": expiry.carry,
    }
