"""What is listed in a schedule, at what prices, and which baskets are traded."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from random import Random

from execution.legs import BasketLeg
from execution.simulator.book import Listing
from market.contract import Contract, OptionType, Side
from market.ports import Touch
from tests.simulation.database import Strategy
from tests.simulation.world import START, World

SEGMENT = "NSE_FNO"
LOT = 75
TICK = Decimal("0.05")
FREEZE = 4 * LOT
NEAR, FAR = date(2026, 11, 3), date(2026, 11, 10)
SPOT = 24_000

_CALL, _PUT = OptionType.CALL, OptionType.PUT
_BUY, _SELL = Side.BUY, Side.SELL
_SHARE = Contract("NIFTY")

Row = tuple[Side, OptionType, int, date]

# Rows in the order in which people list them: the short first, more often than not.
STRUCTURES: tuple[tuple[Row, ...], ...] = (
    ((_SELL, _PUT, -100, NEAR), (_BUY, _PUT, -300, NEAR)),
    ((_SELL, _CALL, 100, NEAR), (_BUY, _CALL, 300, NEAR)),
    ((_BUY, _CALL, 0, NEAR), (_SELL, _CALL, 200, NEAR)),
    (
        (_SELL, _PUT, -200, NEAR),
        (_SELL, _CALL, 200, NEAR),
        (_BUY, _PUT, -400, NEAR),
        (_BUY, _CALL, 400, NEAR),
    ),
    ((_SELL, _CALL, 100, NEAR), (_BUY, _CALL, 100, FAR)),
    ((_BUY, _CALL, 100, NEAR),),
    ((_BUY, _PUT, -100, NEAR),),
    ((_SELL, _PUT, -100, NEAR), (_BUY, _PUT, -200, NEAR), (_BUY, _CALL, 200, NEAR)),
)


def contracts() -> Iterator[Contract]:
    """Every contract that a structure can name."""
    for expiry in (NEAR, FAR):
        for offset in range(-400, 500, 100):
            for kind in (_CALL, _PUT):
                yield Contract("NIFTY", expiry, float(SPOT + offset), kind)


LISTINGS: dict[tuple[str, str], Listing] = {
    (SEGMENT, str(1000 + place)): Listing(
        SEGMENT, str(1000 + place), str(contract), "OPTIDX", LOT, TICK, contract, freeze_quantity=FREEZE
    )
    for place, contract in enumerate(contracts())
}
SECURITIES: dict[Contract, str] = {listing.contract: key[1] for key, listing in LISTINGS.items()}


class Quotes:
    """A market of its own for each schedule: prices that wander, and some contracts with few units shown."""

    def __init__(self, world: World, rng: Random) -> None:
        self._world = world
        self._drift = rng.choice((0, 0, 1, 2))
        self._thin = frozenset(key for key in sorted(SECURITIES.values()) if rng.random() < 0.4)
        self._phase = rng.randrange(7)
        self._kept: dict[tuple[str, int], Touch] = {}

    def touch(self, segment: str, security_id: str, now: datetime) -> Touch:
        """Bid and ask of this moment."""
        bucket = int(self._world.at(now) // 2)
        key = security_id, bucket
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = self._made(security_id, bucket)
        return found

    def _made(self, security_id: str, bucket: int) -> Touch:
        number = int(security_id)
        wander = self._drift * ((bucket * (number % 5 + 1) + self._phase) % 7 - 3)
        bid = Decimal(40 + number % 37 + wander)
        shown = LOT if security_id in self._thin and not self._world.is_calm else 40 * LOT
        return Touch(bid, bid + TICK * 4, shown, shown, START + timedelta(seconds=2 * bucket))


def strategies(rng: Random) -> list[Strategy]:
    """Two to ten baskets."""
    return [_strategy(number, rng) for number in range(1, rng.choice((2, 2, 2, 3, 3, 3, 4, 4, 5, 10)) + 1)]


def _strategy(number: int, rng: Random) -> Strategy:
    lots, limit = rng.choice((1, 1, 2, 3, 4)), rng.choice((2, 4)) * LOT  # some legs are cut into several orders
    if rng.random() < 0.08:
        return _covered(number, lots, limit)
    rows = rng.choice(STRUCTURES)
    legs = tuple(_leg(place, *row, lots, limit) for place, row in enumerate(rows, start=1))
    plan = None if any(row[3] is FAR for row in rows) else Decimal(200 * LOT * lots)
    return Strategy(number, legs, plan_loss=plan)


def _covered(number: int, lots: int, limit: int) -> Strategy:
    """A call sold against shares that are held already."""
    legs = (_leg(1, _SELL, _CALL, 200, NEAR, lots, limit),)
    return Strategy(number, legs, plan_loss=None, shares={_SHARE: LOT * lots})


def _leg(number: int, side: Side, kind: OptionType, offset: int, expiry: date, lots: int, limit: int) -> BasketLeg:
    return BasketLeg(number, Contract("NIFTY", expiry, float(SPOT + offset), kind), side, LOT * lots, LOT, limit)
