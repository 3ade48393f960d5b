"""The neighbourhood of a structure: many choices, each one tradable and still the same structure."""

from dataclasses import replace

import numpy as np
import pytest

from market.chain import Chain
from market.contract import Side
from strategies.build import build, candidate_of
from strategies.catalog import BY_SLUG, CATALOGUE
from strategies.errors import NotConstructible
from strategies.search import FURTHEST, MOST_CHOICES, MOST_FRONTS, neighbourhood
from strategies.strikes import SameAs, deviation
from strategies.table import contract_table
from tests.builders import make_chain

every_structure = pytest.mark.parametrize("structure", CATALOGUE, ids=lambda structure: structure.slug)


def around(slug: str, chain: Chain):
    return neighbourhood(BY_SLUG[slug], chain, contract_table(chain))


@every_structure
def test_the_first_choice_is_the_rules_own(structure):
    chain = make_chain()

    batch = neighbourhood(structure, chain, contract_table(chain))

    assert candidate_of(batch, 0) == build(structure, chain)


@every_structure
def test_every_choice_can_be_traded_and_keeps_the_order_of_strikes(structure):
    chain = make_chain()
    table = contract_table(chain)

    batch = neighbourhood(structure, chain, table)

    strikes, own = table.strike[batch.rows], table.strike[batch.rows[0]]
    for place, rule in enumerate(structure.legs):
        tradable = table.can_buy if rule.side is Side.BUY else table.can_sell
        assert tradable[batch.rows[:, place]].all()
        assert (batch.units[:, place] == rule.side.sign * rule.ratio).all()
        if isinstance(rule.strike, SameAs):
            assert (strikes[:, place] == strikes[:, rule.strike.leg_index]).all()
    first, second = np.triu_indices(len(structure.legs), 1)
    order = np.sign(own[second] - own[first])
    assert (np.sign(strikes[:, second] - strikes[:, first]) == order).all()


@every_structure
def test_no_choice_comes_twice_and_none_has_the_wrong_premium(structure):
    chain = make_chain()

    batch = neighbourhood(structure, chain, contract_table(chain))

    assert len({tuple(rows) for rows in batch.rows.tolist()}) == batch.size
    sign = {"credit": 1.0, "debit": -1.0}.get(structure.premium)
    assert sign is None or (sign * batch.option_premium > 0.0).all()


@pytest.mark.parametrize("slug", ["bull-call-spread", "iron-condor", "butterfly", "long-strangle", "iron-butterfly"])
def test_one_expiry_of_a_full_chain_offers_fifty_choices(slug: str):
    batch = around(slug, make_chain(22_000, days=(25,), step=50.0))

    assert 50 <= batch.size <= MOST_CHOICES


def test_a_single_leg_moves_over_every_strike_within_reach():
    chain = make_chain(22_000, days=(25,), step=25.0)
    table = contract_table(chain)

    batch = around("long-call", chain)

    strikes = table.strike[batch.rows[:, 0]]
    reach = FURTHEST * deviation(chain.expiries[0])
    assert batch.size == MOST_CHOICES
    assert np.abs(strikes - strikes[0]).max() <= reach


def test_strikes_further_than_the_reach_are_no_neighbours():
    chain = make_chain(22_000, days=(25,), step=500.0)

    strikes = contract_table(chain).strike[around("long-call", chain).rows[:, 0]]

    assert np.abs(strikes - strikes[0]).max() <= FURTHEST * deviation(chain.expiries[0])
    assert strikes.size == 5  # two steps of 500 on either side of the rule's own


def test_every_front_of_the_window_is_tried_the_nearest_first():
    chain = make_chain(days=(2, 11, 25, 39, 53))

    batch = around("bull-call-spread", chain)

    fronts = list(dict.fromkeys(batch.front.tolist()))
    assert fronts == [1, 2, 3]  # two days are before the window; three fronts are enough
    assert len(fronts) == MOST_FRONTS


def test_an_expiry_without_a_place_for_the_rules_does_not_stop_the_next_one():
    chain = make_chain(days=(25, 53))
    near = chain.expiries[0]
    deaf = replace(near, calls=replace(near.calls, usable=np.zeros_like(near.calls.usable)))

    batch = around("bull-call-spread", replace(chain, expiries=(deaf, chain.expiries[1])))

    assert set(batch.front.tolist()) == {1}


def test_what_cannot_be_built_anywhere_says_why():
    chain = make_chain(days=(25,))
    near = chain.expiries[0]
    nobody_bids = replace(near, calls=replace(near.calls, bid=np.zeros_like(near.calls.bid)))

    with pytest.raises(NotConstructible) as refusal:
        around("bear-call-spread", replace(chain, expiries=(nobody_bids,)))

    assert refusal.value.reason.code == "NO_BID"


def test_a_calendar_is_looked_for_on_two_expiries_or_refused():
    with pytest.raises(NotConstructible) as refusal:
        around("calendar-spread", make_chain(days=(25,)))
    batch = around("calendar-spread", make_chain(days=(25, 53)))

    assert refusal.value.reason.code == "NOT_ENOUGH_EXPIRIES"
    table = batch.table
    assert (table.rank[batch.rows] == [0, 1]).all()
    assert (table.strike[batch.rows[:, 0]] == table.strike[batch.rows[:, 1]]).all()


def test_an_index_has_no_share_to_hold():
    with pytest.raises(NotConstructible) as refusal:
        around("covered-call", make_chain(22_000, days=(25,), is_index=True))

    assert refusal.value.reason.code == "NOT_DELIVERABLE"
