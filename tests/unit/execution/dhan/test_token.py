"""Reading a token's end, judging it, and the one-time code that fetches the next."""

import base64
import json
from datetime import UTC, datetime

import pytest

from execution.brokers.dhan.token import (
    Credential,
    expiry_of,
    last_four,
    one_time_code,
    read_refresh,
    refresh_endpoint,
)
from execution.errors import AuthExpired, RateLimited, ReadFailed

# RFC 6238 appendix B, the SHA-1 rows; the key is the ASCII text 12345678901234567890.
RFC_SECRET = base64.b32encode(b"12345678901234567890").decode()
RFC_6238 = [
    (59, "94287082"),
    (1_111_111_109, "07081804"),
    (1_111_111_111, "14050471"),
    (1_234_567_890, "89005924"),
    (2_000_000_000, "69279037"),
    (20_000_000_000, "65353130"),
]
CLOSES = datetime(2026, 11, 23, 10, 10, tzinfo=UTC)  # 15:40 IST


def jwt(**claims):
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"eyJhbGciOiJIUzUxMiJ9.{payload}.c2lnbmF0dXJl"


@pytest.mark.parametrize(("seconds", "code"), RFC_6238)
def test_the_codes_of_rfc_6238(seconds, code):
    at = datetime.fromtimestamp(seconds, UTC)

    assert one_time_code(RFC_SECRET, at=at, digits=8) == code
    assert one_time_code(RFC_SECRET, at=at) == code[2:]


def test_a_secret_may_be_written_as_the_page_shows_it():
    at = datetime.fromtimestamp(59, UTC)
    spaced = " ".join(RFC_SECRET[i : i + 4] for i in range(0, len(RFC_SECRET), 4)).lower()

    assert one_time_code(spaced, at=at) == "287082"


@pytest.mark.parametrize("secret", ["", "   ", "not base32 !", "01890189"])
def test_a_secret_that_is_no_base32_is_refused_without_being_repeated(secret):
    with pytest.raises(AuthExpired) as caught:
        one_time_code(secret, at=CLOSES)

    assert caught.value.reason.code == "BAD_TOTP_SECRET"
    assert not secret.strip() or secret not in str(caught.value)


def test_the_end_of_a_token_is_read_from_its_payload():
    assert expiry_of(jwt(exp=1_795_000_000, dhanClientId="1")) == datetime.fromtimestamp(1_795_000_000, UTC)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "practice",
        "a.b.c",
        jwt(),
        jwt(exp="tomorrow"),
        jwt(exp=None),
        jwt(exp=True),
        jwt(exp=10**30),
        "x.e30.y",
        "x.W10.y",
    ],
)
def test_a_token_that_does_not_say_has_no_known_end(token):
    assert expiry_of(token) is None


@pytest.mark.parametrize("token", ["", "a b", "line\nbreak", "caf\u00e9", "x" * 5_000])
def test_a_token_no_header_can_carry_is_refused_without_being_repeated(token):
    with pytest.raises(AuthExpired) as caught:
        Credential("1100000001", token)

    assert not token or token not in str(caught.value)


def test_fm_F13_a_credential_does_not_show_its_token():
    who = Credential("1100000001", "CANARY-7f3a-secret-canary")

    assert "CANARY" not in repr(who)
    assert who.last_four == "nary"
    assert last_four("short") == ""


def test_the_refresh_address_is_dhan_s():
    assert refresh_endpoint("11", pin="12&4", code="000001") == (
        "/app/generateAccessToken?dhanClientId=11&pin=12%264&totp=000001"
    )


@pytest.mark.parametrize(
    ("status", "body", "error", "code"),
    [
        (200, {"status": "error", "message": "Invalid TOTP"}, AuthExpired, "BAD_TOTP"),
        (400, {"status": "error", "message": "Invalid Pin"}, AuthExpired, "BAD_PIN"),
        (200, {"message": "Token can be generated once every 2 minutes"}, RateLimited, "REFRESH_TOO_SOON"),
        (200, {"accessToken": ""}, AuthExpired, "REFRESH_REFUSED"),
        (500, {"accessToken": "a.b.c"}, AuthExpired, "REFRESH_REFUSED"),
        (200, [], ReadFailed, "REFRESH_FAILED"),
        (502, None, ReadFailed, "REFRESH_FAILED"),
    ],
)
def test_a_login_without_a_token_says_why(status, body, error, code):
    with pytest.raises(error) as caught:
        read_refresh(status, json.dumps(body).encode())

    assert caught.value.reason.code == code


def test_a_login_gives_its_token():
    assert read_refresh(200, b'{"accessToken":"a.b.c","expiryTime":"2026-11-24T00:00:00.000"}') == "a.b.c"
