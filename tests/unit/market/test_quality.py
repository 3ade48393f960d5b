"""The quality gate: each bad input has its reason code, and its neighbours stay usable."""

import math
from dataclasses import replace
from datetime import date, datetime, timedelta

import numpy as np
import pytest

from market.assembly import assemble
from market.calendar import IST
from market.contract import OptionType
from market.errors import BadChain
from market.ports import CapturedChain, CapturedQuote
from market.quality import REASONS, Circumstances, Refusal, odd_strikes, reason_of, regular_step, trading_age
from market.quant import black
from tests.builders import make_expiry

TAKEN_AT = datetime(2026, 1, 30, 14, 0, tzinfo=IST)
EXPIRY = date(2026, 2, 24)
FORWARD, SPOT = 1_010.0, 1_003.2
STRIKES = [float(strike) for strike in range(800, 1_221, 20)]
CALL, PUT = OptionType.CALL, OptionType.PUT
NO_BOOK = {"bid": None, "ask": None}


def quote(strike, kind, *, expiry=EXPIRY, **changes):
    """A fair two-sided quote at 25 % volatility."""
    close = datetime(expiry.year, expiry.month, expiry.day, 15, 30, tzinfo=IST)
    years = max((close - TAKEN_AT).total_seconds(), 1.0) / 31_536_000
    fair = float(
        black.price(forward=FORWARD, strike=strike, years=years, volatility=0.25, is_call=kind is OptionType.CALL)
    )
    last = max(round(round(fair / 0.05) * 0.05, 2), 0.1)
    values = {"last_price": last, "volume": 1_000, "open_interest": 5_000}
    book = {"bid": round(last - 0.05, 2), "ask": round(last + 0.05, 2)}
    return CapturedQuote(expiry, float(strike), kind, **(values | book | changes))


def captured(changes=None, *, strikes=STRIKES, spot=SPOT, extra=(), is_index=False, expiry=EXPIRY, kinds=OptionType):
    quotes = [quote(k, kind, expiry=expiry, **(changes or {}).get((k, kind), {})) for k in strikes for kind in kinds]
    return CapturedChain("ACME", TAKEN_AT, "test", spot, (*quotes, *extra), is_index)


def made(chain, **known):
    lots = {quote.expiry: 500 for quote in chain.quotes}
    return assemble(chain, lot_sizes=lots, tick_size=0.05, known=Circumstances(**known))


def refusal_of(chain, strike=1_000.0, kind=CALL):
    expiry = chain.expiries[0]
    place = expiry.strikes.tolist().index(strike)
    side = expiry.side(kind)
    assert side.usable[place] == (side.refusal[place] == 0)
    return Refusal(int(side.refusal[place]))


def without_book(changes=None, **options):
    every = {
        (strike, kind): NO_BOOK | (changes or {}).get((strike, kind), {}) for strike in STRIKES for kind in OptionType
    }
    return captured(every, **options)


def test_a_fair_chain_passes_whole():
    front = made(captured()).expiries[0]

    assert not front.calls.refusal.any()
    assert not front.puts.refusal.any()
    assert front.flags == ()


@pytest.mark.parametrize(
    ("bad", "refusal"),
    [
        ({"bid": 45.0, "ask": 44.0}, Refusal.CROSSED),
        ({"bid": 40.0, "ask": 40.0}, Refusal.LOCKED),
        ({"bid": 0.0}, Refusal.ZERO_BID),
        ({"bid": None}, Refusal.ONE_SIDED),
        ({"ask": None}, Refusal.ONE_SIDED),
        ({"bid": None, "ask": None}, Refusal.ONE_SIDED),
        ({"bid": None, "ask": None, "last_price": None}, Refusal.NO_PRICE),
        ({"bid": 10.0, "ask": 80.0}, Refusal.WIDE),
        ({"bid": math.nan, "ask": math.inf}, Refusal.ONE_SIDED),
        ({"bid": 90.0, "ask": 90.1}, Refusal.OFF_SMILE),
        ({"bid": 900.0, "ask": 900.1}, Refusal.IV_TOO_HIGH),
        ({"open_interest": 0}, Refusal.NO_OPEN_INTEREST),
    ],
)
def test_a_bad_quote_carries_its_reason_and_its_neighbours_stay(bad, refusal):
    chain = made(captured({(1_000.0, CALL): bad}))

    assert refusal_of(chain) is refusal
    assert chain.expiries[0].calls.reason(10).code == refusal.name
    assert refusal_of(chain, 980.0) is Refusal.NONE
    assert refusal_of(chain, 1_020.0) is Refusal.NONE


