"""Requests × limits = time, and which endpoint is quicker."""

import pytest

from market.errors import InvalidInput
from market.request_plan import BULK_QUOTES, OPTION_CHAIN, duration, plan, plans

# 200 stocks with two expiries of 40 contracts each: 16,000 contracts in 400 chains.
UNIVERSE = {(f"S{number}", expiry): 40 for number in range(200) for expiry in ("near", "next")}


def test_bulk_quotes_take_sixteen_seconds_where_the_chain_endpoint_takes_twenty_minutes():
    quickest, other = plans(UNIVERSE)

    assert (quickest.endpoint, quickest.contracts, quickest.requests, quickest.seconds) == (BULK_QUOTES, 16_000, 16, 16)
    assert (other.endpoint, other.requests, other.seconds) == (OPTION_CHAIN, 400, 1_200)
    assert quickest.sentence == "bulk quotes: 16 requests × 1 per 1 s = 16 s"
    assert other.sentence == "option chain: 400 requests × 1 per 3 s = 20 min 0 s"


@pytest.mark.parametrize(("contracts", "requests"), [(0, 0), (1, 1), (1_000, 1), (1_001, 2)])
def test_a_request_of_quotes_holds_a_thousand_contracts(contracts, requests):
    assert plan(BULK_QUOTES, {("ACME", "near"): contracts}).requests == requests


def test_one_huge_chain_is_quicker_by_the_chain_endpoint():
    assert plans({("NIFTY", "near"): 5_000})[0].endpoint is OPTION_CHAIN


def test_a_chain_without_contracts_is_not_asked_for():
    assert plan(OPTION_CHAIN, {("ACME", "near"): 0, ("ACME", "next"): 2}).requests == 1


def test_a_negative_number_of_contracts_is_refused():
    with pytest.raises(InvalidInput) as refusal:
        plan(BULK_QUOTES, {("ACME", "near"): -1})

    assert refusal.value.reason.code == "NEGATIVE_COUNT"


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.0, "0 s"), (15.2, "16 s"), (60.0, "1 min 0 s"), (3_900.0, "1 h 5 min")]
)
def test_durations_are_words(seconds, words):
    assert duration(seconds) == words
