"""How many sets of what: greedy by score, inside every limit after rounding to whole sets."""

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Literal

from market.errors import Reason

HIGHEST_PRIORITY = 100
OPPOSED = {("LONG", "Bearish"), ("SHORT", "Bullish")}
RAISE = "Raise the limit or skip it."
LESS = "Unmark or close something, or raise the limit."
FEWER = "Trade fewer sets, or raise the limit."


@dataclass(frozen=True, slots=True)
class Proposal:
    """A candidate for capital; `margin` is rupees per set, `depth` how many sets the touch can take (None: unknown).

    `margin` is what the limits count for one set: what it blocks of one's own money, or may lose where that is bounded
    and more, or with `credit`, what its options bring in, where that is not bounded. `undefined_risk`: it sells what
    neither an option, a share nor cash covers.
    """

    strategy_id: int
    underlying: str
    industry: str
    sector: str
    outlook: str
    score: float
    margin: float
    depth: int | None = None
    structure: str = ""
    undefined_risk: bool = False
    credit: float = 0.0


@dataclass(frozen=True, slots=True)
class Weight:
    """Target share (0-1) of an industry or sector in what may be deployed, and which way it leans."""

    share: float
    position_type: Literal["LONG", "SHORT"] = "LONG"


@dataclass(frozen=True, slots=True)
class Limits:
    """An account's limits in rupees; an empty weight table means that rule is off."""

    deployable: float
    per_underlying: float
    per_strategy: float
    max_sets: int
    max_open: int
    max_per_structure: int | None = None  # None: the rule is off
    industries: Mapping[str, Weight] = field(default_factory=dict)
    sectors: Mapping[str, Weight] = field(default_factory=dict)
    allow_naked: bool = False


@dataclass(frozen=True, slots=True)
class Sized:
    """The answer for one proposal: sets and priority, or zero sets and why."""

    proposal: Proposal
    sets: int
    priority: int = 0
    reason: Reason | None = None


@dataclass
class Used:
    """Rupees already blocked, by key; grows as proposals are taken."""

    total: float = 0.0
    strategies: int = 0
    underlyings: dict[str, float] = field(default_factory=dict)
    industries: dict[str, float] = field(default_factory=dict)
    sectors: dict[str, float] = field(default_factory=dict)
    structures: dict[str, int] = field(default_factory=dict)

    def take(self, proposal: Proposal, sets: int) -> None:
        """Block what these sets need."""
        amount = proposal.margin * sets
        self.total += amount
        self.strategies += 1
        self.structures[proposal.structure] = self.structures.get(proposal.structure, 0) + 1
        for table, key in (
            (self.underlyings, proposal.underlying),
            (self.industries, proposal.industry),
            (self.sectors, proposal.sector),
        ):
            table[key] = table.get(key, 0.0) + amount


def allocate(proposals: Sequence[Proposal], *, limits: Limits, used: Used) -> list[Sized]:
    """Size proposals, best score first; one strategy per underlying, whole sets, no limit exceeded.

    Parameters
    ----------
    proposals : sequence of Proposal
        Margins in rupees per set.
    limits : Limits
        Rupees.
    used : Used
        What open positions block already; it is updated.

    Returns
    -------
    list of Sized
        One per proposal, in order of score. Priorities fall from 100 by rank and never below 1.
    """
    answers: list[Sized] = []
    taken: set[str] = set()
    for proposal in sorted(proposals, key=lambda each: (-each.score, each.strategy_id)):
        reason = excluded(proposal, limits, taken)
        sets, binding = (0, reason) if reason else _sets(proposal, limits, used)
        if sets == 0:
            answers.append(Sized(proposal, 0, reason=binding))
            continue
        used.take(proposal, sets)
        taken.add(proposal.underlying)
        answers.append(Sized(proposal, sets, priority=max(1, HIGHEST_PRIORITY + 1 - len(taken))))
    return answers


def excluded(proposal: Proposal, limits: Limits, taken: Set[str]) -> Reason | None:
    """Return why no capital of any amount may go to a proposal; `taken` are the underlyings already in."""
    if not 0 < proposal.margin < math.inf:
        sentence = f"What one set needs is not a positive amount: {proposal.margin}."
        return Reason("NO_MARGIN", sentence, "Look at its premiums and its maximum loss, or generate it again.")
    if proposal.undefined_risk and not limits.allow_naked:
        sentence = "It sells what nothing covers and the account does not allow naked shorts."
        return Reason("NAKED_SHORT", sentence, "Let a person allow them, or skip it.")
    if proposal.underlying in taken:
        sentence = f"A better strategy on {proposal.underlying} is in already."
        return Reason("UNDERLYING_TAKEN", sentence, "Unmark that one if you want this one instead.")
    for name, key, table in (
        ("industry", proposal.industry, limits.industries),
        ("sector", proposal.sector, limits.sectors),
    ):
        weight = table.get(key)
        if table and weight is None:
            return Reason(f"NO_{name.upper()}_WEIGHT", f"The {name} {key!r} has no target weight.", "Add one.")
        if weight and (weight.position_type, proposal.outlook) in OPPOSED:
            sentence = f"A {proposal.outlook} strategy opposes the {weight.position_type} {name} {key}."
            return Reason("AGAINST_WEIGHT", sentence, f"Skip it, or turn the weight of the {name}.")
    return None


