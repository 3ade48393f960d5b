"""A box or a conversion that earns for sure shows quotes of different moments, and is told with its amount."""

import math
from dataclasses import replace

import numpy as np
import pytest

from market.chain import Chain
from market.errors import Reason
from market.rulebook.charges import ChargeRates, option_charge_rates
from market.sessions import Past
from strategies.build import build
from strategies.catalog import BY_SLUG, CHECKS
from strategies.quote_check import LEAST_TICKS, box_surplus, conversion_surplus, quote_flags, synthetic_forwards
from strategies.recommend import recommend
from tests.builders import NO_CHARGES, TAKEN_AT, make_chain

RATES = option_charge_rates(exchange="NSE", as_of=TAKEN_AT.date())
CHAIN = make_chain(2_200.0, days=(25, 53))
YEARS = 25 / 365
CALM = Past(np.random.default_rng(5).normal(0.0, 0.006, 250), np.full(250, 0.095**2))


def moved(chain: Chain, strike: float, amount: float, *, side: str = "calls", rank: int = 0) -> Chain:
    """The chain with bid and ask of one option moved."""
    expiry = chain.expiries[rank]
    quotes, at = getattr(expiry, side), expiry.strikes == strike
    assert at.any()
    changed = replace(quotes, bid=quotes.bid + amount * at, ask=quotes.ask + amount * at)
    expiries = list(chain.expiries)
    expiries[rank] = replace(expiry, **{side: changed})
    return replace(chain, expiries=tuple(expiries))


def codes(chain: Chain, rates: ChargeRates = RATES) -> list[tuple[int, str]]:
    days = {expiry.expiry: expiry.days_to_expiry for expiry in chain.expiries}
    return [(days[day], reason.code) for day, found in quote_flags(chain, rates=rates).items() for reason in found]


def test_quotes_of_one_moment_leave_no_doubt():
    assert codes(CHAIN) == []
    assert codes(make_chain(22_000.0, spread=0.001), NO_CHARGES) == []


@pytest.mark.parametrize(("amount", "end"), [(25.0, "sold"), (-25.0, "bought")])
def test_a_call_that_is_off_makes_a_box_that_earns_and_the_flag_says_which_and_how_much(amount, end):
    chain = moved(CHAIN, 2_200.0, amount)

    reason = quote_flags(chain, rates=RATES)[chain.expiries[0].expiry][0]

    best = box_surplus(*synthetic_forwards(chain.expiries[0], rates=RATES), years=YEARS)
    assert reason.code == "BOX_OFF"
    assert getattr(best, end) == 2_200.0
    assert f"long at {best.bought:g} and short at {best.sold:g}, surely earns ₹{best.amount:.2f}" in reason.sentence
    assert reason.remedy


def test_a_call_that_is_too_dear_makes_a_conversion_too_and_one_too_cheap_does_not():
    assert codes(moved(CHAIN, 2_200.0, 25.0)) == [(25, "BOX_OFF"), (25, "CONVERSION_OFF")]
    assert codes(moved(CHAIN, 2_200.0, -25.0)) == [(25, "BOX_OFF")]


def test_only_the_expiry_with_the_old_quote_is_told_of():
    assert codes(moved(CHAIN, 2_200.0, 25.0, side="puts", rank=1)) == [(53, "BOX_OFF")]


def test_a_box_by_hand():
    # Long at 100: 8 paid, 3 got; short at 110: 6.5 got, 9 paid. It costs 5 + 2.5 and pays 10.
    bought, sold = np.array([100.0 + 8.0 - 3.0, 130.0]), np.array([90.0, 110.0 + 6.5 - 9.0])

    at_no_time = box_surplus(bought, sold, np.array([100.0, 110.0]), years=0.0)
    in_a_year = box_surplus(bought, sold, np.array([100.0, 110.0]), years=1.0)

    assert (at_no_time.amount, at_no_time.bought, at_no_time.sold) == (pytest.approx(2.5), 100.0, 110.0)
    assert in_a_year.amount == pytest.approx(10.0 * math.exp(-0.10) - 7.5)  # the distance, discounted at 10 %


def test_a_loan_by_boxes_asks_no_interest_below_nothing():
    # Short the low strike, long the high one: 10.5 got now, 10 paid back.
    bought, sold = np.array([130.0, 107.0]), np.array([107.5, 90.0])

    found = box_surplus(bought, sold, np.array([100.0, 110.0]), years=1.0)

    assert (found.amount, found.bought, found.sold) == (pytest.approx(0.5), 110.0, 100.0)


