"""From the quotes a source gave to a chain one can calculate on: touches, the quality gate, forward and smile."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Literal

import numpy as np

from market.calendar import IST, years_to
from market.chain import Chain, ExpiryChain, Flags, Floats, OptionSide
from market.contract import OptionType
from market.errors import BadChain, OptionsError, Reason
from market.ports import CapturedChain, CapturedQuote
from market.quant.forward import implied_forward
from market.quant.implied import implied_volatility
from market.quant.smile import Smile, fit_smile

# Half spread of a source without a book: rupees plus a share of the last price. Median of 6,124 quotes of five
# stocks in NSE's 2019 chain pages: 0.10 at ₹1-2, 0.15 at ₹5-10, 0.28 at ₹20-50, 1.2 at ₹50-100, 2.7 at ₹100-200.
MODELLED_HALF_SPREAD_RUPEES = 0.05
MODELLED_HALF_SPREAD_SHARE = 0.015
# Depth of such a touch: the median of 6,890 quotes of four of those stocks is two lots on either side, whatever the
# session's volume (quartiles 1 and 3-4).
MODELLED_DEPTH_LOTS = 2

WIDEST_SPREAD_SHARE = 0.50  # of the mid; wider is no market
WIDEST_SPREAD_TICKS = 8  # cheap options are always wide in per cent
OFF_SMILE_SHARE = 0.15  # of the fair price
OFF_SMILE_TICKS = 4

_FIELDS = ("bid", "ask", "last_price", "volume", "open_interest")


def assemble(
    captured: CapturedChain,
    *,
    lot_sizes: Mapping[date, int],
    tick_size: float,
    exchange: Literal["NSE", "BSE"] = "NSE",
) -> Chain:
    """Turn captured quotes into a chain; expiries that cannot be read become flags, never guesses.

    Parameters
    ----------
    captured : CapturedChain
        Prices in rupees per unit.
    lot_sizes : Mapping[date, int]
        Units per lot, by expiry, from the master. An expiry without a lot is left out (NO_LOT_SIZE).
    tick_size : float
        Rupees.
    exchange : str
        Whose calendar ends the day of expiry.

    Returns
    -------
    Chain
        At least one expiry, in order.

    Raises
    ------
    BadChain
        NO_USABLE_EXPIRY when no expiry survives; the flags say why.
    """
    expiries, flags = [], []
    for expiry, quotes in sorted(_by_expiry(captured.quotes).items()):
        outcome = _expiry(captured, expiry, quotes, lot_sizes.get(expiry), tick_size, exchange)
        if isinstance(outcome, Reason):
            flags.append(outcome)
        else:
            expiries.append(outcome)
    if not expiries:
        why = "; ".join(flag.sentence for flag in flags) or "it holds no quotes"
        raise BadChain(
            Reason("NO_USABLE_EXPIRY", f"The chain of {captured.underlying} cannot be used: {why}.", "Import another.")
        )
    return Chain(
        underlying=captured.underlying,
        taken_at=captured.taken_at,
        source=captured.source,
        spot=captured.spot if captured.spot is not None else expiries[0].forward,
        tick_size=tick_size,
        is_index=captured.is_index,
        expiries=tuple(expiries),
        flags=tuple(flags),
    )


def has_book(quotes: Iterable[CapturedQuote]) -> bool:
    """Whether the source records bids and asks at all; if so, what has none has no market."""
    return any(quote.bid is not None or quote.ask is not None for quote in quotes)


def modelled_touch(last_price: float, tick_size: float) -> tuple[float, float]:
    """Bid and ask (rupees, on tick) around a last price, for sources that record no book."""
    half = MODELLED_HALF_SPREAD_RUPEES + MODELLED_HALF_SPREAD_SHARE * last_price
    bid = np.floor((last_price - half) / tick_size + 1e-9) * tick_size
    ask = np.ceil((last_price + half) / tick_size - 1e-9) * tick_size
    return round(float(bid), 4), round(float(ask), 4)


def _by_expiry(quotes: Iterable[CapturedQuote]) -> dict[date, list[CapturedQuote]]:
    groups: dict[date, list[CapturedQuote]] = {}
    for quote in quotes:
        groups.setdefault(quote.expiry, []).append(quote)
    return groups


def _expiry(
    captured: CapturedChain,
    expiry: date,
    quotes: Sequence[CapturedQuote],
    lot_size: int | None,
    tick_size: float,
    exchange: str,
) -> ExpiryChain | Reason:
    label = f"{captured.underlying} {expiry:%d %b %Y}"
    if lot_size is None:
        return Reason("NO_LOT_SIZE", f"{label} has no lot size in the master", "Import a master that lists it.")
    try:
        years = years_to(expiry, captured.taken_at, exchange=exchange)
        strikes = np.array(sorted({quote.strike for quote in quotes}))
        modelled = not has_book(captured.quotes)
        calls = _side(quotes, OptionType.CALL, strikes, tick_size, modelled=modelled)
        puts = _side(quotes, OptionType.PUT, strikes, tick_size, modelled=modelled)
        forward = _forward(strikes, calls, puts, captured.spot)
        smile = _smile(strikes, calls, puts, forward, years)
    except OptionsError as error:
        return Reason(error.reason.code, f"{label}: {error.reason.sentence}", error.reason.remedy)
    return ExpiryChain(
        expiry=expiry,
        years=years,
        days_to_expiry=(expiry - captured.taken_at.astimezone(IST).date()).days,
        strikes=strikes,
        calls=_gated(calls, strikes, smile, tick_size, is_call=True),
        puts=_gated(puts, strikes, smile, tick_size, is_call=False),
        forward=forward,
        smile=smile,
        lot_size=lot_size,
    )


def _side(
    quotes: Sequence[CapturedQuote], option_type: OptionType, strikes: Floats, tick_size: float, *, modelled: bool
) -> OptionSide:
    """One side as arrays, with a modelled touch where the source has no book at all."""
    place = {strike: index for index, strike in enumerate(strikes.tolist())}
    columns = {field: np.full(strikes.size, np.nan) for field in _FIELDS}
    for quote in quotes:
        if quote.option_type is option_type:
            for field in _FIELDS:
                value = getattr(quote, field)
                columns[field][place[quote.strike]] = np.nan if value is None else value
    if modelled:
        columns["bid"], columns["ask"] = _modelled(columns["last_price"], columns["volume"], tick_size)
    return OptionSide(
        **columns,
        implied_volatility=np.full(strikes.size, np.nan),
        usable=_tradable(columns["bid"], columns["ask"], tick_size),
        touch_modelled=modelled,
    )


def _modelled(last_prices: Floats, volumes: Floats, tick_size: float) -> tuple[Floats, Floats]:
    """Touches from last prices; what did not trade in the session (volume 0) has none."""
    traded = np.isfinite(last_prices) & ~(volumes == 0)
    touches = [modelled_touch(price, tick_size) for price in last_prices[traded].tolist()]
    bids, asks = np.full(last_prices.size, np.nan), np.full(last_prices.size, np.nan)
    if touches:
        bids[traded], asks[traded] = np.array(touches).T
    return np.where(bids >= tick_size, bids, np.nan), asks


def _tradable(bids: Floats, asks: Floats, tick_size: float) -> Flags:
    """Both sides there and positive, not crossed, and near enough to each other to be a market."""
    spread = asks - bids
    widest = np.maximum(WIDEST_SPREAD_SHARE * (asks + bids) / 2, WIDEST_SPREAD_TICKS * tick_size)
    result: Flags = np.isfinite(spread) & (bids > 0) & (spread >= 0) & (spread <= widest + 1e-9)
    return result


def _mid(side: OptionSide) -> Floats:
    return np.where(side.usable, (side.bid + side.ask) / 2, np.nan)


def _forward(strikes: Floats, calls: OptionSide, puts: OptionSide, spot: float | None) -> float:
    return implied_forward(strikes=strikes, call_prices=_mid(calls), put_prices=_mid(puts), spot=spot).forward


def _smile(strikes: Floats, calls: OptionSide, puts: OptionSide, forward: float, years: float) -> Smile:
    """Fit to the out-of-the-money side of every strike, trusting what trades more and is tighter."""
    is_call = strikes >= forward
    mids = np.where(is_call, _mid(calls), _mid(puts))
    spreads = np.where(is_call, calls.ask - calls.bid, puts.ask - puts.bid)
    quoted = np.isfinite(mids)
    volatilities = np.full(strikes.size, np.nan)
    volatilities[quoted] = implied_volatility(
        price=mids[quoted], forward=forward, strike=strikes[quoted], years=years, is_call=is_call[quoted]
    )
    interest = np.nan_to_num(np.where(is_call, calls.open_interest, puts.open_interest))
    weights = np.where(quoted, np.sqrt(1 + interest) / (0.02 + np.nan_to_num(spreads / mids, nan=1.0)), 0.0)
    return fit_smile(forward=forward, years=years, strikes=strikes, volatilities=volatilities, weights=weights)


def _gated(side: OptionSide, strikes: Floats, smile: Smile, tick_size: float, *, is_call: bool) -> OptionSide:
    """Refuse quotes that the rest of the expiry contradicts, and read each strike's volatility off the smile."""
    fair = smile.prices(strikes, np.full(strikes.size, is_call))
    tolerance = np.maximum(OFF_SMILE_SHARE * fair, OFF_SMILE_TICKS * tick_size) + (side.ask - side.bid) / 2
    on_smile = np.abs((side.bid + side.ask) / 2 - fair) <= tolerance
    return OptionSide(
        bid=side.bid,
        ask=side.ask,
        last_price=side.last_price,
        volume=side.volume,
        open_interest=side.open_interest,
        implied_volatility=smile.volatility(strikes),
        usable=side.usable & on_smile,
        touch_modelled=side.touch_modelled,
    )
