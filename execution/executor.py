"""Drive open runs: look at what is under way, let the core decide, write, send, write. Pure of framework and network.

One pass after a crash is the same as any other pass: what was being sent is looked up, what was intended is void.
"""

import logging
from collections.abc import Sequence
from functools import singledispatchmethod

from execution.basket.messages import (
    Accepted,
    CallPerson,
    Cancel,
    Check,
    Checked,
    Command,
    Event,
    Lost,
    NeverLeft,
    Offered,
    Price,
    Refused,
    Repeat,
    Send,
    Sending,
    Tick,
    Unpriced,
    Voided,
)
from execution.basket.run_rules import RETRYABLE
from execution.basket.step import step
from execution.basket.values import TIMING, Basket, Permit, Timing, since
from execution.errors import (
    AuthExpired,
    BrokerError,
    ExecutionDenied,
    Fenced,
    LostRace,
    NotSent,
    NotYet,
    OrderRefused,
    OutcomeUnknown,
    RateLimited,
)
from execution.ledger import Desk, Ledger
from execution.naming import OrderNames, OrderPlace
from execution.ports import Broker, BrokerTrade, ClearedOrder, Clock
from market.errors import OptionsError, Reason

logger = logging.getLogger(__name__)

LONGEST_PACE_WAIT = 1.0  # seconds; a longer wait gives the intent up, the next pass prices anew
LONGEST_CHECK_WAIT = 40.0  # seconds in PRECHECK: an order that another run lost is found or given up by then
CANCEL_AGAIN = 5.0  # seconds between two requests to end the same order


