"""A structure becomes listed contracts at tradable prices, or a coded refusal."""

from dataclasses import replace

import numpy as np
import pytest

from market.chain import Chain, OptionSide
from market.contract import Contract, OptionType, Side
from market.quant import black
from strategies.build import build
from strategies.catalog import BY_SLUG, CATALOGUE
from strategies.errors import NotConstructible
from strategies.spec import Kind
from tests.builders import make_chain


def refusal(slug: str, chain: Chain) -> str:
    with pytest.raises(NotConstructible) as caught:
        build(BY_SLUG[slug], chain)
    return caught.value.reason.code


def quotes(chain: Chain, option_type: OptionType) -> OptionSide:
    return chain.expiries[0].side(option_type)


def repriced(chain: Chain, **factors: float) -> Chain:
    """The same chain with every bid and ask of the front expiry multiplied."""
    front = chain.expiries[0]
    sides = {
        name: replace(
            getattr(front, name),
            bid=getattr(front, name).bid * factors.get("bid", 1.0),
            ask=getattr(front, name).ask * factors.get("ask", 1.0),
        )
        for name in ("calls", "puts")
    }
    return replace(chain, expiries=(replace(front, **sides), *chain.expiries[1:]))


def test_buys_at_the_ask_and_sells_at_the_bid():
    chain = make_chain(days=(25,), spread=0.04)

    candidate = build(BY_SLUG["iron-condor"], chain)

    for leg in candidate.legs:
        side = quotes(chain, leg.kind.option_type)
        index = int(np.flatnonzero(chain.expiries[0].strikes == leg.strike)[0])
        assert leg.price == (side.ask[index] if leg.side is Side.BUY else side.bid[index])
        assert leg.bid < leg.mid < leg.ask
    prices = [leg.price for leg in candidate.legs]
    assert candidate.net_premium == pytest.approx(prices[0] - prices[1] + prices[2] - prices[3])


def test_ratios_count_in_the_premium():
    candidate = build(BY_SLUG["call-ratio-spread"], make_chain(days=(25,)))

    bought, sold = candidate.legs
    assert (bought.ratio, sold.ratio, sold.quantity) == (1, 2, -2)
    assert candidate.net_premium == pytest.approx(2 * sold.price - bought.price)


def test_covered_call_carries_its_share():
    chain = make_chain(1_500, step=20, days=(25,), lot_size=500)

    share, call = build(BY_SLUG["covered-call"], chain).legs

    assert (share.contract, share.price, share.delta, share.lot_size) == (Contract("ACME"), 1_500, 1.0, 500)
    assert call.contract.option_type is OptionType.CALL
    assert build(BY_SLUG["covered-call"], chain).net_premium == pytest.approx(call.price - 1_500)
    assert build(BY_SLUG["covered-call"], chain).option_premium == pytest.approx(call.price)


def test_an_index_has_no_share_to_cover_a_call():
    assert refusal("covered-call", make_chain(is_index=True)) == "NOT_DELIVERABLE"


@pytest.mark.parametrize("slug", ["butterfly", "iron-butterfly"])
def test_wings_are_equal(slug: str):
    strikes = sorted(leg.strike for leg in build(BY_SLUG[slug], make_chain(days=(25,))).legs)

    assert strikes[-1] - strikes[1] == pytest.approx(strikes[1] - strikes[0])


def test_broken_wing_has_the_wider_wing_below():
    low, body, high = sorted(leg.strike for leg in build(BY_SLUG["broken-wing-butterfly"], make_chain()).legs)

    assert body - low > high - body


def test_condor_shorts_stand_inside_their_wings():
    short_put, long_put, short_call, long_call = build(BY_SLUG["iron-condor"], make_chain()).legs

    assert long_put.strike < short_put.strike < 22_000 < short_call.strike < long_call.strike


@pytest.mark.parametrize("slug", ["calendar-spread", "diagonal-spread"])
def test_two_genuine_expiries_and_two_prices(slug: str):
    near, far = build(BY_SLUG[slug], make_chain(days=(25, 53))).legs

    assert (near.side, far.side) == (Side.SELL, Side.BUY)
    assert near.contract.expiry < far.contract.expiry
    assert far.price > near.price


@pytest.mark.parametrize("slug", ["calendar-spread", "diagonal-spread"])
def test_one_expiry_is_not_enough_for_time_spreads(slug: str):
    assert refusal(slug, make_chain(days=(25,))) == "NOT_ENOUGH_EXPIRIES"