def test_every_pair_is_looked_at():
    random = np.random.default_rng(11)
    for _ in range(50):
        strikes = np.sort(random.choice(np.arange(80.0, 120.0), 7, replace=False))
        sold = 100.0 + random.normal(0.0, 2.0, 7)
        bought = sold + random.uniform(0.0, 4.0, 7)
        discount = math.exp(-0.10 * 0.5)

        best = -math.inf
        for long, short in [(i, j) for i in range(7) for j in range(7)]:
            now = (sold[short] - strikes[short]) - (bought[long] - strikes[long])  # got for both synthetics
            pays = strikes[short] - strikes[long]  # at expiry, whatever happens
            best = max(best, now + (pays * discount if pays > 0.0 else pays))

        assert box_surplus(bought, sold, strikes, years=0.5).amount == pytest.approx(best)


def test_a_conversion_by_hand():
    # The share at 100, put 4, call 6 at 100: 98 paid, 100 got in a year; at 10 % 98 would have become 108.3.
    found = conversion_surplus(np.array([100.0 + 6.0 - 4.0]), np.array([100.0]), spot=100.0, years=1.0)

    assert found.amount == pytest.approx(100.0 * math.exp(-0.10) - 98.0)
    assert found.bought is None


def test_a_spot_below_what_the_options_say_is_told_and_one_above_is_not():
    low, high = replace(CHAIN, spot=0.98 * CHAIN.spot), replace(CHAIN, spot=1.02 * CHAIN.spot)

    assert codes(low) == [(25, "CONVERSION_OFF"), (53, "CONVERSION_OFF")]
    assert codes(high) == []  # dividends to come do that


def test_where_the_source_gives_no_spot_no_conversion_is_judged():
    unknown = Reason("NO_SPOT", "The source gives no underlying price.")
    expiries = tuple(replace(expiry, carry_reason=unknown) for expiry in CHAIN.expiries)
    chain = replace(CHAIN, spot=0.98 * CHAIN.spot, expiries=expiries)

    assert codes(chain) == []
    assert codes(moved(chain, 2_200.0, 25.0)) == [(25, "BOX_OFF")]


def test_what_charges_eat_is_no_contradiction():
    chain = moved(CHAIN, 2_200.0, -16.0)
    surplus = box_surplus(*synthetic_forwards(chain.expiries[0], rates=NO_CHARGES), years=YEARS).amount
    dear = ChargeRates(buy=0.0, sell=0.0, per_order=surplus * CHAIN.expiries[0].lot_size / 4.0)

    assert codes(chain, NO_CHARGES) == [(25, "BOX_OFF")]
    assert surplus > LEAST_TICKS * CHAIN.tick_size
    assert codes(chain, dear) == []


def test_quotes_that_failed_the_gate_prove_nothing():
    chain = moved(CHAIN, 2_200.0, 25.0)
    front = chain.expiries[0]
    calls = replace(front.calls, usable=front.strikes != 2_200.0)
    nothing = replace(front.calls, usable=np.zeros(front.strikes.size, dtype=np.bool_))

    assert codes(replace(chain, expiries=(replace(front, calls=calls),))) == []
    assert codes(replace(chain, expiries=(replace(front, calls=nothing),))) == []


def test_the_box_of_the_catalogue_is_one_of_those_looked_at():
    box = build(BY_SLUG["box-spread"], CHAIN)
    low, high = box.legs[0].strike, box.legs[1].strike

    own = (high - low) * math.exp(-0.10 * YEARS) + box.net_premium

    assert {structure.slug for structure in CHECKS} == {"box-spread", "conversion"}
    assert own <= box_surplus(*synthetic_forwards(CHAIN.expiries[0], rates=NO_CHARGES), years=YEARS).amount + 1e-9


def test_the_conversion_of_the_catalogue_is_one_of_those_looked_at():
    conversion = build(BY_SLUG["conversion"], CHAIN)

    own = conversion.legs[1].strike * math.exp(-0.10 * YEARS) + conversion.net_premium

    _, sold, strikes = synthetic_forwards(CHAIN.expiries[0], rates=NO_CHARGES)
    assert own <= conversion_surplus(sold, strikes, spot=CHAIN.spot, years=YEARS).amount + 1e-9


def test_a_recommendation_carries_the_doubts_of_the_expiries_it_uses():
    chain = moved(CHAIN, 2_475.0, 8.0, side="puts", rank=1)  # nothing is built there

    found = recommend(chain, rates=RATES, risk="aggressive", past=CALM).recommendations

    later = chain.expiries[1].expiry
    assert codes(chain) == [(53, "BOX_OFF")]
    using = [each for each in found if later in {leg.contract.expiry for leg in each.candidate.option_legs}]
    assert using
    for each in found:
        assert [(day, why.code) for day, why in each.doubts] == ([(later, "BOX_OFF")] if each in using else [])
