"""How much: accounts with their limits, target weights, and what was proposed."""

from decimal import Decimal

from django.db import models

from market.constraints import MONEY_MAX, bounded, one_of
from strategies.models import OptionStrategy, money


class Direction(models.TextChoices):
    """Which way a weight leans."""

    LONG = "LONG"
    SHORT = "SHORT"


class Rating(models.TextChoices):
    """An industry's weight against the index."""

    OVERWEIGHT = "Overweight"
    NEUTRAL = "Neutral"
    UNDERWEIGHT = "Underweight"


class IndustryAllocation(models.Model):
    """Target weight of one industry, in per cent of capital."""

    industry = models.CharField(max_length=80, unique=True)
    weight_percentage = models.DecimalField(max_digits=6, decimal_places=3)
    position_type = models.CharField(max_length=5, choices=Direction, default=Direction.LONG)
    rating = models.CharField(max_length=12, choices=Rating, default=Rating.NEUTRAL)
    updated_date = models.DateField(auto_now=True)

    class Meta:
        db_table = "industry_allocations_current"
        ordering = ["-weight_percentage", "industry"]
        constraints = [
            bounded("industry_allocations", "weight_percentage", 0, 100),
            one_of("industry_allocations", "position_type", Direction),
            one_of("industry_allocations", "rating", Rating),
        ]

    def __str__(self) -> str:
        return f"{self.industry} {self.weight_percentage} %"


class SectorAllocation(models.Model):
    """Target weight of one sector, in per cent of capital."""

    sector = models.CharField(max_length=80, unique=True)
    weight_percentage = models.DecimalField(max_digits=6, decimal_places=3)
    position_type = models.CharField(max_length=5, choices=Direction, default=Direction.LONG)
    updated_date = models.DateField(auto_now=True)

    class Meta:
        db_table = "sector_allocations_current"
        ordering = ["-weight_percentage", "sector"]
        constraints = [
            bounded("sector_allocations", "weight_percentage", 0, 100),
            one_of("sector_allocations", "position_type", Direction),
        ]

    def __str__(self) -> str:
        return f"{self.sector} {self.weight_percentage} %"


class AccountMode(models.TextChoices):
    """Paper or live."""

    PAPER = "paper"
    LIVE = "live"


class Account(models.Model):
    """A broker account, on paper or live, with the limits its owner set."""

    Mode = AccountMode

    name = models.CharField(max_length=40, unique=True)
    mode = models.CharField(max_length=5, choices=Mode, default=Mode.PAPER)
    capital = money(help_text="rupees that may be put at risk or blocked")
    max_share_per_underlying = models.DecimalField(max_digits=5, decimal_places=4, default=Decimal("0.15"))
    max_share_per_strategy = models.DecimalField(max_digits=5, decimal_places=4, default=Decimal("0.05"))
    max_deployed_share = models.DecimalField(max_digits=5, decimal_places=4, default=Decimal("0.60"))
    max_open_strategies = models.PositiveIntegerField(default=10)
    max_per_structure = models.PositiveIntegerField(default=3, help_text="most open strategies of one structure")
    max_sets = models.PositiveIntegerField(default=10, help_text="most sets of one strategy")
    allow_naked = models.BooleanField(
        default=False,
        help_text="may sell options that no bought option, share or cash set aside covers, bounded loss or not",
    )
    allocator_may_mark = models.BooleanField(
        null=True, blank=True, help_text="the allocator may mark, not only propose; unset: on paper yes, live no"
    )
    active = models.BooleanField(default=True)

    class Meta:
        db_table = "accounts"
        constraints = [
            one_of("accounts", "mode", AccountMode),
            bounded("accounts", "capital", 1, MONEY_MAX),
            bounded("accounts", "max_share_per_underlying", 0, 1),
            bounded("accounts", "max_share_per_strategy", 0, 1),
            bounded("accounts", "max_deployed_share", 0, 1),
            bounded("accounts", "max_open_strategies", 1, 1_000),
            bounded("accounts", "max_per_structure", 1, 1_000),
            bounded("accounts", "max_sets", 1, 10_000),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.mode})"

    @property
    def lets_allocator_mark(self) -> bool:
        """Whether the allocator's proposals are marked at once: its owner's word, else paper accounts only."""
        return self.mode == AccountMode.PAPER if self.allocator_may_mark is None else self.allocator_may_mark


class AllocationRun(models.Model):
    """One proposal for one account at one moment."""

    account = models.ForeignKey(Account, models.PROTECT, related_name="allocation_runs")
    as_of = models.DateTimeField()
    capital = money()
    considered = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "allocation_runs"
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"allocation {self.pk} for {self.account_id}"


class Allocation(models.Model):
    """One strategy in a proposal: how many sets, what they need, or why none."""

    run = models.ForeignKey(AllocationRun, models.CASCADE, related_name="allocations")
    strategy = models.ForeignKey(OptionStrategy, models.CASCADE, related_name="allocations")
    sets = models.PositiveIntegerField(default=0)
    margin = money(
        null=True,
        blank=True,
        help_text="rupees all sets need: our margin beside the credit, or the most they may lose where that is more",
    )
    priority = models.PositiveSmallIntegerField(default=0)
    marked = models.BooleanField(default=False)
    reason_code = models.CharField(max_length=40, blank=True)
    reason_text = models.TextField(blank=True)

    class Meta:
        db_table = "portfolio_allocations"
        ordering = ["-priority", "id"]
        constraints = [
            models.UniqueConstraint(fields=["run", "strategy"], name="portfolio_allocations_once"),
            bounded("portfolio_allocations", "priority", 0, 100),
            bounded("portfolio_allocations", "sets", 0, 10_000),
            bounded("portfolio_allocations", "margin", 0, MONEY_MAX),
        ]

    def __str__(self) -> str:
        return f"{self.strategy_id} × {self.sets}"
