"""Named reads of market facts."""

from datetime import date, datetime
from typing import Any

from django.db import models

from market.contract import Contract


class FileImportQuerySet(models.QuerySet[Any]):
    """Reads of import attempts."""

    def masters(self) -> "FileImportQuerySet":
        """Attempts at the instrument master, newest first."""
        return self.filter(kind="master").order_by("-id")

    def usable(self) -> "FileImportQuerySet":
        """Attempts whose facts we hold."""
        return self.exclude(status="refused")


class InstrumentQuerySet(models.QuerySet[Any]):
    """Reads of the scrip master."""

    def active(self) -> "InstrumentQuerySet":
        """Rows of the newest accepted master."""
        return self.filter(active=True)

    def options(self) -> "InstrumentQuerySet":
        """Index and stock options."""
        return self.filter(instrument_name__in=["OPTIDX", "OPTSTK"])

    def of(self, contract: Contract) -> "InstrumentQuerySet":
        """Active rows with exactly these terms, never a neighbour."""
        if contract.is_option and contract.option_type is not None:
            return self.active().filter(
                underlying=contract.underlying,
                expiry=contract.expiry,
                strike=contract.strike,
                option_type=contract.option_type.code,
                instrument_name__in=["OPTIDX", "OPTSTK"],
            )
        return self.active().filter(underlying=contract.underlying, instrument_name="EQUITY", series="EQ")


class UnderlyingQuerySet(models.QuerySet[Any]):
    """Reads of the symbol master."""

    def tradable(self) -> "UnderlyingQuerySet":
        """Underlyings with listed options."""
        return self.filter(fno_stock="yes")


class WatchlistQuerySet(models.QuerySet[Any]):
    """Reads of the watchlist."""

    def active(self) -> "WatchlistQuerySet":
        """Only what should be subscribed."""
        return self.filter(active=True)


class SnapshotQuerySet(models.QuerySet[Any]):
    """Reads of captured chains."""

    def fresh(self, as_of: datetime) -> "SnapshotQuerySet":
        """Snapshots not later than `as_of`."""
        return self.filter(taken_at__lte=as_of)

    def on(self, day: date, as_of: datetime) -> "SnapshotQuerySet":
        """Snapshots of one calendar day (IST) not later than `as_of`."""
        return self.fresh(as_of).filter(taken_at__date=day)

    def latest_per_symbol(self, as_of: datetime) -> "SnapshotQuerySet":
        """The newest snapshot of each symbol not later than `as_of` (one index scan, DISTINCT ON)."""
        return self.fresh(as_of).order_by("symbol", "-taken_at", "-id").distinct("symbol")
