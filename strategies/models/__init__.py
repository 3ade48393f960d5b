"""What could be traded, how good it is, and who marked it."""

from strategies.models.strategy import (
    LEGAL_TRANSITIONS,
    ExecutionStatus,
    GenerationRun,
    OptionStrategy,
    QueuedStrategy,
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
    "ExecutionStatus",
    "GenerationRun",
    "OptionStrategy",
    "QueuedStrategy",
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
