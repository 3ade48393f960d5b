"""Doing it: runs, orders, trades, what is held, and who may act."""

from execution.models.access import BrokerAccess, OrderCall
from execution.models.arming import LiveArming
from execution.models.audit import AuditEntry
from execution.models.checks import CheckAnswer, RejectionCount, RiskLimits
from execution.models.desk import (
    Alert,
    AlertLevel,
    ExternalOrder,
    ReconcileReport,
    Standing,
    TraderLease,
    TradingState,
)
from execution.models.orders import (
    ExecutionRun,
    LegOrder,
    OrderPhase,
    Position,
    RunPurpose,
    StrategyMark,
    Trade,
    labelled,
)
from execution.models.paper import PaperFill, PaperOrder, PaperSwitch
from execution.models.stops import ResidentStop, StopStage

__all__ = [
    "Alert",
    "AlertLevel",
    "AuditEntry",
    "BrokerAccess",
    "CheckAnswer",
    "ExecutionRun",
    "ExternalOrder",
    "LegOrder",
    "LiveArming",
    "OrderCall",
    "OrderPhase",
    "PaperFill",
    "PaperOrder",
    "PaperSwitch",
    "Position",
    "ReconcileReport",
    "RejectionCount",
    "ResidentStop",
    "RiskLimits",
    "RunPurpose",
    "Standing",
    "StopStage",
    "StrategyMark",
    "Trade",
    "TraderLease",
    "TradingState",
    "labelled",
]
