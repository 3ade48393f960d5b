"""The neighbourhood of structures on one chain: many choices of strikes and expiries, found at once."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from itertools import pairwise, product

import numpy as np

from market.chain import Chain, ExpiryChain, Flags, Floats
from market.contract import OptionType, Side
from market.errors import OptionsError, Reason
from strategies.batch import Batch, join
from strategies.build import build_on, expiry_choices, place_legs, require_share
from strategies.errors import NotConstructible
from strategies.spec import Kind, LegRule, Structure
from strategies.strikes import MIRROR_REACH, Apart, Beside, Mirror, SameAs, deviation
from strategies.table import ContractTable, Ints

# How many tradable strikes a leg moves either way, by how many legs of the structure move: more than 50 choices in all
# wherever the chain lists that many, also where half of them change the order of the strikes.
SHIFTS: tuple[int, ...] = (0, 40, 10, 4, 2, 1, 1)
FURTHEST = 1.25  # standard deviations a strike may lie from the one its rule chose
MOST_FRONTS = 3  # front expiries tried per structure, nearest first
MOST_CHOICES = 80  # kept per structure and front expiry, those nearest to the rule's own
NEAR = 256  # choices looked at first: most structures find all they keep among them
NEARLY_NEUTRAL = 0.25  # of the deltas of all legs: as far as a neutral structure may lean
PLACES = 1e-6  # rupees within which two strikes are the same


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
    return join(table, _Search(chain, table).parts(structure))


def neighbourhoods(
    structures: Sequence[Structure], chain: Chain, table: ContractTable
) -> tuple[Batch, Mapping[str, Reason]]:
    """Return the neighbourhoods of many structures as one batch, and by slug why the others cannot be built."""
    search, parts, refusals = _Search(chain, table), [], {}
    for structure in structures:
        try:
            parts += search.parts(structure)
        except OptionsError as error:
            refusals[structure.slug] = error.reason
    return join(table, parts), refusals


@dataclass(frozen=True, slots=True, eq=False)
class _Ladder:
    """The rows one leg can trade by rising strike, and the strikes, as an array and as a list."""

    rows: Ints
    strikes: Floats
    steps: list[float]
    expiry: ExpiryChain


Part = tuple[Structure, int, Ints]


@dataclass(frozen=True, slots=True, eq=False)
class _Search:
    """One chain with the ladders its legs move on."""

    chain: Chain
    table: ContractTable
    ladders: dict[tuple[int, OptionType, Side], _Ladder] = field(default_factory=dict)

    def parts(self, structure: Structure) -> list[Part]:
        """Return the choices on each front expiry as rows of the table; raises NotConstructible."""
        require_share(structure, self.chain)
        choices = expiry_choices(structure, self.chain)
        found: list[Part] = []
        refusal: NotConstructible | None = None
        for expiries in choices[:MOST_FRONTS]:
            ranks = [self.chain.expiries.index(expiry) for expiry in expiries]
            try:
                own = place_legs(structure, self.chain, expiries)
            except NotConstructible as error:
                refusal = refusal or error
                continue
            rows = self._around(structure, own, ranks)
            if rows.size:
                found.append((structure, ranks[0], rows))
        if found:
            return found
        if refusal is None:
            build_on(structure, self.chain, choices[0])  # it says what stands against the rules' own choice
        raise refusal or NotConstructible(Reason("NO_CHOICE", f"No choice of strikes makes a {structure.name}."))

    def _around(self, structure: Structure, own: Sequence[int], ranks: Sequence[int]) -> Ints:
        """Return rows of shape (choices, legs), the rules' own first."""
        rules = structure.legs
        ladders = [None if rule.strike is None else self._ladder(rule, ranks[rule.expiry_rank]) for rule in rules]
        shifts = self._shifts(rules, own, ladders)
        near = self._chosen(structure, own, ladders, shifts[:, :NEAR])
        if near.shape[0] >= MOST_CHOICES or shifts.shape[1] <= NEAR:
            return near[:MOST_CHOICES]
        return np.concatenate([near, self._chosen(structure, own, ladders, shifts[:, NEAR:])])[:MOST_CHOICES]

    def _chosen(
        self, structure: Structure, own: Sequence[int], ladders: Sequence[_Ladder | None], shifts: Ints
    ) -> Ints:
        """Return the rows that these moves lead to where they make the structure."""
        rules = structure.legs
        moves: Iterator[Ints] = iter(shifts)
        columns: list[Ints] = []
        valid = np.ones(shifts.shape[1], dtype=np.bool_)
        for place, (rule, ladder) in enumerate(zip(rules, ladders, strict=True)):
            if ladder is None:
                columns.append(np.full(valid.size, self.table.share))
            elif _is_free(rule):
                columns.append(ladder.rows[bisect_left(ladder.steps, self.table.strike[own[place]]) + next(moves)])
            else:
                move = next(moves) if _moves(rule) else None
                found, fits = self._beside(rule, own, place, columns, ladder, move)
                columns.append(found)
                valid &= fits
        rows = np.stack(columns)
        valid &= _ordered(rules, own, self.table.strike[rows], self.table)
        rows = np.ascontiguousarray(rows[:, valid].T)
        return rows[_allowed(structure, rows, self.table)]

    def _ladder(self, rule: LegRule, rank: int) -> _Ladder:
        key = rank, rule.kind.option_type, rule.side
        if key not in self.ladders:
            start, expiry = self.table.starts[key[:2]], self.chain.expiries[rank]
            tradable = self.table.can_buy if rule.side is Side.BUY else self.table.can_sell
            rows = start + np.flatnonzero(tradable[start : start + expiry.strikes.size])
            self.ladders[key] = _Ladder(rows, self.table.strike[rows], self.table.strike[rows].tolist(), expiry)
        return self.ladders[key]

    def _shifts(self, rules: Sequence[LegRule], own: Sequence[int], ladders: Sequence[_Ladder | None]) -> Ints:
        """Return the moves that leave every leg with a rule of its own on its ladder and within reach."""
        low: list[int] = []
        high: list[int] = []
        for rule, row, ladder in zip(rules, own, ladders, strict=True):
            if ladder is None or not _moves(rule):
                continue
            if not _is_free(rule):
                low.append(-ladder.rows.size)
                high.append(ladder.rows.size)
                continue
            strike, reach = float(self.table.strike[row]), FURTHEST * deviation(ladder.expiry) + PLACES
            own_place = bisect_left(ladder.steps, strike - PLACES)
            low.append(bisect_left(ladder.steps, strike - reach) - own_place)
            high.append(bisect_left(ladder.steps, strike + reach) - 1 - own_place)
        reach = SHIFTS[len(low)]
        return _moves_in(tuple(max(-reach, each) for each in low), tuple(min(reach, each) for each in high))

    def _beside(
        self,
        rule: LegRule,
        own: Sequence[int],
        place: int,
        rows: Sequence[Ints],
        ladder: _Ladder,
        move: Ints | None,
    ) -> tuple[Ints, Flags]:
        """Return the row of a leg whose rule names another leg, in every choice, and where there is one."""
        strike = self.table.strike
        match rule.strike:
            case SameAs(leader):
                return _nearest(ladder, strike[rows[leader]], move, PLACES)
            case Mirror(wing, body):
                target = 2.0 * strike[rows[body]] - strike[rows[wing]]
                return _nearest(ladder, target, move, MIRROR_REACH * deviation(ladder.expiry))
            case Apart(leader, _) | Beside(leader, _):
                target = strike[rows[leader]] + (strike[own[place]] - strike[own[leader]])
                found, fits = _nearest(ladder, target, move, np.inf)
                away = np.abs(strike[found] - strike[own[place]])
                return found, fits & (away <= FURTHEST * deviation(ladder.expiry) + PLACES)
        raise ValueError(f"{rule.strike} names no other leg")


