"""The two signatures without which no real money moves on a day."""

from datetime import timedelta

from django.db import models
from django.db.models.functions import Now

from allocation.models import Account

CONFIRM_WITHIN = timedelta(minutes=10)


class LiveArming(models.Model):
    """One attempt to arm an account for one IST day: asked for by one person, confirmed by another.

    Triggers (migration 0009) disarm it on a halt, a changed limit, a new access token.
    """

    account = models.ForeignKey(Account, models.PROTECT, related_name="armings")
    day = models.DateField(help_text="the IST day it is good for; it ends with that day's session")
    armed_by = models.CharField(max_length=80)
    armed_at = models.DateTimeField(db_default=Now(), help_text="by the database's clock, as are the other moments")
    confirmed_by = models.CharField(max_length=80, blank=True)
    confirmed_at = models.DateTimeField(null=True, blank=True)
    shown_hash = models.CharField(max_length=64, help_text="of what both were shown")
    client_id = models.CharField(max_length=20, help_text="whose money it is")
    code_version = models.CharField(max_length=40, help_text="another one trades only after it was armed anew")
    disarmed_at = models.DateTimeField(null=True, blank=True)
    disarmed_by = models.CharField(max_length=80, blank=True)
    reason = models.TextField(blank=True, help_text="why it was disarmed")

    class Meta:
        db_table = "live_armings"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "day"],
                condition=models.Q(disarmed_at__isnull=True),
                name="live_armings_one_standing",
            ),
            models.CheckConstraint(
                condition=models.Q(confirmed_at__isnull=True, confirmed_by="")
                | (models.Q(confirmed_at__isnull=False) & ~models.Q(confirmed_by="")),
                name="live_armings_confirmed_by_somebody",
            ),
            models.CheckConstraint(
                condition=~models.Q(armed_by="") & ~models.Q(confirmed_by=models.F("armed_by")),
                name="live_armings_two_persons",
            ),
            models.CheckConstraint(
                condition=models.Q(confirmed_at__isnull=True)
                | models.Q(
                    confirmed_at__gte=models.F("armed_at"), confirmed_at__lte=models.F("armed_at") + CONFIRM_WITHIN
                ),
                name="live_armings_confirmed_in_time",
            ),
            models.CheckConstraint(
                condition=models.Q(disarmed_at__isnull=True) | ~models.Q(reason=""),
                name="live_armings_disarmed_with_a_reason",
            ),
            models.CheckConstraint(
                condition=models.Q(shown_hash__regex=r"^[0-9a-f]{64}$"), name="live_armings_hash_whole"
            ),
        ]

    def __str__(self) -> str:
        return f"account {self.account_id} on {self.day}: {self.state}"

    @property
    def state(self) -> str:
        """In one word."""
        if self.disarmed_at is not None:
            return "disarmed"
        return "half armed" if self.confirmed_at is None else "armed"
