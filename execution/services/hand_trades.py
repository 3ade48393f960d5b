"""A trade that somebody made by hand in a leg of a strategy, written into our books."""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from allocation.models import Account
from execution.basket.values import Attempt, Basket, Purpose, move
from execution.errors import ExecutionDenied
from execution.legs import Phase
from execution.lifecycle import OrderEvent, RunState, StrategyEvent, StrategyState
from execution.models import ExecutionRun, ExternalOrder, LegOrder, Position, ResidentStop, RunPurpose, StopStage, Trade
from execution.ports import BrokerTrade
from execution.services.booking import (
    BY_HAND,
    ORDER_TYPE,
    Booking,
    books_of,
    denied,
    ending,
    keep_word,
    require_lots,
    require_order_id,
    require_price,
    said_by,
    what_follows,
    write,
)
from execution.services.intended import from_json, to_json
from execution.services.listing import ListedLeg
from execution.services.outcomes import follow
from execution.services.stop_fills import entry_of
from execution.services.transitions import move_strategy, state_of
from market.actor import acting
from market.calendar import IST, closed_reason
from market.contract import Side
from market.errors import Reason
from strategies.models import OptionStrategy

# Before these a run has sent nothing and is about to be planned anew; after them it is over.
TAKES = frozenset(
    {RunState.BUYING, RunState.SELLING, RunState.SETTLING, RunState.UNWINDING, RunState.ATTENTION},
)

NAME = "HAND-"  # begins the name of an order that a person made


@dataclass(frozen=True, slots=True)
class HandTrade:
    """A trade somebody made outside in one leg of a strategy; `order_id` is the broker's, where it is known."""

    strategy_id: int
    leg: int
    side: Side
    units: int
    price: Decimal
    at: datetime
    order_id: str = ""


def book_trade(trade: HandTrade, account: Account, *, actor: str, words: str, now: datetime, execute: bool) -> Booking:
    """Book what somebody traded by hand: into the run that is open for the strategy, else as a finished run of its own.

    Raises ExecutionDenied, and books nothing, where the strategy does not hold or plan what was traded.
    """
    said, name = said_by(actor, words), _name_of(trade, account)
    with acting(actor), transaction.atomic():
        # The run before its strategy, as leaders lock them.
        rows = ExecutionRun.objects.open().select_for_update(of=("self",)).select_related("strategy", "account")
        run = rows.filter(strategy_id=trade.strategy_id, account=account).first()
        strategy = OptionStrategy.objects.select_for_update().filter(pk=trade.strategy_id).first()
        if strategy is None:
            raise denied("UNKNOWN_STRATEGY", f"There is no strategy {trade.strategy_id}.", "See v_positions.")
        known = LegOrder.objects.select_related("run").filter(correlation_id=name).first()
        if known is not None:
            return replace(_of_trade(name, trade, known.symbol, "It is booked already.", known.run_id), already=True)
        _require_possible(trade, now)
        booked = _Trade(trade, account, strategy, name, said, now, execute)
        return booked.into(run) if run is not None else booked.alone()


