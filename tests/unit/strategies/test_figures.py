"""What is shown beside the measures: each figure by its own convention, or None where its input is not known."""

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from scipy.stats import norm

from market.chain import Chain, Floats
from market.quant.distribution import Distribution, rescaled
from market.rulebook.charges import option_charge_rates
from market.sessions import Past
from strategies.batch import Batch, concatenate
from strategies.build import Candidate, build
from strategies.catalog import BY_SLUG
from strategies.evaluate import Evaluation, evaluations
from strategies.figures import Figures, best_results, figures
from strategies.forecast import forecasts, history_distribution
from strategies.horizon import distribution_at
from strategies.measure import measure
from strategies.passage import probability_of_reaching
from strategies.payoff import payoff_lines
from strategies.table import CALL, PUT, contract_table
from tests.builders import make_chain
from tests.reference import payoff
from tests.single import measured

RATES = option_charge_rates(exchange="NSE", as_of=date(2026, 1, 30))
RETURNS = np.random.default_rng(3).normal(0.001, 0.007, 250)
PAST = Past(RETURNS, np.full(250, 0.007**2 * 252))


def shown(
    slug: str, chain: Chain, *, past: Past | None = None, expected: Mapping[int, Distribution] | None = None
) -> tuple[Candidate, Evaluation, Figures]:
    candidate = build(BY_SLUG[slug], chain)
    batch, found = measured(candidate, chain, rates=RATES, forecast=(expected or {}).get(0))
    judged = evaluations(batch, found)
    return candidate, judged[0], figures(batch, [candidate], judged, past=past, forecasts=expected or {})[0]


@pytest.mark.parametrize("slug", ["iron-condor", "long-straddle", "call-ratio-spread", "calendar-spread"])
def test_each_probability_is_that_of_the_payoff_under_its_own_distribution(slug: str):
    chain = make_chain(22_000, days=(25, 53))

    candidate, _, found = shown(slug, chain, past=PAST)

    line, front = payoff(candidate, chain), chain.expiries[0]
    sample = np.exp(0.15 * math.sqrt(25 / 365) * norm.ppf((np.arange(200_000) + 0.5) / 200_000))
    flat = line.at(front.forward * sample / sample.mean())
    drawn = history_distribution(front, PAST)
    assert drawn is not None
    assert found.probability_flat == pytest.approx((flat > 0.0).mean(), abs=0.001)
    assert found.probability_history == pytest.approx(line.probability_of_profit(drawn), abs=5e-4)


def test_without_a_past_neither_history_nor_forecast_is_claimed():
    _, _, found = shown("iron-condor", make_chain(days=(25,)))

    assert found.probability_history is None
    assert found.forecast_volatility is None


def test_what_is_not_known_says_why():
    _, _, found = shown("long-call", make_chain(days=(25,)))

    whys = {name: why.code for name, why in found.unknown.items()}
    assert whys == {
        "probability_history": "NO_PAST",
        "forecast_volatility": "NO_PAST",
        "probability_half": "PROFIT_UNBOUNDED",
    }
    assert replace(found, return_on_margin=None).unknown["return_on_margin"].code == "NO_MARGIN"
    whole = replace(found, probability_history=0.5, forecast_volatility=0.2, probability_half=0.5)
    assert whole.unknown == {}


def test_the_forecast_volatility_is_that_of_the_distribution_expected():
    chain = make_chain(days=(25,), skewed=False)
    expected = forecasts(chain, PAST)

    _, _, found = shown("iron-condor", chain, past=PAST, expected=expected)

    spread = math.log(expected[0].quantile(0.75) / expected[0].quantile(0.25)) / (2.0 * norm.ppf(0.75))
    assert found.forecast_volatility == pytest.approx(spread / math.sqrt(25 / 365), rel=0.01)
    assert found.forecast_volatility != pytest.approx(0.15, abs=0.005)


def test_a_touch_is_twice_the_chance_of_ending_outside():
    chain = make_chain(days=(25,))

    _, judged, found = shown("short-straddle", chain)

    low, high = judged.breakevens
    outside = 1.0 - float(distribution_at(chain.expiries[0]).probability_between(low, high))
    assert found.probability_touch == pytest.approx(min(1.0, 2.0 * outside))


