"""Dhan behind the port of every broker; requests are built by `dhanhq`, answers judged raw."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from dhanhq import dhanhq

from execution.brokers.dhan.addresses import LiveAccess, PracticeAccess
from execution.brokers.dhan.answers import changed, content, parsed, says_not_found, switched, token_or_pace
from execution.brokers.dhan.fields import bad_row, rows
from execution.brokers.dhan.mapping import (
    broker_order,
    broker_orders,
    broker_positions,
    broker_trades,
    funds,
    margin_list,
    margin_need,
    place_arguments,
    require_correlation,
    require_order_id,
    status_of,
)
from execution.brokers.dhan.transport import Calls, Recorder, Sends, Wire, unrecorded
from execution.errors import ExecutionDenied, OrderRefused, OutcomeUnknown
from execution.ports import (
    BrokerOrder,
    BrokerPosition,
    BrokerTrade,
    ClearedOrder,
    Clock,
    Funds,
    MarginNeed,
    OrderRequest,
    OrderStatus,
    Placed,
)
from market.errors import Reason


def _open_gate() -> None:
    """Reads and cancels need no clearance."""


class DhanOrders:
    """The order endpoints of one account, at Dhan or at a simulator that speaks its language."""

    name: str
    mode: str

    def __init__(
        self,
        access: LiveAccess | PracticeAccess,
        *,
        clock: Clock,
        wire: Sends | None = None,
        recorded: Recorder = unrecorded,
    ) -> None:
        self._clock, self._credential, self._recorded = clock, access.credential, recorded
        self._wire = wire or Wire(access.base_url)

    def reading(self) -> Any:
        """The package's client for one question."""
        return dhanhq(Calls(self._wire, self._credential, writes=False, gate=_open_gate))

    def writing(self, gate: Callable[[], None] = _open_gate) -> Any:
        """The package's client for one change; the gate is asked before the first byte."""
        return dhanhq(Calls(self._wire, self._credential, writes=True, gate=gate, recorded=self._recorded))

    def gate_of(self, order: ClearedOrder) -> Callable[[], None]:
        """What refuses to send an order whose clearance has grown old."""
        return lambda: order.require_fresh(self._clock.elapsed())

    def place(self, order: ClearedOrder) -> Placed:
        """Send once."""
        arguments = place_arguments(order.request)
        order.require_fresh(self._clock.elapsed())
        accepted = changed(self.writing(self.gate_of(order)).place_order(**arguments))
        # An order id is acceptance whatever the word beside it; where the order stands is the order book's to say.
        return Placed(accepted.order_id, status_of(accepted.status) or OrderStatus.TRANSIT)

    def cancel(self, order_id: str) -> None:
        """Ask for the end of an order."""
        changed(self.writing().cancel_order(require_order_id(order_id)))

    def orders(self) -> Sequence[BrokerOrder]:
        """The order book of the day."""
        return broker_orders(content(self.reading().get_order_list()))

    def order_by_correlation(self, correlation_id: str) -> BrokerOrder | None:
        """The order of that name; None only when Dhan says that it has none."""
        answer = self.reading().get_order_by_correlationID(require_correlation(correlation_id))
        if says_not_found(answer) or (200 <= answer.status <= 299 and parsed(answer.body) == []):
            return None
        found = rows(content(answer))
        if len(found) != 1:
            raise bad_row("TWO_ORDERS", f"Dhan has {len(found)} orders named {correlation_id}.")
        order = broker_order(found[0])
        if order.correlation_id != correlation_id:
            raise bad_row("WRONG_ORDER", f"Dhan answered with another order than {correlation_id}.")
        return order

    def trades(self, order_id: str | None = None) -> Sequence[BrokerTrade]:
        """The fills of the day, or those of one order."""
        if order_id is None:
            return broker_trades(content(self.reading().get_trade_book()))
        found = broker_trades(content(self.reading().get_trade_book(require_order_id(order_id))))
        if any(trade.order_id != order_id for trade in found):
            raise bad_row("WRONG_ORDER", f"Dhan answered with trades of another order than {order_id}.")
        return found

    def positions(self) -> Sequence[BrokerPosition]:
        """What the account holds, ours or not."""
        return broker_positions(content(self.reading().get_positions()))

    def funds(self) -> Funds:
        """What may still be spent."""
        return funds(content(self.reading().get_fund_limits()))

    def margin(self, orders: Sequence[OrderRequest]) -> MarginNeed:
        """What these orders together would block, hedges among them counted, what is held not."""
        if not orders:
            return MarginNeed(Decimal(0))
        return margin_need(content(self.reading().margin_calculator_multi(margin_list(orders))))

    def switch_off(self) -> None:
        """Engage Dhan's kill switch; Dhan refuses unless flat, and so do we before we ask."""
        if self.positions() or any(not order.status.is_final for order in self.orders()):
            sentence = "The kill switch needs a flat account with no pending orders."
            raise OrderRefused(Reason("NOT_FLAT", sentence, "Cancel and flatten first."))
        switched(self.writing().kill_switch("activate"))
        answer = self.reading().status_kill_switch()
        token = token_or_pace(answer)
        said = parsed(answer.body)
        if token is not None or not isinstance(said, dict) or said.get("killSwitchStatus") != "ACTIVATE":
            sentence = "Dhan took the kill switch but does not say that it is on."
            raise OutcomeUnknown(Reason("KILL_SWITCH", sentence, "Look at web.dhan.co."))


class DhanBroker(DhanOrders):
    """The real account; it can only be built with the right to trade live."""

    name = "dhan"
    mode = "live"

    def __init__(
        self, access: LiveAccess, *, clock: Clock, wire: Sends | None = None, recorded: Recorder = unrecorded
    ) -> None:
        _require(access, LiveAccess)
        super().__init__(access, clock=clock, wire=wire, recorded=recorded)


class SimulatorBroker(DhanOrders):
    """The simulated exchange on this machine."""

    name = "simulator"
    mode = "paper"

    def __init__(
        self, access: PracticeAccess, *, clock: Clock, wire: Sends | None = None, recorded: Recorder = unrecorded
    ) -> None:
        _require(access, PracticeAccess)
        super().__init__(access, clock=clock, wire=wire, recorded=recorded)


def _require(access: object, kind: type[LiveAccess] | type[PracticeAccess]) -> None:
    """A paper object never holds the live address, nor the other way round, whatever types a caller ignores."""
    if type(access) is not kind:
        raise ExecutionDenied(Reason("WRONG_ADDRESS", f"This broker is built with {kind.__name__} and nothing else."))
