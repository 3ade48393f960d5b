"""The audit chain as rows; PostgreSQL writes them, nobody else does."""

from django.db import models


class AuditEntry(models.Model):
    """One thing that happened, linked by hash to the one before; append-only by triggers (migration 0005)."""

    seq = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField()
    actor = models.TextField()
    subject_kind = models.TextField()
    subject_id = models.TextField()
    event = models.TextField()
    before = models.TextField(null=True)  # noqa: DJ001 - NULL differs from '' in the hash
    after = models.TextField(null=True)  # noqa: DJ001
    detail = models.JSONField()
    prev_hash = models.TextField()
    hash = models.TextField()

    class Meta:
        # Unmanaged: a test's flush must not try to empty it.
        managed = False
        db_table = "audit_entries"
        verbose_name_plural = "audit entries"
        ordering = ["-seq"]

    def __str__(self) -> str:
        return f"{self.seq}: {self.subject_kind} {self.subject_id} {self.event}"
