"""The daily run: every symbol asked for ends with a result or with the reason why there is none."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import BinaryIO

import pytest

from allocation.errors import RiskError
from allocation.models import Account, AllocationRun
from execution.clock import SteppedClock
from execution.models import ExecutionRun, StrategyMark
from execution.services.day import run_day
from execution.services.paper_ledger import build_paper_broker
from execution.services.preparation import Desk
from market.errors import BadMaster, MarketError, Reason, StaleQuote
from market.ports import CapturedChain, DayCandle, UnderlyingFact
from market.sources.simulated import SimulatedMarket
from strategies.models import GenerationRun, OptionStrategy
from tests.factories import list_chain, record_past
from tests.integration.execution.conftest import NOON, MakeStrategy, ScriptedMarket, option
from tests.integration.execution.desks import run_queue

pytestmark = pytest.mark.django_db

Later = Callable[[Desk, timedelta], Desk]

REFUSED = Reason("STALE_QUOTE", "The newest quote is of yesterday.", "Wait for the opening.")


@dataclass
class TwoShares(ScriptedMarket):
    """INFY and GONE, each with the chain the test gave, else refused; replayed, so that it brings no master."""

    name: str = "recorded"
    symbols: list[str] = field(default_factory=lambda: ["INFY", "GONE"])

    def underlyings(self) -> list[UnderlyingFact]:
        return [UnderlyingFact(symbol, symbol, "stock", "NSE", "IT", "IT") for symbol in self.symbols]

    def chain(self, underlying: str, *, as_of: datetime) -> CapturedChain:
        if underlying not in self.chains:
            raise StaleQuote(REFUSED)
        return replace(self.chains[underlying], taken_at=as_of)

    def candles(self, underlying: str, *, since: date, as_of: datetime) -> list[DayCandle]:
        raise StaleQuote(REFUSED)


@contextmanager
def no_bar(title: str, total: int | None) -> Iterator[Callable[[int], None]]:
    yield lambda done: None


@pytest.fixture
def market() -> TwoShares:
    infy = SimulatedMarket(seed=1).chain("INFY", as_of=NOON)
    list_chain(infy, lot_size=400)
    record_past("INFY", until=NOON.date() - timedelta(days=1), volatility=0.12)
    return TwoShares(chains={"INFY": infy})


def day(market: TwoShares, account: Account, at: datetime = NOON) -> GenerationRun:
    clock = SteppedClock(at)
    broker = build_paper_broker(account=account, market=market, clock=clock)
    return run_day(Desk(broker, market, account, clock), risk="moderate", min_score=1.0, bar=no_bar).generation


def test_a_chain_that_was_refused_is_a_stored_reason(market: TwoShares, account: Account) -> None:
    run = day(market, account)

    found = {row.symbol: (row.status, row.reason_code, row.reason_text) for row in run.results.all()}
    assert found == {
        "INFY": ("done", "", ""),
        "GONE": ("failed", "STALE_QUOTE", "The newest quote is of yesterday. Wait for the opening."),
    }
    assert run.finished_at is not None


@pytest.fixture
def due(desk: Desk, scripted: ScriptedMarket, make_strategy: MakeStrategy, later: Later) -> OptionStrategy:
    """An open strategy that must be left now, and half an hour gone."""
    strategy = make_strategy(levels={"time_exit_dte": 25})
    run_queue(desk)
    later(desk, timedelta(minutes=30))
    scripted.quote(option(1000), "39.95", "40.05", at=desk.as_of)
    scripted.quote(option(1050), "19.95", "20.05", at=desk.as_of)
    return strategy


def was_left(strategy: OptionStrategy) -> bool:
    """And nothing else was begun, nor sized."""
    strategy.refresh_from_db()
    assert (strategy.execution_status, strategy.execution_detail) == ("executed", "closed")
    assert StrategyMark.objects.get().decision == "TIME_EXIT"
    assert set(ExecutionRun.objects.values_list("strategy_id", flat=True)) == {strategy.pk}
    return not AllocationRun.objects.exists()


def test_without_any_chain_what_is_open_is_looked_at_all_the_same(
    desk: Desk, scripted: ScriptedMarket, make_strategy: MakeStrategy, due: OptionStrategy
) -> None:
    make_strategy()  # marked, and not to be opened on a day without data
    blind = replace(desk, market=TwoShares(scripted.touches, symbols=["ACME"]))

    with pytest.raises(MarketError, match="NO_CHAINS"):
        run_day(blind, risk="moderate", min_score=1.0, bar=no_bar)

    assert was_left(due)


def test_where_nothing_can_be_sized_what_is_open_is_looked_at_all_the_same(
    desk: Desk, market: TwoShares, scripted: ScriptedMarket, make_strategy: MakeStrategy, due: OptionStrategy
) -> None:
    make_strategy(spot_price=None)  # marked: nobody can say what it blocks
    seeing = replace(desk, market=replace(market, touches=scripted.touches))

    with pytest.raises(RiskError, match="USED_UNKNOWN"):
        run_day(seeing, risk="moderate", min_score=1.0, bar=no_bar)

    assert was_left(due)


@dataclass
class NoMaster(TwoShares):
    """A source that refuses its master, after so long."""

    name: str = "refusing"
    desk: Desk | None = None
    takes: float = 0.0

    def master(self, *, as_of: datetime) -> BinaryIO:
        assert self.desk is not None
        self.desk.clock.sleep(self.takes)
        raise BadMaster(Reason("MASTER_EMPTY", "The file has no rows.", "Import it again."))


def test_without_a_master_what_is_open_is_looked_at_all_the_same(
    desk: Desk, scripted: ScriptedMarket, due: OptionStrategy
) -> None:
    refusing = replace(desk, market=NoMaster(scripted.touches, desk=desk))

    with pytest.raises(BadMaster, match="MASTER_EMPTY"):
        run_day(refusing, risk="moderate", min_score=1.0, bar=no_bar)

    assert was_left(due)


def test_that_nothing_could_be_looked_at_either_does_not_hide_what_ended_the_day(
    desk: Desk, scripted: ScriptedMarket, due: OptionStrategy, caplog: pytest.LogCaptureFixture
) -> None:
    refusing = replace(desk, market=NoMaster(scripted.touches, desk=desk, takes=4 * 3600))  # the market has closed

    with pytest.raises(BadMaster, match="MASTER_EMPTY"), caplog.at_level(logging.ERROR):
        run_day(refusing, risk="moderate", min_score=1.0, bar=no_bar)

    (said,) = [record.getMessage() for record in caplog.records if record.name == "execution.services.day"]
    assert said.startswith(f"what is open on {desk.account} could not be looked at: MARKET_CLOSED")
    due.refresh_from_db()
    assert due.execution_detail == ""


def test_what_was_offered_before_the_refusal_is_offered_no_more(market: TwoShares, account: Account) -> None:
    day(market, account)
    assert OptionStrategy.objects.all().pending().exists()
    market.chains, market.symbols = {"GONE": market.chains.pop("INFY")}, ["INFY"]

    with pytest.raises(MarketError) as refusal:
        day(market, account, NOON + timedelta(hours=1))

    assert (refusal.value.reason.code, refusal.value.reason.remedy) == ("NO_CHAINS", "Wait for the opening.")
    assert refusal.value.reason.sentence == (
        "None of 1 chains could be captured, INFY because: The newest quote is of yesterday."
    )
    assert GenerationRun.objects.latest("id").results.get().reason_code == "STALE_QUOTE"
    assert not OptionStrategy.objects.all().pending().exists()
