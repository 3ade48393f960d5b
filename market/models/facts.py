"""Facts: what trades, at what price, and which files said so."""

from decimal import Decimal
from typing import Any

from django.db import models

from market.calendar import IST
from market.constraints import MONEY_MAX, PRICE_MAX, bounded, one_of
from market.contract import Contract, OptionType
from market.querysets import (
    FileImportQuerySet,
    InstrumentQuerySet,
    SnapshotQuerySet,
    UnderlyingQuerySet,
    WatchlistQuerySet,
)


def price(**options: Any) -> "models.DecimalField[Any, Any]":
    """A price in rupees per unit, exact to a hundredth of a paisa."""
    return models.DecimalField(max_digits=14, decimal_places=4, **options)


class FileKind(models.TextChoices):
    """What a file holds."""

    MASTER = "master"
    CHAINS = "chains"
    BHAVCOPY_FO = "bhavcopy_fo"
    BHAVCOPY_CASH = "bhavcopy_cash"


class FileStatus(models.TextChoices):
    """What came of an import."""

    ACCEPTED = "accepted"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


class FileImport(models.Model):
    """One attempt to read a file of facts: what it was, what came of it, and why not."""

    Kind = FileKind

    Status = FileStatus

    kind = models.CharField(max_length=20, choices=Kind)
    source = models.CharField(max_length=30, help_text="dhan, simulated, nse ...")
    file_name = models.CharField(max_length=255)
    sha256 = models.CharField(max_length=64, blank=True)
    published_on = models.DateField(null=True, blank=True, help_text="the day the facts are of, read from the file")
    status = models.CharField(max_length=12, choices=Status)
    reason_code = models.CharField(max_length=40, blank=True)
    reason_text = models.TextField(blank=True)
    row_count = models.PositiveIntegerField(default=0)
    inserted = models.PositiveIntegerField(default=0)
    updated = models.PositiveIntegerField(default=0)
    deactivated = models.PositiveIntegerField(default=0)
    rejected = models.JSONField(default=dict, blank=True, help_text="rows refused, by reason code")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = FileImportQuerySet.as_manager()

    class Meta:
        db_table = "file_imports"
        ordering = ["-id"]
        indexes = [models.Index(fields=["kind", "-id"], name="file_imports_kind_idx")]
        constraints = [one_of("file_imports", "kind", FileKind), one_of("file_imports", "status", FileStatus)]

    def __str__(self) -> str:
        return f"{self.kind} {self.file_name} {self.status}"


