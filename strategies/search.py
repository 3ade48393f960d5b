"""The neighbourhood of a structure on one chain: many choices of strikes and expiries, found at once."""

from collections.abc import Sequence
from functools import cache
from itertools import product

import numpy as np

from market.chain import Chain, Flags, Floats
from market.contract import Side
from market.errors import Reason
from strategies.batch import Batch, join
from strategies.build import build_on, expiry_choices, place_legs, require_share
from strategies.errors import NotConstructible
from strategies.spec import LegRule, Structure
from strategies.strikes import MIRROR_REACH, Apart, Beside, Mirror, SameAs, deviation
from strategies.table import SHARE, ContractTable, Ints

# How many tradable strikes a leg moves, by how many legs of the structure move: at least 50 choices in all wherever
# the chain lists that many.
SHIFTS: tuple[tuple[int, ...], ...] = (
    (0,),
    tuple(range(-26, 27)),
    tuple(range(-4, 5)),
    (-2, -1, 0, 1),
    (-1, 0, 1),
    (-1, 0, 1),
    (-1, 0, 1),
)
FURTHEST = 1.25  # standard deviations a strike may lie from the one its rule chose
MOST_FRONTS = 3  # front expiries tried per structure, nearest first
MOST_CHOICES = 96  # kept per structure and front expiry, those nearest to the rule's own


def neighbourhood(structure: Structure, chain: Chain, table: ContractTable) -> Batch:
    """Return the structure as its rules place it on each front expiry of its window, and the choices around.

    Parameters
    ----------
    structure : Structure
    chain : Chain
    table : ContractTable
        Of the same chain.

    Returns
    -------
    Batch
        Never empty; the nearest expiry first, and of each the rules' own choice before its neighbours. Every leg can
        be traded, strikes keep the order the structure needs, and the premium has the sign it asks for.

    Raises
    ------
    NotConstructible
        With the reason of the nearest expiry, when no choice of any expiry can be built.

    Notes
    -----
    Source: options-v4.md section 14 items 2 and 6. The nearest listed strike in reach is an explicit rule of `strikes`,
    never a substitution when an order is sent.
    """
    require_share(structure, chain)
    parts: list[tuple[Structure, int, Ints]] = []
    refusal: NotConstructible | None = None
    choices = expiry_choices(structure, chain)
    for expiries in choices[:MOST_FRONTS]:
        ranks = [chain.expiries.index(expiry) for expiry in expiries]
        try:
            own = place_legs(structure, chain, expiries)
        except NotConstructible as error:
            refusal = refusal or error
            continue
        parts.append((structure, ranks[0], _choices(structure.legs, own, table, ranks)))
    batch = join(table, parts)
    allowed = _allowed(structure, batch)
    if allowed.any():
        return batch.take(allowed)
    if refusal is None:
        build_on(structure, chain, choices[0])  # it says what stands against the rules' own choice
    raise refusal or NotConstructible(Reason("NO_CHOICE", f"No choice of strikes makes a {structure.name}."))


def _choices(rules: Sequence[LegRule], own: Sequence[int], table: ContractTable, ranks: Sequence[int]) -> Ints:
    """Return rows of shape (choices, legs), the rules' own first."""
    moving = [place for place, rule in enumerate(rules) if _moves(rule)]
    shifts = _shifts(len(moving))
    columns: list[Ints] = []
    valid = np.ones(shifts.shape[0], dtype=np.bool_)
    for place, rule in enumerate(rules):
        if rule.strike is None:
            columns.append(np.full(valid.size, table.share, dtype=np.int64))
            continue
        ladder = _ladder(rule, table, ranks[rule.expiry_rank])
        shift = shifts[:, moving.index(place)] if place in moving else np.zeros(valid.size, dtype=np.int64)
        rows, found = _placed(rule, own, place, columns, table, ladder, shift)
        columns.append(rows)
        valid &= found
    rows = np.stack(columns, axis=1)
    valid &= _ordered(rules, own, rows, table)
    return _distinct(rows[valid])[:MOST_CHOICES]


def _moves(rule: LegRule) -> bool:
    return rule.strike is not None and not isinstance(rule.strike, SameAs | Mirror)


@cache
def _shifts(moving: int) -> Ints:
    """Return every combination of moves, shape (choices, moving legs), the smallest first."""
    steps = sorted(product(*[SHIFTS[moving]] * moving), key=_distance)
    return np.array(steps, dtype=np.int64).reshape(-1, moving)


