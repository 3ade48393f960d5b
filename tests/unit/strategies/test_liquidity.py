"""What is liquid enough to trade, and the reason when nothing is."""

from dataclasses import replace

import numpy as np
import pytest

from market.chain import Chain
from market.contract import OptionType, Side
from strategies.errors import NotConstructible
from strategies.liquidity import LIQUIDITY, REMEDIES, Liquidity, Tradable, liquidity_flags, tradable
from strategies.strikes import Atm, Delta, Site, place
from tests.builders import make_chain

CALL, PUT = OptionType.CALL, OptionType.PUT
TICK = 0.05


def chain_of_one() -> Chain:
    return make_chain(22_000, step=100.0, days=(25,), carry=0.0)


def with_calls(chain: Chain, **changes: object) -> Chain:
    front = chain.expiries[0]
    return replace(chain, expiries=(replace(front, calls=replace(front.calls, **changes)),))


def judged(chain: Chain, side: Side = Side.BUY, liquidity: Liquidity = LIQUIDITY) -> Tradable:
    return tradable(chain.expiries[0], CALL, side, tick_size=chain.tick_size, liquidity=liquidity)


def site(chain: Chain, side: Side = Side.BUY, liquidity: Liquidity = LIQUIDITY) -> Site:
    return Site(chain, chain.expiries[0], side, CALL, (), frozenset(), liquidity)


def refused(chain: Chain, liquidity: Liquidity = LIQUIDITY) -> str:
    with pytest.raises(NotConstructible) as caught:
        place(Atm(), site(chain, liquidity=liquidity))
    assert caught.value.reason.remedy == REMEDIES.get(caught.value.reason.code, caught.value.reason.remedy)
    return caught.value.reason.code


@pytest.mark.parametrize(("lots", "liquid"), [(0.0, False), (0.99, False), (1.0, True), (500.0, True)])
def test_open_interest_is_counted_in_lots(lots: float, liquid: bool):
    chain = chain_of_one()
    interest = chain.expiries[0].calls.open_interest.copy()
    interest[10] = lots * 65

    found = judged(with_calls(chain, open_interest=interest))

    assert found.liquid[10] == liquid
    assert found.failures["TOO_THIN"][10] != liquid


@pytest.mark.parametrize(
    ("bid", "ask", "liquid"),
    [(100.0, 134.0, True), (100.0, 136.0, False), (0.10, 0.25, True), (0.10, 0.30, False), (100.0, 100.0, True)],
)
def test_a_spread_is_too_wide_as_a_share_of_the_mid_unless_it_is_a_few_ticks(bid: float, ask: float, liquid: bool):
    chain = chain_of_one()
    bids, asks = chain.expiries[0].calls.bid.copy(), chain.expiries[0].calls.ask.copy()
    bids[10], asks[10] = bid, ask

    found = judged(with_calls(chain, bid=bids, ask=asks))

    assert found.failures["TOO_WIDE"][10] != liquid


@pytest.mark.parametrize(("ticks", "liquid"), [(1, False), (2, True), (3, True)])
def test_a_premium_of_a_tick_is_too_cheap(ticks: int, liquid: bool):
    chain = chain_of_one()
    asks, bids = chain.expiries[0].calls.ask.copy(), chain.expiries[0].calls.bid.copy()
    asks[10], bids[10] = ticks * TICK, np.nan

    found = judged(with_calls(chain, ask=asks, bid=bids))

    assert found.quoted[10]
    assert found.liquid[10] == liquid


def test_selling_looks_at_the_bid():
    chain = chain_of_one()
    bids, asks = chain.expiries[0].calls.bid.copy(), chain.expiries[0].calls.ask.copy()
    bids[10], asks[10] = 0.05, 0.15

    changed = with_calls(chain, bid=bids, ask=asks)

    assert judged(changed, Side.BUY).liquid[10]
    assert judged(changed, Side.SELL).failures["TOO_CHEAP"][10]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"open_interest": 64.0}, "TOO_THIN"),
        ({"bid": 1.0}, "TOO_WIDE"),
        ({"bid": 0.05, "ask": 0.05}, "TOO_CHEAP"),
    ],
)
def test_when_every_strike_in_reach_fails_the_reason_names_the_limit(changes: dict[str, float], code: str):
    chain = chain_of_one()
    size = chain.expiries[0].strikes.size

    assert refused(with_calls(chain, **{name: np.full(size, value) for name, value in changes.items()})) == code


def test_limits_are_data():
    chain = chain_of_one()

    assert place(Atm(), site(chain)).strike == 22_000
    assert refused(chain, Liquidity(least_lots=1e6)) == "TOO_THIN"
    assert refused(chain, Liquidity(widest_spread=0.001, narrow_ticks=1.0)) == "TOO_WIDE"
    assert refused(chain, Liquidity(least_ticks=1e6)) == "TOO_CHEAP"


@pytest.mark.parametrize("nothing", [np.nan, 0.0])
def test_a_source_without_open_interest_is_not_refused_and_says_so(nothing: float):
    chain = chain_of_one()
    front = chain.expiries[0]
    unknown = np.full(front.strikes.size, nothing)
    sides = {name: replace(getattr(front, name), open_interest=unknown) for name in ("calls", "puts")}
    silent = replace(chain, expiries=(replace(front, **sides),))

    placed = place(Delta(0.3), site(silent))

    assert not placed.interest_known
    assert {day: flag.code for day, flag in liquidity_flags(silent).items()} == {
        silent.expiries[0].expiry: "OPEN_INTEREST_UNKNOWN"
    }
    assert place(Delta(0.3), site(chain)).interest_known
    assert liquidity_flags(chain) == {}


def test_open_interest_unknown_at_one_strike_only_is_not_held_against_it():
    chain = chain_of_one()
    interest = chain.expiries[0].calls.open_interest.copy()
    interest[10] = np.nan

    assert judged(with_calls(chain, open_interest=interest)).liquid[10]
