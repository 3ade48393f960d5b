"""The access token: who it is for, when it ends, and the one-time code that fetches the next one. Pure."""

import base64
import binascii
import hashlib
import hmac
import json
import re
import struct
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from execution.errors import AuthExpired, BrokerError, RateLimited, ReadFailed
from market.errors import Reason

_VISIBLE = re.compile(r"[\x21-\x7e]{1,4096}")
_CLIENT = re.compile(r"[A-Za-z0-9]{1,20}")
_TOTP_STEP, _TOTP_DIGITS = 30, 6
SHOWN = 4
BETWEEN_REFRESHES = timedelta(minutes=2)  # Dhan gives one token in two minutes
REFRESH_REMEDY = "Run: manage.py dhan_token refresh, or set a new one with: manage.py dhan_token set."


@dataclass(frozen=True, slots=True)
class Credential:
    """A client and its access token; `generation` grows with every new token, so that sockets know to reconnect."""

    client_id: str
    access_token: str = field(repr=False)
    expires_at: datetime | None = None
    generation: int = 0

    def __post_init__(self) -> None:
        """Refuse what no header can carry; the words are never repeated, for they are secret."""
        if not _CLIENT.fullmatch(self.client_id):
            raise AuthExpired(Reason("BAD_CLIENT_ID", "The Dhan client id is empty or not letters and digits."))
        if not _VISIBLE.fullmatch(self.access_token):
            raise AuthExpired(Reason("NO_TOKEN", "There is no usable Dhan access token.", REFRESH_REMEDY))

    @property
    def last_four(self) -> str:
        """What may be shown of the token."""
        return last_four(self.access_token)


def last_four(secret: str) -> str:
    """The end of a secret, enough to tell two apart; nothing of a short one."""
    return secret[-SHOWN:] if len(secret) >= 4 * SHOWN else ""


def expiry_of(access_token: str) -> datetime | None:
    """When a JWT ends, read without verification (only Dhan can verify it); None when the token does not say."""
    parts = access_token.split(".")
    if len(parts) != 3:
        return None
    try:
        payload = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        seconds = payload["exp"]
        return datetime.fromtimestamp(seconds, UTC) if type(seconds) is int else None
    except (ValueError, KeyError, TypeError, binascii.Error, OverflowError, OSError, RecursionError):
        return None


def one_time_code(secret: str, *, at: datetime, digits: int = _TOTP_DIGITS) -> str:
    """The TOTP of that moment (RFC 6238 section 4, HMAC-SHA-1, 30 s steps; truncation of RFC 4226 section 5.3).

    Raises
    ------
    AuthExpired
        BAD_TOTP_SECRET when the secret is not base32.
    """
    counter = int(at.timestamp()) // _TOTP_STEP
    digest = hmac.new(_base32(secret), struct.pack(">Q", counter), hashlib.sha1).digest()
    offset = digest[-1] & 0x0F
    number = struct.unpack(">I", digest[offset : offset + 4])[0] & 0x7FFF_FFFF
    return str(number % 10**digits).zfill(digits)


def _base32(secret: str) -> bytes:
    letters = re.sub(r"[\s-]", "", secret).upper().rstrip("=")
    try:
        key = base64.b32decode(letters + "=" * (-len(letters) % 8))
    except (ValueError, binascii.Error) as error:
        raise _bad_secret() from error
    if not key:
        raise _bad_secret()
    return key


def _bad_secret() -> AuthExpired:
    return AuthExpired(Reason("BAD_TOTP_SECRET", "DHAN_TOTP_SECRET is not base32.", "Copy it again from Dhan's page."))


def refresh_endpoint(client_id: str, *, pin: str, code: str) -> str:
    """The path that gives a new token; PIN and code stand in it, so it is never logged."""
    return "/app/generateAccessToken?" + urlencode({"dhanClientId": client_id, "pin": pin, "totp": code})


def read_refresh(status: int, body: bytes) -> str:
    """The new token in the auth host's answer, which says 200 for failures too; else the error it means."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise ReadFailed(Reason("REFRESH_FAILED", f"Dhan's login answered {status} without a token."))
    token = fields.get("accessToken")
    if status == 200 and isinstance(token, str) and _VISIBLE.fullmatch(token):
        return token
    raise _refusal(str(fields.get("message", fields.get("errorMessage", ""))))


def _refusal(said: str) -> BrokerError:
    """Name the known refusals; the host's own words are not repeated, they may quote the request."""
    lowered = said.lower()
    if "2 minutes" in lowered:
        return RateLimited(Reason("REFRESH_TOO_SOON", "Dhan gives one token in two minutes.", "Wait and try again."))
    if "totp" in lowered:
        return AuthExpired(
            Reason("BAD_TOTP", "Dhan refused the one-time code.", "Check DHAN_TOTP_SECRET and the clock.")
        )
    if "pin" in lowered:
        return AuthExpired(Reason("BAD_PIN", "Dhan refused the PIN.", "Check DHAN_PIN."))
    return AuthExpired(Reason("REFRESH_REFUSED", "Dhan's login gave no token.", "Set one from web.dhan.co by hand."))
