"""How the strategies of a run lean, beside what the market itself does."""

from dataclasses import asdict
from typing import Any, cast

from django.db.models import QuerySet

from market.models import MarketView
from strategies.bias import Lean, Outlook, beside, bias
from strategies.models import GenerationRun, OptionStrategy
from strategies.view import outlook


def kept_by(run: GenerationRun) -> QuerySet[OptionStrategy]:
    """Every strategy a run kept, those an earlier run of the day had stored included; best of the universe first."""
    ids = [pk for kept in run.results.values_list("strategy_ids", flat=True) for pk in kept]
    return OptionStrategy.objects.filter(pk__in=ids).order_by("-total_score", "id")


def lean_of(run: GenerationRun) -> dict[str, Any]:
    """The bias monitor over a whole run: strategies by outlook and vega, against the breadth of the market views."""
    rows = kept_by(run).values_list("stock_name", "market_outlook", "parameters__net_vega", "lot_size")
    kept = bias(Lean(symbol, cast(Outlook, side), _rupees(vega, lot)) for symbol, side, vega, lot in rows)
    views = MarketView.objects.filter(as_of=run.as_of, symbol__in=run.results.values("symbol"))
    breadth = bias(Lean(symbol, outlook(seen)) for symbol, seen in views.values_list("symbol", "direction"))
    return {"strategies": asdict(kept), "market": asdict(breadth), "sentence": beside(kept, breadth)}


def _rupees(vega: Any, lot_size: int | None) -> float | None:
    return None if vega is None or lot_size is None else float(vega) * lot_size
