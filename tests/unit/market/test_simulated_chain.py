"""The simulated chains and touches: exact ticks and lots, no free money, wider away from the money."""

import itertools
from datetime import date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from market.calendar import IST, years_to
from market.contract import Contract, OptionType
from market.errors import Illiquid, UnknownInstrument
from market.ports import CapturedChain, CapturedQuote, MarketSource
from market.sources.simulated import SimulatedMarket
from market.sources.simulated.paths import Paths
from market.sources.simulated.surface import Surface, fair_prices, surface_of
from market.sources.simulated.universe import BY_SYMBOL, UNIVERSE

NOON = datetime(2026, 1, 30, 12, 0, tzinfo=IST)
SOURCE: MarketSource = SimulatedMarket()
SYMBOLS = [listing.symbol for listing in UNIVERSE]


def side(chain: CapturedChain, expiry: date, option_type: OptionType) -> list[CapturedQuote]:
    quotes = [quote for quote in chain.quotes if (quote.expiry, quote.option_type) == (expiry, option_type)]
    assert quotes == sorted(quotes, key=lambda quote: quote.strike)
    return quotes


def expiries(chain: CapturedChain) -> list[date]:
    return sorted({quote.expiry for quote in chain.quotes})


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_strikes_reach_far_enough_on_both_sides(symbol: str):
    chain = SOURCE.chain(symbol, as_of=NOON)
    listing = BY_SYMBOL[symbol]

    for expiry in expiries(chain):
        strikes = np.array([quote.strike for quote in side(chain, expiry, OptionType.CALL)])
        assert [quote.strike for quote in side(chain, expiry, OptionType.PUT)] == strikes.tolist()
        assert np.all(strikes % listing.strike_step == 0)
        assert min((strikes < chain.spot).sum(), (strikes > chain.spot).sum()) >= (15 if listing.is_index else 10)
        if not listing.is_index:
            assert strikes[0] <= 0.89 * chain.spot
            assert strikes[-1] >= 1.11 * chain.spot


def test_indices_with_weeklies_show_them_and_shares_three_months():
    days = {symbol: expiries(SOURCE.chain(symbol, as_of=NOON)) for symbol in ("NIFTY", "BANKNIFTY", "SENSEX", "TCS")}

    assert days["NIFTY"] == [date(2026, 2, d) for d in (3, 10, 17, 24)] + [date(2026, 3, 30), date(2026, 4, 28)]
    assert days["SENSEX"] == [date(2026, 2, d) for d in (5, 12, 19, 26)] + [date(2026, 3, 25), date(2026, 4, 30)]
    assert days["BANKNIFTY"] == days["TCS"] == [date(2026, 2, 24), date(2026, 3, 30), date(2026, 4, 28)]


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_prices_are_whole_ticks_and_sizes_whole_lots(symbol: str):
    chain = SOURCE.chain(symbol, as_of=NOON)
    reviewed = Paths(1).closing(BY_SYMBOL[symbol], date(2026, 1, 1))
    tick = Decimal("0.01") if reviewed < 250 else Decimal("0.05")
    lot = {"NIFTY": 65, "BANKNIFTY": 30, "SENSEX": 20}.get(symbol) or BY_SYMBOL[symbol].lot_size

    for quote in chain.quotes:
        prices = [price for price in (quote.bid, quote.ask, quote.last_price) if price is not None]
        assert all(price > 0 and Decimal(str(price)) % tick == 0 for price in prices), quote
        sizes = (quote.bid_quantity, quote.ask_quantity, quote.volume, quote.open_interest)
        assert all(size % lot == 0 for size in sizes if size is not None), quote
        assert (quote.bid is None) == (quote.bid_quantity is None)
        assert (quote.ask is None) == (quote.ask_quantity is None)
        assert quote.bid is None or quote.ask is None or quote.bid < quote.ask


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_the_last_price_lies_inside_the_touch(symbol: str):
    for quote in SOURCE.chain(symbol, as_of=NOON).quotes:
        assert (quote.last_price is None) == (quote.volume == 0)
        if quote.last_price is not None:
            assert (quote.bid or 0) <= quote.last_price <= (quote.ask or quote.last_price)


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_the_straddle_at_the_money_can_be_traded(symbol: str):
    chain = SOURCE.chain(symbol, as_of=NOON)

    for expiry in expiries(chain):
        for option_type in OptionType:
            nearest = min(side(chain, expiry, option_type), key=lambda quote: abs(quote.strike - chain.spot))
            assert nearest.bid > 0
            assert (nearest.ask - nearest.bid) / nearest.ask < 0.10
            assert nearest.open_interest > 0


