"""What is stored of symbols up to a moment, read for several at once: statements cost as much as their rows."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from market.calendar import IST
from market.chain import Chain
from market.errors import OptionsError
from market.quant.indicators import Bars
from market.services.candles import closed_candles
from market.services.load import load_chains
from market.services.volatility import IvHistory, iv_history
from strategies.models import SymbolResult

logger = logging.getLogger(__name__)

TOGETHER = 16  # symbols read at once: more save nothing, and wait in memory


@dataclass(frozen=True, slots=True)
class Known:
    """One symbol: its chain or why there is none, closed sessions, volatility of the days before."""

    chain: Chain | OptionsError
    bars: Bars | None
    volatilities: IvHistory


def known_of(symbols: Sequence[str], *, as_of: datetime) -> dict[str, Known]:
    """Read what is known of each symbol (at most ten queries, however many symbols)."""
    chains, bars = load_chains(symbols, as_of=as_of), closed_candles(symbols, as_of=as_of)
    histories = iv_history(symbols, before=as_of.astimezone(IST).date())
    return {symbol: Known(chains[symbol], bars.get(symbol), histories.get(symbol, IvHistory())) for symbol in symbols}


def with_known(share: Sequence[int]) -> Iterator[tuple[int, Known | None]]:
    """Yield each order of one run with what is known of its symbol; None leaves the reading to who does the order."""
    for start in range(0, len(share), TOGETHER):
        group = share[start : start + TOGETHER]
        known = _read(group)
        yield from ((pk, known.get(pk)) for pk in group)


def _read(group: Sequence[int]) -> Mapping[int, Known]:
    pending = SymbolResult.objects.filter(pk__in=group, status="pending").order_by("pk")
    rows = list(pending.values_list("pk", "symbol", "run__as_of"))
    if not rows:
        return {}
    moment = rows[0][2]
    symbols = {pk: symbol for pk, symbol, as_of in rows if as_of == moment}
    try:
        with transaction.atomic():  # a broken statement must not take a caller's transaction with it
            found = known_of(list(symbols.values()), as_of=moment)
    except Exception:  # one symbol's bug must not stop the other fifteen: each is read with its own order
        logger.exception("reading %s together failed", ", ".join(symbols.values()))
        return {}
    return {pk: found[symbol] for pk, symbol in symbols.items()}