def test_an_offer_below_intrinsic_value_has_negative_time_value():
    chain = made(captured({(840.0, CALL): {"bid": 160.0, "ask": 160.1}}))

    assert refusal_of(chain, 840.0) is Refusal.NEGATIVE_TIME_VALUE


def test_a_pair_off_parity_loses_its_worse_half():
    fair = quote(1_000, CALL)
    chain = made(captured({(1_000.0, CALL): {"bid": fair.bid + 1.5, "ask": fair.ask + 1.5}}))

    assert refusal_of(chain) is Refusal.OFF_PARITY
    assert refusal_of(chain, 1_000.0, PUT) is Refusal.NONE


def test_a_vertical_spread_with_a_sure_profit_loses_the_quote_off_the_smile():
    below = quote(800, CALL)
    stale = {"bid": round(below.ask + 0.5, 2), "ask": round(below.ask + 0.6, 2)}  # dearer than a lower strike
    chain = made(captured({(820.0, CALL): stale, (820.0, PUT): {"bid": None}}))

    assert refusal_of(chain, 820.0) is Refusal.NOT_MONOTONE
    assert refusal_of(chain, 800.0) is Refusal.NONE


def test_a_butterfly_with_a_sure_profit_loses_the_quote_off_the_smile():
    fair = quote(1_000, CALL)
    dear = {"bid": round(fair.bid + 3, 2), "ask": round(fair.ask + 3, 2)}
    chain = made(captured({(1_000.0, CALL): dear, (1_000.0, PUT): {"bid": None}}))

    assert dear["bid"] > 0.5 * (quote(980, CALL).ask + quote(1_020, CALL).ask)
    assert refusal_of(chain) is Refusal.NOT_CONVEX
    assert refusal_of(chain, 980.0) is Refusal.NONE
    assert refusal_of(chain, 1_020.0) is Refusal.NONE


def test_a_duplicate_that_agrees_is_one_row_and_one_that_does_not_is_refused():
    same, other = quote(1_000, CALL), quote(980, CALL, bid=50.0)
    chain = made(captured(extra=(same, other)))

    assert refusal_of(chain, 1_000.0) is Refusal.NONE
    assert refusal_of(chain, 980.0) is Refusal.DUPLICATED


def test_an_option_missing_beside_its_twin_is_not_quoted():
    whole = captured()
    chain = made(replace(whole, quotes=tuple(q for q in whole.quotes if (q.strike, q.option_type) != (1_000.0, CALL))))

    assert refusal_of(chain) is Refusal.NOT_QUOTED
    assert refusal_of(chain, 1_000.0, PUT) is Refusal.NONE


def test_a_last_price_without_volume_is_frozen_where_there_is_no_book():
    chain = made(without_book({(1_000.0, CALL): {"volume": 0}}))

    assert refusal_of(chain) is Refusal.FROZEN
    assert refusal_of(chain, 1_000.0, PUT) is Refusal.NONE


def test_a_last_price_that_stood_still_while_the_spot_moved_is_frozen():
    now = without_book({(1_000.0, CALL): {"volume": 777}})
    before = replace(without_book(), spot=SPOT * 0.995)
    before = replace(before, quotes=tuple(replace(q, volume=(q.volume or 0) - 1) for q in before.quotes))
    still = tuple(replace(q, volume=777) if (q.strike, q.option_type) == (1_000.0, CALL) else q for q in before.quotes)

    assert refusal_of(made(now, previous=replace(before, quotes=still))) is Refusal.FROZEN
    assert refusal_of(made(now, previous=before)) is Refusal.NONE
    assert refusal_of(made(now, previous=replace(before, quotes=still, spot=SPOT))) is Refusal.NONE


