"""The gate: gather what the checks must know, ask them, keep what they answered."""

from execution.services.checks.gathering import Asked, Planned, gather, gather_order
from execution.services.checks.keeping import keep_answers, limits_for, rejections

__all__ = ["Asked", "Planned", "gather", "gather_order", "keep_answers", "limits_for", "rejections"]
