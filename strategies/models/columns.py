"""Columns that many tables of strategies have."""

from typing import Any

from django.db import models


def money(**options: Any) -> "models.DecimalField[Any, Any]":
    """Rupees, exact to the paisa."""
    return models.DecimalField(max_digits=18, decimal_places=2, **options)


def fraction(**options: Any) -> "models.DecimalField[Any, Any]":
    """A share of one, to six places."""
    return models.DecimalField(max_digits=9, decimal_places=6, **options)


def greek(**options: Any) -> "models.DecimalField[Any, Any]":
    """A sensitivity per unit of underlying."""
    return models.DecimalField(max_digits=20, decimal_places=8, null=True, blank=True, **options)
