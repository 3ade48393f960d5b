"""Whatever market is drawn, what may be recommended lies inside its bounds, and what may not has a reason."""

import math
from dataclasses import fields
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from market.assembly import assemble
from market.chain import Chain
from market.contract import OptionType, Side
from market.errors import BadChain
from market.ports import CapturedChain, CapturedQuote
from market.quant import black
from market.rulebook.charges import option_charge_rates
from market.sessions import Past
from strategies.catalog import CATALOGUE
from strategies.evaluate import Evaluation
from strategies.recommend import Recommendation, recommend
from tests.builders import TAKEN_AT, make_chain

RATES = option_charge_rates(exchange="NSE", as_of=TAKEN_AT.date())
EXPIRIES = [expiry.expiry for expiry in make_chain(1_000.0, days=(11, 25)).expiries]
TICK, LOT = 0.05, 400
SLACK = 1e-3  # rupees on a price of 1,000: tails are averaged in single precision, right to a millionth of the price
UNLIMITED = ("max_profit", "max_loss", "risk_reward")


class Market(NamedTuple):
    """Two expiries of quotes around one slanted smile; a share of them wrong by a little or by much, or silent."""

    seed: int
    volatility: float
    slant: float
    wrong: float
    book: bool
    step: float

    def chain(self) -> CapturedChain:
        random, quotes = np.random.default_rng(self.seed), []
        for days, expiry in zip((11, 25), EXPIRIES, strict=True):
            for strike in np.arange(760.0, 1_241.0, self.step):
                level = max(0.03, self.volatility + self.slant * math.log(strike / 1_000.0))
                for kind in OptionType:
                    quotes += _quote(random, float(strike), kind, level, days, self.wrong, self.book, expiry)
        return CapturedChain("ACME", TAKEN_AT, "drawn", 1_000.0, tuple(quotes))


markets = st.builds(
    Market,
    seed=st.integers(0, 2**31),
    volatility=st.floats(0.08, 0.9),
    slant=st.floats(-0.6, 0.2),
    wrong=st.sampled_from([0.0, 0.05, 0.2]),
    book=st.booleans(),
    step=st.sampled_from([10.0, 20.0]),
)


def _quote(random, strike, kind, volatility, days, wrong, book, expiry) -> list[CapturedQuote]:
    fair = float(
        black.price(
            forward=1_000.0 * math.exp(0.06 * days / 365),
            strike=strike,
            years=days / 365,
            volatility=volatility,
            is_call=kind is OptionType.CALL,
        )
    )
    if random.random() < 0.3 * wrong:
        return []
    error = random.choice([0.02, 0.1, 0.6]) * random.normal() if random.random() < wrong else 0.0
    half = TICK * int(random.integers(1, 4))
    last = max(TICK, round(fair * math.exp(error) / TICK) * TICK)
    sides = {"bid": round(last - half, 2) if last > half else None, "ask": round(last + half, 2)} if book else {}
    return [CapturedQuote(expiry, strike, kind, round(last, 2), volume=LOT * 50, open_interest=LOT * 200, **sides)]


def calm(volatility: float) -> Past:
    random = np.random.default_rng(3)
    returns = random.normal(0.0, volatility / math.sqrt(252), 120)
    return Past(returns, np.full(120, volatility**2))


CLEAN = Market(seed=1, volatility=0.30, slant=-0.2, wrong=0.0, book=True, step=10.0)
NOISY = Market(seed=2, volatility=0.40, slant=-0.3, wrong=0.05, book=True, step=20.0)
MODELLED = Market(seed=3, volatility=0.45, slant=0.0, wrong=0.0, book=False, step=10.0)


