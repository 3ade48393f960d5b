"""factory_boy factories of model rows, and `list_chain`, which makes a master for the contracts of a captured chain."""

import math
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import factory
from django.db.models import Model
from factory.django import DjangoModelFactory

from allocation.models import Account, Allocation, AllocationRun, IndustryAllocation, SectorAllocation
from market.models import ChainSnapshot, DailyBar, FileImport, Instrument, OptionQuote, Underlying
from market.ports import CapturedChain
from strategies.models import (
    GenerationRun,
    OptionStrategy,
    StrategyExitLevels,
    StrategyExitRow,
    StrategyLeg,
    StrategyParameters,
    SymbolResult,
)

IST = ZoneInfo("Asia/Kolkata")
AS_OF = datetime(2026, 1, 30, 15, 29, tzinfo=IST)
EXPIRY = date(2026, 2, 24)

Row = TypeVar("Row", bound=Model)


class UnderlyingFactory(DjangoModelFactory):
    """A stock with options; the same symbol gives the same row."""

    class Meta:
        model = Underlying
        django_get_or_create = ("symbol",)

    symbol = factory.Sequence(lambda n: f"SHARE{n}")
    name = factory.LazyAttribute(lambda row: f"{row.symbol} Limited")
    kind = "stock"
    exchange = "NSE"
    industry = "Steel"
    sector = "Metals & Mining"
    lot_size = 500
    market_cap = 1_000_000_000


class FileImportFactory(DjangoModelFactory):
    """An accepted master."""

    class Meta:
        model = FileImport

    kind = FileImport.Kind.MASTER
    source = "test"
    file_name = factory.Sequence(lambda n: f"master-{n}.csv")
    published_on = AS_OF.date()
    status = FileImport.Status.ACCEPTED
    row_count = 1


class InstrumentFactory(DjangoModelFactory):
    """A listed call on ACME; strike, expiry and option_type make another contract of it."""

    class Meta:
        model = Instrument

    exchange = "NSE"
    segment_letter = "D"
    segment = "NSE_FNO"
    security_id = factory.Sequence(lambda n: str(100_000 + n))
    instrument_name = "OPTSTK"
    underlying = "ACME"
    expiry = EXPIRY
    strike = Decimal(1000)
    option_type = "CE"
    lot_size = 500
    tick_paise = Decimal(5)
    trading_symbol = factory.LazyAttribute(lambda row: f"{row.underlying}-{row.expiry}-{row.strike}-{row.option_type}")
    first_import = factory.SubFactory(FileImportFactory)
    last_import = factory.SelfAttribute("first_import")


class ShareFactory(InstrumentFactory):
    """The share itself."""

    segment_letter = "E"
    segment = "NSE_EQ"
    instrument_name = "EQUITY"
    series = "EQ"
    expiry = None
    strike = None
    option_type = ""
    lot_size = 1
    trading_symbol = factory.SelfAttribute("underlying")


class OptionQuoteFactory(DjangoModelFactory):
    """A two-sided quote of ACME's 1000 call."""

    class Meta:
        model = OptionQuote

    symbol = factory.SelfAttribute("snapshot.symbol")
    quoted_at = factory.SelfAttribute("snapshot.taken_at")
    expiry = EXPIRY
    strike = Decimal(1000)
    option_type = "CE"
    bid = Decimal("39.95")
    ask = Decimal("40.05")
    bid_quantity = 1000
    ask_quantity = 1500
    last_price = Decimal(40)
    volume = 5000
    open_interest = 10_000


class ChainSnapshotFactory(DjangoModelFactory):
    """A snapshot of ACME; `quotes=[{...}, ...]` are the quotes in it."""

    class Meta:
        model = ChainSnapshot
        skip_postgeneration_save = True

    symbol = "ACME"
    taken_at = AS_OF
    source = "test"
    spot = Decimal("1003.20")
    quote_count = 0
    content_hash = "0" * 64

    @factory.post_generation
    def quotes(self, create: bool, extracted: Iterable[dict[str, Any]] | None, **_: Any) -> None:
        """Write the quotes."""
        for values in extracted or ():
            OptionQuoteFactory(snapshot=self, **values)


