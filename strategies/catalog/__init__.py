"""The catalogue: every structure the generator knows, as data, one file per family.

Names of the first 23 are those of options-v4.md section 1.1, which people use in SQL. Strikes follow section 14 item 6:
credit verticals 25-30 delta, condor shorts 16-20 and wings 5-8 delta, debit longs 50-55 against shorts 25-30 delta,
everything in delta or standard deviations at the trade's own expiry.

`CATALOGUE` is what may be recommended; `CHECKS` are structures that only prove that quotes agree.
"""

from collections.abc import Mapping
from types import MappingProxyType

from strategies.catalog import (
    butterfly,
    check,
    condor,
    income,
    lizard,
    ratio,
    single,
    straddle,
    synthetic,
    time_spread,
    vertical,
)
from strategies.spec import Structure

CATALOGUE: tuple[Structure, ...] = (
    single.STRUCTURES
    + vertical.STRUCTURES
    + condor.STRUCTURES
    + butterfly.STRUCTURES
    + straddle.STRUCTURES
    + income.STRUCTURES
    + time_spread.STRUCTURES
    + ratio.STRUCTURES
    + lizard.STRUCTURES
    + synthetic.STRUCTURES
)
CHECKS: tuple[Structure, ...] = check.STRUCTURES
BY_SLUG: Mapping[str, Structure] = MappingProxyType({structure.slug: structure for structure in CATALOGUE + CHECKS})

__all__ = ["BY_SLUG", "CATALOGUE", "CHECKS"]
