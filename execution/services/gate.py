"""The gate: every pre-trade check asked about a plan, every answer kept; the cheap ones again as an order goes out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from allocation.models import Account
from execution.basket.values import Attempt, Basket, Purpose
from execution.checks import Answer, denials, only_clouds, run_cheap_checks, run_checks
from execution.errors import ReadFailed
from execution.models import ExecutionRun
from execution.ports import OrderRequest
from execution.services.arming import armed_today
from execution.services.checks import Asked, gather, gather_order, keep_answers, limits_for
from execution.services.marks import profit_at_touch
from execution.services.preparation import BasketPreview, Desk, PlannedOrder, free_funds, request_for
from execution.services.standing import Standing
from market.errors import OptionsError, Reason
from market.quant.ticks import to_decimal
from strategies.models import OptionStrategy

# What says something about the moment of sending only, and nothing about a plan that a person looks at.
OF_THE_MOMENT = frozenset({"BROKER_HEALTH", "RATE", "TOKEN", "REJECT_STREAK"})


@dataclass(frozen=True, slots=True)
class Health:
    """How the broker does, as the leader sees it; a preview has no leader and asks nothing of it."""

    answers: bool
    token_expires_at: datetime | None = None
    armed_today: bool = False


def judged(
    plan: BasketPreview, desk: Desk, *, health: Health | None = None, run: ExecutionRun | None = None
) -> BasketPreview:
    """The plan with every reason of every check that denies it, after what could not be resolved or priced."""
    if not plan.legs:
        return plan
    purpose = Purpose(plan.purpose)
    answers = _answers(plan, desk, purpose, health, run)
    if run is not None:
        keep_answers(
            answers, account=desk.account, strategy=plan.strategy, run=run, purpose=plan.purpose, at=desk.as_of
        )
    else:
        answers = tuple(one for one in answers if one.code not in OF_THE_MOMENT)
    # The margin is asked of the broker: that it could not be read passes too.
    hard = [one for one in answers if not one.passed and one.reason_code != "MARGIN_UNKNOWN"]
    passes = not plan.denials and (only_clouds(hard) if hard else any(not one.passed for one in answers))
    found = [*plan.denials, *denials(answers)]
    return replace(plan, denials=tuple(dict.fromkeys(found)), passes=passes)


def recheck(
    planned: PlannedOrder,
    strategy: OptionStrategy,
    desk: Desk,
    *,
    basket: Basket,
    attempt: Attempt,
    spot: tuple[Decimal, datetime] | None,
    found: Standing,
) -> Reason | None:
    """The first of the cheap checks that denies one order; `found` is the standing that this transaction holds."""
    purpose = basket.purpose if basket.opens or basket.purpose is Purpose.FLATTEN else Purpose.EXIT
    situation = gather_order(
        strategy,
        planned,
        account=desk.account,
        broker=desk.broker,
        now=desk.as_of,
        asked=_asked_before(spot, armed=armed_for(desk) if purpose is Purpose.ENTRY else None),
        intended=attempt.quantity,
        run_id=basket.run,
        found=found,
    )
    answers = run_cheap_checks(situation, limits_for(desk.account, replayed=desk.replays), purpose)
    return next(iter(denials(answers)), None)


def armed_for(desk: Desk) -> bool:
    """Whether two persons armed this live desk for this day; paper asks nobody (at most one query)."""
    return desk.account.mode == Account.Mode.LIVE and armed_today(desk.account, desk.as_of)


def spot_of(underlying: str, desk: Desk) -> tuple[Decimal, datetime]:
    """The price of an underlying and the moment it is from; raises when the source has none."""
    chain = desk.market.chain(underlying, as_of=desk.as_of)
    if chain.spot is None:
        raise ReadFailed(Reason("SPOT_UNKNOWN", f"The chain of {underlying} names no spot."))
    return to_decimal(chain.spot, places=4), chain.taken_at


def order_request(order: PlannedOrder, correlation_id: str) -> OrderRequest:
    """A planned order in the broker's words."""
    piece = order.piece
    return request_for(order.listed, correlation_id, side=piece.side, quantity=piece.quantity, limit=order.limit)


def _answers(
    plan: BasketPreview, desk: Desk, purpose: Purpose, health: Health | None, run: ExecutionRun | None
) -> Sequence[Answer]:
    limits = limits_for(desk.account, replayed=desk.replays)
    asked = _asked(plan, desk, health)  # before the moment is read: a clock that runs would call its answers late
    situation = gather(
        plan.strategy,
        account=desk.account,
        broker=desk.broker,
        legs=plan.legs,
        orders=plan.orders,
        now=desk.as_of,
        purpose=purpose,
        limits=limits,
        asked=asked,
        run_id=None if run is None else run.pk,
        waiting=plan.waiting,
    )
    return run_checks(situation, limits, purpose)


def _asked(plan: BasketPreview, desk: Desk, health: Health | None) -> Asked:
    strategy = plan.strategy
    requests = [order_request(order, f"plan-{number}") for number, order in enumerate(plan.orders)]
    spot = _captured(strategy.stock_name, desk)
    return Asked(
        free=lambda: free_funds(desk, but=strategy),
        margin=lambda: desk.broker.margin(requests).total,
        spot=spot,
        profit=lambda other, rows: profit_at_touch(other, desk, rows),
        cash_needed=plan.cash_needed,
        armed_today=armed_for(desk) if health is None else health.armed_today,
        breaker_closed=None if health is None else health.answers,
        needs_token=desk.broker.mode == "live",
        token_expires_at=None if health is None else health.token_expires_at,
    )


Spot = Callable[[], tuple[Decimal, datetime]]


def _captured(underlying: str, desk: Desk) -> Spot:
    try:
        return _given(spot_of(underlying, desk))
    except OptionsError as error:
        return _given(None, error.reason)


def _given(spot: tuple[Decimal, datetime] | None, why: Reason | None = None) -> Spot:
    def known() -> tuple[Decimal, datetime]:
        if spot is None:
            raise ReadFailed(why or Reason("SPOT_UNKNOWN", "The spot was not known when the order was priced."))
        return spot

    return known


def _asked_before(spot: tuple[Decimal, datetime] | None, *, armed: bool | None) -> Asked:
    """Inside a transaction nothing is asked anew."""

    def unknown(*_: object) -> Decimal:
        raise ReadFailed(Reason("NOT_ASKED", "This is not asked while an order goes out."))

    return Asked(free=unknown, margin=unknown, spot=_given(spot), profit=unknown, armed_today=armed)