class GenerationRunFactory(DjangoModelFactory):
    """A run of the moderate profile."""

    class Meta:
        model = GenerationRun

    as_of = AS_OF


class SymbolResultFactory(DjangoModelFactory):
    """A finished work order."""

    class Meta:
        model = SymbolResult

    run = factory.SubFactory(GenerationRunFactory)
    symbol = "ACME"
    status = "done"
    kept = 1


class StrategyLegFactory(DjangoModelFactory):
    """A bought call."""

    class Meta:
        model = StrategyLeg

    leg_number = 1
    setup_type = "BUY"
    option_type = "CE"
    strike = Decimal(1000)
    expiry = EXPIRY
    premium = Decimal("40.0500")
    lots = 1
    delta = Decimal("0.55")
    gamma = Decimal("0.004")
    theta = Decimal("-0.6")
    vega = Decimal("110.5")
    rho = Decimal("35.1")
    implied_volatility = Decimal("0.25")
    interest_known = True
    off_target = Decimal("0.04")


BULL_CALL_SPREAD = (
    {"leg_number": 1, "setup_type": "BUY", "strike": Decimal(1000), "premium": Decimal("40.05")},
    {"leg_number": 2, "setup_type": "SELL", "strike": Decimal(1050), "premium": Decimal("19.95")},
)


class OptionStrategyFactory(DjangoModelFactory):
    """A pending bull call spread with everything the generator stores; `legs=()` and `details=False` leave parts out.

    Rupees for one set: lot 500, debit 20.10.
    """

    class Meta:
        model = OptionStrategy
        skip_postgeneration_save = True

    stock_name = "ACME"
    strategy_name = "Bull Call Spread"
    structure = "bull_call_spread"
    strategy_type = "directional"
    total_score = Decimal("0.7")
    probability_of_profit = Decimal("0.45")
    expected_profit = Decimal("14950.00")
    max_loss = Decimal("10050.00")
    net_premium = Decimal("-10050.00")
    conviction_level = "High"
    market_outlook = "Bullish"
    component_scores = factory.LazyAttribute(
        lambda row: {"probability": 0.2, "liquidity": float(Decimal(str(row.total_score)) - Decimal("0.2"))}
    )
    spot_price = Decimal("1003.20")
    lot_size = 500
    expiry = EXPIRY
    generated_on = AS_OF
    trade_date = factory.LazyAttribute(lambda row: row.generated_on.astimezone(IST).date())
    content_hash = factory.Sequence(lambda n: f"{n:064x}")

    @factory.post_generation
    def legs(self, create: bool, extracted: Iterable[dict[str, Any]] | None, **_: Any) -> None:
        """Write the legs, by default a spread."""
        for values in BULL_CALL_SPREAD if extracted is None else extracted:
            StrategyLegFactory(strategy=self, **values)

    @factory.post_generation
    def details(self, create: bool, extracted: bool | None, **_: Any) -> None:
        """Write parameters, exit levels and exit rows."""
        if extracted is not False:
            StrategyParametersFactory(strategy=self)
            StrategyExitLevelsFactory(strategy=self)
            rows = [StrategyExitRow(strategy=self, reason="A test says so.", **values) for values in EXIT_ROWS]
            StrategyExitRow.objects.bulk_create(rows)

    @factory.post_generation
    def status(self, create: bool, extracted: str | None, **_: Any) -> None:
        """Walk to a status along the legal path."""
        path = {None: (), "pending": (), "marked": ("marked",), "executing": ("marked", "executing")}
        ends = {end: ("marked", "executing", end) for end in ("executed", "failed")}
        ends["closed"] = (*ends["executed"], "closing", "closed")
        for step in (path | ends)[extracted]:
            OptionStrategy.objects.filter(pk=self.pk).update(**_changes(self, step))
        self.refresh_from_db()