def test_a_price_too_low_to_have_a_buyer_has_a_zero_bid():
    chain = made(without_book({(1_220.0, CALL): {"last_price": 0.05}}))

    assert refusal_of(chain, 1_220.0) is Refusal.ZERO_BID


@pytest.mark.parametrize(
    ("minutes", "refusal"), [(59, Refusal.NONE), (60, Refusal.NONE), (61, Refusal.STALE), (600, Refusal.STALE)]
)
def test_quotes_older_than_allowed_are_stale(minutes, refusal):
    chain = made(captured(), as_of=TAKEN_AT + timedelta(minutes=minutes), most_age=timedelta(hours=1))

    assert refusal_of(chain) is refusal
    assert [flag.code for flag in chain.flags] == ([] if refusal is Refusal.NONE else ["STALE"])


def test_after_the_close_nothing_ages():
    close = datetime(2026, 1, 30, 15, 30, tzinfo=IST)

    assert trading_age(close - timedelta(minutes=1), close + timedelta(hours=6)) == timedelta(minutes=1)
    assert trading_age(close + timedelta(hours=1), close + timedelta(hours=6)) == timedelta(0)
    assert trading_age(close, close + timedelta(days=3)) == timedelta(days=3)


def test_quotes_of_different_times_are_refused():
    assert refusal_of(made(captured(), stamp_spread=timedelta(minutes=3))) is Refusal.MIXED_TIMES
    assert refusal_of(made(captured(), stamp_spread=timedelta(minutes=2))) is Refusal.NONE


def test_a_strike_off_the_grid_is_of_a_corporate_action():
    chain = made(captured(strikes=[*STRIKES, 987.35]))

    assert refusal_of(chain, 987.35) is Refusal.ODD_STRIKE
    assert refusal_of(chain, 980.0) is Refusal.NONE


@pytest.mark.parametrize(
    ("strikes", "step", "odd"),
    [
        ([100.0, 105.0, 110.0, 115.0, 120.0, 122.5], 5.0, [False] * 6),  # a half step is regular
        ([100.0, 105.0, 110.0, 115.0, 120.0, 121.3], 5.0, [False] * 5 + [True]),
        ([312.35, 318.6, 324.85, 331.1, 337.35], None, [False] * 5),  # all were adjusted: there is no other grid
        ([100.0, 101.3], None, [False, False]),
    ],
)
def test_the_regular_step_is_the_largest_that_four_fifths_stand_on(strikes, step, odd):
    assert regular_step(np.array(strikes)) == step
    assert odd_strikes(np.array(strikes)).tolist() == odd


def test_an_odd_lot_is_of_a_corporate_action():
    chain = made(captured(), odd_lots={(EXPIRY, 1_000.0): 512})

    assert refusal_of(chain) is Refusal.ODD_LOT
    assert refusal_of(chain, 1_000.0, PUT) is Refusal.ODD_LOT
    assert refusal_of(chain, 980.0) is Refusal.NONE


# --- what is wrong with an expiry, or the chain -----------------------------------------------------------------------


def refused(chain, **known):
    with pytest.raises(BadChain) as refusal:
        made(chain, **known)
    return refusal.value.reason


@pytest.mark.parametrize(
    ("chain", "code"),
    [
        (captured(strikes=[1_000.0]), "SINGLE_STRIKE"),
        (captured(kinds=[CALL]), "ONE_SIDE_MISSING"),
        (captured(kinds=[PUT]), "ONE_SIDE_MISSING"),
        (captured(spot=800.0), "FORWARD_OFF_SPOT"),
        (captured(expiry=date(2026, 1, 26)), "EXPIRY_NOT_A_SESSION"),  # Republic Day
        (captured({(k, (CALL, PUT)[place % 2]): {"bid": None} for place, k in enumerate(STRIKES)}), "NO_PAIRS"),
    ],
)
def test_an_expiry_that_cannot_be_read_is_refused_with_its_code(chain, code):
    reason = refused(chain)

    assert reason.code == "NO_USABLE_EXPIRY"
    assert f"[{code}]" in reason.sentence


