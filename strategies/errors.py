"""What can go wrong between a chain and a strategy."""

from market.errors import OptionsError


class StrategyError(OptionsError):
    """A strategy that cannot be built, priced or changed."""


class NotConstructible(StrategyError):
    """The chain holds no contracts that satisfy this structure."""


class NotMarkable(StrategyError):
    """A strategy that a person asked to mark or unmark and that may not be."""
