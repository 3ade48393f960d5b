"""Many candidates of one chain as arrays: which contracts, how many of each, and at what price."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from market.chain import Flags, Floats
from strategies.spec import Structure
from strategies.table import SHARE, ContractTable, Ints


@dataclass(frozen=True, eq=False)
class Batch:
    """Candidates of one contract table, one per row; legs stand in columns, in the order of the structure.

    Attributes
    ----------
    which : ndarray, shape (n,)
        Place of each candidate's structure in `structures`.
    rows : ndarray, shape (n, legs)
        Row of each leg in the table; the share's row, with no units, where a structure has fewer legs.
    units : ndarray, shape (n, legs)
        Signed ratio: bought positive, 0 where there is no leg.
    front : ndarray, shape (n,)
        Rank of the expiry at which the outcome is measured.
    """

    table: ContractTable
    structures: tuple[Structure, ...]
    which: Ints
    rows: Ints
    units: Floats
    front: Ints

    @property
    def size(self) -> int:
        """How many candidates."""
        return int(self.which.size)

    @cached_property
    def price(self) -> Floats:
        """Executable price of every leg in rupees per unit: the ask when bought, the bid when sold; shape (n, legs)."""
        return np.where(self.units > 0.0, self.table.ask[self.rows], self.table.bid[self.rows])

    @cached_property
    def option_premium(self) -> Floats:
        """Cash of the option legs in rupees per unit, credit positive; shape (n,)."""
        options = self.table.kind[self.rows] != SHARE
        return np.asarray(-(self.units * np.where(options, self.price, 0.0)).sum(axis=1))

    @cached_property
    def net_premium(self) -> Floats:
        """Cash of all legs, a share's price included, in rupees per unit, credit positive; shape (n,)."""
        return np.asarray(-(self.units * self.price).sum(axis=1))

    @cached_property
    def is_simple(self) -> Flags:
        """Whether all option legs end at the front expiry; shape (n,)."""
        ranks = self.table.rank[self.rows]
        later = (ranks > self.front[:, None]) & (self.units != 0.0)
        return np.asarray(~later.any(axis=1))

    def net(self, values: Floats) -> Floats:
        """Sum of a column of the table over the legs, side and ratio applied; shape (n,)."""
        return np.asarray((self.units * values[self.rows]).sum(axis=1))

    def take(self, chosen: Ints | Flags) -> "Batch":
        """Some of the candidates, in the order asked for."""
        return Batch(
            self.table, self.structures, self.which[chosen], self.rows[chosen], self.units[chosen], self.front[chosen]
        )


def join(table: ContractTable, parts: Sequence[tuple[Structure, int, Ints]]) -> Batch:
    """Put together what was found per structure and front expiry; each part holds rows of shape (candidates, legs)."""
    structures = tuple(dict.fromkeys(structure for structure, _, _ in parts))
    place = {structure: number for number, structure in enumerate(structures)}
    widest = max((rows.shape[1] for _, _, rows in parts), default=1)
    total = sum(rows.shape[0] for _, _, rows in parts)
    rows, units = np.full((total, widest), table.share, dtype=np.int64), np.zeros((total, widest))
    which, front = np.empty(total, dtype=np.int64), np.empty(total, dtype=np.int64)
    at = 0
    for structure, rank, found in parts:
        until, legs = at + found.shape[0], found.shape[1]
        rows[at:until, :legs] = found
        units[at:until, :legs] = [leg.side.sign * leg.ratio for leg in structure.legs]
        which[at:until], front[at:until] = place[structure], rank
        at = until
    return Batch(table, structures, which, rows, units, front)


def concatenate(batches: Sequence[Batch]) -> Batch:
    """Put batches of one table together, their candidates in order."""
    structures = tuple(dict.fromkeys(structure for batch in batches for structure in batch.structures))
    place = {structure: number for number, structure in enumerate(structures)}
    widest = max(batch.rows.shape[1] for batch in batches)
    table = batches[0].table
    missing = [widest - batch.rows.shape[1] for batch in batches]
    rows = [
        np.pad(batch.rows, ((0, 0), (0, more)), constant_values=table.share)
        for batch, more in zip(batches, missing, strict=True)
    ]
    units = [np.pad(batch.units, ((0, 0), (0, more))) for batch, more in zip(batches, missing, strict=True)]
    which = [np.array([place[one] for one in batch.structures], dtype=np.int64)[batch.which] for batch in batches]
    return Batch(
        table,
        structures,
        np.concatenate(which),
        np.concatenate(rows),
        np.concatenate(units),
        np.concatenate([batch.front for batch in batches]),
    )