def test_a_touch_far_from_the_forward_is_rare_and_never_above_one():
    chain = make_chain(days=(25,))

    touches = {slug: shown(slug, chain)[2].probability_touch for slug in ("iron-condor", "short-put", "short-straddle")}

    assert touches["short-put"] < touches["iron-condor"] < touches["short-straddle"] <= 1.0


@pytest.mark.parametrize(
    ("slug", "basis"),
    [("iron-condor", "credit"), ("short-put", "credit"), ("bull-call-spread", "most"), ("iron-butterfly", "credit")],
)
def test_half_is_of_the_credit_or_else_of_the_maximum_profit(slug: str, basis: str):
    chain = make_chain(days=(25,))
    candidate, judged, found = shown(slug, chain)
    batch, _ = measured(candidate, chain, rates=RATES)
    half = 0.5 * (judged.option_premium if basis == "credit" else judged.max_profit)

    expected = probability_of_reaching(batch, np.array([half]), distribution_at(chain.expiries[0]))[0]

    assert found.probability_half == pytest.approx(expected)


def test_regions_and_sharpe_are_those_of_the_value_that_is_expected():
    chain = make_chain(days=(25,), is_index=True)
    calm = {0: rescaled(distribution_at(chain.expiries[0]), 0.7)}
    _, judged, found = shown("iron-condor", chain, expected=calm)

    levels = calm[0].quantile((np.arange(200_000) + 0.5) / 200_000)
    outcomes = payoff(build(BY_SLUG["iron-condor"], chain), chain).at(levels)

    assert judged.expected_value < 0.0 < judged.forecast_value
    assert judged.forecast_deviation == pytest.approx(outcomes.std(), rel=1e-3)
    assert judged.sharpe == pytest.approx(judged.forecast_value / outcomes.std(), rel=1e-3)
    assert sum(part.expected_value for part in found.regions) == pytest.approx(judged.forecast_value, abs=1e-9)
    gain = found.regions[2]
    paid = outcomes - outcomes.mean() + judged.forecast_value
    assert gain.probability == pytest.approx((paid > 0.1 * outcomes.std()).mean(), abs=0.003)


def test_half_of_a_covered_call_counts_the_rise_of_the_share():
    chain = make_chain(days=(25,))
    candidate, judged, found = shown("covered-call", chain)
    batch, _ = measured(candidate, chain, rates=RATES)

    half = np.array([0.5 * judged.max_profit])

    assert judged.option_premium > 0.0
    reached = probability_of_reaching(batch, half, distribution_at(chain.expiries[0]))[0]
    assert found.probability_half == pytest.approx(reached)


@pytest.mark.parametrize("slug", ["long-call", "long-put", "long-straddle", "protective-put"])
def test_no_half_of_a_profit_without_limit(slug: str):
    assert shown(slug, make_chain(days=(25,)))[2].probability_half is None


@pytest.mark.parametrize(
    ("legs", "best"),
    [
        ([(PUT, 900, -1, 20.0), (PUT, 800, 1, 5.0)], 15.0),  # a credit is all that can be earned
        ([(CALL, 1_000, 1, 40.0), (CALL, 1_050, -2, 22.0)], 54.0),  # a credit of 4 beside a most of 54
        ([(CALL, 1_000, -1, 40.0), (CALL, 1_050, 2, 15.0)], math.inf),  # a credit of 10 beside no limit
        ([(PUT, 1_000, 1, 40.0)], math.inf),  # a price of zero is no limit to wait for
        ([(PUT, 1_000, 1, 40.0), (CALL, 1_050, -1, 45.0)], math.inf),
        ([(PUT, 1_000, -1, 40.0), (PUT, 950, 2, 15.0)], math.inf),
    ],
    ids=["put spread", "ratio spread", "call backspread", "long put", "risk reversal", "put backspread"],
)
def test_the_best_is_the_credit_only_where_it_is_most_of_what_can_be_earned(legs, best):
    batch, most = typed_in(legs)

    assert best_results(batch, most) == pytest.approx(np.array([best]))


