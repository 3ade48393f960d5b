"""Small typed builders of values for tests: `make_chain(spot=22_000)`."""

import math
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from market.chain import Chain, ExpiryChain, Floats, OptionSide
from market.contract import Contract, Side
from market.quant.smile import Smile, SviShape, flat_smile
from market.rulebook.charges import ChargeRates
from strategies.build import BuiltLeg
from strategies.spec import Kind

IST = ZoneInfo("Asia/Kolkata")
TAKEN_AT = datetime(2026, 1, 30, 15, 29, tzinfo=IST)
NO_CHARGES = ChargeRates(buy=0.0, sell=0.0, per_order=0.0)


def make_smile(
    *, forward: float = 22_000.0, years: float = 25 / 365, volatility: float = 0.15, skewed: bool = True
) -> Smile:
    """A downward sloping smile with this at-the-money volatility, or a flat one."""
    if not skewed:
        return flat_smile(forward=forward, years=years, volatility=volatility)
    variance = volatility**2 * years
    deviation = math.sqrt(variance)
    slope, tilt, width = 0.25 * deviation, -0.5, 1.5 * deviation
    return Smile(
        forward=forward,
        years=years,
        atm_volatility=volatility,
        skew=slope * tilt / (2.0 * volatility * years),
        rmse=0.0,
        quality="fitted",
        used=np.ones(0, dtype=np.bool_),
        shape=SviShape(level=variance - slope * width, slope=slope, tilt=tilt, centre=0.0, width=width),
    )


def make_expiry(
    *,
    spot: float = 22_000.0,
    days: int = 25,
    step: float = 100.0,
    volatility: float = 0.15,
    skewed: bool = True,
    carry: float = 0.06,
    spread: float = 0.01,
    tick_size: float = 0.05,
    lot_size: int = 65,
    width: float = 0.25,
    touch_modelled: bool = False,
) -> ExpiryChain:
    """One expiry with a two-sided market around its smile; `spread` 0 quotes the fair price to the last digit."""
    years = days / 365.0
    forward = spot * math.exp(carry * years)
    smile = make_smile(forward=forward, years=years, volatility=volatility, skewed=skewed)
    rungs = np.arange(math.ceil(spot * (1 - width) / step), math.floor(spot * (1 + width) / step) + 1)
    strikes = rungs * float(step)
    sides = [
        _side(smile, strikes, is_call, spread=spread, tick_size=tick_size, lot_size=lot_size, modelled=touch_modelled)
        for is_call in (True, False)
    ]
    return ExpiryChain(
        expiry=(TAKEN_AT + timedelta(days=days)).date(),
        years=years,
        days_to_expiry=days,
        strikes=strikes,
        calls=sides[0],
        puts=sides[1],
        forward=forward,
        smile=smile,
        lot_size=lot_size,
    )


def make_chain(
    spot: float = 22_000.0,
    *,
    underlying: str = "ACME",
    days: Sequence[int] = (4, 11, 25, 53),
    step: float | None = None,
    volatility: float = 0.15,
    term_slope: float = 0.0,
    skewed: bool = True,
    carry: float = 0.06,
    spread: float = 0.01,
    tick_size: float = 0.05,
    lot_size: int = 65,
    width: float = 0.25,
    is_index: bool = False,
    touch_modelled: bool = False,
) -> Chain:
    """A liquid, fair chain; `term_slope` is volatility added per year of maturity, `step` is about 0.5 % by default."""
    rung = float(round(spot * 0.005) if step is None else step)
    expiries = tuple(
        make_expiry(
            spot=spot,
            days=day,
            step=rung,
            volatility=volatility + term_slope * day / 365.0,
            skewed=skewed,
            carry=carry,
            spread=spread,
            tick_size=tick_size,
            lot_size=lot_size,
            width=width,
            touch_modelled=touch_modelled,
        )
        for day in sorted(days)
    )
    return Chain(
        underlying=underlying,
        taken_at=TAKEN_AT,
        source="made",
        spot=spot,
        tick_size=tick_size,
        is_index=is_index,
        expiries=expiries,
    )


def make_fair_chain(spot: float = 22_000.0, **options: object) -> Chain:
    """A chain without spreads, rounding or carry: every price is exactly the smile's."""
    return make_chain(spot, spread=0.0, carry=0.0, **options)  # type: ignore[arg-type]


def make_leg(
    side: Side,
    kind: Kind,
    strike: float | None = None,
    *,
    price: float,
    ratio: int = 1,
    leg_number: int = 1,
    expiry: date = date(2026, 2, 24),
    lot_size: int = 65,
) -> BuiltLeg:
    """One leg at a given price, with a quoted market of no width and no greeks."""
    option = kind is not Kind.STOCK
    return BuiltLeg(
        leg_number=leg_number,
        side=side,
        kind=kind,
        contract=Contract("ACME", expiry, strike, kind.option_type) if option else Contract("ACME"),
        ratio=ratio,
        price=price,
        bid=price,
        ask=price,
        mid=price,
        fair=price,
        delta=0.0 if option else 1.0,
        gamma=0.0,
        theta=0.0,
        vega=0.0,
        rho=0.0,
        lot_size=lot_size,
    )


def _side(
    smile: Smile,
    strikes: Floats,
    is_call: bool,
    *,
    spread: float,
    tick_size: float,
    lot_size: int,
    modelled: bool,
) -> OptionSide:
    fair = smile.prices(strikes, is_call)
    bid, ask = fair, fair
    if spread > 0.0:
        half = np.maximum(0.5 * spread * fair, 0.5 * tick_size)
        bid = np.maximum(np.floor((fair - half) / tick_size + 1e-9), 0.0) * tick_size
        ask = np.ceil((fair + half) / tick_size - 1e-9) * tick_size
    deviations = np.log(strikes / smile.forward) / (smile.atm_volatility * math.sqrt(smile.years))
    open_interest = np.round(4_000.0 * np.exp(-0.25 * deviations**2)) * lot_size
    return OptionSide(
        bid=bid,
        ask=ask,
        last_price=np.round(fair / tick_size) * tick_size,
        volume=np.round(0.4 * open_interest),
        open_interest=open_interest,
        implied_volatility=smile.volatility(strikes),
        usable=ask >= tick_size,
        touch_modelled=modelled,
    )
