"""The market feed's binary packets (dhan.md 5.1): lengths from a table, every number within bounds. Pure."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

SEGMENT_CODES = {"IDX_I": 0, "NSE_EQ": 1, "NSE_FNO": 2, "BSE_EQ": 4, "BSE_FNO": 8}
_SEGMENTS = {code: segment for segment, code in SEGMENT_CODES.items()}
_HEADER = struct.Struct("<BHBI")
_LENGTHS = {2: 16, 4: 50, 5: 12, 6: 16, 7: 8, 8: 162, 50: 10}
_TICKER, _QUOTE, _OI = struct.Struct("<fI"), struct.Struct("<fHIfIII"), struct.Struct("<I")
_FULL_OI = struct.Struct("<I")
_LEVEL = struct.Struct("<IIHHff")
_REASON = struct.Struct("<H")
_FULL_OI_AT, _DEPTH_AT = 34, 62
_DEAREST = 10_000_000.0
_LONGEST_FRAME = 65_536
_IST_OFFSET = 19_800
TICKER, QUOTE, OPEN_INTEREST, PREVIOUS, STATUS, FULL, DISCONNECT = 2, 4, 5, 6, 7, 8, 50


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet; what its kind does not carry is None. `traded_at` is a UTC epoch, prices rupees."""

    code: int
    segment: str
    security_id: str
    last_price: Decimal | None = None
    traded_at: int | None = None
    volume: int | None = None
    open_interest: int | None = None
    bid: Decimal | None = None
    ask: Decimal | None = None
    bid_quantity: int = 0
    ask_quantity: int = 0
    reason: int | None = None


class BadFrame(Exception):
    """Bytes that are no packet, or one with a number no market has."""


def packets(frame: str | bytes) -> Iterator[Packet]:
    """Every packet of a frame in order; Dhan sends one, others may stack several.

    Raises
    ------
    BadFrame
        Text, unknown code, wrong length, or a price outside its bounds; packets before it have been given.
    """
    if isinstance(frame, str) or len(frame) > _LONGEST_FRAME:
        raise BadFrame("not a binary frame of legal size")
    offset = 0
    while offset < len(frame):
        packet, offset = _packet(frame, offset)
        yield packet


def _packet(frame: bytes, offset: int) -> tuple[Packet, int]:
    if len(frame) - offset < _HEADER.size:
        raise BadFrame("shorter than a header")
    code, length, segment_code, security = _HEADER.unpack_from(frame, offset)
    expected = _LENGTHS.get(code)
    if expected is None or length not in {expected, 0} or len(frame) - offset < expected:
        raise BadFrame(f"code {code} with length {length}")
    if segment_code not in _SEGMENTS:
        raise BadFrame(f"segment {segment_code}")
    packet = Packet(code, _SEGMENTS[segment_code], str(security))
    return _with_body(packet, frame[offset : offset + expected]), offset + expected


def _with_body(packet: Packet, raw: bytes) -> Packet:
    if packet.code == TICKER:
        last, traded = _TICKER.unpack_from(raw, 8)
        return replace(packet, last_price=_price(last), traded_at=_epoch(traded))
    if packet.code in {QUOTE, FULL}:
        last, _, traded, _, volume, _, _ = _QUOTE.unpack_from(raw, 8)
        priced = replace(packet, last_price=_price(last), traded_at=_epoch(traded), volume=volume)
        return _with_depth(priced, raw) if packet.code == FULL else priced
    if packet.code == OPEN_INTEREST:
        return replace(packet, open_interest=_OI.unpack_from(raw, 8)[0])
    if packet.code == DISCONNECT:
        return replace(packet, reason=_REASON.unpack_from(raw, 8)[0])
    return packet


def _with_depth(packet: Packet, raw: bytes) -> Packet:
    """The best level of the book; a side without price or quantity is no side, and a crossed book is no book."""
    bid_quantity, ask_quantity, _, _, bid_float, ask_float = _LEVEL.unpack_from(raw, _DEPTH_AT)
    bid = _price(bid_float) if bid_float or bid_quantity else None
    ask = _price(ask_float) if ask_float or ask_quantity else None
    if bid is not None and ask is not None and bid > ask:
        raise BadFrame("the best bid is above the best ask")
    return replace(
        packet,
        open_interest=_FULL_OI.unpack_from(raw, _FULL_OI_AT)[0],
        bid=bid,
        ask=ask,
        bid_quantity=bid_quantity if bid is not None else 0,
        ask_quantity=ask_quantity if ask is not None else 0,
    )


def _price(value: float) -> Decimal:
    """Two places, as the exchange quotes; comparisons with NaN are false, so NaN falls out here too."""
    if not 0.005 <= value < _DEAREST:
        raise BadFrame("a price outside its bounds")
    return Decimal(f"{value:.2f}")


def _epoch(ist_seconds: int) -> int | None:
    """The wire counts seconds of Indian wall time; None for an instrument that never traded."""
    return ist_seconds - _IST_OFFSET if ist_seconds > _IST_OFFSET else None