def typed_in(legs: list[tuple[int, float, int, float]]) -> tuple[Batch, Floats]:
    """Return a position at prices of one's own, and its maximum profit."""
    table = contract_table(make_chain(1_000, days=(25,), step=10.0))
    rows = [int(np.flatnonzero((table.kind == kind) & (table.strike == strike))[0]) for kind, strike, _, _ in legs]
    price = table.ask.copy()
    price[rows] = [paid for _, _, _, paid in legs]
    units = np.array([[float(ratio) for _, _, ratio, _ in legs]])
    nothing = np.zeros(1, dtype=np.int64)
    own = replace(table, ask=price, bid=price)
    batch = Batch(own, (BY_SLUG["iron-condor"],), nothing, np.array([rows]), units, nothing)
    return batch, payoff_lines(batch).max_profit


def black_76(sign: float, level: float, strike: float, volatility: float) -> float:
    """A call (1) or a put (-1) of 25 days, straight from the book; undiscounted."""
    spread = volatility * math.sqrt(25 / 365)
    first = math.log(level / strike) / spread + 0.5 * spread
    return sign * (level * norm.cdf(sign * first) - strike * norm.cdf(sign * (first - spread)))


# An index at 22,000 in lots of 65; the exposure margin of each sold option is 2 % of 22,000 = 440 a unit.
MARGINS = {
    # Bought at 294.65, nothing sold.
    "long-call": ([(22_110.0, 294.65)], 65 * 294.65),
    # 550 wide for a credit of 164.40 - 50.30, and one sold option.
    "bull-put-spread": ([(21_560.0, 164.40), (21_010.0, 50.30)], 65 * (550.0 - 114.10 + 440.0)),
    # The worst scenario: the index 9.3 % higher (6 √2 daily deviations are 8.0 %) and 15 % volatility 4 points higher.
    "short-strangle": (
        [(22_770.0, 91.65), (21_230.0, 83.60)],
        65 * (black_76(1.0, 24_046.0, 22_770.0, 0.19) + black_76(-1.0, 24_046.0, 21_230.0, 0.19) - 175.25 + 880.0),
    ),
}


@pytest.mark.parametrize("slug", MARGINS)
def test_margin_is_that_of_the_legs_and_the_return_that_of_the_forecast(slug: str):
    chain = make_chain(days=(25,), is_index=True, skewed=False, carry=0.0)
    legs, blocked = MARGINS[slug]

    candidate, judged, found = shown(slug, chain)

    assert [(leg.contract.strike, round(leg.price, 2)) for leg in candidate.legs] == legs
    assert found.margin == pytest.approx(blocked)
    assert found.return_on_margin == pytest.approx(judged.forecast_value * 65 / blocked)


def test_margin_follows_the_margin_group_of_the_structure():
    chain = make_chain(1_000, days=(25,), step=10.0)

    secured, _, whole = shown("cash-secured-put", chain)
    _, _, plain = shown("short-put", chain)

    assert whole.margin == secured.legs[0].contract.strike * 65
    assert plain.margin < 0.25 * whole.margin


def test_candidates_of_several_expiries_keep_their_order_and_their_figures():
    chain = make_chain(days=(11, 25, 53))
    alone = {slug: shown(slug, chain) for slug in ("calendar-spread", "iron-condor", "long-call")}
    candidates = [candidate for candidate, _, _ in alone.values()]
    batch = concatenate([measured(each, chain, rates=RATES)[0] for each in candidates])
    judged = evaluations(batch, measure(batch, rates=RATES, cells=20_000))

    together = figures(batch, candidates, judged, past=None, forecasts={})

    for found, (candidate, _, expected) in zip(together, alone.values(), strict=True):
        assert found.probability_half == pytest.approx(expected.probability_half, abs=1e-3)
        assert found.probability_touch == pytest.approx(expected.probability_touch, abs=1e-6)
        assert found.margin == pytest.approx(expected.margin, rel=1e-6)
        assert len(found.scenarios) == 30
        assert [part.name for part in found.regions] == ["loss", "flat", "gain"]
        days = [day for day, _ in found.theta_profile]
        assert (days[0], days[-1]) == (0, candidate.days_to_expiry - 1)
