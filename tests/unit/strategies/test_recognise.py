"""A held position is named as the structure it is, and as no other."""

from datetime import date

import pytest

from market.contract import Contract, OptionType
from strategies.catalog import BY_SLUG, CATALOGUE, CHECKS
from strategies.recognise import Recognised, recognise, shape_of

NEAR, FAR = date(2026, 2, 24), date(2026, 3, 30)
TYPES = {"C": OptionType.CALL, "P": OptionType.PUT}


def held(*legs: str) -> list[tuple[Contract, int]]:
    """Read `-65 C 22000` (near), `+65 C' 22000` (far) and `+65 S`."""
    return [_leg(*leg.split()) for leg in legs]


def _leg(units: str, kind: str, strike: str = "") -> tuple[Contract, int]:
    if kind == "S":
        return Contract("ACME"), int(units)
    expiry = FAR if kind.endswith("'") else NEAR
    return Contract("ACME", expiry, float(strike), TYPES[kind[0]]), int(units)


def named(*legs: str, **options: bool) -> Recognised:
    found = recognise(held(*legs), **options)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("legs", "slug"),
    [
        (["+65 C 22000"], "long-call"),
        (["-65 P 21000"], "short-put"),
        (["+65 C 22000", "-65 C 22500"], "bull-call-spread"),
        (["-65 C 22000", "+65 C 22500"], "bear-call-spread"),
        (["-65 P 22000", "+65 P 21500"], "bull-put-spread"),
        (["+65 P 22000", "-65 P 21500"], "bear-put-spread"),
        (["+65 C 22000", "+65 P 22000"], "long-straddle"),
        (["+65 C 22500", "+65 P 21500"], "long-strangle"),
        (["+65 C 21500", "+65 P 22500"], "long-guts"),
        (["-65 C 22000", "-65 P 22000"], "short-straddle"),
        (["-65 C 22500", "-65 P 21500"], "short-strangle"),
        (["+65 C 22000", "+130 P 22000"], "strip"),
        (["+130 C 22000", "+65 P 22000"], "strap"),
        (["+65 C 22000", "-65 P 22000"], "synthetic-long"),
        (["+65 C 22500", "-65 P 21500"], "bullish-risk-reversal"),
        (["-65 C 22000", "+65 P 22000"], "synthetic-short"),
        (["+65 C 21500", "-130 C 22000", "+65 C 22500"], "butterfly"),
        (["-65 C 21500", "+130 C 22000", "-65 C 22500"], "short-call-butterfly"),
        (["+65 C 22000", "-130 C 22200", "+65 C 22800"], "broken-wing-call-butterfly"),
        (["+65 P 22000", "-130 P 21800", "+65 P 21200"], "broken-wing-butterfly"),
        (["+65 C 22000", "-195 C 22600", "+130 C 22900"], "call-christmas-tree"),
        (["+65 C 21000", "-65 C 21500", "-65 C 22500", "+65 C 23000"], "long-call-condor"),
        (["+65 P 21000", "-65 P 21500", "-65 C 22500", "+65 C 23000"], "iron-condor"),
        (["-65 P 21000", "+65 P 21500", "+65 C 22500", "-65 C 23000"], "reverse-iron-condor"),
        (["+65 P 21000", "-65 P 22000", "-65 C 22000", "+65 C 23000"], "iron-butterfly"),
        (["+65 C 21500", "-65 C 22500", "+65 P 22500", "-65 P 21500"], "box-spread"),
        (["+65 C 22000", "-130 C 22800"], "call-ratio-spread"),
        (["-65 C 22000", "+130 C 22400"], "call-backspread"),
        (["+130 C 21500", "-65 C 22000"], "call-zebra"),
        (["+65 C 22000", "-65 C 22500", "-65 C 23000"], "bull-call-ladder"),
        (["-65 C 21800", "+65 C 22000", "+65 C 22400"], "bear-call-ladder"),
        (["-65 P 21500", "-65 C 22500", "+65 C 22700"], "jade-lizard"),
        (["-65 P 22000", "-65 C 22000", "+65 C 22500"], "big-lizard"),
        (["+65 C 22000", "-65 C 22500", "-65 P 21500"], "bullish-seagull"),
        (["-65 C 22000", "+65 C' 22000"], "calendar-spread"),
        (["-65 C 22500", "+65 C' 21700"], "diagonal-spread"),
        (["-65 P 21500", "+65 P' 21500", "-65 C 22500", "+65 C' 22500"], "double-calendar"),
        (["+65 S", "-65 C 22500"], "covered-call"),
        (["+65 S", "+65 P 21500", "-65 C 22500"], "collar"),
        (["+65 S", "+65 P 22000", "-65 C 22000"], "conversion"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_position_is_named(legs: list[str], slug: str):
    found = named(*legs)

    assert found.structure is BY_SLUG[slug]
    assert (found.confidence, found.broken_wing) == (1.0, False)


def test_a_short_put_is_cash_secured_only_when_the_cash_is_there():
    assert named("-65 P 21000").structure.slug == "short-put"
    assert named("-65 P 21000", cash_secured=True).structure.slug == "cash-secured-put"
    assert named("-65 C 23000", cash_secured=True).structure.slug == "short-call"


def test_the_common_factor_is_the_ratio_and_repeated_contracts_add_up():
    found = named("+130 C 22000", "-65 C 22500", "+65 C 22000", "-130 C 22500")

    assert found.structure.slug == "bull-call-spread"
    assert found.ratio == 195


def test_contracts_stand_in_the_order_of_the_structures_legs():
    found = named("+65 C 23000", "-65 C 22500", "+65 P 21000", "-65 P 21500")

    assert [contract.strike for contract in found.contracts] == [21_500, 21_000, 22_500, 23_000]


def test_equal_wings_are_equal_within_what_the_builder_calls_equal():
    assert named("+65 C 21400", "-130 C 22000", "+65 C 22450").structure.slug == "butterfly"
    assert named("+65 C 21400", "-130 C 22000", "+65 C 22400").structure.slug == "broken-wing-call-butterfly"


@pytest.mark.parametrize(
    ("legs", "slug"),
    [
        (["+65 P 21000", "-65 P 22000", "-65 C 22000", "+65 C 22500"], "iron-butterfly"),
        (["-65 C 21500", "+130 C 22000", "-65 C 22900"], "short-call-butterfly"),
    ],
)
def test_unequal_wings_without_an_entry_of_their_own_are_a_broken_wing(legs: list[str], slug: str):
    found = named(*legs)

    assert found.structure.slug == slug
    assert found.broken_wing
    assert 0.5 < found.confidence < 1.0


def test_a_wing_broken_on_the_wrong_side_lowers_the_confidence():
    right, wrong = (
        named("+65 C 22000", "-130 C 22200", "+65 C 22800"),
        named("+65 C 21600", "-130 C 22200", "+65 C 22400"),
    )

    assert right.structure is wrong.structure is BY_SLUG["broken-wing-call-butterfly"]
    assert wrong.confidence < right.confidence == 1.0


@pytest.mark.parametrize(
    "legs",
    [
        [],
        ["+65 S"],
        ["+65 C 22000", "-65 C 22000"],
        ["+65 C 22000", "-195 C 22500"],
        ["+65 C 22000", "-64 C 22500"],
        ["+65 C 22000", "-65 C' 22000"],
        ["-65 P 22500", "+65 C 21500"],
    ],
    ids=str,
)
def test_what_is_no_structure_has_no_name(legs: list[str]):
    assert recognise(held(*legs)) is None


def test_legs_on_two_underlyings_are_no_structure():
    other = Contract("OTHER", NEAR, 22_500.0, OptionType.CALL)

    assert recognise([*held("+65 C 22000"), (other, -65)]) is None


@pytest.mark.parametrize("structure", CATALOGUE + CHECKS, ids=lambda structure: structure.slug)
def test_every_entry_orders_all_strikes_that_it_does_not_equate(structure):
    shape = shape_of(structure)
    options = sum(leg.strike is not None for leg in structure.legs)
    free = options - len(shape.equal)

    assert len(shape.ordered) == free * (free - 1) // 2
