"""Tokens of the simulated broker."""

from datetime import datetime, timedelta

from execution.simulator.access import Access, totp
from market.calendar import IST

NOW = datetime(2026, 11, 20, 10, 0, tzinfo=IST)


def test_totp_is_that_of_rfc_6238() -> None:
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # the RFC's own, appendix B

    assert totp(secret, datetime.fromtimestamp(59, IST)) == "287082"
    assert totp(secret, datetime.fromtimestamp(1_111_111_109, IST)) == "081804"


def test_a_token_lives_a_day_and_a_new_one_kills_it() -> None:
    access = Access(client_id="1", pin="1", totp_secret="GEZDGNBVGY3TQOJQ", seed=1, now=NOW)
    first = access.token
    assert access.accepts(first, NOW + timedelta(hours=23))
    assert not access.accepts(first, NOW + timedelta(hours=24))

    second = access.issue(NOW)

    assert access.accepts(second, NOW)
    assert not access.accepts(first, NOW)