class Instrument(models.Model):
    """A row of the scrip master; `active` rows are those of the newest accepted master."""

    exchange = models.CharField(max_length=8, db_column="sem_exm_exch_id")
    segment_letter = models.CharField(max_length=4, db_column="sem_segment")
    security_id = models.CharField(max_length=20, db_column="sem_smst_security_id")
    instrument_name = models.CharField(max_length=20, db_column="sem_instrument_name")
    expiry_code = models.SmallIntegerField(db_column="sem_expiry_code", null=True, blank=True)
    trading_symbol = models.CharField(max_length=80, db_column="sem_trading_symbol")
    lot_size = models.PositiveIntegerField(db_column="sem_lot_units")
    custom_symbol = models.CharField(max_length=120, db_column="sem_custom_symbol", blank=True)
    expiry = models.DateField(db_column="sem_expiry_date", null=True, blank=True)
    strike = models.DecimalField(
        db_column="sem_strike_price", max_digits=14, decimal_places=5, null=True, blank=True, help_text="rupees"
    )
    option_type = models.CharField(
        max_length=2, db_column="sem_option_type", blank=True, help_text="CE, PE, XX for futures, empty otherwise"
    )
    tick_paise = models.DecimalField(
        db_column="sem_tick_size", max_digits=12, decimal_places=4, help_text="smallest price step, in paise"
    )
    expiry_flag = models.CharField(max_length=4, db_column="sem_expiry_flag", blank=True)
    exchange_instrument_type = models.CharField(max_length=20, db_column="sem_exch_instrument_type", blank=True)
    series = models.CharField(max_length=10, db_column="sem_series", blank=True)
    symbol_name = models.CharField(max_length=120, db_column="sm_symbol_name", blank=True)

    segment = models.CharField(max_length=16, help_text="NSE_FNO, IDX_I, NSE_EQ ...")
    underlying = models.CharField(max_length=40, help_text="derived from the master, never from a typed symbol")
    isin = models.CharField(max_length=20, blank=True)
    freeze_quantity = models.PositiveIntegerField(
        null=True, blank=True, help_text="largest quantity one order may have, where the detailed master says it"
    )
    lower_limit = price(null=True, blank=True)
    upper_limit = price(null=True, blank=True)
    active = models.BooleanField(default=True)
    inactive_reason = models.CharField(max_length=20, blank=True)
    # No constraint and no index: checking 200,000 keys per master costs a quarter of the import; nobody joins on them.
    first_import = models.ForeignKey(
        FileImport, models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
    last_import = models.ForeignKey(
        FileImport, models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )

    objects = InstrumentQuerySet.as_manager()

    class Meta:
        db_table = "api_scrip_master"
        constraints = [
            models.UniqueConstraint(
                fields=["exchange", "segment_letter", "security_id"],
                condition=models.Q(active=True),
                name="api_scrip_master_active_id",
            ),
            bounded("api_scrip_master", "lot_size", 1, 100_000_000),
            bounded("api_scrip_master", "tick_paise", Decimal("0.0001"), 1_000_000),
            bounded("api_scrip_master", "strike", Decimal(-1), PRICE_MAX),
        ]
        indexes = [
            models.Index(fields=["custom_symbol"], name="api_scrip_master_custom_idx"),
            models.Index(
                fields=["underlying", "expiry", "strike", "option_type"],
                condition=models.Q(active=True),
                name="api_scrip_master_contract_idx",
            ),
            models.Index(fields=["security_id"], name="api_scrip_master_sid_idx"),
        ]

    def __str__(self) -> str:
        return self.custom_symbol or self.trading_symbol

    @property
    def tick_size(self) -> Decimal:
        """Smallest price step in rupees."""
        return self.tick_paise / 100

    @property
    def contract(self) -> Contract:
        """The terms of this row, without its symbol or id."""
        if self.option_type not in ("CE", "PE"):
            return Contract(self.underlying)
        strike = None if self.strike is None else float(self.strike)
        return Contract(self.underlying, self.expiry, strike, OptionType.from_code(self.option_type))


class LotSize(models.Model):
    """The lot of one underlying's expiry over time: a row per change, never overwritten."""

    exchange = models.CharField(max_length=8)
    underlying = models.CharField(max_length=40)
    expiry = models.DateField()
    lot_size = models.PositiveIntegerField()
    effective_from = models.DateField()
    source = models.ForeignKey(FileImport, models.PROTECT, related_name="+")

    class Meta:
        db_table = "lot_size_history"
        constraints = [
            models.UniqueConstraint(
                fields=["exchange", "underlying", "expiry", "lot_size", "effective_from"], name="lot_size_history_once"
            ),
            bounded("lot_size_history", "lot_size", 1, 100_000_000),
        ]

    def __str__(self) -> str:
        return f"{self.underlying} {self.expiry} lot {self.lot_size} from {self.effective_from}"


class UnderlyingKind(models.TextChoices):
    """Share or index."""

    STOCK = "stock"
    INDEX = "index"


class Underlying(models.Model):
    """A stock or an index whose options may be traded."""

    Kind = UnderlyingKind

    symbol = models.CharField(max_length=40, unique=True)
    name = models.CharField(max_length=120, blank=True)
    kind = models.CharField(max_length=6, choices=Kind, default=Kind.STOCK)
    exchange = models.CharField(max_length=8, default="NSE")
    industry = models.CharField(max_length=80, blank=True)
    sector = models.CharField(max_length=80, blank=True)
    fno_stock = models.CharField(max_length=3, default="yes", choices=[("yes", "yes"), ("no", "no")])
    lot_size = models.PositiveIntegerField(null=True, blank=True, help_text="of the nearest expiry, from the master")
    market_cap = models.DecimalField(max_digits=20, decimal_places=2, null=True, blank=True, help_text="rupees")
    updated_at = models.DateTimeField(auto_now=True)

    objects = UnderlyingQuerySet.as_manager()

    class Meta:
        db_table = "stock_data"
        ordering = ["symbol"]
        constraints = [
            one_of("stock_data", "fno_stock", ["yes", "no"]),
            one_of("stock_data", "kind", UnderlyingKind),
            bounded("stock_data", "lot_size", 1, 100_000_000),
            bounded("stock_data", "market_cap", 0, MONEY_MAX * 1000),
        ]

    def __str__(self) -> str:
        return self.symbol


class WatchKind(models.TextChoices):
    """What a watchlist item is."""

    INDEX_VALUE = "index_value"
    EQUITY = "equity"
    DERIVATIVE = "derivative"
    CURRENCY = "currency"
    COMMODITY = "commodity"


class WatchlistItem(models.Model):
    """An instrument whose live ticks we want, named the way the feed names it."""

    Kind = WatchKind

    segment = models.CharField(max_length=16)
    security_id = models.CharField(max_length=20)
    active = models.BooleanField(default=True)
    kind = models.CharField(max_length=12, choices=Kind)
    label = models.CharField(max_length=80, blank=True)
    watchable = models.ForeignKey(
        Instrument, models.SET_NULL, null=True, blank=True, related_name="watchlist_items", help_text="the instrument"
    )

    objects = WatchlistQuerySet.as_manager()

    class Meta:
        db_table = "watchlist_items"
        ordering = ["segment", "security_id"]
        constraints = [
            models.UniqueConstraint(fields=["segment", "security_id"], name="watchlist_items_once"),
            one_of("watchlist_items", "kind", WatchKind),
        ]

    def __str__(self) -> str:
        return self.label or f"{self.segment}:{self.security_id}"


class ChainSnapshot(models.Model):
    """One underlying's option chain at one moment, as one source gave it."""

    symbol = models.CharField(max_length=40)
    taken_at = models.DateTimeField()
    source = models.CharField(max_length=30)
    spot = price(null=True, blank=True)
    is_index = models.BooleanField(default=False)
    quote_count = models.PositiveIntegerField()
    content_hash = models.CharField(max_length=64)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = SnapshotQuerySet.as_manager()

    class Meta:
        db_table = "chain_snapshots"
        constraints = [
            models.UniqueConstraint(fields=["symbol", "taken_at", "source"], name="chain_snapshots_once"),
            bounded("chain_snapshots", "spot", Decimal("0.0001"), PRICE_MAX),
        ]
        indexes = [models.Index(fields=["symbol", "-taken_at"], name="chain_snapshots_latest_idx")]

    def __str__(self) -> str:
        return f"{self.symbol} {self.taken_at.astimezone(IST):%Y-%m-%d %H:%M} {self.source}"


class OptionQuote(models.Model):
    """One option of a snapshot; NULL means the source did not say."""

    id = models.BigAutoField(primary_key=True)
    snapshot = models.ForeignKey(ChainSnapshot, models.CASCADE, related_name="quotes")
    symbol = models.CharField(max_length=40)
    option_type = models.CharField(max_length=2, help_text="CE or PE")
    strike = models.DecimalField(db_column="strike_price", max_digits=14, decimal_places=4)
    expiry = models.DateField(db_column="expiry_date")
    volume = models.BigIntegerField(null=True, blank=True, help_text="units")
    open_interest = models.BigIntegerField(null=True, blank=True, help_text="units")
    bid = price(null=True, blank=True)
    ask = price(null=True, blank=True)
    bid_quantity = models.BigIntegerField(null=True, blank=True)
    ask_quantity = models.BigIntegerField(null=True, blank=True)
    last_price = price(null=True, blank=True, db_column="ltp")
    implied_volatility = models.DecimalField(max_digits=9, decimal_places=6, null=True, blank=True, help_text="0.18")
    is_index = models.BooleanField(db_column="index", default=False)
    quoted_at = models.DateTimeField()

    class Meta:
        db_table = "option_chain_data"
        constraints = [
            one_of("option_chain_data", "option_type", ["CE", "PE"]),
            bounded("option_chain_data", "strike", Decimal("0.0001"), PRICE_MAX),
            bounded("option_chain_data", "bid", Decimal("0.0001"), PRICE_MAX),
            bounded("option_chain_data", "ask", Decimal("0.0001"), PRICE_MAX),
            bounded("option_chain_data", "last_price", Decimal("0.0001"), PRICE_MAX),
            bounded("option_chain_data", "volume", 0, 10**15),
            bounded("option_chain_data", "open_interest", 0, 10**15),
            bounded("option_chain_data", "implied_volatility", 0, 100),
        ]
        indexes = [
            models.Index(fields=["symbol", "expiry", "quoted_at"], name="option_chain_data_symbol_idx"),
        ]

    def __str__(self) -> str:
        return f"{self.symbol} {self.expiry} {self.strike} {self.option_type}"


class DailyBar(models.Model):
    """One share's session from a cash bhavcopy; prices in rupees, not adjusted for splits."""

    exchange = models.CharField(max_length=8, default="NSE")
    symbol = models.CharField(max_length=40)
    series = models.CharField(max_length=4)
    day = models.DateField()
    open = price()
    high = price()
    low = price()
    close = price()
    last_price = price(null=True, blank=True)
    previous_close = price(null=True, blank=True)
    volume = models.BigIntegerField()
    delivered = models.BigIntegerField(null=True, blank=True)

    class Meta:
        db_table = "daily_bars"
        constraints = [
            models.UniqueConstraint(fields=["exchange", "symbol", "series", "day"], name="daily_bars_once"),
            bounded("daily_bars", "close", Decimal("0.0001"), PRICE_MAX),
            bounded("daily_bars", "volume", 0, 10**15),
        ]

    def __str__(self) -> str:
        return f"{self.symbol} {self.day}"


class ContractBar(models.Model):
    """One derivative contract's session from an F&O bhavcopy; NULL prices where nothing traded."""

    exchange = models.CharField(max_length=8, default="NSE")
    instrument_name = models.CharField(max_length=10, help_text="FUTIDX, FUTSTK, OPTIDX, OPTSTK")
    underlying = models.CharField(max_length=40)
    expiry = models.DateField()
    strike = models.DecimalField(max_digits=14, decimal_places=4, null=True, blank=True)
    option_type = models.CharField(max_length=2, help_text="CE, PE, or XX for a future")
    day = models.DateField()
    open = price(null=True, blank=True)
    high = price(null=True, blank=True)
    low = price(null=True, blank=True)
    close = price(null=True, blank=True)
    settlement = price(null=True, blank=True)
    underlying_price = price(null=True, blank=True)
    volume = models.BigIntegerField(help_text="units where the file says the lot, else contracts", default=0)
    open_interest = models.BigIntegerField(default=0)
    open_interest_change = models.BigIntegerField(default=0)
    lot_size = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        db_table = "contract_bars"
        constraints = [
            models.UniqueConstraint(
                fields=["exchange", "underlying", "instrument_name", "expiry", "strike", "option_type", "day"],
                name="contract_bars_once",
                nulls_distinct=False,
            ),
            one_of("contract_bars", "option_type", ["CE", "PE", "XX"]),
            bounded("contract_bars", "close", Decimal("0.0001"), PRICE_MAX),
        ]

    def __str__(self) -> str:
        return f"{self.underlying} {self.expiry} {self.strike} {self.option_type} {self.day}"
