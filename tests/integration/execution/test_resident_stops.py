"""Stops that rest at the broker, through the real adapter against the simulated exchange, on a clock that is told."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from execution.brokers.dhan.addresses import PracticeAccess
from execution.brokers.dhan.answers import Answer
from execution.brokers.dhan.broker import SimulatorBroker
from execution.brokers.dhan.token import Credential
from execution.brokers.dhan.transport import BOUNDS, Cut, Wire
from execution.clock import SteppedClock
from execution.errors import ExecutionDenied
from execution.models import Alert, ExecutionRun, LegOrder, Position, ReconcileReport, ResidentStop, Trade
from execution.services.flatten import flatten_account
from execution.services.preparation import Desk
from execution.services.runs import open_entry, open_exit
from execution.services.standing import halt
from execution.services.stop_rows import settle_by_hand
from execution.services.trading import Trading, trading
from execution.simulator.book import Listing
from execution.simulator.serving import running_simulator
from execution.simulator.venue import Venue, build_venue
from market.errors import Reason
from market.models import Instrument
from strategies.models import OptionStrategy
from tests.integration.execution.conftest import LOT, NOON, ScriptedMarket, option
from tests.integration.execution.desks import PowerCut, monitor

ASKS = {"resident_stop_multiple": Decimal(3)}
SHORT, LONG = "11", "10"  # security ids of the 1050 and the 1000 call
WHY = Reason("TEST", "The test wants it closed.")
STOPS, ORDERS = "/v2/forever/orders", "/v2/orders"


@dataclass
class Line:
    """The wire to the simulator, that breaks or lies where the test says so."""

    wire: Wire
    act: Callable[[str, str, Callable[[], Answer]], Answer] | None = None
    bounds: Any = BOUNDS
    sent: list[tuple[str, str]] = field(default_factory=list)
    last: dict[str, Any] = field(default_factory=dict)

    def send(self, method: str, endpoint: str, **how: Any) -> Answer:
        def go() -> Answer:
            self.sent.append((method, endpoint))
            return self.wire.send(method, endpoint, **how)

        if method == "POST":
            self.last = how
        return go() if self.act is None else self.act(method, endpoint, go)

    def go_late(self, method: str, endpoint: str) -> Answer:
        """What hung in a proxy arrives now; our own deadline cannot hold it any more."""
        return self.wire.send(method, endpoint, **self.last | {"gate": lambda: None})

    def placed(self) -> int:
        """Requests for a stop that went out."""
        return sum(method == "POST" and "forever" in endpoint for method, endpoint in self.sent)


@dataclass
class Bench:
    """The desk, what stands behind it and the wire between them."""

    desk: Desk
    venue: Venue
    line: Line
    market: ScriptedMarket

    def moves(self, bid: str, ask: str) -> None:
        """The short call trades there from now on."""
        passed = self.desk.clock.elapsed()
        self.market.then(option(1050), bid, ask, after=passed)

    def resting(self) -> list[str]:
        """Stops that the exchange holds."""
        return [one.order_id for one in self.venue.standing.forevers.values() if one.status == "CONFIRM"]


@pytest.fixture
def bench(desk: Desk, scripted: ScriptedMarket) -> Iterator[Bench]:
    listings = {}
    for row in Instrument.objects.filter(segment="NSE_FNO"):
        contract = option(float(row.strike or 0), row.option_type or "")
        listings[row.segment, row.security_id] = Listing(
            row.segment, row.security_id, row.trading_symbol, "OPTSTK", row.lot_size, row.tick_size, contract
        )
    clock = SteppedClock(NOON)
    venue = build_venue(scripted, clock, master=b"", listings=listings, rate_limits=False)
    with running_simulator(venue) as simulator:
        line = Line(Wire(simulator.addresses.base))
        who = Credential(venue.client_id, venue.access.token)
        access = PracticeAccess(simulator.addresses.base, lambda: who)
        broker = SimulatorBroker(access, clock=clock, wire=line)
        yield Bench(Desk(broker, scripted, desk.account, clock), venue, line, scripted)


@pytest.fixture
def opened(bench: Bench, make_strategy: Callable[..., OptionStrategy]) -> Callable[..., OptionStrategy]:
    """A filled spread that asks for a stop, and what the leader did until it was quiet."""

    def make(*legs: Any, **options: Any) -> OptionStrategy:
        strategy = make_strategy(*legs, levels=ASKS | options.pop("levels", {}), **options)
        with trading(bench.desk) as leader:
            leader.reconcile()
            open_entry(strategy.pk, bench.desk)
            leader.until_quiet()
        strategy.refresh_from_db()
        assert strategy.execution_status == "executed"
        return strategy

    return make


def held() -> dict[str, int]:
    return dict(Position.objects.exclude(quantity=0).values_list("security_id", "quantity"))


def units_at(venue: Venue) -> dict[str, int]:
    rows = venue.exchange.positions(venue.now())
    return {row.listing.security_id: row.net_quantity for row in rows if row.net_quantity}


def work(bench: Bench, seconds: float) -> None:
    """Let a leader work for so long."""
    with trading(bench.desk) as leader:
        step(bench, leader, seconds)


def step(bench: Bench, leader: Trading, seconds: float) -> None:
    end = bench.desk.clock.elapsed() + seconds
    while bench.desk.clock.elapsed() < end:
        leader.turn()
        bench.desk.clock.sleep(0.5)


def state_of(strategy: OptionStrategy) -> tuple[str, str]:
    strategy.refresh_from_db()
    return strategy.execution_status, strategy.execution_detail


def test_a_strategy_that_asks_has_a_stop_at_the_broker_for_its_short_leg(bench, opened):
    strategy = opened()

    stop = ResidentStop.objects.get()
    assert (stop.strategy_id, stop.state, stop.security_id, stop.quantity) == (strategy.pk, "placed", SHORT, LOT)
    assert (stop.trigger_price, stop.limit_price) == (Decimal("59.85"), Decimal("65.85"))
    assert bench.resting() == [stop.broker_order_id]
    (kept,) = bench.venue.standing.forevers.values()
    assert (kept.ticket.side, kept.ticket.correlation_id) == ("BUY", stop.correlation_id)
    assert kept.legs == {"TARGET_LEG": (Decimal("59.85"), Decimal("65.85"), LOT)}


def test_one_stop_is_sent_once_however_long_the_leader_works_and_whoever_leads(bench, opened):
    opened()

    work(bench, 90)
    work(bench, 90)

    assert bench.line.placed() == 1
    assert ResidentStop.objects.get().state == "placed"


def test_a_strategy_that_does_not_ask_has_none(bench, opened):
    opened(levels={"resident_stop_multiple": None, "stop_loss": 5_000})

    work(bench, 5)

    assert (ResidentStop.objects.count(), bench.line.placed()) == (0, 0)


def test_an_exit_sends_nothing_before_two_lists_say_that_the_stop_is_gone(bench, opened):
    strategy = opened()
    before = len(bench.line.sent)

    with trading(bench.desk) as leader:
        made = open_exit(strategy, WHY, bench.desk)
        leader.until_quiet()

    assert made is None
    assert (state_of(strategy), held(), units_at(bench.venue)) == (("executed", "closed"), {}, {})
    stop = ResidentStop.objects.get()
    assert (stop.state, bench.resting()) == ("cancelled", [])
    said = bench.line.sent[before:]
    first_order = next(at for at, (method, path) in enumerate(said) if (method, path) == ("POST", "/orders"))
    cancelled = next(at for at, (method, path) in enumerate(said) if method == "DELETE")
    lists = [at for at, (method, path) in enumerate(said) if (method, path) == ("GET", "/forever/orders")]
    assert len([at for at in lists if cancelled < at < first_order]) == 2
    assert list(Trade.objects.filter(security_id=SHORT).values_list("action", "quantity")) == [
        ("BUY", LOT),
        ("SELL", LOT),
    ]
    run = ExecutionRun.objects.get(purpose="exit")
    assert (run.reason_code, run.state) == ("TEST", "complete")


def test_a_monitored_exit_goes_the_same_way_in_one_command(bench, opened):
    strategy = opened(levels={"time_exit_dte": 30})

    monitor(bench.desk)

    assert (state_of(strategy), held(), bench.resting()) == (("executed", "closed"), {}, [])


def test_a_flatten_takes_the_stops_away_first(bench, opened):
    strategy = opened()

    report = flatten_account(bench.desk.account, WHY, desk=bench.desk)

    assert (report.flat, state_of(strategy), held(), bench.resting()) == (True, ("executed", "closed"), {}, [])
    assert ExecutionRun.objects.exclude(purpose="entry").get().purpose == "flatten"


def test_a_stop_that_fires_is_in_our_books_once_and_the_rest_leaves(bench, opened):
    strategy = opened()

    bench.moves("60.95", "61.05")
    work(bench, 60)

    assert (state_of(strategy), held(), units_at(bench.venue)) == (("executed", "closed"), {}, {})
    stop = ResidentStop.objects.get()
    assert stop.state == "done"
    order = LegOrder.objects.get(correlation_id=stop.correlation_id)
    assert (order.state, order.filled_quantity, order.average_price) == ("filled", LOT, Decimal("61.05"))
    bought = Trade.objects.filter(security_id=SHORT, action="BUY")
    assert [(trade.quantity, trade.price, trade.purpose) for trade in bought] == [(LOT, Decimal("61.05"), "exit")]
    codes = ExecutionRun.objects.filter(purpose="exit").order_by("id").values_list("reason_code", "state")
    assert list(codes) == [("RESIDENT_STOP", "complete"), ("RESIDENT_STOP", "complete")]
    with trading(bench.desk) as leader:
        assert leader.reconcile()
    assert ReconcileReport.objects.first().clean
    assert not Alert.objects.filter(code="POSITION_DIFFERS").exists()


def test_a_stop_that_fired_while_nobody_led_is_found_at_the_start(bench, opened):
    strategy = opened()
    bench.desk.clock.sleep(3_600)
    bench.moves("60.95", "61.05")
    bench.market.then(option(1000), "89.95", "90.05", after=bench.desk.clock.elapsed())

    work(bench, 60)

    assert (state_of(strategy), held(), units_at(bench.venue)) == (("executed", "closed"), {}, {})


def test_a_single_short_that_its_stop_bought_back_is_closed_without_another_order(bench, opened):
    bench.desk.account.allow_naked = True
    bench.desk.account.save()
    strategy = opened(("SELL", 1050, "CE", 1), structure="short-call")

    bench.moves("60.95", "61.05")
    work(bench, 60)

    assert (state_of(strategy), held(), units_at(bench.venue)) == (("executed", "closed"), {}, {})
    assert LegOrder.objects.filter(side="BUY").count() == 1


def test_fm_A16_E6_an_exit_that_meets_a_stop_that_fires_buys_nothing_twice(bench, opened):
    """The cancel comes too late."""
    strategy = opened()

    def fires_first(method: str, endpoint: str, go: Callable[[], Answer]) -> Answer:
        if method == "DELETE":
            bench.moves("60.95", "61.05")
            bench.venue.standing.advance(bench.desk.clock.now())
        return go()

    bench.line.act = fires_first
    with trading(bench.desk) as leader:
        open_exit(strategy, WHY, bench.desk)
        leader.until_quiet()

    assert (state_of(strategy), held(), units_at(bench.venue)) == (("executed", "closed"), {}, {})
    assert ResidentStop.objects.get().state == "done"
    assert LegOrder.objects.filter(security_id=SHORT, side="BUY").count() == 1


def test_a_stop_whose_order_stands_unfilled_is_taken_over_by_the_exit(bench, opened):
    strategy = opened()

    bench.moves("79.95", "80.05")  # beyond the limit of 65.85
    work(bench, 90)

    assert (state_of(strategy), held(), units_at(bench.venue)) == (("executed", "closed"), {}, {})
    assert ResidentStop.objects.get().state == "cancelled"
    assert [trade.price for trade in Trade.objects.filter(security_id=SHORT, action="BUY")] == [Decimal("80.05")]


def cut_after(bench: Bench) -> None:
    """The next request for a stop arrives, its answer does not."""

    def act(method: str, endpoint: str, go: Callable[[], Answer]) -> Answer:
        answer = go()
        if method == "POST" and "forever" in endpoint:
            raise Cut("the line went dead")
        return answer

    bench.line.act = act


def test_fm_A2_a_stop_of_unknown_outcome_is_found_on_the_list_and_never_sent_twice(bench, opened):
    cut_after(bench)

    opened()
    work(bench, 60)

    stop = ResidentStop.objects.get()
    assert (stop.state, [stop.broker_order_id], bench.line.placed()) == ("placed", bench.resting(), 1)


def test_fm_A1_a_stop_that_never_arrived_is_given_up_after_the_quarantine_and_a_person_is_told(bench, opened):
    def lost(method: str, endpoint: str, go: Callable[[], Answer]) -> Answer:
        if method == "POST" and "forever" in endpoint:
            bench.line.sent.append((method, endpoint))
            raise Cut("the line went dead")
        return go()

    bench.line.act = lost

    strategy = opened()
    work(bench, 60)

    stop = ResidentStop.objects.get()
    assert (stop.state, stop.reason_code, bench.line.placed(), bench.resting()) == ("failed", "STOP_UNSEEN", 1, [])
    assert Alert.objects.get().level == "WARNING"
    assert (state_of(strategy), held()) == (("executed", ""), {SHORT: -LOT, LONG: LOT})


def test_fm_A3_a_stop_that_arrives_after_it_was_given_up_is_taken_in(bench, opened):
    late: list[Callable[[], Answer]] = []

    def hangs(method: str, endpoint: str, go: Callable[[], Answer]) -> Answer:
        if method == "POST" and "forever" in endpoint:
            late.append(lambda: bench.line.go_late(method, endpoint))
            raise Cut("the line went dead")
        return go()

    bench.line.act = hangs
    opened()
    work(bench, 60)
    assert ResidentStop.objects.get().state == "failed"

    late[0]()
    work(bench, 40)

    stop = ResidentStop.objects.get()
    assert (stop.state, [stop.broker_order_id]) == ("placed", bench.resting())


def test_a_refused_stop_says_why_and_our_own_rules_stay_in_charge(bench, opened):
    def refuses(method: str, endpoint: str, go: Callable[[], Answer]) -> Answer:
        if method == "POST" and "forever" in endpoint:
            body = b'{"errorType":"Input_Exception","errorCode":"DH-905","errorMessage":"Not for this product"}'
            return Answer(400, body)
        return go()

    bench.line.act = refuses
    strategy = opened(levels={"time_exit_dte": 30})
    work(bench, 20)
    stop = ResidentStop.objects.get()
    assert (stop.state, stop.reason_code) == ("failed", "BROKER_REFUSED")
    assert "Not for this product" in Alert.objects.get().sentence
    bench.line.act = None

    monitor(bench.desk)

    assert (state_of(strategy), held()) == (("executed", "closed"), {})


def test_fm_A13_a_list_that_cannot_be_read_lets_no_exit_through(bench, opened):
    strategy = opened()

    def unreadable(method: str, endpoint: str, go: Callable[[], Answer]) -> Answer:
        return Answer(502, b"<html>") if method == "GET" and "forever" in endpoint else go()

    bench.line.act = unreadable
    open_exit(strategy, WHY, bench.desk)
    work(bench, 60)

    assert (state_of(strategy), held()) == (("executed", ""), {SHORT: -LOT, LONG: LOT})
    assert ResidentStop.objects.get().state == "cancelling"
    assert not ExecutionRun.objects.filter(purpose="exit").exists()


def test_fm_A13_an_empty_list_once_is_not_gone(bench, opened):
    """One truncated answer, then the truth."""
    opened()
    emptied: list[str] = []

    def empties_once(method: str, endpoint: str, go: Callable[[], Answer]) -> Answer:
        if method == "GET" and "forever" in endpoint and not emptied:
            emptied.append(endpoint)
            return Answer(200, b"[]")
        return go()

    bench.line.act = empties_once
    work(bench, 40)

    stop = ResidentStop.objects.get()
    assert (emptied, stop.state, stop.misses) == (["/forever/orders"], "placed", 0)


def test_fm_A13_a_stop_that_two_lists_left_out_is_taken_away_when_it_shows_again(bench, opened):
    """Gone by our books, the exit done: it must not fire into a flat account."""
    strategy = opened()

    def empties(method: str, endpoint: str, go: Callable[[], Answer]) -> Answer:
        return Answer(200, b"[]") if method == "GET" and "forever" in endpoint else go()

    bench.line.act = empties
    with trading(bench.desk) as leader:
        open_exit(strategy, WHY, bench.desk)
        leader.until_quiet()
    assert (state_of(strategy), len(bench.resting())) == (("executed", "closed"), 1)

    bench.line.act = None
    work(bench, 40)

    assert (bench.resting(), held(), units_at(bench.venue)) == ([], {}, {})
    assert ResidentStop.objects.get().state == "cancelled"


def test_a_stop_that_fires_into_a_closed_strategy_is_in_our_books_and_calls_a_person(bench, opened):
    strategy = opened()

    def empties(method: str, endpoint: str, go: Callable[[], Answer]) -> Answer:
        return Answer(200, b"[]") if method == "GET" and "forever" in endpoint else go()

    bench.line.act = empties
    with trading(bench.desk) as leader:
        open_exit(strategy, WHY, bench.desk)
        leader.until_quiet()
    bench.moves("60.95", "61.05")
    bench.venue.standing.advance(bench.desk.clock.now())

    work(bench, 40)

    assert held() == units_at(bench.venue) == {SHORT: LOT}
    assert Alert.objects.get(code="STOP_LATE").level == "CRITICAL"


def test_fm_C3_a_process_that_dies_while_a_stop_goes_out_finds_it_again(bench, make_strategy):
    strategy = make_strategy(levels=ASKS)

    def dies(method: str, endpoint: str, go: Callable[[], Answer]) -> Answer:
        answer = go()
        if method == "POST" and "forever" in endpoint:
            raise PowerCut
        return answer

    bench.line.act = dies
    with pytest.raises(PowerCut), trading(bench.desk) as leader:
        leader.reconcile()
        open_entry(strategy.pk, bench.desk)
        leader.until_quiet()
    assert ResidentStop.objects.get().state == "placing"

    bench.line.act = None
    work(bench, 10)

    stop = ResidentStop.objects.get()
    assert (stop.state, [stop.broker_order_id], bench.line.placed()) == ("placed", bench.resting(), 1)


def test_a_stop_that_somebody_took_away_by_hand_is_reported(bench, opened):
    opened()
    (kept,) = bench.venue.standing.forevers.values()
    kept.status = "CANCELLED"

    work(bench, 40)

    assert (ResidentStop.objects.get().state, Alert.objects.get().code) == ("failed", "STOP_GONE")


def test_a_stop_of_a_position_that_is_gone_is_taken_away(bench, opened):
    strategy = opened()
    OptionStrategy.objects.filter(pk=strategy.pk).update(execution_detail="closing")
    OptionStrategy.objects.filter(pk=strategy.pk).update(execution_detail="closed")

    work(bench, 60)

    assert (ResidentStop.objects.get().state, bench.resting()) == ("cancelled", [])


def test_nothing_is_placed_while_the_account_is_halted(bench, make_strategy):
    strategy = make_strategy(levels=ASKS)
    with trading(bench.desk) as leader:
        leader.reconcile()
        open_entry(strategy.pk, bench.desk)
        while state_of(strategy)[0] != "executed":
            leader._executor.turn()
            leader._watch.look()
            bench.desk.clock.sleep(0.5)
        halt(bench.desk.account, reason=WHY, actor="asha")
        step(bench, leader, 5)

    assert (ResidentStop.objects.get().state, bench.line.placed()) == ("wanted", 0)


def test_a_price_beyond_the_trigger_leaves_no_stop(bench, make_strategy):
    strategy = make_strategy(levels={"resident_stop_multiple": Decimal("1.05")})
    with trading(bench.desk) as leader:
        leader.reconcile()
        open_entry(strategy.pk, bench.desk)
        while state_of(strategy)[0] != "executed":
            leader._executor.turn()
            leader._watch.look()
            bench.desk.clock.sleep(0.5)
        bench.moves("24.95", "25.05")
        bench.desk.clock.sleep(1)
        step(bench, leader, 5)

    stop = ResidentStop.objects.get()
    assert (stop.state, stop.reason_code, bench.line.placed()) == ("failed", "STOP_PASSED", 0)


def test_a_stop_the_broker_says_fired_without_an_order_waits_for_a_person(bench, opened):
    strategy = opened()
    (kept,) = bench.venue.standing.forevers.values()
    kept.status = "TRIGGERED"

    work(bench, 90)

    stop = ResidentStop.objects.get()
    assert (stop.state, stop.reason_code) == ("triggered", "STOP_UNCLEAR")
    assert Alert.objects.get(code="STOP_UNCLEAR").level == "CRITICAL"
    assert not ExecutionRun.objects.filter(purpose="exit").exists()

    settle_by_hand(stop.pk, actor="asha")
    work(bench, 30)

    assert (state_of(strategy), held()) == (("executed", "closed"), {})
    with pytest.raises(ExecutionDenied, match="NOTHING_TO_SETTLE"):
        settle_by_hand(stop.pk, actor="asha")


def test_paper_has_none_says_so_and_leaves_at_once(desk, make_strategy):
    strategy = make_strategy(levels=ASKS | {"time_exit_dte": 30})
    with trading(desk) as leader:
        leader.reconcile()
        open_entry(strategy.pk, desk)
        leader.until_quiet()

    stop = ResidentStop.objects.get()
    assert (stop.state, stop.reason_code) == ("failed", "NO_RESIDENT_STOPS")
    assert stop.note == "The broker 'paper' holds no stops."
    assert Alert.objects.get().level == "INFO"

    monitor(desk)

    assert (state_of(strategy), held()) == (("executed", "closed"), {})