def _changes(strategy: OptionStrategy, step: str) -> dict[str, Any]:
    if step in ("closing", "closed"):
        return {"execution_detail": step}
    values: dict[str, Any] = {"execution_status": step, "marked_for_execution": True}
    values["execution_priority"] = strategy.execution_priority or 5
    if step == "executed":
        values["executed_at"] = strategy.generated_on + timedelta(minutes=1)
    return values


def walk(row: Row, *states: str) -> Row:
    """A run or an order taken through these states one by one, as the guards of the tables demand."""
    for state in states:
        type(row)._default_manager.filter(pk=row.pk).update(state=state)
    row.refresh_from_db()
    return row


RUN_DONE = ("precheck", "ready", "buying", "complete")


class StrategyParametersFactory(DjangoModelFactory):
    """Metrics of the spread."""

    class Meta:
        model = StrategyParameters

    breakevens = factory.LazyFunction(lambda: [1020.1])
    profit_ranges = factory.LazyFunction(lambda: [[1020.1, None]])
    expected_value = Decimal("150.00")
    expected_value_gross = Decimal("250.00")
    expected_value_implied = Decimal("-150.00")
    probability_after_costs = Decimal("0.44")
    probability_forecast = Decimal("0.47")
    probability_flat = Decimal("0.46")
    probability_history = Decimal("0.43")
    probability_half = Decimal("0.60")
    forecast_volatility = Decimal("0.24")
    probability_touch = Decimal("0.90")
    standard_deviation = Decimal("9000.00")
    shortfall_95 = Decimal("10150.00")
    shortfall_99 = Decimal("10150.00")
    spread_cost = Decimal("50.00")
    margin_required = Decimal("20000.00")
    return_on_margin = Decimal("0.0075")
    sharpe_ratio = Decimal("-0.01")
    days_to_expiry = 25
    risk_reward = Decimal("1.4876")
    charges = Decimal("100.00")
    net_delta = Decimal("0.2")
    net_gamma = Decimal("0.0001")
    net_theta = Decimal("-0.1")
    net_vega = Decimal("5.0")
    recalibration_reason = "NOT_CALIBRATED"
    iv_percentile_reason = "INSUFFICIENT_HISTORY"
    iv_regime = "normal"
    iv_fits = True
    view_agreement = "unknown"
    theta_profile = factory.LazyFunction(lambda: [[0, -50.0], [12, -70.0], [24, -200.0]])
    scenarios = factory.LazyFunction(lambda: [[-0.05, 0.0, 0, -5000.0], [0.05, 0.0, 0, 5000.0]])
    regions = factory.LazyFunction(lambda: {"loss": [0.5, -5000.0], "flat": [0.1, 0.0], "gain": [0.4, 5150.0]})
    flags = factory.LazyFunction(lambda: [{"about": "market_view", "code": "NO_CANDLES", "sentence": "No candles."}])


class StrategyExitLevelsFactory(DjangoModelFactory):
    """Exits of the spread."""

    class Meta:
        model = StrategyExitLevels

    profit_target_1 = Decimal("7475.00")
    profit_target_2 = Decimal("9717.50")
    profit_target_3 = Decimal("11960.00")
    stop_loss = Decimal("5025.00")
    time_exit_dte = 7
    delta_exit_threshold = Decimal("0.8")
    vega_exit_threshold = Decimal("7.5")


EXIT_ROWS: tuple[dict[str, Any], ...] = (
    {"kind": "money", "level": "profit_target_1", "value": Decimal("7475.00")},
    {"kind": "money", "level": "profit_target_2", "value": Decimal("9717.50")},
    {"kind": "money", "level": "profit_target_3", "value": Decimal("11960.00")},
    {"kind": "money", "level": "stop_loss", "value": Decimal("5025.00")},
    {"kind": "percent_of_max_profit", "level": "profit_target_1", "value": Decimal("0.5")},
    {"kind": "percent_of_credit", "level": "stop_loss", "value": None},
    {"kind": "days_to_expiry", "level": "time_exit", "value": Decimal(7)},
    {"kind": "underlying_price", "level": "price_above", "value": Decimal(1050)},
    {"kind": "delta", "level": "delta", "value": Decimal("0.8")},
    {"kind": "vega", "level": "vega", "value": Decimal("7.5")},
)


