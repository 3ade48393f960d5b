"""The judge: the exchange's own books against our tables, of which it reads only the plain columns."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import psycopg

from execution.ports import OrderStatus
from execution.simulator.exchange import Exchange
from tests.crash import market

Rows = Sequence[tuple[str, float, str]]
Session = psycopg.Connection[tuple[object, ...]]

_ENDS = {"complete": "entry filled", "flat": "nothing held", "failed_flat": "nothing held", "denied": "nothing held"}


@dataclass(slots=True)
class Verdict:
    """What was found; both lists are empty when everything is in order."""

    lost: list[str] = field(default_factory=list)
    duplicate: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)


def judge(exchange: Exchange, session: Session, rows: Rows, *, strays: Iterable[str] = ()) -> Verdict:
    """Compare fills, claims and quantities.

    `rows` are the legs of each strategy, `strays` are broker orders that nobody of ours sent.
    """
    verdict = Verdict()
    foreign = set(strays)
    _compare_fills(exchange, session, foreign, verdict)
    _compare_claims(exchange, session, foreign, verdict, rows)
    _compare_quantities(exchange, foreign, _intended(rows, _baskets(session)), verdict)
    return verdict


def _compare_fills(exchange: Exchange, session: Session, foreign: set[str], verdict: Verdict) -> None:
    broker = {
        (trade.order_id, trade.number): trade.units for trade in exchange.every_trade() if trade.order_id not in foreign
    }
    rows = session.execute("SELECT order_id, trade_number, quantity FROM trades").fetchall()
    ours = {(str(order), str(number)): int(str(units)) for order, number, units in rows}
    for key, units in broker.items():
        if ours.get(key) != units:
            verdict.lost.append(f"fill {key}: the broker says {units}, our trades {ours.get(key)}")
    verdict.lost += [f"trade {key} does not exist at the broker" for key in ours.keys() - broker.keys()]


def _compare_claims(
    exchange: Exchange, session: Session, foreign: set[str], verdict: Verdict, rows_of_legs: Rows
) -> None:
    """Every run has ended, nothing of ours is live, and what the runs say is what the broker shows."""
    for order in exchange.every_order():
        if order.is_live and order.order_id not in foreign:
            verdict.lost.append(f"order {order.order_id} is still {order.status}")
    rows = session.execute(
        "SELECT r.id, r.purpose, r.state, r.strategy_id, s.execution_status, s.execution_detail, r.reason_text"
        " FROM execution_runs r JOIN strategies s ON s.id = r.strategy_id ORDER BY r.id"
    ).fetchall()
    held = 0
    for run, purpose, state, strategy, status, detail, reason in rows:
        why = f": {reason}" if state == "denied" else ""
        verdict.runs.append(f"{purpose} {state}, strategy {status} {detail}".strip() + why)
        if str(state) not in _ENDS:
            verdict.lost.append(f"run {run} of strategy {strategy} is {state}")
        if state == "complete":
            held += 1 if purpose == "entry" else -1
    if not rows:
        verdict.lost.append("no run was ever opened")
    for number, units in _intended(rows_of_legs, held).items():
        shown = sum(_signed(exchange, foreign).get(number, []))
        if shown != units:
            verdict.lost.append(f"security {number}: the runs claim {units}, the broker shows {shown}")


def _compare_quantities(exchange: Exchange, foreign: set[str], meant: Mapping[str, int], verdict: Verdict) -> None:
    """At no moment more than was meant, on the wrong side, or short without cover; no name used twice."""
    names = [order.ticket.correlation_id for order in exchange.every_order() if order.order_id not in foreign]
    verdict.duplicate += [
        f"{name} stands twice at the broker" for name in sorted({n for n in names if names.count(n) > 1})
    ]
    for number, fills in _signed(exchange, foreign).items():
        most, held = meant.get(number, 0), 0
        for units in fills:
            held += units
            if not min(0, most) <= held <= max(0, most):
                verdict.duplicate.append(f"security {number}: {held} held, {most} meant")
    _require_cover(exchange, foreign, verdict)


def _require_cover(exchange: Exchange, foreign: set[str], verdict: Verdict) -> None:
    held: dict[str, int] = {}
    sides = {order.order_id: order for order in exchange.every_order()}
    for trade in exchange.every_trade():
        order = sides[trade.order_id]
        if trade.order_id in foreign:
            continue
        number = order.ticket.security_id
        held[number] = held.get(number, 0) + order.side.sign * trade.units
        for short, cover in (("12", "11"), ("13", "14")):
            if -held.get(short, 0) > held.get(cover, 0):
                verdict.duplicate.append(f"security {short} was short {held[short]} with {held.get(cover, 0)} cover")


def _signed(exchange: Exchange, foreign: set[str]) -> Mapping[str, list[int]]:
    """Signed fills by security, in the order of trading."""
    sides = {order.order_id: order for order in exchange.every_order()}
    found: dict[str, list[int]] = {}
    for trade in exchange.every_trade():
        order = sides[trade.order_id]
        if trade.order_id not in foreign:
            found.setdefault(order.ticket.security_id, []).append(order.side.sign * trade.units)
    return found


def _intended(rows: Rows, baskets: int) -> dict[str, int]:
    return {
        market.QUOTED[strike, code][0]: (1 if side == "BUY" else -1) * market.LOT * baskets
        for side, strike, code in rows
    }


def _baskets(session: Session) -> int:
    row = session.execute("SELECT count(DISTINCT strategy_id) FROM execution_runs").fetchone()
    return 0 if row is None else int(str(row[0]))


def rejected(exchange: Exchange) -> int:
    """How many orders the exchange rejected."""
    return sum(order.status is OrderStatus.REJECTED for order in exchange.every_order())
