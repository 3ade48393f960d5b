"""Candidates of one recorded chain with what was forecast for them and what came: the raw material of calibration."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from market.assembly import assemble
from market.chain import Chain, Flags, Floats
from market.errors import BadChain, Reason
from market.ports import CapturedChain
from market.quant.distribution import lognormal_distribution
from market.rulebook.charges import ChargeRates
from strategies.batch import Batch, concatenate
from strategies.delta_heuristic import delta_probability
from strategies.errors import NotConstructible
from strategies.horizon import distribution_at
from strategies.measure import SETTLED, leg_charges, payoff_lines, profit_mass
from strategies.search import neighbourhood
from strategies.settlement import settled_profit, worth_later
from strategies.spec import Structure
from strategies.table import Ints, contract_table

WIDEST_WINDOW = 400  # days: a probability is judged at every horizon, not only where the structure is advised
TICK = 0.05


@dataclass(frozen=True, slots=True)
class Order:
    """A recorded chain to try, what its underlying settled at (rupees), and the lot and charges where known.

    `taken_on` and `expiry` are the recorded days; those inside `captured` may stand whole weeks apart from them, where
    the calendar does not cover the recorded year. `closing` is the chain of the day of expiry, moved as far, by which
    what lives on is priced; with it only structures of several expiries are tried, for the others have archives of
    their own.
    """

    archive: str
    captured: CapturedChain
    taken_on: date
    expiry: date
    settled: float
    lot_size: int | None = None
    rates: ChargeRates | None = None
    closing: CapturedChain | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Trials:
    """Every trial of one chain; arrays of shape (n,).

    `structure` is the place in the structures asked for. `smile`, `flat` and `delta` are probabilities of profit
    before charges, `after_costs` the smile's after charges (NaN where the lot or the rates are not known). `profit`
    is what came, rupees per unit before charges, `charges` in the same unit. `own` marks the rules' own choice, or
    the nearest to it that can be traded; `advised` lies in the structure's window of days.
    """

    archive: str
    symbol: str
    taken_on: date
    expiry: date
    volatility: float
    structure: Ints
    smile: Floats
    flat: Floats
    delta: Floats
    after_costs: Floats
    profit: Floats
    charges: Floats
    own: Flags
    advised: Flags

    @property
    def days(self) -> int:
        """Calendar days from the chain to the expiry."""
        return (self.expiry - self.taken_on).days


def trials_of(order: Order, structures: Sequence[Structure], *, most: int) -> tuple[Trials | None, Counter[str]]:
    """Return the trials of one chain and what was left out, counted by reason code.

    Parameters
    ----------
    order : Order
    structures : Sequence[Structure]
        In the order that `Trials.structure` counts.
    most : int
        Choices kept per structure: the rules' own and the nearest to it.

    Returns
    -------
    Trials or None, Counter
        None when nothing could be tried. Codes are those of the chain's or the structure's refusal,
        FRONT_EXPIRY_REFUSED where only later expiries of the chain can be used, LEG_LIVES_ON for structures of two
        expiries where no chain of the day of expiry is given, NOT_QUOTED_LATER for candidates with a leg of an expiry
        which that chain does not have, CANNOT_WIN and CANNOT_LOSE for candidates whose outcome was never in doubt.
    """
    left_out: Counter[str] = Counter()
    try:
        chain = _assembled(order.captured, order.lot_size)
        _require_front(chain, order.captured)
        closing = None if order.closing is None else _assembled(order.closing, order.lot_size)
    except BadChain as refusal:
        return None, Counter({refusal.reason.code: 1})
    batch, own = _candidates(chain, _tryable(structures, closing, left_out), most, left_out)
    if batch is None:
        return None, left_out
    profit = _settled(batch, order.settled, closing)
    lines = payoff_lines(batch)
    wins = lines.max_profit > SETTLED
    loses = (lines.values.min(axis=1) <= SETTLED) | (lines.right_slope < 0.0)
    left_out["CANNOT_WIN"] += int((~wins).sum())
    left_out["CANNOT_LOSE"] += int((~loses).sum())
    left_out["NOT_QUOTED_LATER"] += int(np.isnan(profit).sum())
    open_ended = wins & loses & np.isfinite(profit)
    if not open_ended.any():
        return None, +left_out
    chosen = batch.take(open_ended)
    return _tried(order, chain, chosen, own[open_ended], profit[open_ended], structures), +left_out


def _assembled(captured: CapturedChain, lot_size: int | None) -> Chain:
    lots = {quote.expiry: lot_size or 1 for quote in captured.quotes}
    return assemble(captured, lot_sizes=lots, tick_size=TICK)


def _require_front(chain: Chain, captured: CapturedChain) -> None:
    """Refuse a chain whose nearest expiry failed the gate: what settled is the price of that day and of no other."""
    front = min(quote.expiry for quote in captured.quotes)
    if chain.expiries[0].expiry != front:
        sentence = f"The expiry of {front} cannot be used, and the settled price is of that day."
        raise BadChain(Reason("FRONT_EXPIRY_REFUSED", sentence, "Nothing is tried on a later expiry."))


def _tryable(structures: Sequence[Structure], closing: Chain | None, left_out: Counter[str]) -> list[Structure]:
    lasting = [structure for structure in structures if structure.expiries_needed > 1]
    if closing is not None:
        return lasting
    left_out["LEG_LIVES_ON"] += len(lasting)
    return [structure for structure in structures if structure.expiries_needed == 1]


def _settled(batch: Batch, price: float, closing: Chain | None) -> Floats:
    return settled_profit(batch, price, later=None if closing is None else worth_later(batch.table, closing, price))


def _candidates(
    chain: Chain, structures: Sequence[Structure], most: int, left_out: Counter[str]
) -> tuple[Batch | None, Flags]:
    """Return choices of the nearest expiry only, and which of them came first."""
    table, found = contract_table(chain), []
    for structure in structures:
        try:
            batch = neighbourhood(replace(structure, min_days=0, max_days=WIDEST_WINDOW), chain, table)
        except NotConstructible as refusal:
            left_out[refusal.reason.code] += 1
            continue
        nearest = np.flatnonzero(batch.front == 0)[:most]
        if nearest.size:
            found.append(batch.take(nearest))
    if not found:
        return None, np.zeros(0, dtype=np.bool_)
    own = np.concatenate([np.arange(batch.size) == 0 for batch in found])
    return concatenate(found), own


def _tried(
    order: Order, chain: Chain, batch: Batch, own: Flags, profit: Floats, structures: Sequence[Structure]
) -> Trials:
    expiry, lines = chain.expiries[0], payoff_lines(batch)
    volatility = expiry.smile.atm_volatility
    flat = lognormal_distribution(expiry.forward, expiry.years, volatility)
    place = {structure.slug: number for number, structure in enumerate(structures)}
    which = np.array([place[structure.slug] for structure in batch.structures], dtype=np.int64)[batch.which]
    advised = np.array([each.min_days <= expiry.days_to_expiry <= each.max_days for each in structures])
    smile = distribution_at(expiry)
    charges = _charges(order, batch)
    known = np.isfinite(charges)
    after = profit_mass(lines, smile, shift=-np.nan_to_num(charges))
    return Trials(
        archive=order.archive,
        symbol=chain.underlying,
        taken_on=order.taken_on,
        expiry=order.expiry,
        volatility=volatility,
        structure=which,
        smile=profit_mass(lines, smile),
        flat=profit_mass(lines, flat),
        delta=delta_probability(batch),
        after_costs=np.where(known, after, np.nan),
        profit=profit,
        charges=charges,
        own=own,
        advised=advised[which],
    )


def _charges(order: Order, batch: Batch) -> Floats:
    if order.rates is None or order.lot_size is None:
        return np.full(batch.size, np.nan)
    return leg_charges(batch.table, order.rates, batch)
