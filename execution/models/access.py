"""What opens the broker: access tokens, encrypted, and the calls that count against the broker's limits."""

from django.db import models
from django.db.models.functions import Now

from allocation.models import Account
from market.constraints import bounded


class BrokerAccess(models.Model):
    """The newest access token of one Dhan client, readable only with a key that is not in the database."""

    client_id = models.CharField(max_length=20, unique=True)
    token_encrypted = models.BinaryField(default=bytes)
    last_four = models.CharField(max_length=4, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    generation = models.PositiveIntegerField(default=0, help_text="grows with every new token; sockets follow it")
    refresh_tried_at = models.DateTimeField(null=True, blank=True)
    stored_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "broker_access"
        verbose_name_plural = "broker access"
        constraints = [bounded("broker_access", "generation", 0, 2_000_000_000)]

    def __str__(self) -> str:
        return f"client {self.client_id}, token {self.generation}"


class OrderCall(models.Model):
    """One permission to call the broker's order endpoints; the sliding windows of all processes count these rows.

    `number` counts an account's calls without gaps, so that the n-th newest is one look-up however many there are.
    """

    account = models.ForeignKey(Account, models.CASCADE, related_name="+", db_index=False)
    number = models.PositiveBigIntegerField()
    urgent = models.BooleanField(help_text="an exit or a cancel")
    taken_at = models.DateTimeField(db_default=Now(), help_text="by the database's clock")

    class Meta:
        db_table = "order_calls"
        constraints = [models.UniqueConstraint(fields=["account", "number"], name="order_calls_numbered")]

    def __str__(self) -> str:
        return f"call {self.number} of account {self.account_id}"
