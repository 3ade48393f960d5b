"""Bugs planted one at a time, each in place of one rule of the core, the executor or the books.

A mutant that survives says that the harness is blind to the rule it breaks.
"""

from tests.simulation.mutants import books, rules, sending
from tests.simulation.mutants.planting import Mutant

MUTANTS: tuple[Mutant, ...] = (*sending.MUTANTS, *books.MUTANTS, *rules.MUTANTS)

__all__ = ["MUTANTS", "Mutant"]
