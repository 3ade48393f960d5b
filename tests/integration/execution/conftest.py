"""A small desk: one underlying, a handful of contracts, a market whose touches the test writes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import BinaryIO

import pytest

from allocation.models import Account
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


@dataclass
class ScriptedMarket:
    """Touches as the test wrote them; a list is walked one touch per question, its last one repeats."""

    touches: dict[Contract, list[Touch]] = field(default_factory=dict)
    name: str = "scripted"
    chains: dict[str, CapturedChain] = field(default_factory=dict)

    def quote(self, contract: Contract, bid: str, ask: str, depth: int = DEEP, at: datetime = NOON) -> None:
        self.touches[contract] = [Touch(Decimal(bid), Decimal(ask), depth, depth, at)]

    def then(self, contract: Contract, bid: str, ask: str, depth: int = DEEP, at: datetime = NOON) -> None:
        self.touches[contract].append(Touch(Decimal(bid), Decimal(ask), depth, depth, at))

    def touch(self, contract: Contract, *, as_of: datetime) -> Touch:
        known = self.touches.get(contract)
        if not known:
            raise Illiquid(Reason("NO_TOUCH", f"{contract} has no touch."))
        return known.pop(0) if len(known) > 1 else known[0]

    def underlyings(self) -> Sequence[UnderlyingFact]:
        return []

    def master(self, *, as_of: datetime) -> BinaryIO:
        raise NotImplementedError

    def chain(self, underlying: str, *, as_of: datetime) -> CapturedChain:
        if underlying not in self.chains:
            raise StaleQuote(Reason("NO_CHAIN", f"No chain of {underlying}."))
        return self.chains[underlying]


def option(strike: float, option_type: str = "CE", expiry: date = EXPIRY) -> Contract:
    return Contract("ACME", expiry, strike, OptionType.from_code(option_type))


@pytest.fixture
def scripted() -> ScriptedMarket:
    market = ScriptedMarket()
    for strike, bid, ask in ((1000, "39.95", "40.05"), (1050, "19.95", "20.05"), (1100, "9.95", "10.05")):
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


@pytest.fixture
def desk(account: Account, master: FileImport, scripted: ScriptedMarket) -> Desk:
    return Desk(build_paper_broker(account=account, market=scripted), scripted, account, NOON)


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


SPREAD: tuple[Leg, ...] = (("SELL", 1050, "CE", 1), ("BUY", 1000, "CE", 1))


@pytest.fixture
def later() -> Callable[[Desk, timedelta], Desk]:
    return lambda desk, delay: replace(desk, as_of=desk.as_of + delay)
