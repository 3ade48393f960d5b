"""What became of candidates: the settled price of their underlying, or the reason there is none, and their profit."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

import numpy as np

from market.chain import Chain, Floats
from market.errors import InvalidInput, Reason
from strategies.batch import Batch
from strategies.table import CALL, SHARE, ContractTable

LARGEST_GAP = 0.20  # of the price overnight: beyond it terms changed (split, bonus, demerger), not opinions
LEAST_KEPT = 0.30  # share of the strikes that must still be listed later; an adjustment moves every one of them
LARGEST_DISAGREEMENT = 0.02  # between the chain's underlying and the session's own close


@dataclass(frozen=True, slots=True)
class Session:
    """One day of an underlying as traded, in rupees; nothing is adjusted for corporate actions."""

    day: date
    open: float
    close: float


def settlement_price(
    *, underlying: str, spot: float | None, taken_on: date, expiry: date, sessions: Mapping[date, Session]
) -> float | Reason:
    """Return the close of the underlying on the day of expiry, if the contract's terms stood still until then.

    Parameters
    ----------
    underlying : str
    spot : float or None
        Underlying price the chain was recorded with, rupees; None where the source has none.
    taken_on, expiry : date
    sessions : Mapping[date, Session]
        Recorded days of this underlying.

    Returns
    -------
    float or Reason
        Rupees per unit, or EXPIRES_TODAY, NO_SESSION, SPOT_DISAGREES, NO_SETTLEMENT_PRICE or CORPORATE_ACTION.

    Notes
    -----
    Stock and index options of NSE settle at the closing price of the underlying on the day of expiry (dhan.md 13).
    """
    if expiry <= taken_on:
        return Reason("EXPIRES_TODAY", f"The chain of {underlying} was taken when its expiry was over or ending.")
    first, last = sessions.get(taken_on), sessions.get(expiry)
    if first is None:
        return Reason("NO_SESSION", f"No price of {underlying} is recorded on {taken_on}.")
    if spot is not None and abs(spot / first.close - 1.0) > LARGEST_DISAGREEMENT:
        return Reason("SPOT_DISAGREES", f"{underlying} stood at {spot} in its chain and closed at {first.close}.")
    if last is None:
        return Reason("NO_SETTLEMENT_PRICE", f"No price of {underlying} is recorded on {expiry}.")
    broken = _break(sessions, taken_on, expiry)
    if broken is not None:
        return Reason("CORPORATE_ACTION", f"{underlying} opened on {broken} at a price of other terms.")
    return last.close


def _break(sessions: Mapping[date, Session], taken_on: date, expiry: date) -> date | None:
    """Return the first day after the chain that opened too far from the close before; None where terms stood still."""
    days = sorted(day for day in sessions if taken_on <= day <= expiry)
    for before, day in pairwise(days):
        if abs(math.log(sessions[day].open / sessions[before].close)) > -math.log1p(-LARGEST_GAP):
            return day
    return None


def adjusted(strikes: Collection[float], later: Collection[float]) -> bool:
    """Whether the strikes of an expiry were replaced, as a corporate action does: `later` is the last ladder seen."""
    ladder = set(strikes)
    return len(ladder & set(later)) < LEAST_KEPT * len(ladder)


def settled_profit(batch: Batch, price: float, *, later: Floats | None = None) -> Floats:
    """Return the profit of candidates when their front expiry settles at a price.

    Parameters
    ----------
    batch : Batch
        Candidates of one front expiry.
    price : float
        Settled underlying, rupees, > 0.
    later : ndarray, shape (contracts,), optional
        What each contract of the table that outlives the front expiry is worth then, rupees per unit; NaN where nobody
        knows. Needed where a candidate has such a leg.

    Returns
    -------
    ndarray, shape (n,)
        Rupees per unit of underlying, before charges, opened at the touch; NaN where a leg's worth is not known.

    Raises
    ------
    InvalidInput
        When the price is no price, or an option outlives the front expiry and `later` is not given.
    """
    if not (math.isfinite(price) and price > 0.0):
        raise InvalidInput(Reason("NOT_A_PRICE", f"{price} is no price to settle at."))
    if later is None and not batch.is_simple.all():
        raise InvalidInput(Reason("LEG_LIVES_ON", "A candidate has an option that outlives its front expiry."))
    kinds, strikes = batch.table.kind[batch.rows], batch.table.strike[batch.rows]
    worth = np.where(kinds == SHARE, price, np.maximum(kinds * (price - strikes), 0.0))
    if later is not None:
        lives_on = (batch.table.rank[batch.rows] > batch.front[:, None]) & (batch.units != 0.0)
        worth = np.where(lives_on, later[batch.rows], worth)
    return np.asarray((batch.units * worth).sum(axis=1) + batch.net_premium)


def worth_later(table: ContractTable, closing: Chain, price: float) -> Floats:
    """Return what every option of a table is worth on a later day at a settled price.

    Parameters
    ----------
    table : ContractTable
        Of the chain the candidates were opened on.
    closing : Chain
        The same underlying on that day; its expiries are told by their dates.
    price : float
        The underlying then, rupees; the closing chain may be hours older, where no later page was recorded.

    Returns
    -------
    ndarray, shape (contracts,)
        Rupees per unit, by the smile of that day at the same moneyness, as if it had moved along to the settled price;
        NaN where the day's chain has no such expiry.
    """
    worth, moved = np.full(table.strike.size, math.nan), price / closing.spot
    smiles = {expiry.expiry: expiry.smile for expiry in closing.expiries}
    for rank, expiry in enumerate(table.chain.expiries):
        rows = np.flatnonzero(table.rank == rank)
        if expiry.expiry in smiles:
            strikes, calls = table.strike[rows] / moved, table.kind[rows] == CALL
            worth[rows] = moved * smiles[expiry.expiry].prices(strikes, calls)
    return worth