class Executor:
    """Drives the open runs of one account."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        broker: Broker,
        clock: Clock,
        desk: Desk,
        names: OrderNames,
        timing: Timing = TIMING,
    ) -> None:
        self._ledger, self._broker, self._clock, self._desk = ledger, broker, clock, desk
        self._names, self._timing = names, timing
        self._cancelled: dict[str, float] = {}
        self._told = set[tuple[int, int, str]]()

    def turn(self, permit: Permit | None = None) -> bool:
        """Let every open run do what is due; True when any of them moved."""
        moved = False
        for run in self._ledger.open_runs():
            moved |= self._turn_of(run, permit or self._ledger.permit())
        return moved

    def apply(self, run: int, event: Event, trades: Sequence[BrokerTrade] = ()) -> None:
        """Take one event over into one run, and do what follows from it."""
        try:
            self._apply(self._ledger.basket(run), event, trades)
        except LostRace as race:
            logger.info("run %s was moved by somebody else: %s", run, race.reason)

    def cancel(self, correlation_id: str, order_id: str) -> None:
        """Ask for the end of an order, not more often than every few seconds."""
        last = self._cancelled.get(order_id)
        if last is not None and self._clock.elapsed() - last < CANCEL_AGAIN:
            return
        if self._ledger.pace(urgent=True):
            return
        self._cancelled[order_id] = self._clock.elapsed()
        try:
            self._broker.cancel(order_id)
        except BrokerError as error:
            logger.warning("order %s: the cancel came to nothing certain: %s", correlation_id, error.reason)

    def _turn_of(self, run: int, permit: Permit) -> bool:
        try:
            before = self._ledger.basket(run)
            return self._apply(before, Tick(permit)).version != before.version
        except LostRace as race:
            logger.info("run %s was moved by somebody else: %s", run, race.reason)
            return True

    def _apply(self, basket: Basket, event: Event, trades: Sequence[BrokerTrade] = ()) -> Basket:
        after, commands = step(basket, event, self._clock.now(), self._timing)
        if after != basket:
            after = self._ledger.commit(basket, after, trades)
        for command in commands:
            after = self._do(command, after, trades)
        return after

    @singledispatchmethod
    def _do(self, command: Command, basket: Basket, trades: Sequence[BrokerTrade]) -> Basket:
        raise TypeError(f"no such command: {command}")

    @_do.register
    def _repeat(self, command: Repeat, basket: Basket, trades: Sequence[BrokerTrade]) -> Basket:
        return self._apply(basket, command.event, trades)

    @_do.register
    def _check(self, command: Check, basket: Basket, trades: Sequence[BrokerTrade]) -> Basket:
        try:
            said = self._desk.check(basket)
        except NotYet as passing:
            if since(basket.started_at, self._clock.now()) <= LONGEST_CHECK_WAIT:
                return basket
            said = passing.reason
        return self._apply(basket, Checked(said))

    @_do.register
    def _price(self, command: Price, basket: Basket, trades: Sequence[BrokerTrade]) -> Basket:
        try:
            limit = self._desk.limit(basket, command)
        except OptionsError as error:
            what = basket.run, command.piece.leg.number, error.reason.code
            level = logging.DEBUG if what in self._told else logging.WARNING  # once, not at every pass
            self._told.add(what)
            logger.log(level, "run %s: no limit for %s: %s", basket.run, command.piece.leg.contract, error.reason)
            return self._apply(basket, Unpriced(error.reason))
        place = OrderPlace(self._broker.mode, basket.run, command.piece.leg.number, command.number)
        return self._apply(basket, Offered(command, self._names.name(place), limit))

    @_do.register
    def _send(self, command: Send, basket: Basket, trades: Sequence[BrokerTrade]) -> Basket:
        name = command.correlation_id
        cleared = self._clear(basket, name)
        if isinstance(cleared, Reason):
            return self._apply(basket, Voided(name, cleared))
        answer = self._ask(cleared)  # before anything is read: nothing stands between the commit and the wire
        return self._apply(self._ledger.basket(basket.run), answer)

    @_do.register
    def _cancel(self, command: Cancel, basket: Basket, trades: Sequence[BrokerTrade]) -> Basket:
        self.cancel(command.correlation_id, command.order_id)
        return basket

    @_do.register
    def _call(self, command: CallPerson, basket: Basket, trades: Sequence[BrokerTrade]) -> Basket:
        self._ledger.call_person(basket.run, command)
        return basket

    def _clear(self, basket: Basket, name: str) -> ClearedOrder | Reason:
        """Take a call from the allowance and pass the last gate, or say why not; nothing has been sent."""
        wait = self._ledger.pace(urgent=not basket.opens)
        if 0 < wait <= LONGEST_PACE_WAIT:
            self._clock.sleep(wait)
            wait = self._ledger.pace(urgent=not basket.opens)
        if wait:
            return Reason("PACE", f"The broker's allowance is used up for {wait:.1f} s.")
        sending, _ = step(basket, Sending(name), self._clock.now(), self._timing)
        try:
            return self._ledger.clear(basket, sending, name)
        except (Fenced, LostRace):
            raise
        except ExecutionDenied as denied:
            return denied.reason

    def _ask(self, cleared: ClearedOrder) -> Event:
        """Send once, outside any transaction, and name what came of it."""
        name = cleared.request.correlation_id
        try:
            return Accepted(name, self._broker.place(cleared).order_id)
        except NotSent as error:
            code = error.reason.code if error.reason.code in RETRYABLE else "NOT_SENT"
            return NeverLeft(name, Reason(code, error.reason.sentence, error.reason.remedy))
        except OutcomeUnknown as error:
            return Lost(name, error.reason)
        except (OrderRefused, RateLimited, AuthExpired) as error:
            return self._confirmed(name, error)

    def _confirmed(self, name: str, error: BrokerError) -> Event:
        """A refusal counts once the broker's book, asked by name, does not know the order either."""
        try:
            found = self._broker.order_by_correlation(name)
        except BrokerError as unread:
            return Lost(name, unread.reason)
        if found is not None:
            return Accepted(name, found.order_id)
        if isinstance(error, AuthExpired):
            self._ledger.call_person(None, CallPerson(error.reason))
        code = "RATE_LIMITED" if isinstance(error, RateLimited) else error.reason.code
        return Refused(name, Reason(code, error.reason.sentence, error.reason.remedy))