def _is_free(rule: LegRule) -> bool:
    """Whether the rule names no other leg."""
    return not isinstance(rule.strike, SameAs | Mirror | Apart | Beside)


def _moves(rule: LegRule) -> bool:
    return rule.strike is not None and not isinstance(rule.strike, SameAs | Mirror)


@lru_cache(maxsize=2048)
def _moves_in(low: tuple[int, ...], high: tuple[int, ...]) -> Ints:
    """Return the combinations of moves from low to high, shape (moving legs, choices), the smallest first."""
    moves = _moves_of(len(low))
    inside = np.ones(moves.shape[1], dtype=np.bool_)
    for move, least, most in zip(moves, low, high, strict=True):
        inside &= (move >= least) & (move <= most)
    return moves[:, inside]


@cache
def _moves_of(moving: int) -> Ints:
    """Return every combination of moves, shape (moving legs, choices), the smallest first."""
    reach = SHIFTS[moving]
    steps = sorted(product(*[range(-reach, reach + 1)] * moving), key=_distance)
    return np.ascontiguousarray(np.array(steps, dtype=np.int64).reshape(-1, moving).T)


def _distance(shift: Sequence[int]) -> tuple[int, tuple[int, ...]]:
    return sum(abs(step) for step in shift), tuple(shift)


