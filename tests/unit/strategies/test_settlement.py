"""What candidates became: settled prices, what breaks them, and profits by hand."""

import math
from datetime import date, timedelta

import numpy as np
import pytest
from scipy.stats import norm

from market.contract import OptionType
from market.errors import InvalidInput, Reason
from strategies.batch import concatenate, join
from strategies.build import candidate_of
from strategies.catalog import BY_SLUG
from strategies.search import neighbourhood
from strategies.settlement import Session, adjusted, settled_profit, settlement_price, worth_later
from strategies.table import contract_table
from tests.builders import make_chain

TAKEN, EXPIRY = date(2026, 1, 12), date(2026, 1, 16)


def sessions(*prices: tuple[float, float]) -> dict[date, Session]:
    """Open and close of the days from the chain to its expiry."""
    days = [TAKEN + timedelta(days=number) for number in range(len(prices))]
    return {day: Session(day, *price) for day, price in zip(days, prices, strict=True)}


CALM = sessions((100, 101), (101, 99), (99, 104), (104, 103), (103, 107.5))


def asked(recorded: dict[date, Session], **changes: object) -> float | Reason:
    facts = {"underlying": "ACME", "spot": 101.0, "taken_on": TAKEN, "expiry": EXPIRY} | changes
    return settlement_price(**facts, sessions=recorded)


def test_it_settles_at_the_close_of_the_expiry_day():
    assert asked(CALM) == 107.5
    assert asked(CALM, spot=None) == 107.5  # an index chain without a value of its own


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"taken_on": EXPIRY}, "EXPIRES_TODAY"),
        ({"taken_on": date(2026, 1, 9)}, "NO_SESSION"),
        ({"expiry": date(2026, 1, 27)}, "NO_SETTLEMENT_PRICE"),
        ({"spot": 103.5}, "SPOT_DISAGREES"),
    ],
)
def test_what_cannot_be_settled_says_why(changes: dict[str, object], code: str):
    refusal = asked(CALM, **changes)

    assert isinstance(refusal, Reason)
    assert refusal.code == code


@pytest.mark.parametrize("place", [1, 2, 3, 4])
def test_a_split_on_any_day_until_the_expiry_drops_the_candidate(place: int):
    prices = [(100.0, 101.0)] * 5
    split = [price if number < place else (20.0, 20.2) for number, price in enumerate(prices)]

    refusal = asked(sessions(*split))

    assert isinstance(refusal, Reason)
    assert refusal.code == "CORPORATE_ACTION"


def test_a_consolidation_drops_it_and_a_gap_of_opinion_does_not():
    assert isinstance(asked(sessions((100, 101), (505, 500), (500, 500), (500, 500), (500, 500))), Reason)
    assert asked(sessions((100, 101), (85, 84), (84, 84), (84, 84), (84, 83))) == 83


def test_what_happened_before_the_chain_or_after_the_expiry_is_no_matter():
    around = {TAKEN - timedelta(days=3): Session(TAKEN, 500, 500), EXPIRY + timedelta(days=3): Session(EXPIRY, 20, 20)}

    assert asked(CALM | around) == 107.5


def test_replaced_strikes_are_told_from_added_and_removed_ones():
    assert adjusted([2000, 2100, 2200, 2300], [400, 420, 440, 460])
    assert adjusted([2000, 2100, 2200, 2300], [2000, 416, 436, 456])  # one is there by chance
    assert not adjusted([2000, 2100, 2200, 2300], [1900, 2000, 2100, 2200, 2300, 2400])
    assert not adjusted([2000, 2100, 2200, 2300], [2100, 2200])  # the outer ones were taken off


@pytest.mark.parametrize("settled", [150.0, 2_000.0, 2_187.35, 2_200.0, 2_450.0, 9_000.0])
def test_settled_profit_is_the_payoff_by_hand(settled: float):
    chain = make_chain(2_200, days=(25,))
    slugs = ("bull-call-spread", "iron-condor", "short-strangle", "covered-call", "call-ratio-spread", "jade-lizard")
    table = contract_table(chain)
    batch = concatenate([neighbourhood(BY_SLUG[slug], chain, table).take(np.arange(6)) for slug in slugs])

    found = settled_profit(batch, settled)

    for place in range(batch.size):
        by_hand = 0.0
        for leg in candidate_of(batch, place).legs:
            worth = settled
            if leg.contract.is_option:
                away = settled - leg.strike if leg.kind == "CALL" else leg.strike - settled
                worth = max(0.0, away)
            by_hand += leg.quantity * (worth - leg.price)
        assert found[place] == pytest.approx(by_hand, abs=1e-9)


def test_a_leg_that_lives_on_and_a_price_that_is_none_are_refused():
    chain = make_chain(2_200, days=(25, 53))
    batch = neighbourhood(BY_SLUG["calendar-spread"], chain, contract_table(chain))

    with pytest.raises(InvalidInput, match="LEG_LIVES_ON"):
        settled_profit(batch, 2_200.0)
    with pytest.raises(InvalidInput, match="NOT_A_PRICE"):
        settled_profit(batch, 0.0)


def test_what_lives_on_is_worth_the_smile_of_that_day_at_the_settled_price():
    chain = make_chain(2_200, days=(25, 53), carry=0.0)
    closing = make_chain(2_250, days=(53,), volatility=0.30, skewed=False, carry=0.0)
    table = contract_table(chain)
    sold, bought = table.row(0, OptionType.CALL, 5), table.row(1, OptionType.CALL, 5)

    later = worth_later(table, closing, 2_300.0)

    strike, spread = float(table.strike[bought]), 0.30 * math.sqrt(53 / 365)
    first = math.log(2_300.0 / strike) / spread + 0.5 * spread
    fair = 2_300.0 * norm.cdf(first) - strike * norm.cdf(first - spread)
    assert later[bought] == pytest.approx(fair)
    assert math.isnan(later[sold])  # its expiry is over
    batch = join(table, [(BY_SLUG["calendar-spread"], 0, np.array([[sold, bought]]))])
    found = settled_profit(batch, 2_300.0, later=later)
    assert found[0] == pytest.approx(fair - (2_300.0 - strike) + batch.net_premium[0])


def test_what_lives_on_in_no_recorded_chain_has_no_profit():
    chain = make_chain(2_200, days=(25, 53))
    table = contract_table(chain)
    rows = np.array([[table.row(0, OptionType.CALL, 5), table.row(1, OptionType.CALL, 5)]])
    batch = join(table, [(BY_SLUG["calendar-spread"], 0, rows)])

    later = worth_later(table, make_chain(2_200, days=(81,)), 2_200.0)

    assert math.isnan(settled_profit(batch, 2_200.0, later=later)[0])
