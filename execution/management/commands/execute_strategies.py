"""Preview what is marked, or with --execute send it."""

from typing import Any, ClassVar

from django.core.management.base import CommandError, CommandParser
from rich.table import Table

from execution.errors import ExecutionDenied
from execution.management.usage import require_known_broker
from execution.price_text import price_text
from execution.services.desk import open_desk
from execution.services.outcomes import RunResult
from execution.services.preparation import Desk
from execution.services.preview import Preview, Step
from execution.services.runs import execute_queue, left_out, preview_queue, require_open, require_queued
from market.console import DONE, FAILED, USAGE, ConsoleCommand, ist, row_count, rupees, table

MOST_IDS = 20  # named of those that are left out; the count is whole


class Command(ConsoleCommand):
    """Without --execute nothing is sent: legs, slices, limits, order of sending, charges, cash, denials are shown."""

    help = "Preview the execution queue; with --execute send it to the broker."
    refusals: ClassVar = (ExecutionDenied,)

    def add_arguments(self, parser: CommandParser) -> None:
        """Which strategies, and whether to send."""
        parser.add_argument("--execute", action="store_true", help="send orders; without it only a preview is shown")
        parser.add_argument("--strategy", type=int, metavar="ID", help="only this strategy, which must be queued")
        parser.add_argument("--limit", type=row_count, metavar="N", help="at most N strategies")
        parser.add_argument(
            "--expect", metavar="HASH", default="", help="with --strategy: refuse unless the plan is still this one"
        )
        parser.add_argument("--account", metavar="NAME", help="by default the first active one")

    def run(self, **options: Any) -> int | None:
        """Open the desk, then preview or execute."""
        if options["expect"] and options["strategy"] is None:
            raise CommandError("--expect names the plan of one strategy: add --strategy ID.", returncode=USAGE)
        require_known_broker()
        desk = open_desk(options["as_of"], account_name=options["account"])
        if options["execute"]:
            require_open(desk.as_of)
        if options["strategy"] is not None:
            require_queued(options["strategy"], desk.as_of, desk.account)
        chosen = {"strategy_id": options["strategy"], "limit": options["limit"]}
        return self._execute(desk, chosen, options["expect"]) if options["execute"] else self._preview(desk, chosen)

    def _preview(self, desk: Desk, chosen: dict[str, Any]) -> int:
        previews = preview_queue(desk=desk, **chosen)
        later = left_out(desk.as_of)
        self.emit(
            _head(desk, later) | {"strategies": [_preview_json(one) for one in previews]},
            *[part for one in previews for part in _preview_parts(one)],
            *_left_out_note(desk, later),
            f"{len(previews)} queued on account {desk.account}. Nothing was sent; add --execute to send.",
        )
        return DONE

    def _execute(self, desk: Desk, chosen: dict[str, Any], expected: str) -> int:
        with self.progress("executing") as advance:
            results = execute_queue(desk, progress=advance, expected_hash=expected, **chosen)
        done = sum(result.succeeded for result in results)
        later = left_out(desk.as_of)
        self.emit(
            _head(desk, later) | {"results": [_result_json(one) for one in results]},
            *([results_table(results)] if results else []),
            *_left_out_note(desk, later),
            f"{done} of {len(results)} executed on account {desk.account}.",
        )
        return FAILED if results and not done else DONE


def _head(desk: Desk, later: list[int]) -> dict[str, Any]:
    return {
        "as_of": desk.as_of,
        "mode": desk.broker.mode,
        "left_out": {"count": len(later), "ids": later[:MOST_IDS]},
    }


def _left_out_note(desk: Desk, later: list[int]) -> list[str]:
    """What the queue holds but this moment does not know yet: nothing that is marked disappears in silence."""
    if not later:
        return []
    what = "1 marked strategy was" if len(later) == 1 else f"{len(later)} marked strategies were"
    named = ", ".join(str(pk) for pk in later[:MOST_IDS])
    more = f" and {len(later) - MOST_IDS} more" if len(later) > MOST_IDS else ""
    verb = "is" if len(later) == 1 else "are"
    return [f"{what} generated later than {ist(desk.as_of)} IST and {verb} left out: {named}{more}."]


