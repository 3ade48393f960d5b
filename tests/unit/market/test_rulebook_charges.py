from datetime import date
from decimal import Decimal

import pytest

from market.errors import InvalidInput, UnknownDay
from market.rulebook import (
    Charges,
    equity_charges,
    exercise_stt,
    option_charge_rates,
    option_charges,
    round_trip_charges,
)

AFTER_APRIL_2026 = date(2026, 4, 1)
FOUR = Decimal("0.0001")


def rounded(charges: Charges) -> dict[str, str]:
    names = ("brokerage", "stt", "exchange", "sebi", "stamp", "gst", "total")
    return {name: str(getattr(charges, name).quantize(FOUR)) for name in names}


def test_worked_example_line_by_line() -> None:
    charges = round_trip_charges(
        buy_premium=Decimal(150), sell_premium=Decimal(180), quantity=65, as_of=AFTER_APRIL_2026
    )

    assert rounded(charges) == {
        "brokerage": "40.0000",
        "stt": "17.5500",
        "exchange": "7.6212",
        "sebi": "0.0214",
        "stamp": "0.2925",
        "gst": "8.5757",
        "total": "74.0608",
    }


@pytest.mark.parametrize(
    ("buy", "sell", "quantity", "exchange", "total"),
    [
        (150, 180, 65, "NSE", "74.0608"),
        (150, 150, 65, "NSE", "70.3160"),
        (180, 150, 65, "NSE", "71.1943"),
        (300, 330, 20, "BSE", "62.1270"),
        (150, 152, 650, "NSE", "280.8562"),
    ],
)
def test_check_values_of_the_reference(buy: int, sell: int, quantity: int, exchange: str, total: str) -> None:
    charges = round_trip_charges(
        buy_premium=Decimal(buy),
        sell_premium=Decimal(sell),
        quantity=quantity,
        exchange=exchange,
        as_of=AFTER_APRIL_2026,
    )

    assert str(charges.total.quantize(FOUR)) == total


@pytest.mark.parametrize(
    ("day", "stt"),
    [
        (date(2024, 1, 1), "6.25"),
        (date(2024, 9, 30), "6.25"),
        (date(2024, 10, 1), "10"),
        (date(2026, 3, 31), "10"),
        (date(2026, 4, 1), "15"),
    ],
)
def test_stt_on_a_sale_of_ten_thousand_rupees(day: date, stt: str) -> None:
    sold = option_charges(side="SELL", premium=Decimal(100), quantity=100, as_of=day)
    bought = option_charges(side="BUY", premium=Decimal(100), quantity=100, as_of=day)

    assert sold.stt == Decimal(stt)
    assert (bought.stt, sold.stamp, bought.stamp) == (0, 0, Decimal("0.3"))


@pytest.mark.parametrize(
    ("day", "exchange_fee"),
    [
        (date(2024, 3, 31), "5.05"),
        (date(2024, 4, 1), "5"),
        (date(2024, 9, 30), "5"),
        (date(2024, 10, 1), "3.553"),
        (date(2026, 3, 1), "3.553"),
    ],
)
def test_nse_transaction_charge_on_ten_thousand_rupees(day: date, exchange_fee: str) -> None:
    assert option_charges(side="BUY", premium=Decimal(100), quantity=100, as_of=day).exchange == Decimal(exchange_fee)


def test_bse_had_no_single_rate_before_october_2024() -> None:
    with pytest.raises(UnknownDay):
        option_charges(side="BUY", premium=Decimal(100), quantity=20, exchange="BSE", as_of=date(2024, 9, 30))
    with pytest.raises(UnknownDay):
        option_charge_rates(exchange="BSE", as_of=date(2024, 9, 30))


def test_every_slice_pays_brokerage_and_its_gst() -> None:
    one = option_charges(side="BUY", premium=Decimal(100), quantity=3510, as_of=AFTER_APRIL_2026)
    two = option_charges(side="BUY", premium=Decimal(100), quantity=3510, orders=2, as_of=AFTER_APRIL_2026)

    assert two.total - one.total == Decimal("23.60")


@pytest.mark.parametrize(("day", "stt"), [(date(2026, 3, 31), "12.5"), (date(2026, 4, 1), "15")])
def test_exercise_stt_on_ten_thousand_rupees_of_intrinsic_value(day: date, stt: str) -> None:
    assert exercise_stt(intrinsic=Decimal(100), quantity=100, as_of=day) == Decimal(stt)


def test_delivery_of_shares_pays_stt_on_both_sides() -> None:
    bought = equity_charges(side="BUY", price=Decimal(1000), quantity=100, as_of=AFTER_APRIL_2026)
    sold = equity_charges(side="SELL", price=Decimal(1000), quantity=100, as_of=AFTER_APRIL_2026)

    assert rounded(bought) == {
        "brokerage": "0.0000",
        "stt": "100.0000",
        "exchange": "3.0700",
        "sebi": "0.1000",
        "stamp": "15.0000",
        "gst": "0.5706",
        "total": "118.7406",
    }
    assert (sold.stt, sold.stamp, sold.brokerage) == (100, 0, Decimal("12.50"))


@pytest.mark.parametrize("day", [date(2024, 1, 1), date(2024, 10, 1), date(2026, 1, 30), date(2026, 4, 1)])
def test_float_rates_agree_with_the_exact_charges(day: date) -> None:
    rates = option_charge_rates(as_of=day)

    for side, rate in (("BUY", rates.buy), ("SELL", rates.sell)):
        exact = option_charges(side=side, premium=Decimal("123.45"), quantity=750, orders=3, as_of=day)
        assert rate * 123.45 * 750 + rates.per_order * 3 == pytest.approx(float(exact.total), abs=1e-9)


@pytest.mark.parametrize(
    "change",
    [
        {"premium": Decimal("-0.05")},
        {"premium": Decimal("NaN")},
        {"premium": Decimal("Infinity")},
        {"quantity": 0},
        {"quantity": -65},
        {"orders": 0},
        {"side": "HOLD"},
        {"exchange": "MCX"},
    ],
)
def test_nonsense_is_refused(change: dict[str, object]) -> None:
    asked = {"side": "BUY", "premium": Decimal(100), "quantity": 65, "as_of": AFTER_APRIL_2026} | change

    with pytest.raises(InvalidInput):
        option_charges(**asked)


def test_before_the_first_rate_nothing_is_charged_but_refused() -> None:
    with pytest.raises(UnknownDay):
        option_charges(side="BUY", premium=Decimal(100), quantity=65, as_of=date(2023, 3, 31))
    with pytest.raises(UnknownDay):
        equity_charges(side="BUY", price=Decimal(100), quantity=65, as_of=date(2023, 3, 31))
