"""Many candidates of one chain as arrays: which contracts, how many of each, and at what price."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from market.chain import Flags, Floats
from strategies.spec import Structure
from strategies.table import ContractTable, Ints

Real = TypeVar("Real", np.float32, np.float64)

FEW = 200  # candidates up to which legs are added one by one: a sparse product costs more to set up


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
        share = self.rows == self.table.share
        return -summed(self.units, np.where(share, 0.0, self.price))

    @cached_property
    def net_premium(self) -> Floats:
        """Cash of all legs, a share's price included, in rupees per unit, credit positive; shape (n,)."""
        return -summed(self.units, self.price)

    @cached_property
    def last(self) -> Ints:
        """Rank of the last expiry of any leg, -1 for shares alone; shape (n,)."""
        return across(np.maximum, np.where(self.units != 0.0, self.table.rank[self.rows], -1))

    @cached_property
    def is_simple(self) -> Flags:
        """Whether all option legs end at the front expiry; shape (n,)."""
        return np.asarray(self.last <= self.front)

    @cached_property
    def used(self) -> Ints:
        """The rows of all contracts in any leg, ascending, the share's where there is none; shape (used,)."""
        seen = np.zeros(self.table.strike.size, dtype=np.bool_)  # sorting them takes ten times as long
        seen[self.rows[self.units != 0.0]] = True
        rows = np.flatnonzero(seen)
        return rows if rows.size else np.array([self.table.share])

    def weighted(self, place: Ints, values: "NDArray[Real]") -> "NDArray[Real]":
        """Return the sum over the legs of units × a row of values, as precise as they are; shape (n, columns).

        `place` gives for each contract its row of `values`.
        """
        where, units = place[self.rows], self.units.astype(values.dtype)
        if self.size <= FEW:
            nothing = np.zeros(1, dtype=values.dtype)
            return sum((units[:, leg, None] * values[where[:, leg]] for leg in range(where.shape[1])), nothing)
        ends = where.shape[1] * np.arange(self.size + 1)
        sparse = csr_array((units.ravel(), where.ravel(), ends), shape=(self.size, values.shape[0]))
        return np.asarray(sparse @ values)

    def net(self, values: Floats) -> Floats:
        """Sum of a column of the table over the legs, side and ratio applied; shape (n,)."""
        return summed(self.units, values[self.rows])

    def take(self, chosen: Ints | Flags) -> "Batch":
        """Some of the candidates, in the order asked for."""
        return Batch(
            self.table, self.structures, self.which[chosen], self.rows[chosen], self.units[chosen], self.front[chosen]
        )


def summed(weights: Floats, values: Floats) -> Floats:
    """Return the sum of weight × value over the few columns of each row; shape (n,)."""
    return np.asarray(np.einsum("ij,ij->i", weights, values))


def across(operation: np.ufunc, values: "np.typing.NDArray[Any]") -> "np.typing.NDArray[Any]":
    """Reduce the few columns of each row, one column at a time: ten times faster than along so short an axis."""
    return np.asarray(reduce(operation, values.T))


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
