"""Candidates of one chain: what was forecast, what came, and what was left out."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from market.contract import OptionType
from market.ports import CapturedChain, CapturedQuote
from market.rulebook.charges import option_charge_rates
from strategies.catalog import BY_SLUG
from strategies.trials import Order, Trials, trials_of
from tests.builders import TAKEN_AT, make_chain

EXPIRY = date(2026, 2, 24)
SLUGS = ("long-call", "bull-put-spread", "covered-call", "calendar-spread")
STRUCTURES = [BY_SLUG[slug] for slug in SLUGS]


def recorded(*, spot: float = 2_200.0) -> CapturedChain:
    """One expiry with a book on every strike."""
    made = make_chain(spot, days=((EXPIRY - TAKEN_AT.date()).days,))
    expiry = made.expiries[0]
    quotes = [
        CapturedQuote(
            expiry.expiry,
            float(strike),
            option_type,
            last_price=float(side.last_price[place]),
            bid=float(side.bid[place]) or None,
            ask=float(side.ask[place]),
            bid_quantity=6_500,
            ask_quantity=6_500,
            volume=100_000,
            open_interest=100_000,
        )
        for option_type in OptionType
        for side in [expiry.side(option_type)]
        for place, strike in enumerate(expiry.strikes)
    ]
    return CapturedChain("ACME", TAKEN_AT, "made", spot, tuple(quotes))


ORDER = Order("stocks-2026", recorded(), TAKEN_AT.date(), EXPIRY, settled=2_260.0, lot_size=65)


def tried(order: Order = ORDER, most: int = 4) -> Trials:
    trials, _ = trials_of(order, STRUCTURES, most=most)
    assert trials is not None
    return trials


def test_every_simple_structure_is_tried_as_its_rules_place_it_and_around():
    trials, left_out = trials_of(ORDER, STRUCTURES, most=4)

    assert trials is not None
    assert np.bincount(trials.structure).tolist() == [4, 4, 4]
    assert trials.own.tolist() == [True, False, False, False] * 3
    assert left_out == {"LEG_LIVES_ON": 1}
    assert (trials.symbol, trials.expiry, trials.days) == ("ACME", EXPIRY, 25)


def two_expiries(*, spot: float = 2_200.0, days: tuple[int, ...] = (25, 53), back: int = 0) -> CapturedChain:
    """A chain taken `back` days later, its expiries so many days from the first one."""
    made = make_chain(spot, days=tuple(day - back for day in days), skewed=False, spread=0.002, carry=0.0)
    quotes = [
        CapturedQuote(
            expiry.expiry + timedelta(days=back),
            float(strike),
            option_type,
            last_price=float(side.last_price[place]),
            bid=float(side.bid[place]) or None,
            ask=float(side.ask[place]),
            bid_quantity=6_500,
            ask_quantity=6_500,
            volume=100_000,
            open_interest=100_000,
        )
        for expiry in made.expiries
        for option_type in OptionType
        for side in [expiry.side(option_type)]
        for place, strike in enumerate(expiry.strikes)
    ]
    return CapturedChain("ACME", TAKEN_AT + timedelta(days=back), "made", spot, tuple(quotes))


TERMS = replace(ORDER, captured=two_expiries(), closing=two_expiries(days=(53,), back=25), settled=2_200.0)


def test_with_a_chain_of_the_day_of_expiry_what_lives_on_is_tried_and_nothing_else():
    trials, left_out = trials_of(TERMS, STRUCTURES, most=4)

    assert trials is not None
    assert np.bincount(trials.structure).tolist() == [0, 0, 0, 4]
    assert "LEG_LIVES_ON" not in left_out
    assert trials.profit[0] > 0.0  # it stood at the strike, at the same volatility
    far, _ = trials_of(replace(TERMS, settled=2_600.0), STRUCTURES, most=4)
    assert far is not None
    assert (far.profit < 0.0).all()
    assert np.array_equal(far.smile, trials.smile)


def test_a_leg_that_the_day_of_expiry_does_not_quote_leaves_its_candidate_out():
    other = replace(TERMS, closing=two_expiries(days=(81,), back=25))

    trials, left_out = trials_of(other, STRUCTURES, most=4)

    assert trials is None
    assert left_out == {"NOT_QUOTED_LATER": 4}


def test_a_calendar_of_later_expiries_is_not_settled_at_the_refused_front_ones_price():
    captured = two_expiries(days=(25, 53, 81))
    crossed = tuple(
        replace(quote, bid=quote.ask, ask=quote.bid) if quote.expiry == EXPIRY else quote for quote in captured.quotes
    )
    closing = two_expiries(days=(53, 81), back=25)

    trials, left_out = trials_of(
        replace(TERMS, captured=replace(captured, quotes=crossed), closing=closing), STRUCTURES, most=4
    )

    assert (trials, left_out) == (None, {"FRONT_EXPIRY_REFUSED": 1})


def test_a_day_of_expiry_without_a_usable_chain_is_a_reason():
    other = replace(TERMS, closing=replace(two_expiries(), quotes=two_expiries().quotes[:1]))

    trials, left_out = trials_of(other, STRUCTURES, most=4)

    assert (trials, left_out) == (None, {"NO_USABLE_EXPIRY": 1})


def test_forecasts_are_probabilities_and_the_profit_is_that_of_the_settled_price():
    low, high = tried(replace(ORDER, settled=1_900.0)), tried(replace(ORDER, settled=2_500.0))

    for name in ("smile", "flat", "delta"):
        values = getattr(low, name)
        assert ((values > 0.0) & (values < 1.0)).all()
        assert np.array_equal(values, getattr(high, name))  # a forecast knows nothing of what came
    assert (low.profit < 0.0).all()  # a long call, a bull put spread and a covered call want the rise
    assert (high.profit > 0.0).all()


def test_charges_make_profit_less_probable_and_are_left_open_where_they_are_unknown():
    rates = option_charge_rates(as_of=TAKEN_AT.date())

    charged, free = tried(replace(ORDER, rates=rates)), tried()

    assert (charged.after_costs < charged.smile).all()
    assert (charged.charges > 0.0).all()
    assert np.isnan(free.after_costs).all()
    assert np.isnan(free.charges).all()


def test_the_recorded_days_are_kept_when_the_chain_was_moved_to_known_ones():
    moved = tried(replace(ORDER, taken_on=date(2019, 6, 3), expiry=date(2019, 6, 28)))

    assert (moved.taken_on, moved.expiry) == (date(2019, 6, 3), date(2019, 6, 28))
    assert np.array_equal(moved.smile, tried().smile)


def test_what_lies_outside_its_window_of_days_is_tried_and_marked():
    structures = [replace(BY_SLUG["long-call"], min_days=40), BY_SLUG["long-call"]]

    trials, _ = trials_of(ORDER, structures[:1], most=2)

    assert trials is not None
    assert trials.advised.tolist() == [False, False]
    assert tried().advised.all()


def test_a_candidate_that_cannot_win_is_left_out_and_counted():
    quotes = tuple(
        replace(
            quote, bid=max(0.05, quote.bid - 2.5) if quote.bid else None, ask=quote.ask + 2.5 if quote.ask else None
        )
        for quote in ORDER.captured.quotes
    )
    wide = replace(
        ORDER, captured=replace(ORDER.captured, quotes=quotes), settled=1e6
    )  # the best for a bull call spread

    trials, left_out = trials_of(wide, [BY_SLUG["bull-call-spread"]], most=96)

    assert trials is not None
    assert left_out["CANNOT_WIN"] > 0  # both touches of an adjacent pair cost more than the pair is wide
    assert (trials.profit > 0.0).all()


def test_a_chain_that_cannot_be_assembled_is_a_reason_not_an_error():
    broken = replace(ORDER.captured, quotes=ORDER.captured.quotes[:1])

    trials, left_out = trials_of(replace(ORDER, captured=broken), STRUCTURES, most=4)

    assert trials is None
    assert left_out == {"NO_USABLE_EXPIRY": 1}


@pytest.mark.parametrize("most", [1, 3])
def test_no_more_than_asked_for_are_tried(most: int):
    assert np.bincount(tried(most=most).structure).max() == most
