"""Reads for `attention`: everything that waits for a person."""

from typing import Any

from django.db.models import F

from execution.lifecycle import RunState
from execution.models import ExecutionRun, ExternalOrder
from execution.services.alerts import unacknowledged
from strategies.models import OptionStrategy

Row = dict[str, Any]


def for_a_person() -> dict[str, list[Row]]:
    """Runs and strategies in attention, alerts nobody has acknowledged, and orders that no attempt of ours explains."""
    return {"runs": _runs(), "strategies": _strategies(), "alerts": _alerts(), "external_orders": _external_orders()}


def _runs() -> list[Row]:
    rows = ExecutionRun.objects.filter(state=RunState.ATTENTION).order_by("id")
    names = {"run": F("id"), "name": F("strategy__strategy_name")}
    why = {"code": F("reason_code"), "reason": F("reason_text"), "since": F("started_at")}
    return list(rows.values("strategy_id", "purpose", **names, owner=F("account__name"), **why))


def _strategies() -> list[Row]:
    rows = OptionStrategy.objects.filter(execution_detail="attention").order_by("id")
    return list(rows.values("id", "stock_name", "strategy_name", "execution_notes"))


def _alerts() -> list[Row]:
    return [
        {
            "alert": alert.pk,
            "level": alert.level,
            "account": alert.account.name,
            "code": alert.code,
            "sentence": alert.sentence,
            "remedy": alert.remedy,
            "run": alert.run_id,
            "at": alert.at,
        }
        for alert in unacknowledged()
    ]


def _external_orders() -> list[Row]:
    rows = ExternalOrder.objects.order_by("id")
    names = ("broker_order_id", "correlation_id", "own_tag", "side", "quantity", "filled_quantity", "security_id")
    return list(rows.values(*names, "status", "note", "last_seen_at", owner=F("account__name")))
