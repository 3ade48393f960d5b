"""The name of an order for ever: from its place in our books, signed, so that a restart computes the same one. Pure."""

import hashlib
import hmac
import re
from dataclasses import dataclass

from market.errors import InvalidInput, Reason

CORRELATION = re.compile(r"[A-Za-z0-9_-]{1,25}")  # dhan.md: 26 characters reject the whole order as DH-905

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_MODES = {"paper": "P", "live": "L"}
_NAME = re.compile(r"([PL])([0-9a-z]{9})([0-9a-z]{2})([0-9a-z]{2})-([0-9a-f]{6})")
_MAC_LENGTH = 6


@dataclass(frozen=True, slots=True)
class OrderPlace:
    """Where an order stands in our books."""

    mode: str
    run: int
    leg: int
    attempt: int


class OrderNames:
    """Names orders and recognises its own; `key` is the secret that tells them from other tools' orders."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def name(self, place: OrderPlace) -> str:
        """Return the correlation id of a place: 21 characters of A-Z, a-z, 0-9 and -.

        Raises
        ------
        InvalidInput
            An unknown mode, or a number that is not positive or too long for its field.
        """
        mode = _MODES.get(place.mode, "")
        plain = mode + _field(place.run, 9) + _field(place.leg, 2) + _field(place.attempt, 2)
        if not mode or min(place.run, place.leg, place.attempt) < 1 or len(plain) != 14:
            raise InvalidInput(Reason("CORRELATION", f"No legal correlation id for {place}."))
        return f"{plain}-{self._mac(plain)}"

    def read(self, correlation_id: str) -> OrderPlace | None:
        """Return the place an id names, or None when it is not one of ours."""
        found = _NAME.fullmatch(correlation_id)
        if found is None:
            return None
        mode, run, leg, attempt, mac = found.groups()
        if not hmac.compare_digest(mac, self._mac(f"{mode}{run}{leg}{attempt}")):
            return None
        word = "paper" if mode == "P" else "live"
        return OrderPlace(word, int(run, 36), int(leg, 36), int(attempt, 36))

    def _mac(self, plain: str) -> str:
        return hmac.new(self._key, plain.encode(), hashlib.sha256).hexdigest()[:_MAC_LENGTH]


def _field(number: int, width: int) -> str:
    digits = ""
    while number > 0:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits.rjust(width, "0")