@pytest.mark.parametrize("symbol", ["NIFTY", "SENSEX", "RELIANCE", "PNB", "MARUTI"])
def test_every_touch_equals_the_chain(symbol: str):
    chain = SOURCE.chain(symbol, as_of=NOON)

    for quote in chain.quotes:
        contract = Contract(symbol, quote.expiry, quote.strike, quote.option_type)
        if quote.bid is None or quote.ask is None:
            with pytest.raises(Illiquid):
                SOURCE.touch(contract, as_of=NOON)
            continue
        touch = SOURCE.touch(contract, as_of=NOON)
        assert (touch.bid, touch.ask) == (Decimal(str(quote.bid)), Decimal(str(quote.ask)))
        assert (touch.bid_quantity, touch.ask_quantity) == (quote.bid_quantity, quote.ask_quantity)
        assert (touch.quoted_at, touch.modelled) == (chain.taken_at, False)


def test_the_share_itself_has_a_touch_of_one_tick_at_the_spot():
    touch = SOURCE.touch(Contract("RELIANCE"), as_of=NOON)

    assert touch.bid == Decimal(str(SOURCE.chain("RELIANCE", as_of=NOON).spot))
    assert touch.ask - touch.bid == Decimal("0.10")
    assert touch.bid_quantity > 0 < touch.ask_quantity


@pytest.mark.parametrize(
    "contract",
    [
        Contract("NIFTY"),
        Contract("NIFTYNXT50"),
        Contract("RELIANCE", date(2026, 2, 24), 1401.0, OptionType.CALL),
        Contract("RELIANCE", date(2026, 2, 24), 99_999.0, OptionType.CALL),
        Contract("RELIANCE", date(2026, 2, 25), 1400.0, OptionType.CALL),
        Contract("RELIANCE", date(2026, 1, 27), 1400.0, OptionType.CALL),
    ],
)
def test_what_is_not_listed_has_no_touch(contract: Contract):
    with pytest.raises(UnknownInstrument):
        SOURCE.touch(contract, as_of=NOON)