def _nearest(ladder: _Ladder, target: Floats, move: Ints | None, reach: float) -> tuple[Ints, Flags]:
    """Return the row of the strike nearest to each target, moved, and where there is one in reach."""
    strikes, last = ladder.strikes, ladder.strikes.size - 1
    right = np.minimum(np.searchsorted(strikes, target), last)
    left = np.maximum(right - 1, 0)
    nearest = np.where(target - strikes[left] < strikes[right] - target, left, right)
    fits = np.abs(strikes[nearest] - target) <= reach
    if move is not None:
        nearest = nearest + move
        fits &= (nearest >= 0) & (nearest <= last)
        nearest = np.minimum(np.maximum(nearest, 0), last)
    return ladder.rows[nearest], fits


def _ordered(rules: Sequence[LegRule], own: Sequence[int], strikes: Floats, table: ContractTable) -> Flags:
    """Where the options stand in the order in which the rules place them; `strikes` has shape (legs, choices)."""
    placed = sorted((float(table.strike[row]), leg) for leg, row in enumerate(own))
    placed = [(strike, leg) for strike, leg in placed if rules[leg].strike is not None]
    wanted = np.array([float(upper > lower) for (lower, _), (upper, _) in pairwise(placed)])
    steps = np.diff(strikes[[leg for _, leg in placed]], axis=0)
    return np.asarray((np.sign(steps) == wanted[:, None]).all(axis=0))


def _allowed(structure: Structure, rows: Ints, table: ContractTable) -> Flags:
    """Where delta has the sign of the view, the premium the wanted one, and what is promised not to lose does not."""
    terms = _terms(structure.legs)
    deltas = table.delta[rows]
    fits = _fits_view(structure, deltas @ terms.units, np.abs(deltas) @ np.abs(terms.units))
    if structure.premium == "any" and not (structure.covered_above or structure.covered_below):
        return fits
    paid = table.touches[rows + terms.is_sold * table.strike.size]
    premium = -(paid @ (terms.units * terms.is_option))
    allowed = {"credit": premium > 0.0, "debit": premium < 0.0}.get(structure.premium)
    allowed = fits if allowed is None else allowed & fits
    if structure.covered_above or structure.covered_below:
        net, strikes = -(paid @ terms.units), table.strike[rows]
        if structure.covered_above:
            allowed = allowed & (net - strikes @ (terms.units * terms.is_call) >= 0.0)
        if structure.covered_below:
            allowed = allowed & (net + strikes @ (terms.units * terms.is_put) >= 0.0)
    return np.asarray(allowed)


@dataclass(frozen=True, slots=True, eq=False)
class _Terms:
    """The legs of a structure as arrays of shape (legs,)."""

    units: Floats
    is_sold: Flags
    is_option: Flags
    is_call: Flags
    is_put: Flags


@lru_cache(maxsize=256)
def _terms(legs: tuple[LegRule, ...]) -> _Terms:
    return _Terms(
        units=np.array([leg.side.sign * leg.ratio for leg in legs], dtype=np.float64),
        is_sold=np.array([leg.side is Side.SELL for leg in legs]),
        is_option=np.array([leg.strike is not None for leg in legs]),
        is_call=np.array([leg.kind is Kind.CALL for leg in legs]),
        is_put=np.array([leg.kind is Kind.PUT for leg in legs]),
    )


def _fits_view(structure: Structure, net: Floats, gross: Floats) -> Flags:
    """Where the net delta of the legs against the sum of their sizes says what the structure claims to expect."""
    share = net / np.maximum(gross, PLACES)
    wanted = {"Bullish": share > 0.0, "Bearish": share < 0.0}
    return np.asarray(wanted.get(structure.outlook, np.abs(share) < NEARLY_NEUTRAL))
