"""What could be traded, how good it is, and who marked it."""

from strategies.models.calibration import (
    CalibrationBin,
    CalibrationRun,
    CalibrationScore,
    Convention,
    RecalibrationMap,
)
from strategies.models.columns import fraction, greek, money
from strategies.models.details import Agreement, IvRegime, StrategyExitLevels, StrategyExitRow, StrategyParameters
from strategies.models.generation import GenerationRun, Risk, SymbolResult, SymbolStatus
from strategies.models.queue import QueuedStrategy
from strategies.models.strategy import LEGAL_TRANSITIONS, ExecutionStatus, OptionStrategy, StrategyLeg

__all__ = [
    "LEGAL_TRANSITIONS",
    "Agreement",
    "CalibrationBin",
    "CalibrationRun",
    "CalibrationScore",
    "Convention",
    "ExecutionStatus",
    "GenerationRun",
    "IvRegime",
    "OptionStrategy",
    "QueuedStrategy",
    "RecalibrationMap",
    "Risk",
    "StrategyExitLevels",
    "StrategyExitRow",
    "StrategyLeg",
    "StrategyParameters",
    "SymbolResult",
    "SymbolStatus",
    "fraction",
    "greek",
    "money",
]
