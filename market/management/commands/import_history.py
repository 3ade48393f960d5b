"""Imports daily histories of shares and indices."""

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from rich.markup import escape

from market.console import FAILED, ConsoleCommand, table
from market.errors import BadChain, Reason
from market.services.history import HistoryImport, import_history_file

COLUMNS = ("File", "Members", "Symbols", "Sessions", "New", "Corrected", "Refused", "Rejected rows", "Seconds")


class Command(ConsoleCommand):
    """`import_history PATH ...`: store daily candles of many sessions."""

    help = "Store daily candles of shares (bhavcopy columns), indices (Yahoo form) and India VIX; files or archives."
    takes_as_of = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="file or archive")

    def run(self, **options: Any) -> int | None:
        reports = [self._import(path) for path in options["paths"]]
        sentences = [escape(f"{one['file']}: {text} [{code}]") for one in reports for code, text in one["why"].items()]
        right = ("Members", "Symbols", "Sessions", "New", "Corrected", "Seconds")
        self.emit({"files": reports}, table("Histories", COLUMNS, map(_row, reports), right=right), *sentences)
        return FAILED if any(report["status"] == "refused" for report in reports) else None

    def _import(self, path: Path) -> dict[str, Any]:
        started = time.monotonic()
        with self.progress(path.name) as advance:
            try:
                result = import_history_file(path, progress=advance)
            except BadChain as refusal:
                return _refused(path, refusal.reason, time.monotonic() - started)
        return _report(result, time.monotonic() - started)


def _report(result: HistoryImport, seconds: float) -> dict[str, Any]:
    return {
        "file": result.record.file_name,
        "status": str(result.record.status),
        "members": result.members,
        "symbols": len(result.symbols),
        "sessions": result.sessions,
        "inserted": result.inserted,
        "updated": result.updated,
        "refused": dict(result.refused),
        "rejected": dict(result.rejected),
        "why": result.sentences,
        "seconds": round(seconds, 2),
    }


def _refused(path: Path, reason: Reason, seconds: float) -> dict[str, Any]:
    counts = dict.fromkeys(("members", "symbols", "sessions", "inserted", "updated"), 0)
    why = {reason.code: f"{reason.sentence} {reason.remedy}".strip()}
    rest = {"refused": {reason.code: 1}, "rejected": {}, "why": why, "seconds": round(seconds, 2)}
    return {"file": path.name, "status": "refused", **counts, **rest}


def _row(report: dict[str, Any]) -> list[Any]:
    names = ("file", "members", "symbols", "sessions", "inserted", "updated")
    by_code = [
        ", ".join(f"{code} {count}" for code, count in sorted(report[name].items())) for name in ("refused", "rejected")
    ]
    return [*(report[name] for name in names), *(text or None for text in by_code), f"{report['seconds']:.1f}"]
