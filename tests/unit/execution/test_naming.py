"""The name of an order: legal, its own for ever, and recognised only by whoever holds the key."""

import pytest

from execution.naming import CORRELATION, OrderNames, OrderPlace
from market.errors import InvalidInput

KEY = b"a key of ours"
PLACE = OrderPlace("paper", 36, 1, 3)


def test_a_name_comes_from_the_place_and_the_key_alone() -> None:
    assert OrderNames(KEY).name(PLACE) == "P0000000100103-b58d39"
    assert OrderNames(KEY).name(OrderPlace("live", 36, 1, 3))[:14] == "L0000000100103"
    assert OrderNames(KEY).name(PLACE) == OrderNames(KEY).name(PLACE)


@pytest.mark.parametrize("place", [PLACE, OrderPlace("live", 36**9 - 1, 36**2 - 1, 36**2 - 1)])
def test_a_name_is_read_back_to_its_place(place: OrderPlace) -> None:
    name = OrderNames(KEY).name(place)

    assert CORRELATION.fullmatch(name)
    assert (len(name), OrderNames(KEY).read(name)) == (21, place)


def test_a_name_of_another_key_or_altered_or_foreign_is_not_ours() -> None:
    name = OrderNames(KEY).name(PLACE)
    altered = "L" + name[1:]

    strangers = [OrderNames(b"another").name(PLACE), altered, name[:-1], name.upper(), "", "P-10-1-2-3", "my order"]

    assert [OrderNames(KEY).read(stranger) for stranger in strangers] == [None] * len(strangers)


@pytest.mark.parametrize(
    "place",
    [
        OrderPlace("paper", 0, 1, 1),
        OrderPlace("other", 1, 1, 1),
        OrderPlace("", 1, 1, 1),
        OrderPlace("paper", 36**9, 1, 1),
        OrderPlace("paper", 1, 36**2, 1),
        OrderPlace("paper", 1, 1, 36**2),
        OrderPlace("paper", 1, 1, 0),
        OrderPlace("paper", 1, -1, 1),
    ],
)
def test_an_illegal_name_is_refused(place: OrderPlace) -> None:
    with pytest.raises(InvalidInput, match="CORRELATION"):
        OrderNames(KEY).name(place)
