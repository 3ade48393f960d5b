"""Judges and prices what a basket wants to send, from the database and the market of a desk."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from execution.basket.messages import Price
from execution.basket.values import Attempt, Basket, Purpose, since
from execution.errors import BrokerError, ExecutionDenied, NotYet
from execution.evidence import BOOK_TRADE
from execution.lifecycle import RunState
from execution.limit_price import ENTRY_PRICES, EXIT_PRICES
from execution.models import ExecutionRun
from execution.ports import BrokerPosition
from execution.services.attention import SETTLED_BY_HAND
from execution.services.gate import Health, judged, recheck, spot_of
from execution.services.intended import to_json
from execution.services.listing import ListedLeg
from execution.services.plan_hash import plan_hash
from execution.services.preparation import (
    BasketPreview,
    Desk,
    PlannedOrder,
    plan_order,
    prepare_entry,
    prepare_exit,
)
from execution.services.standing import Standing
from market.contract import Side
from market.errors import OptionsError, Reason
from strategies.models import OptionStrategy

Listed = Callable[[int, int], ListedLeg]
HealthNow = Callable[[], Health]
Held = Callable[[], Mapping[tuple[str, str], int]]

ASK_AGAIN_SECONDS = 2.0
POSITIONS_HOLD_SECONDS = 0.5
FRESH_SECONDS = 300.0  # what an entry bought longer ago every position read shows


@dataclass(frozen=True, slots=True)
class _Shown:
    """What the broker showed at one moment, and what we held by our own books then."""

    at: float
    held: Mapping[tuple[str, str], int]
    rows: Sequence[BrokerPosition]


class DeskOfRun:
    """execution.ledger.Desk for the runs of one desk; it remembers what each order was priced on, for the last gate."""

    def __init__(self, desk: Desk, listed: Listed, health: HealthNow, ours: Held) -> None:
        self._desk, self._listed, self._health, self._ours = desk, listed, health, ours
        self._priced: dict[tuple[int, int], tuple[PlannedOrder, tuple[Decimal, datetime] | None]] = {}
        self._put_off: dict[int, tuple[float, Reason]] = {}
        self._shown: _Shown | None = None
        self._strategies: dict[int, OptionStrategy] = {}  # by run; what was approved does not change

    def check(self, basket: Basket) -> Reason | None:
        """The first thing that stands against the whole basket as it would be sent now; every answer is kept.

        Raises NotYet where that is of this moment only; the same is said for the next seconds without asking anew.
        """
        asked, said = self._put_off.get(basket.run, (float("-inf"), None))
        if said is not None and self._desk.clock.elapsed() - asked < ASK_AGAIN_SECONDS:
            raise NotYet(said)
        run = ExecutionRun.objects.select_related("strategy").get(pk=basket.run)
        if basket.purpose is Purpose.ENTRY:
            plan = prepare_entry(run.strategy, self._desk)
        else:
            plan = prepare_exit(run.strategy, self._desk, run.purpose)
        plan = judged(plan, self._desk, health=self._health(), run=run)
        if plan.passes:
            self._put_off[basket.run] = self._desk.clock.elapsed(), plan.denials[0]
            raise NotYet(plan.denials[0])
        return plan.denials[0] if plan.denials else _differs(run, plan)

    def limit(self, basket: Basket, wanted: Price) -> Decimal:
        """The limit of one slice on the newest touch."""
        listed = self._listed(basket.run, wanted.piece.leg.number)
        if self._asks_what_is_held(basket):
            self._require_held(listed, wanted.piece.side, flattens=basket.purpose is Purpose.FLATTEN)
        rules = EXIT_PRICES if wanted.leaving else ENTRY_PRICES
        planned = plan_order(listed, wanted.piece, self._desk, attempt=wanted.step, rules=rules)
        self._priced[basket.run, wanted.piece.leg.number] = planned, self._spot(listed)
        self._strategy_of(basket.run)
        return planned.limit

    def _asks_what_is_held(self, basket: Basket) -> bool:
        """Not what takes back an entry of this moment: the broker's positions may not show yet what it bought.

        A person who has it taken back may have closed it at the broker a minute ago.
        """
        if basket.purpose is not Purpose.ENTRY:
            return True
        by_hand = basket.reason is not None and basket.reason.code == SETTLED_BY_HAND
        long_ago = since(basket.started_at, self._desk.as_of) > FRESH_SECONDS
        return basket.state is RunState.UNWINDING and (by_hand or long_ago)

    def last_gate(self, basket: Basket, attempt: Attempt, found: Standing) -> Reason | None:
        """The cheap checks again, inside the transaction that commits SENDING; asks nobody over the network."""
        priced = self._priced.pop((basket.run, attempt.leg), None)
        if priced is None or priced[0].piece.quantity != attempt.quantity:
            return Reason("NOT_PRICED", f"Order {attempt.correlation_id} was not priced by this process.")
        planned, spot = priced
        strategy = self._strategy_of(basket.run)
        return recheck(planned, strategy, self._desk, basket=basket, attempt=attempt, spot=spot, found=found)

    def _require_held(self, listed: ListedLeg, side: Side, *, flattens: bool) -> None:
        """Close nothing the broker does not show: what somebody closed by hand would be opened the other way round.

        A flatten goes on by our own trades where the positions cannot be read.
        """
        key = listed.segment, listed.security_id
        held = self._ours()
        try:
            rows = self._positions(held, anew=side is Side.SELL)
        except BrokerError:
            if not flattens:
                raise
            return
        theirs = sum(row.net_quantity for row in rows if (row.segment, row.security_id) == key)
        ours = held.get(key, 0)
        if (theirs < ours) if side is Side.SELL else (theirs > ours):
            sentence = f"Our trades add up to {ours} units of {listed.symbol}, the broker shows {theirs}: not closed."
            remedy = f"Somebody traded by hand? Compare, then: {BOOK_TRADE}"
            raise ExecutionDenied(Reason("HELD_LESS", sentence, remedy))

    def _positions(self, held: Mapping[tuple[str, str], int], *, anew: bool) -> Sequence[BrokerPosition]:
        """The broker's, read once for the orders of a moment; anew as soon as a fill of ours changed what we hold.

        A sale always reads anew: what somebody closed a moment ago would be sold short.
        """
        now = self._desk.clock.elapsed()
        if anew or self._shown is None or now - self._shown.at >= POSITIONS_HOLD_SECONDS or self._shown.held != held:
            self._shown = _Shown(now, held, self._desk.broker.positions())
        return self._shown.rows

    def _strategy_of(self, run: int) -> OptionStrategy:
        """Read once, with its legs, and not while an order waits to go out."""
        if run not in self._strategies:
            rows = OptionStrategy.objects.prefetch_related("legs")
            self._strategies[run] = rows.get(execution_runs=run)
        return self._strategies[run]

    def _spot(self, listed: ListedLeg) -> tuple[Decimal, datetime] | None:
        try:
            return spot_of(listed.leg.contract.underlying, self._desk)
        except OptionsError:
            return None


def _differs(run: ExecutionRun, plan: BasketPreview) -> Reason | None:
    """What is sent is what was resolved at the claim, and what a person was shown if they named it."""
    if to_json(plan.legs) != run.intended:
        return Reason("LISTING_CHANGED", "The master names other instruments than when the strategy was claimed.")
    if run.plan_hash and run.plan_hash != plan_hash(plan):
        return Reason(
            "PLAN_CHANGED",
            f"The plan is now {plan_hash(plan)[:12]}, the one that was shown was {run.plan_hash[:12]}.",
            "Preview again and compare.",
        )
    return None