def _sets(proposal: Proposal, limits: Limits, used: Used) -> tuple[int, Reason | None]:
    """The most whole sets that fit, and the limit that binds when it is none."""
    rooms = {
        "CAPITAL": limits.deployable - used.total,
        "PER_UNDERLYING": limits.per_underlying - used.underlyings.get(proposal.underlying, 0.0),
        "PER_STRATEGY": limits.per_strategy,
    }
    for name, key, table, blocked in (
        ("INDUSTRY", proposal.industry, limits.industries, used.industries),
        ("SECTOR", proposal.sector, limits.sectors, used.sectors),
    ):
        if table:
            rooms[name] = table[key].share * limits.deployable - blocked.get(key, 0.0)
    if used.strategies >= limits.max_open:
        sentence = f"The account holds {used.strategies} of at most {limits.max_open} strategies."
        return 0, Reason("LIMIT_POSITIONS", sentence, "Close one or raise the limit.")
    if limits.max_per_structure is not None and used.structures.get(proposal.structure, 0) >= limits.max_per_structure:
        sentence = f"{limits.max_per_structure} strategies of the structure {proposal.structure} are in already."
        return 0, Reason("LIMIT_STRUCTURE", sentence, "Close one or raise the limit.")
    if proposal.depth is None or proposal.depth < 1:
        return 0, Reason("LIMIT_DEPTH", "The touch cannot take one whole set.", "Wait for a deeper book.")
    binding = min(rooms, key=lambda name: rooms[name])
    sets = min(limits.max_sets, proposal.depth, int(rooms[binding] // proposal.margin)) if rooms[binding] > 0 else 0
    if sets >= 1:
        return sets, None
    what = "margin before its credit" if proposal.credit > 0.0 else "margin, or the most it may lose"
    room = f"the {binding.lower().replace('_', ' ')} room is ₹{max(0.0, rooms[binding]):,.0f}."
    sentence = f"One set needs ₹{proposal.margin:,.0f} ({what}), {room}"
    return 0, Reason(f"LIMIT_{binding}", sentence, RAISE)


def exceeded(used: Used, limits: Limits) -> list[Reason]:
    """Return every limit that what is blocked goes beyond, by more than a rupee of rounding."""
    found = []
    if used.total > limits.deployable + 1:
        sentence = f"₹{used.total:,.0f} is needed, ₹{limits.deployable:,.0f} may be."
        found.append(Reason("LIMIT_CAPITAL", sentence, LESS))
    if used.strategies > limits.max_open:
        sentence = f"{used.strategies} strategies of at most {limits.max_open}."
        found.append(Reason("LIMIT_POSITIONS", sentence, LESS))
    if limits.max_per_structure is not None and max(used.structures.values(), default=0) > limits.max_per_structure:
        sentence = f"{used.structures} of at most {limits.max_per_structure} each."
        found.append(Reason("LIMIT_STRUCTURE", sentence, LESS))
    found += _over("PER_UNDERLYING", used.underlyings, dict.fromkeys(used.underlyings, limits.per_underlying))
    for name, amounts, weights in (
        ("INDUSTRY", used.industries, limits.industries),
        ("SECTOR", used.sectors, limits.sectors),
    ):
        if weights:
            found += _over(name, amounts, {key: each.share * limits.deployable for key, each in weights.items()})
    return found


def _over(name: str, amounts: Mapping[str, float], rooms: Mapping[str, float]) -> list[Reason]:
    over = {key: amount for key, amount in amounts.items() if amount > rooms.get(key, 0.0) + 1}
    return [
        Reason(
            f"LIMIT_{name}", f"{key or 'What has no name'} needs ₹{amount:,.0f} of ₹{rooms.get(key, 0.0):,.0f}.", LESS
        )
        for key, amount in over.items()
    ]


def oversized(sized: Sized, limits: Limits) -> list[Reason]:
    """Return the limits of a single strategy that this size goes beyond."""
    found, amount = [], sized.proposal.margin * sized.sets
    if sized.sets > limits.max_sets:
        found.append(Reason("LIMIT_SETS", f"{sized.sets} sets of at most {limits.max_sets}.", FEWER))
    if amount > limits.per_strategy + 1:
        found.append(Reason("LIMIT_PER_STRATEGY", f"It needs ₹{amount:,.0f} of ₹{limits.per_strategy:,.0f}.", FEWER))
    return found