@dataclass(frozen=True, slots=True)
class _Trade:
    """One trade made by hand on its way into the books; the caller holds the rows."""

    trade: HandTrade
    account: Account
    strategy: OptionStrategy
    name: str
    said: Reason
    now: datetime
    execute: bool

    def into(self, run: ExecutionRun) -> Booking:
        """As one more order of the run that is open: what it still has to do shrinks by it."""
        trade = self.trade
        if RunState(run.state) not in TAKES:
            sentence = f"Run {run.pk} of strategy {trade.strategy_id} is {run.state}: it has not begun to send."
            raise denied("RUN_UNDER_WAY", sentence, "Let the trader take it up, then book.")
        listed = self._listed(run)
        self._require_whole(listed)
        books = books_of(run, trade.at, self.said.sentence)
        before = books.basket(run.pk)
        self._require_fits(before, listed)
        steps = self._steps(before, listed)
        steps += ending(steps[-1], self.now)
        if self.execute:
            write(books, before, steps, self._fill(), [])
            self._keep()
        return self._booking(listed, what_follows(steps[-1]), run.pk)

    def alone(self) -> Booking:
        """As a finished run of one leg; a strategy that holds nothing after it is closed."""
        strategy, trade = self.strategy, self.trade
        if ExecutionRun.objects.open().filter(strategy=strategy).exists():
            sentence = f"A run of strategy {strategy.pk} has just begun."
            raise denied("RUN_UNDER_WAY", sentence, "Let the trader take it up, then book.")
        entry = entry_of(strategy.pk, self.account.pk)
        if entry is None or state_of(strategy) is not StrategyState.EXECUTED:
            sentence = f"Strategy {strategy.pk} is {state_of(strategy)} on {self.account.name} and holds nothing open."
            remedy = "What was opened by hand is closed by hand, at the broker; what comes to nothing needs no booking."
            raise denied("NOT_HELD", sentence, remedy)
        listed = self._listed(entry)
        self._require_whole(listed)
        held = _held(strategy, self.account)
        left = held | {listed.security_id: held.get(listed.security_id, 0) + trade.side.sign * trade.units}
        self._require_planned(listed, entry, held.get(listed.security_id, 0))
        flat = not any(left.values())
        run_id = self._finished(listed, entry, held.get(listed.security_id, 0), flat=flat) if self.execute else None
        then = f"Strategy {strategy.pk} {'holds nothing more and is closed' if flat else 'stays open'}."
        return self._booking(listed, then, run_id)

    def _listed(self, run: ExecutionRun) -> ListedLeg:
        """The instrument of the leg's contract; an exit closes two legs of one contract as one."""
        trade = self.trade
        row = self.strategy.legs.filter(leg_number=trade.leg).first()
        found = [one for one in from_json(run.intended) if row is not None and one.leg.contract == row.contract]
        if row is None or not found:
            numbers = ", ".join(str(number) for number in self.strategy.legs.values_list("leg_number", flat=True))
            sentence = f"Leg {trade.leg} of strategy {trade.strategy_id} is none of run {run.pk}."
            raise denied("NO_SUCH_LEG", sentence, f"The strategy has legs {numbers}.")
        return next((one for one in found if one.row_id == row.pk), found[0])

    def _require_whole(self, listed: ListedLeg) -> None:
        """Whole lots of the leg's contract, of which the broker's order is, where we have seen it."""
        trade = self.trade
        require_lots(trade.units, listed.unit_lot, least=1)
        self._require_unbooked()
        order = ExternalOrder.objects.filter(account=self.account, broker_order_id=trade.order_id).first()
        if not trade.order_id or order is None:
            return
        same = (order.security_id, order.side) == (listed.security_id, trade.side.value)
        if not same or trade.units > order.filled_quantity:
            sentence = (
                f"Order {trade.order_id} is {order.side} {order.filled_quantity} of {order.security_id},"
                f" not {trade.side} {trade.units} of {listed.security_id} ({listed.symbol})."
            )
            raise denied("OTHER_ORDER", sentence, "Name the leg it was made in: manage.py attention lists it.")

    def _require_unbooked(self) -> None:
        """A broker's order is booked once: no more of it than it filled, and none of what is an order of ours."""
        trade, orders = self.trade, LegOrder.objects.filter(run__account=self.account)
        if not trade.order_id:
            return
        ours = orders.filter(broker_order_id=trade.order_id).exclude(correlation_id__startswith=NAME)
        if ours.exists():
            sentence = f"Order {trade.order_id} is an order of ours."
            raise denied("OUR_ORDER", sentence, "Say how it ended: attention book-order.")
        rows = Trade.objects.filter(account=self.account, order_id=trade.order_id)
        booked = rows.aggregate(units=Sum("quantity"))["units"] or 0
        known = ExternalOrder.objects.filter(account=self.account, broker_order_id=trade.order_id).first()
        if booked and (known is None or booked + trade.units > known.filled_quantity):
            sentence = f"{booked} units of order {trade.order_id} are booked already."
            raise denied("BOOKED_ALREADY", sentence, "Another trade has another order's id.")

    def _require_fits(self, basket: Basket, listed: ListedLeg) -> None:
        trade, leg = self.trade, basket.leg(listed.leg.number)
        if any(one.is_live for one in basket.attempts if one.leg == leg.number):
            sentence = f"An order of run {basket.run} for leg {leg.number} is under way: its outcome is not known."
            raise denied("LIVE_ORDER", sentence, "Let the trader read the broker's book, or say it: book-order.")
        filled = leg.side.sign * basket.held.get(leg.number, 0)
        after = filled + leg.side.sign * trade.side.sign * trade.units
        backward = trade.side is not leg.side
        held = _held(self.strategy, self.account).get(listed.security_id, 0)
        if backward and basket.purpose is not Purpose.ENTRY and held * trade.side.sign >= 0:
            sentence = f"Run {basket.run} closes leg {leg.number} by {leg.side}; {trade.side} would open it again."
            raise denied("RUN_UNDER_WAY", sentence, "Close by hand what was opened by hand; let the run end.")
        if after < 0 or (basket.purpose is not Purpose.ENTRY and trade.units > abs(held)):
            raise _too_much("MORE_THAN_HELD", trade, listed, f"{held} units are held")
        if not backward and after > leg.quantity:
            raise _too_much("MORE_THAN_PLANNED", trade, listed, f"{filled} of {leg.quantity} units are filled")

    def _require_planned(self, listed: ListedLeg, entry: ExecutionRun, held: int) -> None:
        trade = self.trade
        planned = sum(
            one.leg.side.sign * one.leg.quantity
            for one in from_json(entry.intended)
            if one.security_id == listed.security_id
        )
        after = held + trade.side.sign * trade.units
        if held * trade.side.sign < 0:
            if trade.units > abs(held):
                raise _too_much("MORE_THAN_HELD", trade, listed, f"{held} units are held")
        elif abs(after) > abs(planned) or after * planned < 0 or trade.units > listed.leg.quantity:
            raise _too_much("MORE_THAN_PLANNED", trade, listed, f"{held} units are held of {planned}")

    def _steps(self, basket: Basket, listed: ListedLeg) -> list[Basket]:
        """An order that is written down, sent, taken and filled at once; no day book is asked for it."""
        trade, leg = self.trade, basket.leg(listed.leg.number)
        attempt = Attempt(
            correlation_id=self.name,
            leg=leg.number,
            number=sum(one.leg == leg.number for one in basket.attempts) + 1,
            phase=_phase(basket, trade.side, leg.side),
            side=trade.side,
            quantity=trade.units,
            limit=trade.price,
            intended_at=trade.at,
        )
        steps = [replace(basket, attempts=(*basket.attempts, attempt))]
        filled: dict[str, object] = {"filled": trade.units, "value": trade.price * trade.units, "reason": self.said}
        order_id: dict[str, object] = {"order_id": self._order_id}
        moves = {OrderEvent.SEND: dict[str, object](), OrderEvent.ACCEPT: order_id, OrderEvent.FILL: filled}
        for event, changes in moves.items():
            steps.append(move(steps[-1], steps[-1].attempt(self.name), event, **changes))
        return steps

    def _finished(self, listed: ListedLeg, entry: ExecutionRun, held: int, *, flat: bool) -> int:
        trade = self.trade
        closes = held * trade.side.sign < 0
        leg = replace(listed.leg, side=trade.side, quantity=trade.units)
        run: ExecutionRun = ExecutionRun.objects.create(
            strategy=self.strategy,
            account=self.account,
            broker=entry.broker,
            purpose=RunPurpose.EXIT if closes else RunPurpose.ENTRY,
            as_of=trade.at,
            phase_started_at=trade.at,
            # The run that opened a strategy is looked up by its purpose, and names every leg.
            intended=to_json([replace(listed, leg=leg)]) if closes else entry.intended,
            opening={str(leg.number): held} if closes else {},
            reason_code=BY_HAND,
            reason_text=self.said.sentence,
        )
        sending = RunState.BUYING if trade.side is Side.BUY else RunState.SELLING
        self._walk(run, RunState.PRECHECK, RunState.READY, sending)
        if closes:
            self._take_stops_away(listed)
        books = books_of(run, trade.at, self.said.sentence)
        before = books.basket(run.pk)
        write(books, before, self._steps(before, listed), self._fill(), [])
        self._keep()
        self._walk(run, RunState.COMPLETE)
        ExecutionRun.objects.filter(pk=run.pk).update(finished_at=timezone.now())
        if flat:
            move_strategy(self.strategy, StrategyEvent.CLOSE, note=f"Closing: {self.said}")
            run.refresh_from_db()
            follow(run, self.said, trade.at)
        return run.pk

    def _walk(self, run: ExecutionRun, *states: RunState) -> None:
        for state in states:
            ExecutionRun.objects.filter(pk=run.pk).update(state=state.value)

    def _take_stops_away(self, listed: ListedLeg) -> None:
        """A stop of the broker's would buy back once more; the leader writes a new one for what is still short."""
        rows = ResidentStop.objects.filter(account=self.account, strategy=self.strategy, leg_id=listed.row_id)
        if rows.filter(state__in=[StopStage.PLACING, StopStage.TRIGGERED]).exists():
            sentence = f"A stop at the broker for leg {listed.leg.number} is on its way: it may be what was traded."
            raise denied("STOP_UNDER_WAY", sentence, "Let the trader look what became of it, then compare.")
        rows.filter(state=StopStage.WANTED).update(state=StopStage.CANCELLED, reason_code=BY_HAND)
        rows.filter(state=StopStage.PLACED).update(state=StopStage.CANCELLING, misses=0, looked_at=None)

    @property
    def _order_id(self) -> str:
        return self.trade.order_id or self.name

    def _fill(self) -> list[BrokerTrade]:
        trade = self.trade
        return [BrokerTrade(self._order_id, self.name, trade.units, trade.price, trade.at)]

    def _keep(self) -> None:
        """Mark the row as made by hand, and say so where the order was listed as not ours."""
        trade = self.trade
        rows = Trade.objects.filter(account=self.account, order_id=self._order_id, trade_number=self.name)
        rows.update(order_type=ORDER_TYPE)
        found = ExternalOrder.objects.filter(account=self.account, broker_order_id=self._order_id)
        found.update(note=f"Booked to strategy {trade.strategy_id} as {self.name}.")
        keep_word("trade", self.name, trade.units, trade.price, self.said)

    def _booking(self, listed: ListedLeg, then: str, run_id: int | None) -> Booking:
        return replace(_of_trade(self.name, self.trade, listed.symbol, then, run_id), done=self.execute)


