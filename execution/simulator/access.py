"""Tokens, PIN and TOTP, the whitelisted addresses: who may talk to the simulated exchange (dhan.md section 11)."""

import base64
import hashlib
import hmac
from datetime import datetime, timedelta

import orjson

TOKEN_LIFE = timedelta(hours=24)
GENERATION_PAUSE = timedelta(minutes=2)
IP_LOCK = timedelta(days=7)

_STEP_SECONDS = 30


def totp(secret: str, now: datetime) -> str:
    """The six digits of RFC 6238 with SHA-1 and steps of 30 seconds."""
    key = base64.b32decode(secret.upper() + "=" * (-len(secret) % 8))
    digest = hmac.new(key, int(now.timestamp() // _STEP_SECONDS).to_bytes(8, "big"), hashlib.sha1).digest()
    offset = digest[-1] & 0x0F
    return f"{(int.from_bytes(digest[offset : offset + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06d}"


class Access:
    """One client with one live token; a new one kills the old."""

    def __init__(self, *, client_id: str, pin: str, totp_secret: str, seed: int, now: datetime) -> None:
        self.client_id, self.pin, self.totp_secret = client_id, pin, totp_secret
        self.addresses: dict[str, tuple[str, datetime]] = {}
        self.address_allowed = True
        self.token, self.expires_at = "", now
        self._seed, self._issued, self._generated_at = seed, 0, now - GENERATION_PAUSE
        self.issue(now)

    def issue(self, now: datetime, life: timedelta = TOKEN_LIFE) -> str:
        """Make a new token, the only one that counts from now on."""
        self._issued += 1
        self.expires_at = now + life
        claims = {
            "iss": "dhan",
            "exp": int(self.expires_at.timestamp()),
            "iat": int(now.timestamp()),
            "tokenConsumerType": "SELF",
            "dhanClientId": self.client_id,
            "n": self._issued,
        }
        head = _part({"typ": "JWT", "alg": "HS512"}) + "." + _part(claims)
        signature = hmac.new(f"simulator {self._seed}".encode(), head.encode(), hashlib.sha512).digest()
        self.token = f"{head}.{_text(signature)}"
        return self.token

    def accepts(self, token: str, now: datetime) -> bool:
        """True for the live token while it lives."""
        return hmac.compare_digest(token.encode(), self.token.encode()) and now < self.expires_at

    def expire(self, now: datetime) -> None:
        """End the live token now."""
        self.expires_at = now

    def generate(self, pin: str, code: str, now: datetime) -> str:
        """Why no token is made for this PIN and TOTP; nothing when one was."""
        if pin != self.pin:
            return "Invalid PIN"
        known = {totp(self.totp_secret, now + timedelta(seconds=_STEP_SECONDS * step)) for step in (-1, 0, 1)}
        if code not in known:
            return "Invalid TOTP"
        if now - self._generated_at < GENERATION_PAUSE:
            return "Token can be generated once every 2 minutes"
        self._generated_at = now
        self.issue(now)
        return ""

    def whitelist(self, flag: str, address: str, now: datetime) -> bool:
        """Set the primary or secondary address; False while it is locked."""
        known = self.addresses.get(flag)
        if known is not None and now - known[1] < IP_LOCK:
            return False
        self.addresses[flag] = address, now
        return True


def _part(value: object) -> str:
    return _text(orjson.dumps(value))


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