def results_table(results: list[RunResult]) -> Table:
    """One line per run."""
    rows = [
        (one.strategy_id, one.title, one.purpose, one.state, one.fills, _net(one), one.reason or "") for one in results
    ]
    columns = ("id", "strategy", "purpose", "state", "fills", "net", "reason")
    return table("Executed", columns, rows, right=("id", "fills", "net"))


def _preview_parts(preview: Preview) -> list[Table | str]:
    plan, strategy = preview.plan, preview.plan.strategy
    title = f"#{strategy.pk} {strategy.stock_name} {strategy.strategy_name}, priority {strategy.execution_priority}"
    rows = [_step_cells(step) for step in preview.steps]
    columns = ("step", "leg", "slice", "side", "quantity", "contract", "bid / ask", "limit", "charges", "margin")
    money = (
        f"net {rupees(plan.net_premium, places=2)} at the touch, charges {rupees(plan.charges, places=2)}, "
        f"cash needed {rupees(plan.cash_needed, places=2)}"
    )
    problem = [] if preview.margin_problem is None else [f"margin unknown: {preview.margin_problem}"]
    named = (
        f"hash {preview.hash}\nsend exactly this: execute_strategies --execute --strategy {strategy.pk} --expect HASH"
    )
    denials = [f"DENIED {reason}" for reason in plan.denials]
    right = ("step", "leg", "slice", "quantity", "limit", "charges", "margin")
    return [table(title, columns, rows, right=right), money, *problem, named, *denials]


def _step_cells(step: Step) -> tuple[object, ...]:
    order = step.order
    return (
        step.number,
        order.piece.leg.number,
        order.piece.number,
        order.piece.side,
        order.piece.quantity,
        order.listed.symbol,
        f"{price_text(order.touch.bid)} / {price_text(order.touch.ask)}",
        price_text(order.limit),
        rupees(order.charges, places=2),
        None if step.margin is None else rupees(step.margin),
    )


def _preview_json(preview: Preview) -> dict[str, Any]:
    plan, strategy = preview.plan, preview.plan.strategy
    return {
        "id": strategy.pk,
        "stock_name": strategy.stock_name,
        "strategy_name": strategy.strategy_name,
        "priority": strategy.execution_priority,
        "orders": [_step_json(step) for step in preview.steps],
        "net_premium": plan.net_premium,
        "charges": plan.charges,
        "cash_needed": plan.cash_needed,
        "hash": preview.hash,
        "margin_problem": None if preview.margin_problem is None else preview.margin_problem.code,
        "denials": [{"code": reason.code, "sentence": reason.sentence} for reason in plan.denials],
    }


def _step_json(step: Step) -> dict[str, Any]:
    order = step.order
    return {
        "leg": order.piece.leg.number,
        "slice": order.piece.number,
        "side": str(order.piece.side),
        "quantity": order.piece.quantity,
        "security_id": order.listed.security_id,
        "symbol": order.listed.symbol,
        "bid": order.touch.bid,
        "ask": order.touch.ask,
        "limit": order.limit,
        "charges": order.charges,
        "margin": step.margin,
    }


def _result_json(result: RunResult) -> dict[str, Any]:
    reason = result.reason
    return {
        "strategy_id": result.strategy_id,
        "title": result.title,
        "purpose": result.purpose,
        "run": result.run_id,
        "state": result.state,
        "status": result.status,
        "fills": result.fills,
        "net": result.net,
        "reason": None if reason is None else {"code": reason.code, "sentence": reason.sentence},
    }


def _net(result: RunResult) -> str | None:
    return None if result.net is None else rupees(result.net, places=2)
