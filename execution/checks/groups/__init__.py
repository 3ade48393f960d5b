"""The checks themselves, by what they ask about; their order is that of the registry. Pure."""

from execution.checks.groups.admission import ADMISSION
from execution.checks.groups.health import HEALTH
from execution.checks.groups.orders import ORDERS
from execution.checks.groups.risk import RISK
from execution.checks.groups.sending import SENDING

__all__ = ["ADMISSION", "HEALTH", "ORDERS", "RISK", "SENDING"]
