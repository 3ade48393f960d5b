"""What can go wrong between a strategy and its size."""

from market.errors import OptionsError


class RiskError(OptionsError):
    """A limit, or a number a limit needs, stands in the way."""
