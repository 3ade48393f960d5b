"""Are the sizes whole, legal and sensible? Pure."""

from collections import Counter

from execution.basket.values import Purpose
from execution.checks.instrument import legs_of
from execution.checks.known import count, known
from execution.checks.limits import Limits
from execution.checks.situation import LegFact, OrderFact, Situation
from execution.checks.verdict import Verdict, denies, passes
from market.errors import Reason


def orders_of(situation: Situation) -> tuple[OrderFact, ...]:
    """The orders, at least one."""
    orders = known(situation.orders, "the orders")
    count(len(orders), "the number of orders", low=1)
    return orders


def lot(situation: Situation, limits: Limits, purpose: Purpose) -> Verdict:
    """Every order is a whole number of today's lots, and an entry's lot is the one that was reviewed."""
    for order in orders_of(situation):
        leg, size = order.leg, _lot_size(order.leg)
        if purpose is Purpose.ENTRY and leg.contract.is_option:
            approved = count(leg.approved_lot, f"the lot of {leg.contract} that was reviewed", low=1)
            if approved != size:
                sentence = f"{leg.contract} trades in lots of {size}, the strategy was computed for {approved}."
                remedy = "Generate the strategy again and review it."
                return denies(
                    Reason("LOT", sentence, remedy), listed=size, approved=approved, difference=size - approved
                )
        quantity = _units(order)
        if quantity % size:
            sentence = f"{quantity} units of {leg.contract} are not whole lots of {size}."
            return denies(Reason("LOT", sentence), quantity=quantity, lot=size)
    return passes(orders=len(orders_of(situation)))


def freeze(situation: Situation, limits: Limits, purpose: Purpose) -> Verdict:
    """No order is larger than the exchange takes."""
    largest = 0
    for order in orders_of(situation):
        limit = count(order.leg.order_limit, f"the most units in one order of {order.leg.contract}", low=1)
        quantity = _units(order)
        largest = max(largest, quantity)
        if quantity > limit:
            sentence = f"{order} is above the freeze limit of {limit} units."
            return denies(Reason("FREEZE", sentence), quantity=quantity, at_most=limit)
    return passes(largest=largest)


def qty_max(situation: Situation, limits: Limits, purpose: Purpose) -> Verdict:
    """Not more lots per leg, per basket and per underlying and day than anybody means to trade."""
    counts = known(situation.counts, "the counts")
    done = count(counts.lots_on_underlying_today, "the lots traded on this underlying today")
    lots = [_lots(leg) for leg in legs_of(situation)]
    total = sum(lots)
    for what, value, most in (
        ("leg", max(lots), limits.lots_per_leg),
        ("basket", total, limits.lots_per_basket),
        ("underlying and day", done + total, limits.lots_per_underlying),
    ):
        if value > most:
            sentence = f"{value} lots in one {what}; at most {most} are allowed."
            return denies(Reason("QTY_MAX", sentence), lots=value, at_most=most, per=what)
    return passes(largest_leg=max(lots), basket=total, today=done + total)


def shadow_count(situation: Situation, limits: Limits, purpose: Purpose) -> Verdict:
    """What leaves is what was intended: orders and units, counted on both sides of the router."""
    shadow = known(situation.shadow, "the counts of what leaves")
    orders = (
        count(shadow.orders_intended, "the orders intended", low=1),
        count(shadow.orders_leaving, "the orders leaving"),
    )
    units = (
        count(shadow.units_intended, "the units intended", low=1),
        count(shadow.units_leaving, "the units leaving"),
    )
    numbers = {"orders": f"{orders[1]} of {orders[0]}", "units": f"{units[1]} of {units[0]}"}
    if orders[0] == orders[1] and units[0] == units[1]:
        return passes(**numbers)
    sentence = f"{orders[0]} orders of {units[0]} units were intended, {orders[1]} of {units[1]} would leave."
    return denies(Reason("SHADOW_COUNT", sentence), **numbers)


def self_cross(situation: Situation, limits: Limits, purpose: Purpose) -> Verdict:
    """No order meets one of our own on the other side."""
    working = Counter(known(situation.working, "the working orders"))
    for order in orders_of(situation):
        if working[order.leg.contract, order.side.opposite]:
            sentence = f"{order} would meet our own working order to {order.side.opposite}."
            return denies(Reason("SELF_CROSS", sentence), contract=order.leg.contract)
    return passes(working=working.total())


def _units(order: OrderFact) -> int:
    return count(order.quantity, f"the quantity of {order.leg.contract}", low=1)


def _lot_size(leg: LegFact) -> int:
    return count(leg.lot_size, f"the lot of {leg.contract}", low=1)


def _lots(leg: LegFact) -> int:
    """Options in lots; shares bought against them have no lot and no limit of lots."""
    units = count(leg.quantity, f"the quantity of {leg.contract}", low=1)
    return -(-units // _lot_size(leg)) if leg.contract.is_option else 0
