"""Are the prices real, recent, and near what the market says? Pure."""

from datetime import datetime, timedelta
from decimal import Decimal

from execution.basket.values import Purpose
from execution.checks.known import known, moment, money
from execution.checks.limits import Limits
from execution.checks.quantity import orders_of
from execution.checks.situation import OrderFact, Situation
from execution.checks.verdict import Verdict, denies, passes
from market.errors import Reason
from market.quant.ticks import is_on_tick, to_decimal
from market.rulebook import price_protection_band

PAISA = Decimal("0.01")
ZERO = Decimal(0)


def price_finite(situation: Situation, limits: Limits, purpose: Purpose) -> Verdict:
    """Every limit is a price in whole paise between the least and the most there is."""
    for order in orders_of(situation):
        limit = _limit(order)
        if not limits.lowest_price <= limit < limits.highest_price or not is_on_tick(limit, PAISA):
            sentence = f"₹{limit} is no limit price for {order.leg.contract}."
            return denies(
                Reason("PRICE_FINITE", sentence), limit=limit, least=limits.lowest_price, below=limits.highest_price
            )
    return passes(orders=len(orders_of(situation)))


def tick(situation: Situation, limits: Limits, purpose: Purpose) -> Verdict:
    """Every limit is a whole number of the contract's ticks."""
    for order in orders_of(situation):
        limit, step = _limit(order), _tick(order)
        if not is_on_tick(limit, step):
            sentence = f"₹{limit} is not a multiple of the tick ₹{step} of {order.leg.contract}."
            return denies(Reason("TICK", sentence), limit=limit, tick=step)
    return passes(orders=len(orders_of(situation)))


def price_collar(situation: Situation, limits: Limits, purpose: Purpose) -> Verdict:
    """Every limit is near the mid, and well inside the exchange's own band."""
    for order in orders_of(situation):
        limit, mid, step = _limit(order), _mid(order), _tick(order)
        low, high = _collar(mid, step, limits, purpose, banded=order.leg.contract.is_option)
        # A limit lies on a tick and the collar need not: an order that can trade at the touch may be one step over.
        if not low - step < limit < high + step:
            sentence = f"The limit ₹{limit} of {order.leg.contract} is outside {low} to {high} around the mid {mid}."
            return denies(Reason("PRICE_COLLAR", sentence), limit=limit, mid=mid, low=low, high=high)
    return passes(orders=len(orders_of(situation)))


def _collar(mid: Decimal, step: Decimal, limits: Limits, purpose: Purpose, *, banded: bool) -> tuple[Decimal, Decimal]:
    entering = purpose is Purpose.ENTRY
    share = limits.entry_collar if entering else limits.exit_collar
    ticks = limits.entry_collar_ticks if entering else limits.exit_collar_ticks
    reach = max(mid * share, step * ticks)
    if banded:
        _, top = price_protection_band(float(mid))
        reach = min(reach, (to_decimal(top, places=4) - mid) * limits.band_share)
    return mid - reach, mid + reach


def spread(situation: Situation, limits: Limits, purpose: Purpose) -> Verdict:
    """Bid and ask are close enough for the mid to mean something."""
    widest = ZERO
    for order in orders_of(situation):
        bid, ask = _touch(order)
        mid, wide = _mid(order), ask - bid
        widest = max(widest, wide / mid)
        if wide > max(mid * limits.spread, _tick(order) * limits.spread_ticks):
            sentence = f"{order.leg.contract} is quoted {bid} / {ask}: {wide / mid:.1%} of the mid."
            return denies(Reason("SPREAD", sentence), bid=bid, ask=ask, spread=wide, share=limits.spread)
    return passes(widest=f"{widest:.4f}")


def quote_fresh(situation: Situation, limits: Limits, purpose: Purpose) -> Verdict:
    """Quotes of all legs are recent and of about the same moment; so is the spot of an entry."""
    now = moment(situation.now, "the market moment")
    stamps: list[datetime] = []
    for order in orders_of(situation):
        quoted = moment(_quote_time(order), f"the time of the quote of {order.leg.contract}")
        reason = _aged(now - quoted, limits.quote_age_seconds, f"The quote of {order.leg.contract}", "QUOTE")
        if reason is not None:
            return denies(reason, age=now - quoted, at_most=f"{limits.quote_age_seconds} s")
        stamps.append(quoted)
    skew = max(stamps) - min(stamps)
    if skew > _seconds(limits.quote_skew_seconds):
        sentence = f"The quotes of the legs are {skew} apart; at most {limits.quote_skew_seconds} s are allowed."
        return denies(Reason("QUOTE_SKEW", sentence), skew=skew, at_most=f"{limits.quote_skew_seconds} s")
    return _spot_fresh(situation, now, limits) if purpose is Purpose.ENTRY else passes(skew=skew)


def _spot_fresh(situation: Situation, now: datetime, limits: Limits) -> Verdict:
    at = moment(known(situation.drift, "the price of the underlying").spot_at, "the time of the underlying's price")
    reason = _aged(now - at, limits.spot_age_seconds, "The price of the underlying", "SPOT")
    numbers = {"spot_age": now - at, "at_most": f"{limits.spot_age_seconds} s"}
    return passes(**numbers) if reason is None else denies(reason, **numbers)


def _aged(age: timedelta, most: Decimal, what: str, code: str) -> Reason | None:
    if age < timedelta(0):
        return Reason(f"{code}_LATER", f"{what} is {-age} later than the moment we act at.")
    if age > _seconds(most):
        return Reason(f"{code}_STALE", f"{what} is {age} old; at most {_seconds(most)} is allowed.")
    return None


def _seconds(value: Decimal) -> timedelta:
    return timedelta(seconds=float(value))


def _limit(order: OrderFact) -> Decimal:
    return money(order.limit, f"the limit of {order.leg.contract}")


def _tick(order: OrderFact) -> Decimal:
    return money(order.leg.tick, f"the tick of {order.leg.contract}", low=PAISA / 100)


def _quote_time(order: OrderFact) -> datetime | None:
    return known(order.quote, f"the quote of {order.leg.contract}").quoted_at


def _touch(order: OrderFact) -> tuple[Decimal, Decimal]:
    quote = known(order.quote, f"the quote of {order.leg.contract}")
    bid = money(quote.bid, f"the bid of {order.leg.contract}", low=ZERO)
    return bid, money(quote.ask, f"the ask of {order.leg.contract}", low=max(bid, PAISA))


def _mid(order: OrderFact) -> Decimal:
    bid, ask = _touch(order)
    return (bid + ask) / 2
