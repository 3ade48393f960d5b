"""An exit closes what is held, whatever the lot is today, and one dead wing does not keep the shorts open."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from execution.models import Alert, ExecutionRun, LegOrder, Position, Trade
from execution.ports import Product
from execution.services.preparation import Desk, prepare_exit
from execution.services.trading import trading
from market.contract import Contract, OptionType
from market.models import Instrument
from strategies.models import OptionStrategy
from tests.integration.execution.desks import PowerCut, cut, monitor, run_queue, watched

EXPIRY = date(2026, 2, 24)
LOT = 500
LEAVE = {"time_exit_dte": 30}
CONDOR = (("SELL", 1050, "CE", 1), ("BUY", 1100, "CE", 1), ("SELL", 1050, "PE", 1), ("BUY", 1000, "PE", 1))


def option(strike: float, code: str = "CE") -> Contract:
    return Contract("ACME", EXPIRY, strike, OptionType.from_code(code))


def held() -> dict[Decimal | None, int]:
    return dict(Position.objects.exclude(quantity=0).values_list("strike", "quantity"))


@pytest.fixture
def opened(desk: Desk, make_strategy: Callable[..., OptionStrategy]) -> Callable[..., OptionStrategy]:
    """An executed strategy that leaves at the next look."""

    def make(*legs: Any, **options: Any) -> OptionStrategy:
        strategy = make_strategy(*legs, levels=LEAVE, **options)
        run_queue(desk)
        strategy.refresh_from_db()
        assert strategy.execution_status == "executed"
        return strategy

    return make


@pytest.mark.parametrize(("lot", "sets"), [(250, 1), (1000, 2)])
def test_an_exit_closes_exactly_what_is_held_when_the_lot_has_changed(
    desk: Desk, opened: Any, later: Any, lot: int, sets: int
) -> None:
    strategy = opened(sets=sets)
    Instrument.objects.filter(option_type__isnull=False).update(lot_size=lot)

    (seen,) = monitor(later(desk, timedelta(minutes=5))).watched

    strategy.refresh_from_db()
    assert (seen.exit_run.state, strategy.execution_detail) == ("complete", "closed")
    assert held() == {}
    exits = LegOrder.objects.filter(run__purpose="exit").values_list("side", "quantity")
    assert list(exits) == [("BUY", sets * LOT), ("SELL", sets * LOT)]


def test_what_an_exit_closes_is_cut_by_the_freeze_quantity_of_today(desk: Desk, opened: Any, later: Any) -> None:
    opened(sets=3)
    Instrument.objects.filter(option_type__isnull=False).update(lot_size=250, freeze_quantity=2 * LOT + 1)

    monitor(later(desk, timedelta(minutes=5)))

    bought = LegOrder.objects.filter(run__purpose="exit", side="BUY").values_list("slice_number", "quantity")
    assert list(bought) == [(1, 2 * LOT), (2, LOT)]
    assert held() == {}


def test_a_half_done_exit_closes_the_rest_of_what_was_held_when_it_began(
    desk: Desk, scripted: Any, opened: Any, later: Any
) -> None:
    opened(sets=2)
    scripted.quote(option(1050), "19.95", "20.05", depth=LOT)
    desk = later(desk, timedelta(minutes=5))
    monitor(desk)
    Instrument.objects.filter(option_type__isnull=False).update(lot_size=250)
    scripted.quote(option(1050), "19.95", "20.05")

    report = monitor(desk)

    assert [run.state for run in report.resumed] == ["complete"]
    assert held() == {}


def test_shares_are_sold_as_many_as_are_held(desk: Desk, scripted: Any, opened: Any, later: Any) -> None:
    scripted.quote(Contract("ACME"), "999.95", "1000.00")
    strategy = opened(("SELL", 1050, "CE", 1), ("BUY", None, None, 1), max_loss=Decimal(490_000))
    bought = Trade.objects.get(option_type=None, action="BUY")
    Trade.objects.filter(pk=bought.pk).update(quantity=LOT + 7)  # a bonus issue, booked by a person

    (seen,) = monitor(later(desk, timedelta(minutes=5))).watched

    strategy.refresh_from_db()
    assert (seen.exit_run.state, strategy.execution_detail) == ("complete", "closed")
    assert held() == {}


def test_two_legs_of_one_contract_are_closed_as_the_one_holding_they_are(desk: Desk, opened: Any, later: Any) -> None:
    opened(("BUY", 1000, "CE", 1), ("SELL", 1050, "CE", 1), ("BUY", 1000, "CE", 2))
    Instrument.objects.filter(option_type__isnull=False).update(lot_size=250)

    (seen,) = monitor(later(desk, timedelta(minutes=5))).watched

    exits = LegOrder.objects.filter(run__purpose="exit").values_list("side", "leg__leg_number", "quantity")
    assert list(exits) == [("BUY", 2, LOT), ("SELL", 1, 3 * LOT)]
    assert (seen.exit_run.state, held()) == ("complete", {})


def test_nothing_held_is_nothing_to_close(desk: Desk, make_strategy: Callable[..., OptionStrategy]) -> None:
    plan = prepare_exit(make_strategy(), desk)

    assert (plan.legs, [reason.code for reason in plan.denials]) == ((), ["NOTHING_HELD"])


def test_a_holding_that_is_no_leg_is_for_a_person(desk: Desk, opened: Any) -> None:
    strategy = opened()
    Trade.objects.filter(strike=1050).update(strike=1100)

    plan = prepare_exit(strategy, desk)

    assert (plan.orders, [reason.code for reason in plan.denials]) == ((), ["HELD_ELSEWHERE"])


def test_the_basket_to_finish_is_the_one_that_was_begun_when_the_lot_has_changed(
    desk: Desk, make_strategy: Callable[..., OptionStrategy]
) -> None:
    make_strategy(sets=2)
    broken, _ = watched(desk, after=cut)
    with pytest.raises(PowerCut):
        run_queue(broken)
    Instrument.objects.filter(option_type__isnull=False).update(lot_size=250)

    (result,) = run_queue(desk)

    assert result.state == "complete"
    assert list(LegOrder.objects.values_list("side", "filled_quantity")) == [("BUY", 2 * LOT), ("SELL", 2 * LOT)]


def test_a_wing_without_a_bid_does_not_keep_the_short_open(desk: Desk, scripted: Any, opened: Any, later: Any) -> None:
    strategy = opened(("SELL", 1000, "CE", 1), ("BUY", 1100, "CE", 1))
    desk = later(desk, timedelta(minutes=5))
    scripted.quote(option(1100), "0", "0.05", at=desk.as_of)

    (seen,) = monitor(desk).watched

    strategy.refresh_from_db()
    assert held() == {Decimal(1100): LOT}
    # What is written as the reason is the rule it leaves by; that it is still in something is told to a person.
    assert (seen.exit_run.state, seen.exit_run.reason.code) == ("settling", "TIME_EXIT")
    assert list(Alert.objects.values_list("code", flat=True)) == ["STILL_HELD"]
    assert (strategy.execution_status, strategy.execution_detail) == ("executed", "closing")
    assert ExecutionRun.objects.open().filter(purpose="exit").count() == 1


def test_the_wing_is_sold_when_it_has_a_bid_again(desk: Desk, scripted: Any, opened: Any, later: Any) -> None:
    strategy = opened(("SELL", 1000, "CE", 1), ("BUY", 1100, "CE", 1))
    desk = later(desk, timedelta(minutes=5))
    del scripted.touches[option(1100)]
    monitor(desk)
    left = held()
    scripted.quote(option(1100), "0.05", "0.10", at=desk.as_of)

    report = monitor(desk)

    strategy.refresh_from_db()
    assert left == {Decimal(1100): LOT}
    assert [run.state for run in report.resumed] == ["complete"]
    assert (strategy.execution_detail, held()) == ("closed", {})


def test_what_cannot_be_sold_is_a_note_of_the_plan_and_no_denial(desk: Desk, scripted: Any, opened: Any) -> None:
    strategy = opened(*CONDOR)
    scripted.quote(option(1100), "0", "0.05")

    plan = prepare_exit(strategy, desk)

    assert ([note.code for note in plan.notes], plan.denials) == (["PRICE_COLLAR"], ())
    assert [str(order.piece.side) for order in plan.orders] == ["BUY", "BUY", "SELL"]
    assert (plan.priced, plan.net_premium) == (False, None)


def test_the_other_wing_is_sold_before_the_dead_one_stops_the_sending(
    desk: Desk, scripted: Any, opened: Any, later: Any
) -> None:
    opened(*CONDOR)
    desk = later(desk, timedelta(minutes=5))
    scripted.quote(option(1100), "0", "0.05", at=desk.as_of)

    monitor(desk)

    assert held() == {Decimal(1100): LOT}


def test_a_short_without_a_price_does_not_keep_the_other_short_open(
    desk: Desk, scripted: Any, opened: Any, later: Any
) -> None:
    opened(*CONDOR)
    desk = later(desk, timedelta(minutes=5))
    del scripted.touches[option(1050)]

    (seen,) = monitor(desk).watched

    left = Position.objects.exclude(quantity=0).values_list("strike", "option_type", "quantity")
    assert set(left) == {(Decimal(1050), "CE", -LOT), (Decimal(1100), "CE", LOT), (Decimal(1000), "PE", LOT)}
    assert seen.exit_run.reason.code == "TIME_EXIT"
    assert ExecutionRun.objects.open().filter(purpose="exit").count() == 1  # it goes on trying
    assert list(Alert.objects.values_list("code", "level")) == [("STILL_HELD", "CRITICAL")]


def test_the_wing_that_covers_a_short_without_a_price_is_not_sold_and_a_note_says_why(
    desk: Desk, scripted: Any, opened: Any
) -> None:
    strategy = opened(*CONDOR)
    del scripted.touches[option(1050)]

    plan = prepare_exit(strategy, desk)

    assert [(str(order.piece.side), order.piece.leg.number) for order in plan.orders] == [("BUY", 3), ("SELL", 4)]
    assert (plan.waiting, plan.denials) == ({1, 2}, ())
    assert [note.code for note in plan.notes] == ["NO_TOUCH", "NAKED_SHORT"]


@pytest.mark.parametrize("dead", [(1000,), (1000, 1050)])
def test_an_exit_that_could_not_send_anything_useful_is_denied(
    desk: Desk, scripted: Any, opened: Any, later: Any, dead: tuple[int, ...]
) -> None:
    opened(("BUY", 1000, "CE", 1), ("BUY", 1050, "CE", 1) if len(dead) > 1 else ("BUY", 1000, "PE", 1))
    desk = later(desk, timedelta(minutes=5))
    for code in ("CE", "PE"):
        for strike in dead:
            scripted.quote(option(strike, code), "0", "0.05", at=desk.as_of)

    (seen,) = monitor(desk).watched

    assert (seen.exit_run.state, seen.exit_run.reason.code) == ("denied", "PRICE_COLLAR")
    assert not LegOrder.objects.filter(run__purpose="exit").exists()


def test_an_entry_is_denied_by_a_leg_that_cannot_be_sold(
    desk: Desk, scripted: Any, make_strategy: Callable[..., OptionStrategy]
) -> None:
    make_strategy()
    scripted.quote(option(1050), "0", "0.05")

    (result,) = run_queue(desk)

    assert (result.state, result.reason.code) == ("denied", "PRICE_COLLAR")
    assert not LegOrder.objects.exists()


def test_an_unwind_buys_the_short_back_past_a_wing_without_a_bid(
    desk: Desk, scripted: Any, make_strategy: Callable[..., OptionStrategy]
) -> None:
    make_strategy(("SELL", 1050, "CE", 3), ("BUY", 1000, "CE", 3))
    scripted.quote(option(1050), "19.95", "20.05", depth=LOT)
    # a second after the bought leg has filled its bid is gone
    scripted.then(option(1000), "0", "40.05", after=1.5)

    (result,) = run_queue(desk)

    assert result.state == "unwinding"
    assert held() == {Decimal(1000): 3 * LOT}


class SoldByHand:
    """The broker of somebody who sold part of the long in the broker's own app."""

    def __init__(self, broker: Any, sold: int) -> None:
        self._broker, self._sold = broker, sold
        self.name, self.mode = broker.name, broker.mode

    def positions(self) -> list[Any]:
        rows = self._broker.positions()
        return [
            replace(row, net_quantity=row.net_quantity - self._sold) if row.net_quantity > 0 else row for row in rows
        ]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)