def test_the_first_expiry_in_the_window_is_taken():
    candidate = build(BY_SLUG["long-call"], make_chain(days=(4, 11, 25)))

    assert candidate.days_to_expiry == 11


@pytest.mark.parametrize("structure", CATALOGUE, ids=lambda structure: structure.slug)
def test_no_expiry_in_the_window(structure):
    assert refusal(structure.slug, make_chain(days=(2, 200))) == "NO_EXPIRY_IN_WINDOW"


def test_expiries_of_different_lot_size_do_not_match():
    chain = make_chain(days=(25, 53))
    far = replace(chain.expiries[1], lot_size=75)

    assert refusal("calendar-spread", replace(chain, expiries=(chain.expiries[0], far))) == "LOTS_DIFFER"


def test_wings_dearer_than_what_they_cover_are_refused():
    chain = make_chain(days=(25,))
    front = chain.expiries[0]
    stale = np.where(np.abs(front.strikes / front.forward - 1.0) > 0.05, 6.0, 1.0)
    sides = {
        name: replace(getattr(front, name), bid=getattr(front, name).bid * stale, ask=getattr(front, name).ask * stale)
        for name in ("calls", "puts")
    }

    assert refusal("iron-condor", replace(chain, expiries=(replace(front, **sides),))) == "WRONG_CREDIT_SIGN"


def test_a_spread_too_wide_to_trade_is_refused():
    assert refusal("iron-condor", repriced(make_chain(days=(25,)), bid=0.2)) == "TOO_WIDE"


def test_a_debit_structure_that_pays_us_is_refused():
    assert refusal("bull-call-spread", repriced(make_chain(days=(25,)), ask=0.3)) == "WRONG_CREDIT_SIGN"


def test_jade_lizard_credit_covers_its_call_wing():
    candidate = build(BY_SLUG["jade-lizard"], make_chain(days=(25,)))
    _, short_call, long_call = candidate.legs

    assert candidate.net_premium >= long_call.strike - short_call.strike


def test_jade_lizard_that_can_lose_above_is_refused():
    assert refusal("jade-lizard", repriced(make_chain(days=(25,)), bid=0.5, ask=0.5)) == "LOSS_ABOVE"


def test_nobody_bidding_is_a_reason():
    chain = make_chain(days=(25,))

    assert refusal("short-straddle", repriced(chain, bid=0.0)) == "NO_BID"


def test_few_strikes_collapse_or_are_missing_but_never_build_nonsense():
    chain = make_chain(22_000, step=2_000, days=(25,))

    assert refusal("iron-condor", chain) in {"STRIKES_COLLAPSE", "NO_USABLE_STRIKE"}


def test_no_usable_quote_at_all():
    chain = make_chain(days=(25,))
    front = chain.expiries[0]
    nothing = np.zeros_like(front.calls.usable)
    bare = replace(chain, expiries=(replace(front, calls=replace(front.calls, usable=nothing)),))

    assert refusal("long-call", bare) == "NO_USABLE_STRIKE"


def test_greeks_are_those_of_the_smile_at_the_legs_strike():
    chain = make_chain(days=(25,))
    front = chain.expiries[0]

    leg = build(BY_SLUG["long-put"], chain).legs[0]

    model = black.greeks(
        forward=front.forward,
        strike=leg.strike,
        years=front.years,
        volatility=float(front.smile.volatility(leg.strike)),
        is_call=False,
        spot=chain.spot,
    )
    assert (leg.delta, leg.gamma, leg.theta, leg.vega, leg.rho) == pytest.approx(
        (float(model.delta), float(model.gamma), float(model.theta), float(model.vega), float(model.rho))
    )
    assert leg.delta < 0 < leg.vega
    assert leg.theta < 0


def test_a_missing_bid_leaves_the_mid_to_the_smile():
    chain = make_chain(days=(25,))
    front = chain.expiries[0]
    unbid = replace(front.calls, bid=np.full_like(front.strikes, np.nan))

    leg = build(BY_SLUG["long-call"], replace(chain, expiries=(replace(front, calls=unbid),))).legs[0]

    assert (leg.bid, leg.mid) == (0.0, leg.fair)


def test_a_share_has_no_strike_or_option_type():
    share = build(BY_SLUG["covered-call"], make_chain()).legs[0]

    with pytest.raises(ValueError, match="no strike"):
        _ = share.strike
    with pytest.raises(ValueError, match="STOCK"):
        _ = Kind.STOCK.option_type
