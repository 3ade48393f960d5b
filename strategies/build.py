"""From a structure and a chain to listed contracts at prices one can trade, or a reason why not."""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from market.chain import Chain, ExpiryChain
from market.contract import Contract, Side
from market.errors import Reason
from strategies.batch import Batch
from strategies.errors import NotConstructible
from strategies.spec import Kind, LegRule, Structure
from strategies.strikes import Placed, Site, deviation, place, require_order
from strategies.table import ContractTable, contract_table


@dataclass(frozen=True, slots=True)
class BuiltLeg:
    """One leg on a listed contract; rupees and greeks per unit of the long option (side and ratio not applied).

    `price` is executable: the ask when bought, the bid when sold. `fair` is the smile's price. theta per calendar
    day, vega per 1.00 of volatility. A share has no years, volatility or open interest.
    """

    leg_number: int
    side: Side
    kind: Kind
    contract: Contract
    ratio: int
    price: float
    bid: float
    ask: float
    mid: float
    fair: float
    delta: float
    gamma: float
    theta: float
    vega: float
    rho: float
    lot_size: int
    years: float | None = None
    iv: float | None = None
    open_interest: float | None = None
    touch_modelled: bool = False
    off_target: float | None = None
    interest_known: bool = True

    @property
    def quantity(self) -> int:
        """Signed units per unit of the structure: side × ratio."""
        return self.side.sign * self.ratio

    @property
    def strike(self) -> float:
        """The strike in rupees; ValueError for a share."""
        if self.contract.strike is None:
            raise ValueError(f"{self.contract} is a share and has no strike")
        return self.contract.strike


@dataclass(frozen=True, slots=True)
class Candidate:
    """A structure on real contracts at one moment; premiums in rupees per unit, credit positive.

    `net_premium` is the cash of all legs (a share's price included), `option_premium` that of the option legs alone.
    `expiry`, `years` and `days_to_expiry` are those of the front leg.
    """

    structure: Structure
    underlying: str
    taken_at: datetime
    spot: float
    legs: tuple[BuiltLeg, ...]
    net_premium: float
    option_premium: float
    lot_size: int
    expiry: date
    years: float
    days_to_expiry: int

    @property
    def option_legs(self) -> tuple[BuiltLeg, ...]:
        """The legs that are options."""
        return tuple(leg for leg in self.legs if leg.contract.is_option)


def build(structure: Structure, chain: Chain) -> Candidate:
    """Turn a structure into listed contracts at executable prices.

    Parameters
    ----------
    structure : Structure
    chain : Chain
        One underlying at one moment.

    Returns
    -------
    Candidate
        Buys at the ask, sells at the bid; rupees per unit of underlying.

    Raises
    ------
    NotConstructible
        NO_EXPIRY_IN_WINDOW, NOT_ENOUGH_EXPIRIES, LOTS_DIFFER, NOT_DELIVERABLE, NO_USABLE_STRIKE, NO_BID,
        STRIKES_COLLAPSE, WRONG_CREDIT_SIGN, LOSS_ABOVE or LOSS_BELOW, and what `liquidity` refuses.

    Notes
    -----
    Source: options-v4.md section 14, items 1, 2, 5 and 6.
    """
    require_share(structure, chain)
    return build_on(structure, chain, choose_expiries(structure, chain))


def build_on(structure: Structure, chain: Chain, expiries: Sequence[ExpiryChain]) -> Candidate:
    """Build on expiries that were chosen, the front one first; raises NotConstructible as `build` does."""
    placed = _place_all(structure.legs, chain, expiries)
    table = contract_table(chain)
    rows = _rows(structure, table, placed, [chain.expiries.index(expiry) for expiry in expiries])
    legs = _legs(structure, table, rows, placed, expiries[0])
    candidate = assemble(structure, chain, legs, expiries[0])
    _require_premium(candidate)
    _require_covered(candidate)
    return candidate


def place_legs(structure: Structure, chain: Chain, expiries: Sequence[ExpiryChain]) -> tuple[int, ...]:
    """Return the row of each leg in the chain's contract table, where the rules place it; raises NotConstructible."""
    placed = _place_all(structure.legs, chain, expiries)
    return _rows(structure, contract_table(chain), placed, [chain.expiries.index(expiry) for expiry in expiries])


def _rows(
    structure: Structure, table: ContractTable, placed: Sequence[Placed | None], ranks: Sequence[int]
) -> tuple[int, ...]:
    return tuple(
        table.share if at is None else table.row(ranks[rule.expiry_rank], rule.kind.option_type, at.index)
        for rule, at in zip(structure.legs, placed, strict=True)
    )


