"""Run every benchmark and print one table: value, goal, and whether it was met."""

import importlib
import os
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
MODULES = (
    "pricing",
    "master_import",
    "chains",
    "view",
    "generation",
    "probability",
    "optionlab",
    "universe",
    "execution",
    "day",
)


def main(names: list[str]) -> None:
    """Measure the named benchmarks, by default all; `name=5` passes a size to one that takes it."""
    from optionsv4.bootstrap import bootstrap

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "optionsv4.settings")
    os.environ.setdefault("OPTIONSV4_STATE_DIR", str(ROOT / "var" / "bench"))
    bootstrap(ROOT)
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    console = Console(width=140)
    table = Table(title="Measured now, on this machine", title_justify="left")
    for column in ("Benchmark", "What", "Value", "Goal", ""):
        table.add_column(column, justify="right" if column in ("Value", "Goal") else "left")
    for name, _, size in (asked.partition("=") for asked in names or MODULES):
        sizes = [int(size)] if size else []
        for what, value, unit, target in importlib.import_module(f"bench.{name}").run(*sizes):
            table.add_row(name, what, f"{value:,.4g} {unit}", _target(target), _verdict(value, target))
    console.print(table)


def _target(target: float) -> str:
    return "–" if target == 0 else f"≥ {target:g}" if target > 0 else f"≤ {-target:g}"


def _verdict(value: float, target: float) -> str:
    """Positive targets are minima, negative ones maxima, zero is for information."""
    if target == 0:
        return ""
    reached = value >= target if target > 0 else value <= -target
    return "met" if reached else "missed"


if __name__ == "__main__":
    main(sys.argv[1:])