def test_a_contract_is_gone_on_the_morning_after_its_expiry():
    evening, morning = datetime(2026, 2, 24, 20, 0, tzinfo=IST), datetime(2026, 2, 25, 8, 0, tzinfo=IST)
    spot = SOURCE.chain("NIFTY", as_of=evening).spot
    contract = Contract("NIFTY", date(2026, 2, 24), spot // 50 * 50 - 500, OptionType.CALL)

    assert SOURCE.touch(contract, as_of=evening).quoted_at == datetime(2026, 2, 24, 15, 29, tzinfo=IST)
    with pytest.raises(UnknownInstrument):
        SOURCE.touch(contract, as_of=morning)


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_nobody_can_lock_in_a_profit_against_the_touch(symbol: str):
    chain = SOURCE.chain(symbol, as_of=NOON)

    for expiry in expiries(chain):
        for option_type, sign in ((OptionType.CALL, 1), (OptionType.PUT, -1)):
            quotes = [quote for quote in side(chain, expiry, option_type)[::sign] if quote.ask is not None]
            for dear, cheap in itertools.pairwise(quotes):
                assert dear.ask > (cheap.bid or 0)
                assert (dear.bid or 0) - cheap.ask < abs(dear.strike - cheap.strike)
            for low, middle, high in zip(quotes, quotes[1:], quotes[2:], strict=False):
                weight = (high.strike - middle.strike) / (high.strike - low.strike)
                assert weight * low.ask + (1 - weight) * high.ask > (middle.bid or 0)


@pytest.mark.parametrize("regime", [0.7, 1.0, 2.4])
@pytest.mark.parametrize("symbol", ["NIFTY", "DABUR", "HAL"])
def test_fair_prices_are_free_of_static_arbitrage(symbol: str, regime: float):
    listing = BY_SYMBOL[symbol]
    surface = surface_of(listing, seed=1, regime=regime)
    strikes = np.arange(0.3, 2.0, 0.005) * listing.base_price
    log_moneyness = np.linspace(-1.0, 0.7, 171)
    before = np.zeros_like(log_moneyness)

    for years in (1 / 365, 5 / 365, 30 / 365, 60 / 365, 0.25):
        calls, puts, _ = fair_prices(surface, strikes, spot=listing.base_price, years=years)
        slopes = np.diff(calls) / np.diff(strikes)
        assert np.all(slopes <= 1e-12)
        assert np.all(slopes >= -1)
        assert np.all(np.diff(slopes) >= -1e-12)
        assert np.all(np.diff(puts) >= -1e-9)
        after = surface.total_variance(log_moneyness, years=years)
        assert np.all(after >= before)
        before = after


def test_puts_cost_more_volatility_than_calls_and_the_wings_more_than_the_middle():
    surface = surface_of(BY_SYMBOL["NIFTY"], seed=1, regime=1.0)

    put, middle, call, far_call = surface.volatility(np.array([-0.08, 0.0, 0.02, 0.15]), years=30 / 365)

    assert put > middle + 0.02
    assert middle > call
    assert far_call > call


def test_the_term_structure_rises_in_calm_and_falls_in_fear():
    calm, fear = (surface_of(BY_SYMBOL["NIFTY"], seed=1, regime=regime) for regime in (0.7, 2.0))

    assert calm.atm_volatility(7 / 365) < calm.atm_volatility(90 / 365)
    assert fear.atm_volatility(7 / 365) > fear.atm_volatility(90 / 365)


def test_the_surface_keeps_the_bound_that_excludes_butterflies():
    for listing in UNIVERSE:
        surface: Surface = surface_of(listing, seed=1, regime=1.0)
        assert surface.bend * (1 + abs(surface.lean)) <= 2
        assert surface.lean < 0


@pytest.mark.parametrize("symbol", ["NIFTY", "RELIANCE"])
def test_the_touch_widens_away_from_the_money_and_with_time(symbol: str):
    chain = SOURCE.chain(symbol, as_of=NOON)
    months = [day for day in expiries(chain) if day in {date(2026, 2, 24), date(2026, 3, 30), date(2026, 4, 28)}]

    def width(expiry: date, distance: float, option_type: OptionType) -> tuple[float, float]:
        wanted = chain.spot * (1 + distance)
        near = sorted(side(chain, expiry, option_type), key=lambda quote: abs(quote.strike - wanted))[:5]
        quote = min((q for q in near if q.bid and q.ask), key=lambda q: q.ask - q.bid)
        return quote.ask - quote.bid, (quote.ask - quote.bid) / (quote.ask + quote.bid)

    for expiry in months:
        calls_out = [width(expiry, distance, OptionType.CALL)[1] for distance in (0.0, 0.04, 0.07)]
        puts_out = [width(expiry, -distance, OptionType.PUT)[1] for distance in (0.0, 0.04, 0.07)]
        calls_in = [width(expiry, -distance, OptionType.CALL)[0] for distance in (0.0, 0.04, 0.07)]
        assert calls_out == sorted(calls_out)
        assert puts_out == sorted(puts_out)
        assert calls_in == sorted(calls_in)
    at_the_money = [width(expiry, 0.0, OptionType.CALL)[0] for expiry in months]
    assert at_the_money[0] < at_the_money[1] < at_the_money[2]


def test_some_far_options_have_no_buyer_and_a_few_no_seller():
    quotes = [quote for symbol in SYMBOLS for quote in SOURCE.chain(symbol, as_of=NOON).quotes]

    no_buyer = sum(quote.bid is None for quote in quotes) / len(quotes)
    no_seller = sum(quote.ask is None for quote in quotes) / len(quotes)

    assert 0.005 < no_buyer < 0.25
    assert 0.0005 < no_seller < 0.02


def test_the_crowd_stands_at_round_strikes_near_the_money():
    chain = SOURCE.chain("NIFTY", as_of=NOON)
    puts = side(chain, date(2026, 2, 24), OptionType.PUT)

    def mean(chosen: list[CapturedQuote]) -> float:
        return sum(quote.open_interest for quote in chosen) / len(chosen)

    near = [quote for quote in puts if 0.95 < quote.strike / chain.spot < 1.02]
    far = [quote for quote in puts if abs(quote.strike / chain.spot - 1) > 0.08]
    round_ones = [quote for quote in near if quote.strike % 500 == 0]
    odd_ones = [quote for quote in near if quote.strike % 250]
    assert mean(near) > 3 * mean(far)
    assert mean(round_ones) > 2.5 * mean(odd_ones)


def test_volume_only_grows_during_a_day_and_open_interest_stands():
    morning, noon, evening = (
        {
            (quote.expiry, quote.strike, quote.option_type): quote
            for quote in SOURCE.chain("TCS", as_of=NOON + timedelta(hours=hours)).quotes
        }
        for hours in (-2, 0, 3)
    )

    for key in morning.keys() & noon.keys() & evening.keys():
        assert morning[key].volume <= noon[key].volume <= evening[key].volume
        assert morning[key].open_interest == noon[key].open_interest == evening[key].open_interest
    assert sum(quote.volume for quote in evening.values()) > 1.5 * sum(quote.volume for quote in noon.values())


def test_put_call_parity_gives_the_forward_at_the_carry_rate():
    chain = SOURCE.chain("NIFTY", as_of=NOON)
    expiry = date(2026, 2, 24)
    years = years_to(expiry, chain.taken_at)
    call, put = (
        min(side(chain, expiry, option_type), key=lambda quote: abs(quote.strike - chain.spot))
        for option_type in OptionType
    )

    parity = (call.bid + call.ask - put.bid - put.ask) / 2

    assert parity == pytest.approx(chain.spot - call.strike * np.exp(-0.065 * years), abs=1.0)