@pytest.mark.parametrize("sold", [LOT, 1])
def test_fm_E8_what_was_sold_by_hand_is_not_sold_again_and_the_short_is_bought_back(
    desk: Desk, opened: Any, later: Any, sold: int
) -> None:
    opened()
    desk = later(desk, timedelta(minutes=5))
    desk = replace(desk, broker=SoldByHand(desk.broker, sold))

    monitor(desk)

    exits = LegOrder.objects.filter(run__purpose="exit").values_list("side", "quantity")
    assert list(exits) == [("BUY", LOT)]
    assert held() == {Decimal(1000): LOT}
    assert ExecutionRun.objects.get(purpose="exit").state not in {"complete", "flat"}


class NextDay(SoldByHand):
    """The broker a day after shares were bought: its positions do not list them any more, as Dhan's do not."""

    def positions(self) -> list[Any]:
        return [row for row in self._broker.positions() if row.product != Product.CNC]


def test_shares_that_have_become_holdings_are_no_difference_and_can_be_sold(
    desk: Desk, scripted: Any, opened: Any
) -> None:
    scripted.quote(Contract("ACME"), "999.95", "1000.00")
    strategy = opened(("SELL", 1050, "CE", 1), ("BUY", None, None, 1), max_loss=Decimal(490_000))
    desk = replace(desk, broker=NextDay(desk.broker, 0))
    with trading(desk) as leader:
        reads = [leader.reconcile()]
        desk.clock.sleep(60)
        reads.append(leader.reconcile())

    monitor(desk)

    strategy.refresh_from_db()
    assert (reads, strategy.execution_detail, held()) == ([True, True], "closed", {})
