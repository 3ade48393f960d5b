"""The view of what will be executed."""

from django.db import models

from strategies.models.columns import fraction


class QueuedStrategy(models.Model):
    """A row of `v_execution_queue`: what will be executed, in order."""

    id = models.BigIntegerField(primary_key=True)
    stock_name = models.CharField(max_length=40)
    strategy_name = models.CharField(max_length=80)
    total_score = fraction()
    conviction_level = models.CharField(max_length=12)
    marked_for_execution = models.BooleanField()
    execution_priority = models.IntegerField()
    execution_status = models.CharField(max_length=50)
    execution_notes = models.TextField(null=True)  # noqa: DJ001 - a view's column

    class Meta:
        managed = False
        db_table = "v_execution_queue"

    def __str__(self) -> str:
        return f"{self.execution_priority} {self.stock_name} {self.strategy_name}"
