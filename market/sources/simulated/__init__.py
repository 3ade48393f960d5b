"""A market that is computed instead of observed, for demonstrations, tests and paper trading without a broker."""

from market.sources.simulated.source import SimulatedMarket

__all__ = ["SimulatedMarket"]
