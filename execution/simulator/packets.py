"""The market feed's packets: little-endian, one to a frame (dhan.md section 5). Pure."""

import struct
from collections.abc import Mapping
from datetime import datetime

from execution.simulator.book import Listing
from execution.simulator.screen import Snapshot

SEGMENT_CODES: Mapping[str, int] = {
    "IDX_I": 0,
    "NSE_EQ": 1,
    "NSE_FNO": 2,
    "NSE_CURRENCY": 3,
    "BSE_EQ": 4,
    "MCX_COMM": 5,
    "BSE_CURRENCY": 7,
    "BSE_FNO": 8,
}

TICKER, QUOTE, OPEN_INTEREST, PREVIOUS_CLOSE, STATUS, FULL, DISCONNECT = 2, 4, 5, 6, 7, 8, 50

_INDIA_SECONDS = 19_800
_MOST_UINT16, _MOST_UINT32 = 0xFFFF, 0xFFFF_FFFF
_DEPTH_LEVELS = 5
_NO_LEVEL = struct.pack("<IIHHff", 0, 0, 0, 0, 0.0, 0.0)


def indian_seconds(moment: datetime) -> int:
    """The wire's clock: seconds since 1970 counted in Indian wall time."""
    return int(moment.timestamp()) + _INDIA_SECONDS


def ticker(listing: Listing, shot: Snapshot) -> bytes:
    """Last price and its time."""
    return struct.pack("<BHBIfI", *_head(TICKER, 16, listing), float(shot.last), indian_seconds(shot.at))


def quote(listing: Listing, shot: Snapshot) -> bytes:
    """The day's numbers without depth."""
    day = (float(shot.opened), float(shot.previous_close), float(shot.high), float(shot.low))
    return struct.pack("<BHBIfHIfIIIffff", *_head(QUOTE, 50, listing), *_traded(listing, shot), *day)


def open_interest(listing: Listing, shot: Snapshot) -> bytes:
    """Open interest, in units."""
    return struct.pack("<BHBII", *_head(OPEN_INTEREST, 12, listing), _uint32(shot.open_interest))


def previous_close(listing: Listing, shot: Snapshot) -> bytes:
    """Yesterday's close; live only for indices."""
    return struct.pack("<BHBIfI", *_head(PREVIOUS_CLOSE, 16, listing), float(shot.previous_close), 0)


def market_status() -> bytes:
    """A header and nothing else."""
    return struct.pack("<BHBI", STATUS, 8, 0, 0)


def full(listing: Listing, shot: Snapshot) -> bytes:
    """The quote with open interest and five levels, of which the touch is the only one known."""
    interest = (_uint32(shot.open_interest),) * 3
    day = (float(shot.opened), float(shot.previous_close), float(shot.high), float(shot.low))
    best = struct.pack(
        "<IIHHff",
        _uint32(shot.bid_quantity),
        _uint32(shot.ask_quantity),
        int(shot.bid_quantity > 0),
        int(shot.ask_quantity > 0),
        float(shot.bid),
        float(shot.ask),
    )
    levels = best + _NO_LEVEL * (_DEPTH_LEVELS - 1)
    head = _head(FULL, 162, listing)
    return struct.pack("<BHBIfHIfIIIIIIffff100s", *head, *_traded(listing, shot), *interest, *day, levels)


def disconnect(reason: int) -> bytes:
    """Why the connection is about to end."""
    return struct.pack("<BHBIH", DISCONNECT, 10, 0, 0, reason)


def _head(code: int, length: int, listing: Listing) -> tuple[int, int, int, int]:
    return code, length, SEGMENT_CODES[listing.segment], int(listing.security_id)


def _traded(listing: Listing, shot: Snapshot) -> tuple[float, int, int, float, int, int, int]:
    """Last price, last quantity, time, average, volume, total sell and buy quantity."""
    return (
        float(shot.last),
        min(listing.lot_size if shot.volume else 0, _MOST_UINT16),
        indian_seconds(shot.at),
        float(shot.last),
        _uint32(shot.volume),
        _uint32(shot.ask_quantity),
        _uint32(shot.bid_quantity),
    )


def _uint32(value: int) -> int:
    return max(0, min(value, _MOST_UINT32))
