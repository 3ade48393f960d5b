import math
from datetime import date
from decimal import Decimal

import pytest

from market.errors import InvalidInput, UnknownDay, UnknownInstrument
from market.rulebook import (
    expiry_rule,
    freeze_quantity,
    freeze_quantity_at_level,
    margin_rates,
    option_tick,
    price_protection_band,
    strike_step,
)


@pytest.mark.parametrize(
    ("underlying", "day", "units"),
    [
        ("BANKNIFTY", date(2025, 8, 31), 600),
        ("BANKNIFTY", date(2025, 9, 1), 900),
        ("BANKNIFTY", date(2025, 12, 1), 600),
        ("BANKNIFTY", date(2026, 4, 1), 900),
        ("BANKNIFTY", date(2026, 5, 4), 900),
        ("BANKNIFTY", date(2026, 7, 1), 600),
        ("NIFTY", date(2026, 1, 30), 1800),
        ("FINNIFTY", date(2026, 1, 31), 1200),
        ("FINNIFTY", date(2026, 2, 1), 1800),
        ("FINNIFTY", date(2026, 3, 2), 1200),
        ("MIDCPNIFTY", date(2026, 8, 3), 2800),
        ("NIFTYNXT50", date(2026, 8, 3), 600),
        ("NIFTYFPI", date(2026, 8, 12), 8500),
        ("SENSEX", date(2026, 2, 1), 1000),
        ("BANKEX", date(2026, 2, 1), 900),
    ],
)
def test_freeze_quantity_by_date(underlying: str, day: date, units: int) -> None:
    assert freeze_quantity(underlying, as_of=day) == units


def test_fm_D5_unknown_freeze_quantity_is_refused() -> None:
    with pytest.raises(UnknownInstrument, match="FREEZE_UNKNOWN"):
        freeze_quantity("RELIANCE", as_of=date(2026, 1, 30))
    with pytest.raises(UnknownDay):
        freeze_quantity("NIFTY", as_of=date(2025, 7, 31))


@pytest.mark.parametrize(
    ("level", "units"),
    [(5_750, 8500), (5_750.05, 5500), (11_500, 4200), (17_250, 2800), (27_500, 1800), (40_000, 1200), (60_000, 600)],
)
def test_freeze_quantity_by_index_level(level: float, units: int) -> None:
    assert freeze_quantity_at_level(level) == units


@pytest.mark.parametrize("level", [0.0, -1.0, math.nan, math.inf])
def test_freeze_quantity_of_an_impossible_level_is_refused(level: float) -> None:
    with pytest.raises(InvalidInput):
        freeze_quantity_at_level(level)


@pytest.mark.parametrize(
    ("kind", "price", "day", "tick"),
    [
        ("index", "100", date(2026, 1, 30), "0.05"),
        ("stock", "249.95", date(2025, 11, 2), "0.05"),
        ("stock", "249.95", date(2025, 11, 3), "0.01"),
        ("stock", "250", date(2025, 11, 3), "0.05"),
    ],
)
def test_option_tick(kind: str, price: str, day: date, tick: str) -> None:
    assert option_tick(kind, underlying_price=Decimal(price), as_of=day) == Decimal(tick)


def test_option_tick_refuses_what_it_does_not_know() -> None:
    with pytest.raises(InvalidInput):
        option_tick("currency", underlying_price=Decimal(80), as_of=date(2026, 1, 30))
    with pytest.raises(InvalidInput):
        option_tick("stock", underlying_price=Decimal("NaN"), as_of=date(2026, 1, 30))
    with pytest.raises(UnknownDay):
        option_tick("stock", underlying_price=Decimal(80), as_of=date(2023, 12, 29))


def test_strike_steps_match_exact_names_only() -> None:
    names = ("NIFTY", "BANKNIFTY", "FINNIFTY", "MIDCPNIFTY", "NIFTYNXT50", "NIFTYFPI", "SENSEX", "BANKEX")

    assert [strike_step(name) for name in names] == [50, 100, 50, 25, 100, 5, 100, 100]
    with pytest.raises(UnknownInstrument):
        strike_step("NIFTYIT")


@pytest.mark.parametrize(
    ("reference", "band"),
    [(0.0, (0.0, 20.0)), (10.0, (0.0, 30.0)), (50.0, (30.0, 70.0)), (50.05, (30.03, 70.07)), (200.0, (120.0, 280.0))],
)
def test_price_protection_band(reference: float, band: tuple[float, float]) -> None:
    assert price_protection_band(reference) == pytest.approx(band)


@pytest.mark.parametrize("reference", [-0.05, math.nan, math.inf])
def test_price_protection_of_an_impossible_price_is_refused(reference: float) -> None:
    with pytest.raises(InvalidInput):
        price_protection_band(reference)


def test_margin_rates_of_indices() -> None:
    before = margin_rates("index", as_of=date(2024, 11, 19))
    after = margin_rates("index", as_of=date(2024, 11, 20))
    today = margin_rates("index", as_of=date(2026, 1, 30))

    assert (before.price_scan_floor, before.exposure, before.expiry_day_addon) == (0.093, 0.02, 0.0)
    assert after.expiry_day_addon == 0.02
    assert (today.calendar_benefit_on_expiry, today.expiry_day_addon, today.long_dated_price_scan) == (
        False,
        0.02,
        0.177,
    )


def test_margin_rates_of_stocks() -> None:
    today = margin_rates("stock", as_of=date(2026, 5, 3))

    assert (today.price_scan_floor, today.exposure, today.expiry_day_addon) == (0.142, 0.035, 0.0)
    assert today.calendar_benefit_on_expiry
    assert not margin_rates("stock", as_of=date(2026, 5, 4)).calendar_benefit_on_expiry


def test_margin_rates_refuse_another_kind() -> None:
    with pytest.raises(InvalidInput):
        margin_rates("currency", as_of=date(2026, 1, 30))


@pytest.mark.parametrize(
    ("underlying", "day", "exchange", "weekly", "monthly"),
    [
        ("NIFTY", date(2025, 8, 31), "NSE", 3, 3),
        ("NIFTY", date(2025, 9, 1), "NSE", 1, 1),
        ("SENSEX", date(2025, 1, 3), "BSE", 4, 4),
        ("SENSEX", date(2025, 1, 7), "BSE", 1, 1),
        ("SENSEX", date(2025, 9, 4), "BSE", 3, 3),
        ("BANKNIFTY", date(2024, 11, 13), "NSE", 2, 2),
        ("BANKNIFTY", date(2024, 11, 20), "NSE", None, 2),
        ("TCS", date(2026, 1, 30), "NSE", None, 1),
    ],
)
def test_expiry_rule(underlying: str, day: date, exchange: str, weekly: int | None, monthly: int) -> None:
    rule = expiry_rule(underlying, as_of=day)

    assert (rule.exchange, rule.weekly, rule.monthly) == (exchange, weekly, monthly)


def test_expiry_rule_of_a_new_index_is_unknown_before_it_lists() -> None:
    with pytest.raises(UnknownDay):
        expiry_rule("NIFTYFPI", as_of=date(2026, 8, 11))
    with pytest.raises(UnknownDay):
        expiry_rule("NIFTY", as_of=date(2023, 12, 28))
