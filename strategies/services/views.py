"""Computes the market views of many underlyings at one moment, and keeps them."""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal

from market.chain import Chain
from market.errors import InvalidInput, OptionsError, Reason
from market.models import MarketView
from market.quant.indicators import Bars
from market.quant.levels import Interest
from market.quant.regime import index_regime, index_trend, vix_regime
from market.services.candles import closed_candles, sessions_late
from market.services.daily_bars import WEATHER
from market.services.interest import nearest_interest
from strategies.observe import interest_of
from strategies.view import View, Weather, view

logger = logging.getLogger(__name__)

INDEX, VIX = WEATHER
MOST_LATE = 5  # sessions a candle may be late before it says nothing of today
_NOT_UPDATED = ("id", "symbol", "as_of", "created_at")


def views_for(
    symbols: Sequence[str], *, as_of: datetime, chains: Mapping[str, Chain | OptionsError] | None = None
) -> dict[str, View | Reason]:
    """One view, or the reason there is none, per symbol: two queries, one when the chains are given."""
    candles = closed_candles([*symbols, INDEX, VIX], as_of=as_of)
    interests = nearest_interest(symbols, as_of=as_of) if chains is None else _interests(symbols, chains)
    now = weather(candles, as_of=as_of)
    return {symbol: view_at(symbol, candles.get(symbol), interests[symbol], now, as_of) for symbol in symbols}


def _interests(symbols: Sequence[str], chains: Mapping[str, Chain | OptionsError]) -> dict[str, Interest | Reason]:
    missing = Reason("NO_CHAIN", "No chain was given.", "Import or capture one.")
    found: dict[str, Interest | Reason] = {}
    for symbol in symbols:
        chain = chains.get(symbol)
        found[symbol] = interest_of(chain) if isinstance(chain, Chain) else chain.reason if chain else missing
    return found


def view_at(
    symbol: str, bars: Bars | None, interest: Interest | Reason, now: Weather, as_of: datetime
) -> View | Reason:
    """The view of one underlying from what was read of it, or the reason there is none."""
    late = _late(symbol, bars, as_of)
    if bars is None or isinstance(late, Reason):
        return late if isinstance(late, Reason) else _no_candles(symbol)
    try:
        return view(symbol, bars, interest=interest, weather=now, sessions_late=late)
    except InvalidInput as error:
        return error.reason


def _late(symbol: str, bars: Bars | None, as_of: datetime) -> int | Reason:
    if bars is None:
        return _no_candles(symbol)
    day = bars.days[-1].astype(object)
    late = sessions_late(day, as_of=as_of)
    if late <= MOST_LATE:
        return late
    return Reason("STALE_CANDLES", f"The newest candle of {symbol} is of {day}, {late} sessions ago.", "Import newer.")


def _no_candles(symbol: str) -> Reason:
    remedy = "Run import_history or import_bhavcopy."
    return Reason("NO_CANDLES", f"No closed candle of {symbol} is stored for the last two years.", remedy)


def weather(candles: Mapping[str, Bars], *, as_of: datetime) -> Weather:
    """Read the index and India VIX out of closed candles; a Reason for what is missing or old."""
    late = {symbol: _late(symbol, candles.get(symbol), as_of) for symbol in (INDEX, VIX)}
    trend, vix = late[INDEX], late[VIX]
    value = trend if isinstance(trend, Reason) else float(index_trend(candles[INDEX])[-1])
    if isinstance(value, float) and math.isnan(value):
        sentence = f"The trend of {INDEX} needs 61 closed candles, has {len(candles[INDEX])}."
        value = Reason("TOO_FEW_CANDLES", sentence, "Import more history with import_history.")
    return Weather(
        trend=value,
        regime=value if isinstance(value, Reason) else index_regime(value),
        vix=vix if isinstance(vix, Reason) else vix_regime(candles[VIX].closes),
    )


def store_views(views: Mapping[str, View | Reason], *, as_of: datetime) -> int:
    """Keep every view of a moment; computing it again corrects it. Returns how many are stored."""
    rows = _stored([found for found in views.values() if isinstance(found, View)], as_of)
    logger.info("Market views of %s stored: %d", as_of, len(rows))
    return len(rows)


def store_view(found: View, *, as_of: datetime) -> MarketView:
    """Keep one view (one statement); computing it again corrects it."""
    (row,) = _stored([found], as_of)
    return row


def _stored(views: Sequence[View], as_of: datetime) -> list[MarketView]:
    fields = [field.name for field in MarketView._meta.concrete_fields if field.name not in _NOT_UPDATED]
    return MarketView.objects.bulk_create(
        [_row(found, as_of) for found in views],
        update_conflicts=True,
        unique_fields=["symbol", "as_of"],
        update_fields=fields,
        batch_size=500,
    )


def _row(found: View, as_of: datetime) -> MarketView:
    vix, regime = found.weather.vix, found.weather.regime
    volatility = found.volatility
    return MarketView(
        symbol=found.symbol,
        as_of=as_of,
        candle_day=found.day,
        direction=found.direction,
        direction_label=found.label,
        strength=found.strength,
        confidence=found.confidence,
        agreement=found.agreement,
        tested_direction=found.tested.total if found.tested else None,
        components=dict(found.components),
        waterfall=dict(found.waterfall.contributions),
        weights=dict(found.waterfall.weights),
        missing={name: {"code": why.code, "sentence": why.sentence} for name, why in found.missing.items()},
        flags=[str(flag) for flag in found.flags],
        **{name: _price(value) for name, value in asdict(found.levels).items()},
        atr_pct=volatility.atr_fraction,
        adx=volatility.adx,
        rsi=volatility.rsi,
        realised_volatility=volatility.realised,
        width_percentile=volatility.width_percentile,
        volatility_change=volatility.change,
        index_regime="" if isinstance(regime, Reason) else regime,
        vix_regime="" if isinstance(vix, Reason) else vix.band,
        vix=None if isinstance(vix, Reason) else vix.close,
        vix_percentile=None if isinstance(vix, Reason) else vix.percentile,
    )


def _price(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(f"{value:.4f}")
