"""CHECK constraints with a bound on both sides, so that NaN and infinity are refused too."""

from decimal import Decimal

from django.db import models

PRICE_MAX = Decimal(10_000_000)
MONEY_MAX = Decimal(1_000_000_000_000)


def bounded(table: str, field: str, low: Decimal | int, high: Decimal | int) -> models.CheckConstraint:
    """`low <= field <= high`; NULL passes, NaN does not (in PostgreSQL NaN is greater than every number)."""
    return models.CheckConstraint(
        condition=models.Q(**{f"{field}__gte": low, f"{field}__lte": high}), name=f"{table}_{field}_bounded"
    )


def one_of(table: str, field: str, values: type[models.TextChoices] | list[str]) -> models.CheckConstraint:
    """`field` holds one of the named values."""
    names = values if isinstance(values, list) else list(values.values)
    return models.CheckConstraint(condition=models.Q(**{f"{field}__in": names}), name=f"{table}_{field}_known")
