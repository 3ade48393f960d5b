"""How numbers, moments and choices are read and shown."""

from argparse import ArgumentTypeError
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from rich.console import Console
from rich.text import Text

from market.calendar import IST
from market.console import ist, moment, percent, row_count, rupees, share, table


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "₹0"),
        (7, "₹7"),
        (999, "₹999"),
        (1_000, "₹1,000"),
        (99_999, "₹99,999"),
        (100_000, "₹1,00,000"),
        (1_234_567, "₹12,34,567"),
        (10_000_000, "₹1,00,00,000"),
        (1_234_567_890.0, "₹1,23,45,67,890"),
        (-1_234_567, "-₹12,34,567"),
        (-0.4, "₹0"),
        (Decimal("-999.6"), "-₹1,000"),
        (None, "–"),
        (float("nan"), "–"),
        (Decimal("NaN"), "–"),
    ],
)
def test_rupees_are_grouped_in_lakhs_and_crores(amount, text):
    assert rupees(amount) == text


def test_rupees_with_paise():
    assert rupees(Decimal("123456.785"), places=2) in ("₹1,23,456.78", "₹1,23,456.79")
    assert rupees(-0.05, places=2) == "-₹0.05"
    assert rupees(-0.001, places=2) == "₹0.00"


def test_percent_and_moments():
    assert percent(Decimal("0.4567")) == "45.7 %"
    assert percent(0.5, places=0) == "50 %"
    assert percent(None) == percent(float("nan")) == "–"
    assert ist(datetime(2026, 1, 30, 9, 59, tzinfo=UTC)) == "2026-01-30 15:29"
    assert ist(None) == "–"


@pytest.mark.parametrize(
    ("text", "stamp"),
    [
        ("2026-01-30T15:29", datetime(2026, 1, 30, 15, 29, tzinfo=IST)),
        ("2026-01-30 15:29:30", datetime(2026, 1, 30, 15, 29, 30, tzinfo=IST)),
        ("2026-01-30", datetime(2026, 1, 30, 23, 59, 59, tzinfo=IST)),
        ("20260130", datetime(2026, 1, 30, 23, 59, 59, tzinfo=IST)),
        ("2026-01-30T09:59Z", datetime(2026, 1, 30, 9, 59, tzinfo=UTC)),
        ("2026-01-30T15:29+05:30", datetime(2026, 1, 30, 15, 29, tzinfo=IST)),
    ],
)
def test_a_moment_is_indian_time_unless_it_says_otherwise(text, stamp):
    assert moment(text) == stamp
    assert moment(text).tzinfo is not None


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-02-30", "30-01-2026", "2026-01-30T25:00", "0001-01-01", "9999-12-31"]
)
def test_what_is_no_moment_is_refused_with_a_sentence(text):
    with pytest.raises(ArgumentTypeError, match="is not a moment; write 2026-01-30T15:29|is outside 1990-2100"):
        moment(text)


@pytest.mark.parametrize("text", ["nan", "inf", "-0.1", "1.01", "high", ""])
def test_a_share_is_a_number_from_zero_to_one(text):
    with pytest.raises(ArgumentTypeError):
        share(text)
    assert (share("0"), share("0.65"), share("1")) == (Decimal(0), Decimal("0.65"), Decimal(1))


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many", "", "100001", "9" * 40])
def test_a_row_count_is_a_whole_number_within_reason(text):
    with pytest.raises(ArgumentTypeError):
        row_count(text)
    assert (row_count("1"), row_count("100000")) == (1, 100_000)


def test_a_table_shows_data_as_it_is_and_nothing_as_a_dash():
    console = Console(width=80, record=True, quiet=True)

    with console.capture() as shown:
        console.quiet = False
        console.print(table("T", ("A", "B", "C"), [("[/red] [bold]x", None, Text("styled", style="red"))]))

    assert "[/red] [bold]x" in shown.get()
    assert "–" in shown.get()
    assert "styled" in shown.get()