@settings(max_examples=12, deadline=None, phases=[Phase.explicit, Phase.generate])  # shrinking takes minutes
@example(market=CLEAN, realised=0.1, risk="aggressive")
@example(market=CLEAN, realised=0.1, risk="moderate")
@example(market=NOISY, realised=0.1, risk="aggressive")
@example(market=MODELLED, realised=0.1, risk="moderate")
@given(market=markets, realised=st.sampled_from([0.1, 0.3, 0.6]), risk=st.sampled_from(["moderate", "aggressive"]))
def test_what_is_recommended_is_inside_its_bounds_and_the_rest_has_a_reason(market, realised, risk):
    try:
        chain = assemble(market.chain(), lot_sizes=dict.fromkeys(EXPIRIES, LOT), tick_size=TICK)
    except BadChain:
        return

    found = recommend(chain, rates=RATES, risk=risk, past=calm(realised))

    kept = {each.candidate.structure.slug for each in found.recommendations}
    assert kept | set(found.refusals) == {structure.slug for structure in CATALOGUE}
    assert not kept & set(found.refusals)
    if market.wrong == 0.0 and market.volatility > 2.0 * realised:
        assert kept, found.refusals  # options cost twice what is realised: selling them is expected to earn
    for each in found.recommendations:
        bounded(each, chain)
        executable(each)


def bounded(each: Recommendation, chain: Chain) -> None:
    found = each.evaluation
    front = next(expiry for expiry in chain.expiries if expiry.expiry == each.candidate.expiry)
    shares = sum(leg.quantity for leg in each.candidate.legs if not leg.contract.is_option)
    carry = shares * (front.forward - chain.spot)  # what financing the share costs is in no payoff
    for field in fields(Evaluation):
        values = np.asarray(getattr(found, field.name), dtype=np.float64)
        assert not np.isnan(values).any()
        assert field.name in (*UNLIMITED, "profit_ranges") or np.isfinite(values).all()
    assert 0.0 <= found.probability_after_costs <= found.probability_of_profit + 1e-12 <= 1.0 + 1e-12
    assert found.max_profit > 0.0
    assert found.max_loss >= 0.0
    assert found.forecast_value >= 0.0
    assert found.charges > 0.0
    assert found.spread_cost >= -1e-9
    assert found.tail_loss <= found.far_tail_loss + SLACK <= found.max_loss + found.charges + 2.0 * SLACK
    assert found.tail_gain <= max(0.0, found.max_profit - found.charges) + SLACK
    assert -found.max_loss - 1e-6 <= found.expected_value_gross + carry <= found.max_profit + 1e-6
    assert found.breakevens == tuple(sorted(found.breakevens))
    assert found.breakevens or found.max_loss == 0.0
    assert 0.0 <= each.score.total <= 1.0
    assert math.isclose(sum(each.score.contributions.values()), each.score.total, abs_tol=1e-12)


def executable(each: Recommendation) -> None:
    """Every leg is bought at the ask or sold at the bid of a quote that passed the gate."""
    for leg in each.candidate.option_legs:
        assert 0.0 < leg.bid < leg.ask
        assert leg.price == (leg.ask if leg.side is Side.BUY else leg.bid)
        ticks = leg.price / TICK
        assert math.isclose(ticks, round(ticks), abs_tol=1e-6)
        assert -1.0 <= leg.delta <= 1.0
        assert leg.gamma >= 0.0
        assert leg.vega >= 0.0


@pytest.mark.parametrize(
    ("market", "risk", "fewest"), [(CLEAN, "aggressive", 20), (CLEAN, "moderate", 10), (NOISY, "aggressive", 10)]
)
def test_where_options_cost_far_more_than_is_realised_there_is_much_to_recommend(market, risk, fewest):
    chain = assemble(market.chain(), lot_sizes=dict.fromkeys(EXPIRIES, LOT), tick_size=TICK)

    found = recommend(chain, rates=RATES, risk=risk, past=calm(0.1)).recommendations

    assert len(found) >= fewest
    for each in found:
        bounded(each, chain)
        executable(each)


def test_where_options_cost_what_is_realised_nothing_is_recommended():
    chain = assemble(CLEAN.chain(), lot_sizes=dict.fromkeys(EXPIRIES, LOT), tick_size=TICK)

    found = recommend(chain, rates=RATES, risk="conservative", past=None)

    assert found.recommendations == []
    assert set(found.refusals) == {structure.slug for structure in CATALOGUE}