def choose_expiries(structure: Structure, chain: Chain) -> tuple[ExpiryChain, ...]:
    """Return the first expiry inside the structure's window and as many later ones as its legs need."""
    return next(iter(expiry_choices(structure, chain)))


def expiry_choices(structure: Structure, chain: Chain) -> list[tuple[ExpiryChain, ...]]:
    """Return every choice of expiries whose front lies in the structure's window, nearest first; never empty."""
    fronts = [
        place
        for place, expiry in enumerate(chain.expiries)
        if structure.min_days <= expiry.days_to_expiry <= structure.max_days
    ]
    if not fronts:
        raise NotConstructible(
            Reason(
                "NO_EXPIRY_IN_WINDOW",
                f"No expiry is {structure.min_days} to {structure.max_days} days away.",
                "Capture the chain of a later expiry.",
            )
        )
    needed = structure.expiries_needed
    choices = [chain.expiries[front : front + needed] for front in fronts]
    whole = [chosen for chosen in choices if len(chosen) == needed]
    if not whole:
        raise NotConstructible(
            Reason(
                "NOT_ENOUGH_EXPIRIES",
                f"{structure.name} needs {needed} expiries, the chain has {len(choices[0])}.",
                "Capture the chain of a later expiry.",
            )
        )
    matching = [chosen for chosen in whole if len({expiry.lot_size for expiry in chosen}) == 1]
    if not matching:
        _require_one_lot_size(whole[0])
    return matching


def assemble(structure: Structure, chain: Chain, legs: tuple[BuiltLeg, ...], front: ExpiryChain) -> Candidate:
    """Put legs together with the premiums that follow from them."""
    return Candidate(
        structure=structure,
        underlying=chain.underlying,
        taken_at=chain.taken_at,
        spot=chain.spot,
        legs=legs,
        net_premium=-math.fsum(leg.quantity * leg.price for leg in legs),
        option_premium=-math.fsum(leg.quantity * leg.price for leg in legs if leg.contract.is_option),
        lot_size=front.lot_size,
        expiry=front.expiry,
        years=front.years,
        days_to_expiry=front.days_to_expiry,
    )


def candidate_of(batch: Batch, place: int) -> Candidate:
    """Take one candidate of a batch out as contracts at prices; its structure must have a place on its front expiry."""
    table, structure, rank = batch.table, batch.structures[int(batch.which[place])], int(batch.front[place])
    expiries = table.chain.expiries[rank : rank + structure.expiries_needed]
    placed = _place_all(structure.legs, table.chain, expiries)
    legs = _legs(structure, table, batch.rows[place].tolist(), placed, expiries[0])
    return assemble(structure, table.chain, legs, expiries[0])


