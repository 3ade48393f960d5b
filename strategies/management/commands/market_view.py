"""`market_view`: what the market says of each underlying, added up in the open."""

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser
from rich.markup import escape

from market.console import FAILED, ConsoleCommand, now_or, percent, table
from market.errors import Reason
from market.models import Underlying
from strategies.bias import Bias, Lean, bias
from strategies.services.views import store_views, views_for
from strategies.view import View

COLUMNS = ("Symbol", "View", "Direction", "Confidence", "ATR", "Support", "Resistance", "Max pain", "Missing")
STEPS = ("Component", "Value", "Weight", "Contribution", "Moves a score")


class Command(ConsoleCommand):
    """Compute, keep and show the market views of a moment."""

    help = "Trend, momentum, volume, levels and options of each underlying, combined; exit code 1 when none is known."

    def add_arguments(self, parser: CommandParser) -> None:
        """Some symbols, or all with listed options."""
        parser.add_argument("--symbol", nargs="+", action="extend", metavar="S", help="only these; with the waterfall")

    def run(self, **options: Any) -> int | None:
        """Compute, keep, show."""
        as_of, asked = now_or(options["as_of"]), options["symbol"]
        symbols = asked or list(Underlying.objects.tradable().order_by("symbol").values_list("symbol", flat=True))
        found = views_for(list(dict.fromkeys(symbols)), as_of=as_of)
        store_views(found, as_of=as_of)
        views = {symbol: each for symbol, each in found.items() if isinstance(each, View)}
        lean = bias(Lean(symbol, each.outlook) for symbol, each in views.items())
        self.emit(_data(found, lean), *_tables(found, lean, with_steps=bool(asked)))
        return None if views else FAILED


def _data(found: dict[str, View | Reason], lean: Bias) -> dict[str, Any]:
    views = {symbol: _plain(each) for symbol, each in found.items() if isinstance(each, View)}
    reasons = {symbol: asdict(each) for symbol, each in found.items() if isinstance(each, Reason)}
    return {"views": views, "reasons": reasons, "bias": asdict(lean)}


def _plain(view: View) -> dict[str, Any]:
    weather = view.weather
    return {
        "day": view.day,
        "direction": view.direction,
        "label": view.label,
        "strength": view.strength,
        "confidence": view.confidence,
        "agreement": view.agreement,
        "tested_direction": view.tested.total if view.tested else None,
        "components": dict(view.components),
        "waterfall": dict(view.waterfall.contributions),
        "weights": dict(view.waterfall.weights),
        "missing": {name: asdict(reason) for name, reason in view.missing.items()},
        "levels": asdict(view.levels),
        "volatility": asdict(view.volatility),
        "index_regime": None if isinstance(weather.regime, Reason) else weather.regime,
        "vix": None if isinstance(weather.vix, Reason) else asdict(weather.vix),
        "state": weather.state,
        "flags": [asdict(flag) for flag in view.flags],
    }


def _tables(found: dict[str, View | Reason], lean: Bias, *, with_steps: bool) -> list[Any]:
    views = {symbol: each for symbol, each in found.items() if isinstance(each, View)}
    reasons = [(symbol, each.code, each.sentence) for symbol, each in found.items() if isinstance(each, Reason)]
    shown: list[Any] = [table("Market views", COLUMNS, map(_cells, views.values()), right=COLUMNS[2:8])]
    if with_steps:
        shown += [part for each in views.values() for part in _steps(each)]
    if reasons:
        shown.append(table("No view", ("Symbol", "Code", "Why"), reasons))
    said = f"Bullish {lean.bullish}, bearish {lean.bearish}, neutral {lean.neutral}."
    return [*shown, said, *(escape(str(alarm)) for alarm in lean.alarms)]


def _cells(view: View) -> tuple[Any, ...]:
    levels = view.levels
    prices = [f"{value:,.2f}" if value else None for value in (levels.support, levels.resistance, levels.max_pain)]
    moved = percent(view.volatility.atr_fraction)
    direction = f"{view.direction:+.2f}"
    return (view.symbol, view.label, direction, percent(view.confidence), moved, *prices, ", ".join(view.missing))


def _steps(view: View) -> list[Any]:
    fall, tested = view.waterfall, view.tested
    rows = [
        (name, f"{value:+.3f}", *_weighed(fall.weights.get(name), fall.contributions.get(name)), _moves(name, tested))
        for name, value in view.components.items()
    ]
    rows.append(("direction", f"{fall.total:+.3f}", percent(sum(fall.weights.values())), f"{fall.total:+.4f}", ""))
    sentences = [f"{name}: {reason}" for name, reason in view.missing.items()] + [str(flag) for flag in view.flags]
    weather = f"Index and VIX: {view.weather.state or 'unknown'}. Weight known before re-weighting: {fall.known:.0%}."
    title = f"{view.symbol} {view.label} after {view.day}"
    return [table(title, STEPS, rows, right=STEPS[1:4]), weather, *map(escape, sentences)]


def _weighed(weight: float | None, contribution: float | None) -> tuple[str | None, str | None]:
    return (percent(weight), None if contribution is None else f"{contribution:+.4f}")


def _moves(name: str, tested: Any) -> str:
    return "yes" if tested is not None and name in tested.contributions else "no"
