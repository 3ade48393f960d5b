"""The rules every captured chain passes, whatever it was read from: what is absent, wrong or cannot be."""

import math
from collections import Counter
from datetime import date

from market.errors import BadChain, Reason
from market.ports import CapturedChain, CapturedQuote
from market.readers.rows import is_symbol

PRICE_FLOOR, PRICE_CEILING = 0.0001, 10_000_000.0  # rupees: the bounds of the tables
COUNT_CEILING = 10**15
VOLATILITY_CEILING = 100.0  # a fraction: 10,000 %


def sift(chain: CapturedChain, *, day: date) -> tuple[CapturedChain, Counter[str]]:
    """Drop the quotes that must not be used and count them by reason code.

    `day` is the chain's session (IST). Quotes in which the source says nothing at all are left out without
    being counted. Quotes come back ordered by expiry, strike and type. Raises BadChain when the symbol or the spot
    cannot be one, or no quote is left.
    """
    if not is_symbol(chain.underlying):
        raise BadChain(Reason("BAD_SYMBOL", f"{chain.underlying[:60]!r} is not a symbol."))
    _check_spot(chain)
    rejected: Counter[str] = Counter()
    kept: dict[tuple[date, float, str], CapturedQuote] = {}
    for quote in chain.quotes:
        key = (quote.expiry, quote.strike, quote.option_type.code)
        code = _fault(quote, day) or ("DUPLICATE" if key in kept else None)
        if code is not None:
            rejected[code] += 1
        elif not _silent(quote):
            kept[key] = quote
    if not kept:
        raise BadChain(Reason("NO_ROWS", f"The chain of {chain.underlying} has no usable quote.", _lost(rejected)))
    quotes = tuple(kept[key] for key in sorted(kept))
    clean = CapturedChain(chain.underlying, chain.taken_at, chain.source, chain.spot, quotes, chain.is_index)
    return clean, rejected


def _check_spot(chain: CapturedChain) -> None:
    spot = chain.spot
    if spot is None and chain.is_index:
        return
    if spot is None or spot == 0:
        raise BadChain(Reason("ZERO_SPOT", f"The chain of {chain.underlying} has no underlying price."))
    if not PRICE_FLOOR <= spot <= PRICE_CEILING:
        raise BadChain(Reason("BAD_SPOT", f"{spot} is not a price of {chain.underlying}."))


def _fault(quote: CapturedQuote, day: date) -> str | None:
    if quote.expiry < day:
        return "EXPIRED"
    if not PRICE_FLOOR <= quote.strike <= PRICE_CEILING:
        return "BAD_STRIKE"
    for price in (quote.last_price, quote.bid, quote.ask):
        if price is not None and not PRICE_FLOOR <= price <= PRICE_CEILING:
            return _price_fault(price)
    return _count_fault(quote) or _book_fault(quote)


def _price_fault(price: float) -> str:
    if not math.isfinite(price):
        return "NOT_FINITE"
    return "NEGATIVE_PRICE" if price < 0 else "PRICE_OUT_OF_BOUNDS"


def _count_fault(quote: CapturedQuote) -> str | None:
    for count in (quote.volume, quote.open_interest, quote.bid_quantity, quote.ask_quantity):
        if count is not None and not 0 <= count <= COUNT_CEILING:
            return "BAD_COUNT"
    return None


def _book_fault(quote: CapturedQuote) -> str | None:
    volatility = quote.implied_volatility
    if volatility is not None and not 0 <= volatility <= VOLATILITY_CEILING:
        return "BAD_VOLATILITY"
    if quote.bid is not None and quote.ask is not None and quote.bid > quote.ask:
        return "CROSSED"
    return None


def _silent(quote: CapturedQuote) -> bool:
    said = (quote.last_price, quote.bid, quote.ask, quote.volume, quote.open_interest)
    return all(value is None for value in said)


def _lost(rejected: Counter[str]) -> str:
    return f"Rejected: {', '.join(f'{code} {count}' for code, count in sorted(rejected.items()))}." if rejected else ""
