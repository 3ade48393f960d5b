"""Each strike rule finds the listed strike it names, and says why when there is none."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from market.chain import Chain, ExpiryChain
from market.contract import OptionType, Side
from strategies.errors import NotConstructible
from strategies.liquidity import Liquidity
from strategies.strikes import (
    REACH,
    Apart,
    Atm,
    Beside,
    Delta,
    Mirror,
    Percent,
    Placed,
    Premium,
    SameAs,
    Sigma,
    Site,
    StraddleWidth,
    deviation,
    place,
    require_order,
    straddle_price,
)
from tests.builders import make_chain, make_fair_chain

CALL, PUT = OptionType.CALL, OptionType.PUT


def fair(**options: object) -> Chain:
    return make_fair_chain(22_000, days=(25,), step=10.0, skewed=False, **options)


def site(chain: Chain, *, side: Side = Side.BUY, option_type: OptionType = CALL, placed=(), taken=()) -> Site:
    return Site(
        chain=chain,
        expiry=chain.expiries[0],
        side=side,
        option_type=option_type,
        placed=placed,
        taken=frozenset(taken),
    )


def at(chain: Chain, strike: float) -> Placed:
    index = int(np.flatnonzero(chain.expiries[0].strikes == strike)[0])
    return Placed(strike=strike, target=strike, index=index)


def with_calls(chain: Chain, **changes: object) -> Chain:
    front = chain.expiries[0]
    return replace(chain, expiries=(replace(front, calls=replace(front.calls, **changes)), *chain.expiries[1:]))


def test_atm_is_the_strike_nearest_the_forward_and_steps_count_listed_strikes():
    chain = make_chain(22_030, step=100, days=(25,), carry=0.0)

    assert place(Atm(), site(chain)).strike == 22_000
    assert place(Atm(steps=2), site(chain)).strike == 22_200
    assert place(Atm(steps=-1), site(chain)).strike == 21_900


@pytest.mark.parametrize("option_type", [CALL, PUT])
@pytest.mark.parametrize("target", [0.10, 0.30, 0.50, 0.70])
def test_delta_is_that_of_the_option_itself(option_type: OptionType, target: float):
    chain = fair()
    front = chain.expiries[0]

    placed = place(Delta(target), site(chain, option_type=option_type))

    spread = 0.15 * math.sqrt(front.years)
    d1 = math.log(front.forward / placed.target) / spread + spread / 2
    delta = norm.cdf(d1) if option_type is CALL else norm.cdf(-d1)
    assert delta == pytest.approx(target, abs=1e-4)
    assert abs(placed.strike - placed.target) <= 0.1 * deviation(front)


def test_low_delta_puts_lie_below_and_low_delta_calls_above():
    chain = fair()

    put = place(Delta(0.2), site(chain, option_type=PUT))
    call = place(Delta(0.2), site(chain, option_type=CALL))

    assert put.strike < chain.expiries[0].forward < call.strike


@pytest.mark.parametrize("days", [7, 25, 45])
def test_sigma_is_measured_at_the_legs_own_expiry(days: int):
    chain = make_fair_chain(22_000, days=(days,), step=10.0, skewed=False)

    target = place(Sigma(1.0), site(chain)).target

    assert target == pytest.approx(22_000 * math.exp(0.15 * math.sqrt(days / 365)))


def test_percent_is_from_spot():
    assert place(Percent(-0.05), site(fair(), option_type=PUT)).target == pytest.approx(20_900)


def test_rules_relative_to_another_leg():
    chain = fair()
    placed = (at(chain, 22_000), at(chain, 22_500))

    assert place(SameAs(0), site(chain, option_type=PUT, placed=placed)).strike == 22_000
    assert place(Beside(0, 3), site(chain, placed=placed)).strike == 22_030
    assert place(Mirror(wing=1, body=0), site(chain, placed=placed)).strike == 21_500
    assert place(Apart(0, -0.5), site(chain, option_type=PUT, placed=placed)).target == pytest.approx(
        22_000 - 0.5 * deviation(chain.expiries[0])
    )


def test_beside_counts_tradable_strikes_only():
    chain = fair()
    usable = chain.expiries[0].calls.usable.copy()
    usable[at(chain, 22_010).index] = False

    placed = place(Beside(0, 1), site(with_calls(chain, usable=usable), placed=(at(chain, 22_000),)))

    assert placed.strike == 22_020


def test_better_open_interest_decides_between_strikes_about_as_near():
    chain = fair()
    interest = np.ones_like(chain.expiries[0].strikes)
    interest[at(chain, 22_020).index] = 1_000.0

    assert place(Atm(), site(chain)).strike == 22_000
    assert place(Atm(), site(with_calls(chain, open_interest=interest))).strike == 22_020


def test_unknown_open_interest_is_no_interest_not_a_failure():
    chain = fair()
    unknown = np.full_like(chain.expiries[0].strikes, np.nan)

    assert place(Atm(), site(with_calls(chain, open_interest=unknown))).strike == 22_000


def test_a_strike_already_taken_is_not_taken_again():
    chain = make_chain(22_000, step=100, days=(25,), carry=0.0)

    assert place(Atm(), site(chain, taken=[at(chain, 22_000).index])).strike in {21_900, 22_100}


def test_a_strike_too_far_from_its_target_is_refused_rather_than_replaced():
    chain = fair()
    front = chain.expiries[0]
    far_only = np.abs(front.strikes - front.forward) > 0.4 * deviation(front)

    with pytest.raises(NotConstructible) as refusal:
        place(Atm(), site(with_calls(chain, usable=front.calls.usable & far_only)))

    assert refusal.value.reason.code == "NO_USABLE_STRIKE"


def test_selling_needs_a_bid_and_buying_does_not():
    chain = fair()
    nobody = np.full_like(chain.expiries[0].strikes, np.nan)
    unbid = with_calls(chain, bid=nobody)

    with pytest.raises(NotConstructible) as refusal:
        place(Atm(), site(unbid, side=Side.SELL))

    assert refusal.value.reason.code == "NO_BID"
    assert place(Atm(), site(unbid, side=Side.BUY)).strike == 22_000


def test_steps_beyond_the_listed_strikes_are_refused():
    with pytest.raises(NotConstructible) as refusal:
        place(Atm(steps=10_000), site(fair()))

    assert refusal.value.reason.code == "NO_USABLE_STRIKE"


@pytest.mark.parametrize("second", [22_000, 21_900])
def test_strikes_that_lose_the_order_of_their_targets_collapse(second: float):
    expiry: ExpiryChain = fair().expiries[0]

    with pytest.raises(NotConstructible) as refusal:
        require_order([(expiry, Placed(22_000, 22_000, 1)), (expiry, Placed(second, 22_400, 2))])

    assert refusal.value.reason.code == "STRIKES_COLLAPSE"


def test_order_is_not_asked_across_expiries():
    near, far = make_chain(days=(11, 25)).expiries

    require_order([(near, Placed(22_000, 22_000, 1)), (far, Placed(21_900, 22_400, 2))])


@pytest.mark.parametrize("option_type", [CALL, PUT])
@pytest.mark.parametrize(("rule", "wanted"), [(Premium(0.2), 0.2 * 689.05), (Premium(0.01, of="spot"), 220.0)])
def test_premium_is_the_executable_price_nearest_a_fraction(option_type: OptionType, rule: Premium, wanted: float):
    chain = fair()

    placed = place(rule, site(chain, option_type=option_type))

    prices = chain.expiries[0].side(option_type).ask
    assert prices[placed.index] == pytest.approx(wanted, rel=0.05)
    assert abs(placed.off_target) < 0.1


def test_premium_looks_at_what_can_be_traded_not_at_the_fair_price():
    chain = with_calls(fair(), bid=0.8 * fair().expiries[0].calls.bid)
    sold = Site(chain, chain.expiries[0], Side.SELL, CALL, (), frozenset(), Liquidity(widest_spread=1.0))

    placed = place(Premium(0.4), sold)

    assert chain.expiries[0].calls.bid[placed.index] == pytest.approx(0.4 * 689.05, rel=0.05)
    assert placed.off_target < -0.1


def test_a_premium_that_is_quoted_only_far_from_where_it_should_be_is_not_followed():
    chain = with_calls(fair(), ask=0.1 * fair().expiries[0].calls.ask, bid=0.1 * fair().expiries[0].calls.bid)

    placed = place(Premium(0.2), site(chain))

    assert abs(placed.off_target) <= REACH
    assert chain.expiries[0].calls.ask[placed.index] < 0.1 * 689.05


def test_straddle_width_is_in_prices_of_the_straddle_from_the_forward():
    chain = fair()

    assert straddle_price(chain.expiries[0]) == pytest.approx(689.05, abs=0.01)
    assert place(StraddleWidth(1.0), site(chain)).target == pytest.approx(22_689.05, abs=0.01)
    assert place(StraddleWidth(-0.5), site(chain, option_type=PUT)).target == pytest.approx(21_655.47, abs=0.01)


def test_the_straddle_at_the_forward_is_that_of_black():
    front = fair().expiries[0]

    spread = 0.15 * math.sqrt(front.years)

    assert straddle_price(front) == pytest.approx(2 * 22_000 * (2 * norm.cdf(spread / 2) - 1), rel=1e-9)


def test_how_far_the_strike_lies_from_its_target_is_kept_and_bounded():
    chain = make_chain(22_000, step=100, days=(25,), carry=0.0)
    front = chain.expiries[0]

    placed = place(Sigma(0.5), site(chain))

    assert placed.off_target == pytest.approx((placed.strike - placed.target) / deviation(front))
    assert 0.0 < abs(placed.off_target) <= REACH
    assert place(Atm(), site(chain)).off_target == 0.0


def test_a_paired_strike_can_be_traded_on_both_sides():
    chain = fair()
    front = chain.expiries[0]
    usable = front.puts.usable.copy()
    usable[at(chain, 22_000).index] = False
    lame = replace(chain, expiries=(replace(front, puts=replace(front.puts, usable=usable)),))

    assert place(Atm(), site(lame)).strike == 22_000
    assert place(Atm(paired=True), site(lame)).strike in {21_990, 22_010}
    assert place(Atm(paired=True), site(chain)).strike == 22_000


def test_a_leg_that_was_asked_to_take_a_strike_does_not_collapse_with_it():
    expiry = fair().expiries[0]

    require_order([(expiry, Placed(22_000, 21_900, 1)), (expiry, Placed(22_000, 22_000, 1))])


@pytest.mark.parametrize(
    ("rule", "strikes"), [(Atm(lasting=True), {22_000}), (Sigma(0.1, lasting=True), {22_000, 22_500})]
)
def test_a_lasting_strike_is_one_that_the_next_expiry_trades_too(rule: Atm | Sigma, strikes: set[float]):
    near, far = (make_chain(22_100, step=step, days=(25, 53), carry=0.0) for step in (100.0, 500.0))
    chain = replace(near, expiries=(near.expiries[0], far.expiries[1]))
    sold = site(chain, side=Side.SELL)

    assert place(replace(rule, lasting=False), sold).strike not in strikes
    assert place(rule, sold).strike in strikes


def test_a_lasting_strike_needs_a_next_expiry():
    with pytest.raises(NotConstructible):
        place(Atm(lasting=True), site(fair(), side=Side.SELL))
