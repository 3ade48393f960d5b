"""`calibrate`: does the probability of profit come true? Recorded chains, settled outcomes, honest intervals."""

from argparse import ArgumentTypeError
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser
from rich.table import Table

from market.console import DONE, ConsoleCommand, now_or, row_count, table
from strategies.calibration_page import NAMES, PART, PICTURE, SCORE_COLUMNS, page, score_row, verdict_sentence, worst
from strategies.calibration_report import CONVENTIONS, GroupScore, Report
from strategies.models import CalibrationRun
from strategies.services.calibrate import PER_STRUCTURE, WORKERS, calibrate
from strategies.services.recorded_trials import ARCHIVES

ALL = "all"
PAGE = Path("docs") / "calibration.md"
SHOWN = 15  # structures in the closing table


class Command(ConsoleCommand):
    """Archives in, scores out; the run is kept and the page written when asked."""

    help = "Settle every candidate of recorded chains and score the probability of profit."

    def add_arguments(self, parser: CommandParser) -> None:
        """What to try."""
        parser.add_argument(
            "--archive", choices=[*ARCHIVES, ALL], default=ALL, help="which recorded chains; not all: a look"
        )
        parser.add_argument("--data", type=folder, default=None, metavar="FOLDER", help="where recorded data lies")
        parser.add_argument(
            "--limit-symbols", type=row_count, default=None, metavar="N", help="only the first N: a look"
        )
        parser.add_argument("--per-structure", type=row_count, default=PER_STRUCTURE, metavar="K", help="choices tried")
        parser.add_argument("--workers", type=row_count, default=WORKERS, metavar="N", help="processes")
        parser.add_argument("--write", action="store_true", help=f"write {PAGE} and its picture")

    def run(self, **options: Any) -> int | None:
        """Calibrate, keep, show."""
        archives = ARCHIVES if options["archive"] == ALL else (options["archive"],)
        with self.progress("Trying recorded chains") as advance:
            run, found = calibrate(
                archives=archives,
                data=options["data"] or Path(settings.BASE_DIR).parent / "shared" / "data",
                as_of=now_or(options["as_of"]),
                symbols=options["limit_symbols"],
                per_structure=options["per_structure"],
                workers=options["workers"],
                progress=advance,
            )
        if options["write"]:
            write(run, found)
        self.emit(as_data(run, found), *shown(run, found))
        return DONE


def folder(text: str) -> Path:
    """Read a folder that exists."""
    path = Path(text)
    if not path.is_dir():
        raise ArgumentTypeError(f"'{text}' is not a folder")
    return path


def write(run: CalibrationRun, found: Report) -> None:
    """Write the page and its picture."""
    target = Path(settings.BASE_DIR) / PAGE
    archives = run.archives.split()
    text = page(found, left_out=run.left_out, archives=archives, seconds=run.seconds, whole=run.whole)
    target.write_text(text, encoding="utf-8")
    target.with_name(PICTURE).write_text(run.picture + "\n", encoding="utf-8")


def as_data(run: CalibrationRun, found: Report) -> dict[str, Any]:
    """Raw numbers; the maps' breakpoints stay in the database."""
    maps = [
        {name: value for name, value in asdict(each).items() if name != "chosen"} | {"helps": each.helps}
        for each in found.verdicts
    ]
    counts = {name: getattr(found, name) for name in ("trials", "chains", "clusters", "dates", "symbols")}
    return {
        "run": run.pk,
        "seconds": run.seconds,
        "whole": run.whole,
        "archives": run.archives.split(),
        "first_day": found.first,
        "last_day": found.last,
        **counts,
        "left_out": run.left_out,
        "scores": [asdict(each) for each in found.scores],
        "comparisons": [asdict(each) for each in found.comparisons],
        "maps": maps,
    }


def shown(run: CalibrationRun, found: Report) -> list[Table | str]:
    """Three tables and the verdicts."""
    overall = [each for name in CONVENTIONS for each in found.of(name)]
    head = (
        f"Calibration {run.pk}: {found.trials:,} candidates, {found.chains:,} chains, {found.clusters:,} clusters on "
        f"{found.dates} expiry dates, {run.seconds:.0f} s"
    )
    return [
        _scores(head, overall, named=True),
        _scores("Least reliable structures (smile-implied)", worst(found)[:SHOWN]),
        *(
            f"{NAMES[each.convention]}: Brier {each.change:+.4f} against the smile's "
            f"({each.low:+.4f} to {each.high:+.4f} over clusters)."
            for each in found.comparisons
        ),
        *(verdict_sentence(each) for each in found.verdicts),
        *([] if run.whole else [PART.replace("`", "")]),
        table("Left out", ("reason", "times"), sorted(run.left_out.items()), right=("times",)),
    ]


def _scores(title: str, scores: Sequence[GroupScore], *, named: bool = False) -> Table:
    rows = [score_row(each, named=named) for each in scores]
    return table(title, SCORE_COLUMNS, rows, right=SCORE_COLUMNS[1:])
