"""The market feed: the newest quote of each wanted instrument, and how old it is."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import urlencode

from execution.brokers.dhan.packets import DISCONNECT, FULL, QUOTE, SEGMENT_CODES, TICKER, BadFrame, Packet, packets
from execution.brokers.dhan.supervision import Ended, Send, why_of_code
from execution.brokers.dhan.token import Credential

FULL_ON, FULL_OFF = 21, 22
PER_MESSAGE, PER_CONNECTION = 100, 5_000
SILENCE_SECONDS = 30.0
_PRICED = frozenset({TICKER, QUOTE, FULL})
_JUMP = Decimal(3)  # a price three times the last, or a third of it, is believed when the next one agrees
_AGREES = Decimal("1.2")

Instrument = tuple[str, str]  # segment, security id


@dataclass(frozen=True, slots=True)
class FeedQuote:
    """The newest word on one instrument, rupees and units; `arrived` is process time, `traded_at` a UTC epoch."""

    last_price: Decimal
    arrived: float
    traded_at: int | None
    bid: Decimal | None = None
    ask: Decimal | None = None
    bid_quantity: int = 0
    ask_quantity: int = 0
    volume: int | None = None
    open_interest: int | None = None


class MarketFeed:
    """Says what it wants on every opening and whenever that changes; keeps one quote per instrument, no queue."""

    name = "market feed"

    def __init__(self, url: str, *, elapsed: Callable[[], float], silence_seconds: float = SILENCE_SECONDS) -> None:
        self._url, self._elapsed, self.silence_seconds = url, elapsed, silence_seconds
        self._wanted: frozenset[Instrument] = frozenset()
        self._subscribed: frozenset[Instrument] = frozenset()
        self._quotes: dict[Instrument, FeedQuote] = {}
        self._doubted: dict[Instrument, Decimal] = {}
        self._data_at: float | None = None
        self.rejected = 0

    def want(self, instruments: Iterable[Instrument]) -> None:
        """Replace the set of wanted instruments; safe from any thread, for it swaps one name."""
        wanted = frozenset(instruments)
        strange = [one for one in wanted if one[0] not in SEGMENT_CODES or not one[1].isdecimal()]
        if strange or len(wanted) > PER_CONNECTION:
            raise ValueError(f"{len(wanted)} instruments, {len(strange)} of them unknown: at most {PER_CONNECTION}.")
        self._wanted = wanted

    def latest(self, segment: str, security_id: str) -> FeedQuote | None:
        """The newest quote, or None when none came since it was wanted."""
        return self._quotes.get((segment, security_id))

    def age(self, segment: str, security_id: str) -> float | None:
        """Seconds since the last data frame of this instrument; the line being alive does not count."""
        quote = self.latest(segment, security_id)
        return None if quote is None else self._elapsed() - quote.arrived

    def silent_for(self) -> float | None:
        """Seconds since the last data frame of any instrument; tells a dead feed from an untraded contract."""
        return None if self._data_at is None else self._elapsed() - self._data_at

    def address(self, who: Credential) -> str:
        """Dhan wants the token in the address."""
        query = {"version": "2", "token": who.access_token, "clientId": who.client_id, "authType": "2"}
        return f"{self._url.rstrip('/')}/?{urlencode(query)}"

    async def opened(self, send: Send, who: Credential) -> None:
        """A new connection knows of nothing."""
        self._subscribed = frozenset()
        await self._subscribe(send)

    async def beat(self, send: Send) -> bool:
        """Bring the connection in line with what is wanted."""
        await self._subscribe(send)
        return bool(self._wanted)

    async def _subscribe(self, send: Send) -> None:
        wanted = self._wanted
        if wanted is self._subscribed:
            return
        for code, changed in ((FULL_OFF, self._subscribed - wanted), (FULL_ON, wanted - self._subscribed)):
            for batch in _batches(sorted(changed)):
                await send(_request(code, batch))
        for gone in self._subscribed - wanted:
            self._quotes.pop(gone, None)
            self._doubted.pop(gone, None)
        self._subscribed = wanted

    def received(self, message: str | bytes) -> bool:
        """Keep what can be believed; a bad frame is counted and forgotten."""
        fresh = False
        try:
            for packet in packets(message):
                if packet.code == DISCONNECT:
                    raise Ended(why_of_code(packet.reason or 0))
                fresh = self._take(packet) or fresh
        except BadFrame:
            self.rejected += 1
        return fresh

    def _take(self, packet: Packet) -> bool:
        instrument = (packet.segment, packet.security_id)
        if packet.code not in _PRICED or packet.last_price is None or instrument not in self._wanted:
            return False
        self._data_at = self._elapsed()
        if not self._believable(instrument, packet.last_price):
            self.rejected += 1
            return False
        before = self._quotes.get(instrument)
        self._quotes[instrument] = FeedQuote(
            last_price=packet.last_price,
            arrived=self._data_at,
            traded_at=packet.traded_at,
            bid=packet.bid,
            ask=packet.ask,
            bid_quantity=packet.bid_quantity,
            ask_quantity=packet.ask_quantity,
            volume=packet.volume,
            open_interest=packet.open_interest or (before.open_interest if before else None),
        )
        return True

    def _believable(self, instrument: Instrument, price: Decimal) -> bool:
        """Whether a price is near the last one, or repeats a jump that was doubted once."""
        known = self._quotes.get(instrument)
        doubted = self._doubted.pop(instrument, None)
        if known is None or _within(price, known.last_price, _JUMP) or (doubted and _within(price, doubted, _AGREES)):
            return True
        self._doubted[instrument] = price
        return False


def _within(price: Decimal, other: Decimal, factor: Decimal) -> bool:
    return other / factor <= price <= other * factor


def _batches(instruments: Sequence[Instrument]) -> Iterable[Sequence[Instrument]]:
    return (instruments[start : start + PER_MESSAGE] for start in range(0, len(instruments), PER_MESSAGE))


def _request(code: int, batch: Sequence[Instrument]) -> str:
    listed = [{"ExchangeSegment": segment, "SecurityId": security_id} for segment, security_id in batch]
    return json.dumps({"RequestCode": code, "InstrumentCount": len(batch), "InstrumentList": listed})