def _require_possible(trade: HandTrade, now: datetime) -> None:
    require_price(trade.price)
    require_order_id(trade.order_id)
    if trade.at > now:
        raise denied("MOMENT", f"{trade.at.isoformat()} has not come yet.", "Type when it was traded: --at MOMENT")
    closed = closed_reason(trade.at)
    if closed is not None:
        sentence = f"Nothing was traded at {trade.at.astimezone(IST):%Y-%m-%d %H:%M}: {closed.sentence}"
        raise denied("MOMENT", sentence, "Type the moment the broker shows: --at 2026-01-30T12:05")
    since = ExecutionRun.objects.filter(strategy_id=trade.strategy_id).order_by("as_of").first()
    if since is not None and trade.at < since.as_of:
        sentence = f"Strategy {trade.strategy_id} was first sent at {since.as_of.astimezone(IST):%Y-%m-%d %H:%M}."
        raise denied("MOMENT", sentence, "What was traded before belongs to something else.")


def _phase(basket: Basket, side: Side, planned: Side) -> Phase:
    if side is not planned:
        return Phase.UNWINDING
    return Phase.BUYING if side is Side.BUY else Phase.SELLING


def _held(strategy: OptionStrategy, account: Account) -> dict[str, int]:
    rows = Position.objects.filter(strategy=strategy, account=account).exclude(quantity=0)
    return dict(rows.values_list("security_id", "quantity"))


def _name_of(trade: HandTrade, account: Account) -> str:
    """By what it says: the same typed again is the same trade."""
    price = trade.price.normalize() if trade.price.is_finite() else trade.price
    at = trade.at.astimezone(IST).isoformat()
    parts = (account.pk, trade.strategy_id, trade.leg, trade.side.value, trade.units, price, at, trade.order_id)
    return NAME + hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()[:16]


def _of_trade(name: str, trade: HandTrade, symbol: str, then: str, run_id: int | None) -> Booking:
    return Booking(name, trade.strategy_id, run_id, symbol, trade.side.value, trade.units, trade.price, then)


def _too_much(code: str, trade: HandTrade, listed: ListedLeg, known: str) -> ExecutionDenied:
    sentence = f"{trade.side} {trade.units} of {listed.symbol} is too much: {known}."
    return denied(code, sentence, "See v_positions; what is no trade of this strategy is closed at the broker.")
