"""A small desk: one underlying, a handful of contracts, a market and a clock that do what the test says."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import BinaryIO

import pytest

from allocation.models import Account
from execution.clock import SteppedClock
from execution.models import RiskLimits
from execution.services.paper_ledger import build_paper_broker
from execution.services.preparation import Desk
from market.calendar import IST
from market.contract import Contract, OptionType
from market.errors import Illiquid, Reason, StaleQuote
from market.models import FileImport, Instrument, Underlying
from market.ports import CapturedChain, Touch, UnderlyingFact
from strategies.models import OptionStrategy, StrategyExitLevels, StrategyLeg

NOON = datetime(2026, 1, 30, 12, 0, tzinfo=IST)
EXPIRY = date(2026, 2, 24)
LOT = 500
DEEP = 100_000
SPOT = 1010.0
PRICES = {1000: ("39.95", "40.05"), 1050: ("19.95", "20.05"), 1100: ("9.95", "10.05")}  # bid and ask


@dataclass
class ScriptedMarket:
    """Touches as the test wrote them; each is the newest one from its moment on, the first one also before."""

    touches: dict[Contract, list[Touch]] = field(default_factory=dict)
    name: str = "scripted"
    chains: dict[str, CapturedChain] = field(default_factory=dict)
    spot: float | None = SPOT

    def quote(self, contract: Contract, bid: str, ask: str, depth: int = DEEP, at: datetime = NOON) -> None:
        self.touches[contract] = [Touch(Decimal(bid), Decimal(ask), depth, depth, at)]

    def then(self, contract: Contract, bid: str, ask: str, depth: int = DEEP, *, after: float) -> None:
        """The same so many seconds after noon."""
        moment = NOON + timedelta(seconds=after)
        self.touches[contract].append(Touch(Decimal(bid), Decimal(ask), depth, depth, moment))

    def touch(self, contract: Contract, *, as_of: datetime) -> Touch:
        known = self.touches.get(contract)
        if not known:
            raise Illiquid(Reason("NO_TOUCH", f"{contract} has no touch."))
        return [known[0], *(touch for touch in known[1:] if touch.quoted_at <= as_of)][-1]

    def underlyings(self) -> Sequence[UnderlyingFact]:
        return [UnderlyingFact("ACME", "Acme Limited", "stock", "NSE", "Steel", "Metals")]

    def master(self, *, as_of: datetime) -> BinaryIO:
        raise NotImplementedError

    def chain(self, underlying: str, *, as_of: datetime) -> CapturedChain:
        """The one the test gave, else one that names a spot and nothing more."""
        if underlying in self.chains:
            return self.chains[underlying]
        if self.spot is None:
            raise StaleQuote(Reason("NO_CHAIN", f"No chain of {underlying}."))
        return CapturedChain(underlying, as_of, self.name, self.spot, ())


def option(strike: float, option_type: str = "CE", expiry: date = EXPIRY) -> Contract:
    return Contract("ACME", expiry, strike, OptionType.from_code(option_type))


@pytest.fixture
def scripted() -> ScriptedMarket:
    market = ScriptedMarket()
    for strike, (bid, ask) in PRICES.items():
        market.quote(option(strike), bid, ask)
        market.quote(option(strike, "PE"), bid, ask)
    return market


@pytest.fixture
def master(db: None) -> FileImport:
    """The scrip master of the day: the share, calls and puts at three strikes."""
    file = FileImport.objects.create(
        kind="master", source="test", file_name="m.csv", status="accepted", published_on=date(2026, 1, 30)
    )
    Underlying.objects.create(symbol="ACME", kind="stock", lot_size=LOT)
    shared = {"exchange": "NSE", "first_import": file, "last_import": file, "underlying": "ACME", "tick_paise": 5}
    Instrument.objects.create(
        **shared, segment_letter="E", segment="NSE_EQ", security_id="1", instrument_name="EQUITY",
        trading_symbol="ACME", lot_size=1, series="EQ",
    )  # fmt: skip
    for number, strike in enumerate((1000, 1050, 1100)):
        for code, offset in (("CE", 10), ("PE", 20)):
            Instrument.objects.create(
                **shared, segment_letter="D", segment="NSE_FNO", security_id=str(offset + number),
                instrument_name="OPTSTK", trading_symbol=f"ACME-{strike}-{code}", lot_size=LOT, expiry=EXPIRY,
                strike=strike, option_type=code,
            )  # fmt: skip
    return file


@pytest.fixture
def account(db: None) -> Account:
    # made here too: a transactional test before this one has emptied the tables, seeds included
    account, _ = Account.objects.update_or_create(name="paper", defaults={"capital": Decimal(10_000_000)})
    return account


WIDE = {
    "same_legs_seconds": 0,
    "lots_per_leg": 1000,
    "lots_per_basket": 1000,
    "open_per_underlying": 100,
    "open_strategies": 100,
    "lots_per_underlying": 10_000,
}


@pytest.fixture
def desk(account: Account, master: FileImport, scripted: ScriptedMarket) -> Desk:
    # One after the other tests open the same spread: as many as they like, how often is for the tests of the checks.
    RiskLimits.objects.create(account=account, changed_by="test", **WIDE)
    clock = SteppedClock(NOON)
    return Desk(build_paper_broker(account=account, market=scripted, clock=clock), scripted, account, clock)


Leg = tuple[str, float | None, str | None, int]
MakeStrategy = Callable[..., OptionStrategy]


@pytest.fixture
def make_strategy(db: None) -> MakeStrategy:
    """A marked strategy; legs are (side, strike, CE/PE, lots), by default a spread written short leg first."""
    made = iter(range(1, 100))

    def make(
        *legs: Leg, marked: bool = True, priority: int = 5, score: str = "0.6", levels: dict[str, object] | None = None,
        **fields: object,
    ) -> OptionStrategy:  # fmt: skip
        number = next(made)
        values: dict[str, object] = {
            "stock_name": "ACME", "strategy_name": f"Bull call spread {number}", "structure": "bull_call_spread",
            "total_score": Decimal(score), "max_loss": Decimal(15_000), "lot_size": LOT, "expiry": EXPIRY,
            "generated_on": NOON - timedelta(minutes=5), "trade_date": NOON.date(), "content_hash": f"hash-{number}",
            "spot_price": Decimal(str(SPOT)), "net_premium": premium_of(legs or SPREAD),
        }  # fmt: skip
        strategy = OptionStrategy.objects.create(**(values | fields))
        for position, (side, strike, code, lots) in enumerate(legs or SPREAD, start=1):
            StrategyLeg.objects.create(
                strategy=strategy, leg_number=position, setup_type=side, option_type=code, strike=strike,
                expiry=EXPIRY if code else None, premium=1, lots=lots,
            )  # fmt: skip
        if levels is not None:
            StrategyExitLevels.objects.create(strategy=strategy, **levels)
        if marked:
            OptionStrategy.objects.filter(pk=strategy.pk).update(
                marked_for_execution=True, execution_status="marked", execution_priority=priority
            )
        strategy.refresh_from_db()
        return strategy

    return make


def premium_of(legs: Sequence[Leg]) -> Decimal:
    """Rupees that one set brings at the touch, its shares left out."""
    prices = [(side, PRICES[int(strike)], lots) for side, strike, code, lots in legs if code and strike]
    return sum((LOT * lots * (Decimal(bid) if side == "SELL" else -Decimal(ask)) for side, (bid, ask), lots in prices),
               Decimal(0))  # fmt: skip


SPREAD: tuple[Leg, ...] = (("SELL", 1050, "CE", 1), ("BUY", 1000, "CE", 1))


@pytest.fixture
def later() -> Callable[[Desk, timedelta], Desk]:
    """The same desk after so long."""

    def wait(desk: Desk, delay: timedelta) -> Desk:
        desk.clock.sleep(delay.total_seconds())
        return desk

    return wait
