"""Named reads of runs, orders and trades."""

from datetime import datetime
from typing import Any

from django.db import models

from execution.lifecycle import ENDED_ORDERS, ENDED_RUNS


class RunQuerySet(models.QuerySet[Any]):
    """Reads of execution runs."""

    def open(self) -> "RunQuerySet":
        """Runs that still have something to do."""
        return self.exclude(state__in=sorted(ENDED_RUNS))


class LegOrderQuerySet(models.QuerySet[Any]):
    """Reads of leg orders."""

    def live(self) -> "LegOrderQuerySet":
        """Attempts whose outcome is not final."""
        return self.exclude(state__in=sorted(ENDED_ORDERS))


class TradeQuerySet(models.QuerySet[Any]):
    """Reads of trades."""

    def since(self, moment: datetime) -> "TradeQuerySet":
        """Trades at or after a moment, newest first."""
        return self.filter(timestamp__gte=moment).order_by("-timestamp", "-id")