class AccountFactory(DjangoModelFactory):
    """A paper account of one crore on which the allocator may mark; the same name gives the same row."""

    class Meta:
        model = Account
        django_get_or_create = ("name",)

    name = factory.Sequence(lambda n: f"account-{n}")
    mode = Account.Mode.PAPER
    capital = Decimal(10_000_000)
    allocator_may_mark = True


class AllocationRunFactory(DjangoModelFactory):
    """A proposal."""

    class Meta:
        model = AllocationRun

    account = factory.SubFactory(AccountFactory)
    as_of = AS_OF
    capital = factory.SelfAttribute("account.capital")


class AllocationFactory(DjangoModelFactory):
    """One strategy taken by a proposal."""

    class Meta:
        model = Allocation

    run = factory.SubFactory(AllocationRunFactory)
    strategy = factory.SubFactory(OptionStrategyFactory)
    sets = 1
    margin = Decimal("27606.00")
    priority = 100


class IndustryAllocationFactory(DjangoModelFactory):
    """A long weight."""

    class Meta:
        model = IndustryAllocation

    industry = "Steel"
    weight_percentage = Decimal(20)


class SectorAllocationFactory(DjangoModelFactory):
    """A long weight."""

    class Meta:
        model = SectorAllocation

    sector = "Metals & Mining"
    weight_percentage = Decimal(20)


def list_chain(captured: CapturedChain, *, lot_size: int = 500, tick_paise: int = 5) -> FileImport:
    """Write underlying, share and option contracts of a captured chain as an accepted master of its day."""
    day = captured.taken_at.astimezone(IST).date()
    file = FileImportFactory(published_on=day)
    kind = "index" if captured.is_index else "stock"
    UnderlyingFactory(symbol=captured.underlying, kind=kind, lot_size=lot_size)
    shared = {"underlying": captured.underlying, "first_import": file, "tick_paise": tick_paise}
    ShareFactory(**shared)
    name = "OPTIDX" if captured.is_index else "OPTSTK"
    Instrument.objects.bulk_create(
        InstrumentFactory.build(
            **shared,
            last_import=file,
            instrument_name=name,
            lot_size=lot_size,
            expiry=quote.expiry,
            strike=Decimal(str(quote.strike)),
            option_type=quote.option_type.code,
        )
        for quote in captured.quotes
    )
    return file


def record_past(symbol: str, *, until: date, volatility: float, sessions: int = 60, price: float = 100.0) -> None:
    """Write closed sessions up to a day, each with the variance of this annual volatility and a return of its own."""
    variance = volatility**2 / 252
    days = sorted([day for ago in range(2 * sessions) if (day := until - timedelta(days=ago)).weekday() < 5][:sessions])
    level, rows = price, []
    for number, day in enumerate(days):
        move = math.sqrt(variance) * (0.25 + 0.5 * number / sessions) * (-1) ** number
        # Rogers and Satchell's variance of a bar that overshoots its open and close by the same: 2 a (a + |move|).
        beyond = (math.sqrt(move**2 + 2.0 * variance) - abs(move)) / 2.0
        close = level * math.exp(move)
        high, low = max(level, close) * math.exp(beyond), min(level, close) * math.exp(-beyond)
        prices = {"open": level, "high": high, "low": low, "close": close}
        exact = {name: Decimal(f"{value:.4f}") for name, value in prices.items()}
        rows.append(DailyBar(symbol=symbol, series="EQ", day=day, volume=1_000, **exact))
        level = close
    DailyBar.objects.bulk_create(rows)
