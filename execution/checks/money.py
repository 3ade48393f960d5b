"""Is there enough money, and is not too much of it at stake? Pure."""

from decimal import Decimal

from execution.basket.values import Purpose
from execution.checks.known import count, flag, known, money
from execution.checks.limits import Limits
from execution.checks.quantity import orders_of
from execution.checks.situation import OrderFact, RiskFact, Situation
from execution.checks.verdict import Verdict, denies, passes
from market.errors import Reason

ZERO = Decimal(0)


def notional(situation: Situation, limits: Limits, purpose: Purpose) -> Verdict:
    """Rupees per order and per basket; getting out is held only to the hard cap."""
    orders = orders_of(situation)
    values = {order: _value(order) for order in orders}
    premiums = [value for order, value in values.items() if order.leg.contract.is_option]
    caps = [("order", max(values.values()), limits.order_value)]
    if purpose is Purpose.ENTRY:
        caps.append(("order of options", max(premiums, default=ZERO), limits.order_premium))
        caps.append(("basket of options", sum(premiums, ZERO), limits.basket_premium))
    for what, value, most in caps:
        if value > most:
            sentence = f"₹{value:.2f} in one {what}; at most ₹{most:.2f} is allowed."
            return denies(Reason("NOTIONAL", sentence), value=value, at_most=most, per=what)
    return passes(largest_order=max(values.values()), basket=sum(premiums, ZERO))


def max_loss(situation: Situation, limits: Limits, purpose: Purpose) -> Verdict:
    """The worst loss of the basket is known and within the limit; an unlimited one needs a permission and a margin."""
    risk = known(situation.risk, "the risk of the basket")
    if flag(risk.unlimited_loss, "whether the loss is limited"):
        allowed = flag(known(situation.account, "the account").allow_naked, "whether naked shorts are allowed")
        if not allowed:
            sentence = "The loss of this strategy is unlimited and the account does not allow naked shorts."
            return denies(Reason("NAKED_SHORT", sentence), max_loss="Unlimited")
    lost = at_stake(risk)
    if lost is None:
        sentence = "Neither the maximum loss nor the margin of this strategy is known."
        return denies(Reason("RISK_UNKNOWN", sentence, "Allocate it."))
    if lost > limits.max_loss:
        sentence = f"The basket may lose ₹{lost:.2f}; at most ₹{limits.max_loss:.2f} is allowed."
        return denies(Reason("MAX_LOSS", sentence), max_loss=lost, at_most=limits.max_loss)
    return passes(max_loss=lost, at_most=limits.max_loss)


def at_stake(risk: RiskFact) -> Decimal | None:
    """What may be lost, or what is blocked where that is unlimited; None when neither is a sound amount."""
    amount = risk.margin if risk.unlimited_loss else risk.max_loss
    return amount if isinstance(amount, Decimal) and amount.is_finite() and amount >= 0 else None


def margin(situation: Situation, limits: Limits, purpose: Purpose) -> Verdict:
    """What the basket needs at its worst moment is free, with headroom over the broker's own figure."""
    risk, account = known(situation.risk, "the risk of the basket"), known(situation.account, "the account")
    cash = money(risk.cash_needed, "the cash the basket needs", low=ZERO)
    required = money(risk.margin_required, "the margin the broker asks", low=ZERO) * limits.margin_headroom
    free = money(account.available, "what the broker lets us spend") - money(
        account.reserved, "what open strategies keep set aside", low=ZERO
    )
    needed = max(cash, required)
    if needed <= free:
        return passes(needed=needed, free=free)
    sentence = f"The basket needs ₹{needed:.2f} and ₹{free:.2f} is free."
    return denies(Reason("FUNDS", sentence), needed=needed, free=free, difference=needed - free)


def daily_loss(situation: Situation, limits: Limits, purpose: Purpose) -> Verdict:
    """Today's loss, open positions included, is within the limit; past the soft share of it only half may be risked."""
    result = money(known(situation.account, "the account").day_result, "today's result")
    lost, soft = -result, limits.daily_loss * limits.soft_loss_share
    numbers = {"result": result, "at_most": limits.daily_loss}
    if lost >= limits.daily_loss:
        sentence = f"Today's loss is ₹{lost:.2f}; at ₹{limits.daily_loss:.2f} nothing new is opened."
        return denies(Reason("DAILY_LOSS", sentence), **numbers)
    if lost < soft:
        return passes(**numbers)
    stake = at_stake(known(situation.risk, "the risk of the basket"))
    if money(stake, "what the basket may lose") <= limits.max_loss / 2:
        warning = Reason("DAILY_LOSS_SOFT", f"Today's loss of ₹{lost:.2f} is past ₹{soft:.2f}: sizes are halved.")
        return passes(warning, **numbers)
    sentence = f"Today's loss is ₹{lost:.2f}, past ₹{soft:.2f}: a basket may lose at most ₹{limits.max_loss / 2:.2f}."
    return denies(Reason("DAILY_LOSS_SOFT", sentence, "Trade half the size, or stop for today."), **numbers)


def _value(order: OrderFact) -> Decimal:
    """Rupees at the limit."""
    limit = money(order.limit, f"the limit of {order.leg.contract}", low=ZERO)
    return limit * count(order.quantity, f"the quantity of {order.leg.contract}", low=1)
