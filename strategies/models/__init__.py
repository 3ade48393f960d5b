"""What could be traded, how good it is, and who marked it."""

from strategies.models.calibration import (
    CalibrationBin,
    CalibrationRun,
    CalibrationScore,
    Convention,
    RecalibrationMap,
)
from strategies.models.queue import QueuedStrategy
from strategies.models.strategy import (
    LEGAL_TRANSITIONS,
    ExecutionStatus,
    GenerationRun,
    OptionStrategy,
    Risk,
    StrategyExitLevels,
    StrategyLeg,
    StrategyParameters,
    SymbolResult,
    SymbolStatus,
    fraction,
    greek,
    money,
)

__all__ = [
    "LEGAL_TRANSITIONS",
    "CalibrationBin",
    "CalibrationRun",
    "CalibrationScore",
    "Convention",
    "ExecutionStatus",
    "GenerationRun",
    "OptionStrategy",
    "QueuedStrategy",
    "RecalibrationMap",
    "Risk",
    "StrategyExitLevels",
    "StrategyLeg",
    "StrategyParameters",
    "SymbolResult",
    "SymbolStatus",
    "fraction",
    "greek",
    "money",
]
