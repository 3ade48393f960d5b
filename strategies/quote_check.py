"""The checks of the catalogue on one chain: does any box, or any conversion, cost less than it surely pays?

Quotes of one moment leave neither once charges are paid. The gate judges each strike against one fitted forward and
allows for the forward's own error; this asks all strikes together, at prices one can trade at, and the spot as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np

from market.chain import Chain, ExpiryChain, Floats
from market.errors import Reason
from market.quality import HIGHEST_RATE
from market.rulebook.charges import ChargeRates

LEAST_TICKS = 4  # the tick of each of a box's quotes: less is rounding
REMEDY = "One of the quotes, or the price of the underlying, is old: capture the chain again."


@dataclass(frozen=True, slots=True)
class Surplus:
    """What the best box, or conversion, of an expiry surely earns; rupees per unit, not positive where quotes agree.

    `bought` is the strike at which the synthetic long is bought, None for a conversion, which buys the underlying;
    `sold` that at which the synthetic short is sold.
    """

    amount: float
    bought: float | None
    sold: float


def quote_flags(chain: Chain, *, rates: ChargeRates) -> Mapping[date, tuple[Reason, ...]]:
    """Return by expiry which check contradicts its quotes, with the amount; an expiry without doubt is absent.

    Parameters
    ----------
    chain : Chain
    rates : ChargeRates
        Option charges of the day: what earns less than opening it costs is no contradiction.

    Returns
    -------
    Mapping[date, tuple of Reason]
        BOX_OFF and CONVERSION_OFF, in this order; no conversion is judged where the source gives no spot.
    """
    least, found = LEAST_TICKS * chain.tick_size, {}
    for expiry in chain.expiries:
        bought, sold, strikes = synthetic_forwards(expiry, rates=rates)
        if not strikes.size:
            continue
        box = box_surplus(bought, sold, strikes, years=expiry.years)
        checks = [(box, _box_off)]
        if expiry.carry_reason is None:  # else nobody quoted the spot: it is the front expiry's own forward
            conversion = conversion_surplus(sold, strikes, spot=chain.spot, years=expiry.years)
            checks.append((conversion, _conversion_off))
        reasons = tuple(reason(expiry, surplus) for surplus, reason in checks if surplus.amount > least)
        if reasons:
            found[expiry.expiry] = reasons
    return found


def synthetic_forwards(expiry: ExpiryChain, *, rates: ChargeRates) -> tuple[Floats, Floats, Floats]:
    """Return at which forward each strike's call and put buy and sell the underlying, charges paid, and the strikes.

    Rupees; only strikes whose call and put both passed the gate. Bought: strike + call's ask - put's bid; sold: strike
    + call's bid - put's ask.
    """
    calls, puts = expiry.calls, expiry.puts
    usable = calls.usable & puts.usable & np.isfinite(calls.ask - calls.bid + puts.ask - puts.bid)
    dearer, cheaper, orders = 1.0 + rates.buy, 1.0 - rates.sell, 2.0 * rates.per_order / expiry.lot_size
    bought = expiry.strikes + dearer * calls.ask - cheaper * puts.bid + orders
    sold = expiry.strikes + cheaper * calls.bid - dearer * puts.ask - orders
    return bought[usable], sold[usable], expiry.strikes[usable]


def box_surplus(bought: Floats, sold: Floats, strikes: Floats, *, years: float) -> Surplus:
    """Return the best box of an expiry: a synthetic long at one strike, a synthetic short at another.

    Parameters
    ----------
    bought, sold, strikes : ndarray, shape (n,)
        Of `synthetic_forwards`, strikes ascending, n >= 1.
    years : float

    Returns
    -------
    Surplus

    Notes
    -----
    A box that is bought low and sold high pays the distance of its strikes, which is worth at least the distance
    discounted at HIGHEST_RATE; one that is bought high and sold low is a loan that is paid back at no interest or more.
    One pass over running extremes looks at all pairs.
    Source: A. G. Ronn and E. I. Ronn, "The Box Spread Arbitrage Conditions", Review of Financial Studies 2 (1989).
    """
    interest = strikes * -np.expm1(-HIGHEST_RATE * years)
    long_cost, long_paid = bought - interest, sold - interest
    cheapest = np.minimum.accumulate(long_cost)
    lending = long_paid - cheapest
    borrowing = sold - np.minimum.accumulate(bought[::-1])[::-1]
    best = int(np.argmax(np.maximum(lending, borrowing)))
    if lending[best] >= borrowing[best]:
        other = int(np.argmin(long_cost[: best + 1]))
        return Surplus(float(lending[best]), float(strikes[other]), float(strikes[best]))
    other = best + int(np.argmin(bought[best:]))
    return Surplus(float(borrowing[best]), float(strikes[other]), float(strikes[best]))


def conversion_surplus(sold: Floats, strikes: Floats, *, spot: float, years: float) -> Surplus:
    """Return the best conversion: the underlying bought at `spot`, a synthetic short sold, financed at HIGHEST_RATE.

    The other way round proves nothing: the forward lies below the spot by the dividends to come, and who holds no
    share cannot sell one.
    """
    surplus = sold - strikes * -np.expm1(-HIGHEST_RATE * years) - spot
    best = int(np.argmax(surplus))
    return Surplus(float(surplus[best]), None, float(strikes[best]))


def _box_off(expiry: ExpiryChain, found: Surplus) -> Reason:
    sentence = (
        f"{expiry.expiry:%d %b %Y}: a box, long at {found.bought:g} and short at {found.sold:g}, surely earns "
        f"₹{found.amount:.2f} a unit after charges."
    )
    return Reason("BOX_OFF", sentence, REMEDY)


def _conversion_off(expiry: ExpiryChain, found: Surplus) -> Reason:
    sentence = (
        f"{expiry.expiry:%d %b %Y}: a conversion at {found.sold:g} earns ₹{found.amount:.2f} a unit more than "
        f"{HIGHEST_RATE:.0%} a year, after charges."
    )
    return Reason("CONVERSION_OFF", sentence, REMEDY)