def legs_key(candidate: Candidate) -> str:
    """Return the sha256 of what is traded: contracts, sides and ratios in any order, without prices or a name."""
    legs = sorted(
        [
            leg.contract.expiry.isoformat() if leg.contract.expiry else "",
            "" if leg.contract.strike is None else f"{leg.contract.strike:.4f}",
            leg.kind.value,
            leg.side.value,
            str(leg.ratio),
        ]
        for leg in candidate.legs
    )
    content = json.dumps([candidate.underlying, legs], separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()


def _legs(
    structure: Structure,
    table: ContractTable,
    rows: Sequence[int],
    placed: Sequence[Placed | None],
    front: ExpiryChain,
) -> tuple[BuiltLeg, ...]:
    return tuple(
        _share_leg(number, rule, table.chain, front) if at is None else _option_leg(number, rule, table, row, at)
        for number, (rule, row, at) in enumerate(zip(structure.legs, rows, placed, strict=False), start=1)
    )


def _place_all(rules: Sequence[LegRule], chain: Chain, expiries: Sequence[ExpiryChain]) -> tuple[Placed | None, ...]:
    """Place every leg, or remember where: what is kept is asked for a second time."""
    memory, key = contract_table(chain).placed, (tuple(rules), expiries[0].expiry)
    if key not in memory:
        memory[key] = _placed(rules, chain, expiries)
    return memory[key]


def _placed(rules: Sequence[LegRule], chain: Chain, expiries: Sequence[ExpiryChain]) -> tuple[Placed | None, ...]:
    placed: list[Placed | None] = []
    for rule in rules:
        if rule.strike is None:
            placed.append(None)
            continue
        taken = frozenset(
            earlier.index
            for other, earlier in zip(rules, placed, strict=False)
            if earlier is not None and other.kind is rule.kind and other.expiry_rank == rule.expiry_rank
        )
        site = Site(
            chain=chain,
            expiry=expiries[rule.expiry_rank],
            side=rule.side,
            option_type=rule.kind.option_type,
            placed=placed,
            taken=taken,
        )
        placed.append(place(rule.strike, site))
    require_order([(expiries[rule.expiry_rank], at) for rule, at in zip(rules, placed, strict=True) if at is not None])
    return tuple(placed)


def _option_leg(number: int, rule: LegRule, table: ContractTable, row: int, at: Placed) -> BuiltLeg:
    expiry = table.chain.expiries[int(table.rank[row])]
    bid, ask, interest = float(table.bid[row]), float(table.ask[row]), float(table.open_interest[row])
    return BuiltLeg(
        leg_number=number,
        side=rule.side,
        kind=rule.kind,
        contract=table.contracts[row],
        ratio=rule.ratio,
        price=ask if rule.side is Side.BUY else bid,
        bid=bid,
        ask=ask,
        mid=float(table.mid[row]),
        fair=float(table.fair[row]),
        delta=float(table.delta[row]),
        gamma=float(table.gamma[row]),
        theta=float(table.theta[row]),
        vega=float(table.vega[row]),
        rho=float(table.rho[row]),
        lot_size=expiry.lot_size,
        years=expiry.years,
        iv=float(table.volatility[row]),
        open_interest=interest if math.isfinite(interest) else None,
        touch_modelled=bool(table.modelled[row]),
        off_target=(float(table.strike[row]) - at.target) / deviation(expiry),
        interest_known=at.interest_known,
    )


def _share_leg(number: int, rule: LegRule, chain: Chain, front: ExpiryChain) -> BuiltLeg:
    """Take the share at spot: a chain carries no book of its underlying."""
    return BuiltLeg(
        leg_number=number,
        side=rule.side,
        kind=rule.kind,
        contract=Contract(chain.underlying),
        ratio=rule.ratio,
        price=chain.spot,
        bid=chain.spot,
        ask=chain.spot,
        mid=chain.spot,
        fair=chain.spot,
        delta=1.0,
        gamma=0.0,
        theta=0.0,
        vega=0.0,
        rho=0.0,
        lot_size=front.lot_size,
    )


def require_share(structure: Structure, chain: Chain) -> None:
    if chain.is_index and any(rule.kind is Kind.STOCK for rule in structure.legs):
        raise NotConstructible(
            Reason("NOT_DELIVERABLE", f"{chain.underlying} is an index: there is no share to hold.", "Use a stock.")
        )


def _require_one_lot_size(expiries: Sequence[ExpiryChain]) -> None:
    sizes = sorted({expiry.lot_size for expiry in expiries})
    if len(sizes) > 1:
        raise NotConstructible(
            Reason("LOTS_DIFFER", f"The expiries have lots of {sizes[0]} and {sizes[-1]}, so the legs cannot match.")
        )


def _require_premium(candidate: Candidate) -> None:
    wanted, net = candidate.structure.premium, candidate.option_premium
    if (wanted == "credit" and net <= 0.0) or (wanted == "debit" and net >= 0.0):
        raise NotConstructible(
            Reason(
                "WRONG_CREDIT_SIGN",
                f"{candidate.structure.name} must open for a {wanted}, these prices give {net:+.2f}.",
                "The spreads eat the premium, or a quote is stale.",
            )
        )


def _require_covered(candidate: Candidate) -> None:
    """Refuse a loss beyond the highest or below the lowest strike where the structure promises none."""
    options = candidate.option_legs
    calls = math.fsum(leg.quantity * leg.strike for leg in options if leg.kind is Kind.CALL)
    puts = math.fsum(leg.quantity * leg.strike for leg in options if leg.kind is Kind.PUT)
    above, below = candidate.net_premium - calls, candidate.net_premium + puts
    if candidate.structure.covered_above and above < 0.0:
        raise _lossy("LOSS_ABOVE", candidate, above, "a rise")
    if candidate.structure.covered_below and below < 0.0:
        raise _lossy("LOSS_BELOW", candidate, below, "a fall")


def _lossy(code: str, candidate: Candidate, outcome: float, move: str) -> NotConstructible:
    sentence = f"The credit of {candidate.net_premium:.2f} leaves a loss of {-outcome:.2f} on {move}."
    return NotConstructible(Reason(code, sentence, "Wait for richer premiums."))