@pytest.mark.parametrize("spot", [0.0, -1.0, math.nan, math.inf])
def test_a_spot_that_is_no_price_refuses_the_chain(spot):
    assert refused(captured(spot=spot)).code == "ZERO_SPOT"


@pytest.mark.parametrize(("clock", "code"), [((15, 14), None), ((15, 16), "LAST_MINUTES")])
def test_the_last_minutes_before_expiry_are_not_traded(clock, code):
    moment = datetime(2026, 2, 24, *clock, tzinfo=IST)
    chain = replace(captured(), taken_at=moment)

    if code is None:
        with pytest.raises(BadChain) as refusal:  # refused for its prices, which are of January
            made(chain)
        assert "LAST_MINUTES" not in refusal.value.reason.sentence
    else:
        assert "[LAST_MINUTES]" in refused(chain).sentence


def test_a_volatility_above_five_hundred_per_cent_refuses_the_expiry():
    wild = [
        CapturedQuote(
            EXPIRY, k, kind, last_price=p, bid=round(p - 0.5, 2), ask=round(p + 0.5, 2), volume=9, open_interest=9
        )
        for k in STRIKES
        for kind in OptionType
        for p in [
            float(
                black.price(
                    forward=FORWARD, strike=k, years=25.06 / 365, volatility=6.0, is_call=kind is OptionType.CALL
                )
            )
        ]
    ]

    assert "[IV_TOO_HIGH]" in refused(CapturedChain("ACME", TAKEN_AT, "test", SPOT, tuple(wild))).sentence


def test_a_thin_expiry_can_be_used_and_says_what_is_doubtful():
    thin = made(captured(strikes=[980.0, 1_020.0])).expiries[0]

    assert [flag.code for flag in thin.flags] == ["FLAT_SMILE", "FEW_PAIRS"]
    assert all(flag.sentence.startswith("ACME 24 Feb 2026: ") for flag in thin.flags)


def test_a_mostly_refused_expiry_says_so():
    holes = {(k, kind): {"bid": None} for k in STRIKES[::2] + STRIKES[1::4] for kind in OptionType}

    assert "MOSTLY_REFUSED" in [flag.code for flag in made(captured(holes)).expiries[0].flags]


# --- forward and carry ------------------------------------------------------------------------------------------------


def test_the_carry_is_the_rate_from_spot_to_forward():
    front = made(captured()).expiries[0]

    assert front.carry == pytest.approx(math.log(front.forward / SPOT) / front.years)
    assert front.carry == pytest.approx(math.log(FORWARD / SPOT) / front.years, abs=2e-3)
    assert front.carry_reason is None
    assert front.pairs >= 10
    assert 0.0 < front.forward_stderr < 0.05


def test_without_a_spot_the_carry_is_a_reason():
    front = made(captured(spot=None, is_index=True)).expiries[0]

    assert front.carry is None
    assert front.carry_reason.code == "NO_SPOT"


# --- the table of codes -----------------------------------------------------------------------------------------------


def test_every_code_has_a_reason_and_zero_has_none():
    assert reason_of(0) is None
    assert set(REASONS) == set(Refusal) - {Refusal.NONE}
    assert all(reason_of(refusal).code == refusal.name for refusal in REASONS)


def test_a_side_made_without_codes_says_that_nothing_was_said():
    side = replace(make_expiry().calls, usable=np.zeros_like(make_expiry().calls.usable), refusal=np.zeros(0, np.int8))

    assert side.reason(0).code == "UNSAID"
    assert make_expiry().calls.reason(0) is None


def test_prices_discounted_at_the_rate_of_the_day_are_on_parity():
    discount = math.exp(-0.065 * 25.06 / 365)
    changes = {}
    for strike in STRIKES:
        for kind in OptionType:
            middle = 0.5 * (quote(strike, kind).bid + quote(strike, kind).ask) * discount
            changes[strike, kind] = {"bid": round(middle - 0.05, 2), "ask": round(middle + 0.05, 2)}

    front = made(captured(changes)).expiries[0]

    assert not front.calls.refusal.any()
    assert not front.puts.refusal.any()
