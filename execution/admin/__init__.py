"""Admin pages of what was done and of what stands in the way: people look, and change only what is theirs."""

from execution.admin import checks, desk, orders, protection

__all__ = ["checks", "desk", "orders", "protection"]