def _distance(shift: Sequence[int]) -> tuple[int, tuple[int, ...]]:
    return sum(abs(step) for step in shift), tuple(shift)


def _ladder(rule: LegRule, table: ContractTable, rank: int) -> Ints:
    """Return the rows a leg can trade, by rising strike."""
    start = table.starts[rank, rule.kind.option_type]
    size = table.chain.expiries[rank].strikes.size
    tradable = (table.can_buy if rule.side is Side.BUY else table.can_sell)[start : start + size]
    return start + np.flatnonzero(tradable)


def _placed(
    rule: LegRule,
    own: Sequence[int],
    place: int,
    columns: Sequence[Ints],
    table: ContractTable,
    ladder: Ints,
    shift: Ints,
) -> tuple[Ints, Flags]:
    """Return the row of a leg in every choice, and where there is one."""
    strikes, strike = table.strike[ladder], float(table.strike[own[place]])
    match rule.strike:
        case SameAs(leader):
            return _nearest(ladder, strikes, table.strike[columns[leader]], shift, 1e-6)
        case Mirror(wing, body):
            target = 2.0 * table.strike[columns[body]] - table.strike[columns[wing]]
            reach = MIRROR_REACH * deviation(table.chain.expiries[int(table.rank[ladder[0]])])
            return _nearest(ladder, strikes, target, shift, reach)
        case Apart(leader, _) | Beside(leader, _):
            target = table.strike[columns[leader]] + strike - table.strike[own[leader]]
        case _:
            target = np.full(shift.size, strike)
    rows, found = _nearest(ladder, strikes, target, shift, np.inf)
    expiry = table.chain.expiries[int(table.rank[ladder[0]])]
    near = np.abs(table.strike[rows] - strike) <= FURTHEST * deviation(expiry) + 1e-9
    return rows, found & (near | (table.strike[rows] == strike))


def _nearest(ladder: Ints, strikes: Floats, target: Floats, shift: Ints, reach: float) -> tuple[Ints, Flags]:
    right = np.clip(np.searchsorted(strikes, target), 0, strikes.size - 1)
    left = np.maximum(right - 1, 0)
    nearest = np.where(target - strikes[left] < strikes[right] - target, left, right)
    inside = np.abs(strikes[nearest] - target) <= reach
    moved = nearest + shift
    listed = (moved >= 0) & (moved < strikes.size)
    return ladder[np.clip(moved, 0, strikes.size - 1)], inside & listed


def _ordered(rules: Sequence[LegRule], own: Sequence[int], rows: Ints, table: ContractTable) -> Flags:
    """Where every pair of options stands in the order in which the rules place them."""
    options = [place for place, rule in enumerate(rules) if rule.strike is not None]
    first, second = np.triu_indices(len(options), 1)
    strikes, placed = table.strike[rows[:, options]], table.strike[[own[place] for place in options]]
    order = np.sign(placed[second] - placed[first])
    return np.asarray((np.sign(strikes[:, second] - strikes[:, first]) == order).all(axis=1))


def _distinct(rows: Ints) -> Ints:
    """Drop what came twice, keeping the order."""
    base = int(rows.max(initial=0)) + 1
    keys = rows @ np.array([base**power for power in range(rows.shape[1])], dtype=np.int64)
    _, first = np.unique(keys, return_index=True)
    return rows[np.sort(first)]


def _allowed(structure: Structure, batch: Batch) -> Flags:
    """Where the premium has the wanted sign, and no rise or no fall loses money where that is promised."""
    wanted = {"credit": batch.option_premium > 0.0, "debit": batch.option_premium < 0.0}
    allowed = np.asarray(wanted.get(structure.premium, np.ones(batch.size, dtype=np.bool_)))
    if structure.covered_above:
        calls = np.where(batch.table.kind[batch.rows] > SHARE, batch.units * batch.table.strike[batch.rows], 0.0)
        allowed = allowed & (batch.net_premium - calls.sum(axis=1) >= 0.0)
    if structure.covered_below:
        puts = np.where(batch.table.kind[batch.rows] < SHARE, batch.units * batch.table.strike[batch.rows], 0.0)
        allowed = allowed & (batch.net_premium + puts.sum(axis=1) >= 0.0)
    return allowed
