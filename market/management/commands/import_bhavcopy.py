"""Imports NSE bhavcopies."""

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from rich.markup import escape

from market.console import FAILED, ConsoleCommand, table
from market.errors import BadChain, Reason
from market.services.bhavcopy import BhavcopyImport, import_bhavcopy_file

COLUMNS = ("File", "Members", "Contracts", "Shares", "New", "Corrected", "Refused", "Rejected rows", "Seconds")


class Command(ConsoleCommand):
    """`import_bhavcopy PATH ...`: store the bars of bhavcopies."""

    help = "Store NSE bhavcopies: F&O in the UDiFF, old and converted forms, cash with delivery; files or archives."
    takes_as_of = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="file or archive")

    def run(self, **options: Any) -> int | None:
        reports = [self._import(path) for path in options["paths"]]
        right = [column for column in COLUMNS if column not in ("File", "Refused", "Rejected rows")]
        sentences = [escape(f"{one['file']}: {one['sentence']} [{one['code']}]") for one in reports if one["sentence"]]
        self.emit({"files": reports}, table("Bhavcopies", COLUMNS, map(_row, reports), right=right), *sentences)
        return FAILED if any(report["status"] == "refused" for report in reports) else None

    def _import(self, path: Path) -> dict[str, Any]:
        started = time.monotonic()
        with self.progress(path.name) as advance:
            try:
                result = import_bhavcopy_file(path, progress=advance)
            except BadChain as refusal:
                return _refused(path, refusal.reason, time.monotonic() - started)
        return _report(result, time.monotonic() - started)


def _report(result: BhavcopyImport, seconds: float) -> dict[str, Any]:
    record = result.record
    return {
        "file": record.file_name,
        "status": str(record.status),
        "members": result.members,
        "contracts": result.contracts,
        "shares": result.shares,
        "inserted": result.inserted,
        "updated": result.updated,
        "refused": dict(result.refused),
        "rejected": dict(result.rejected),
        "reasons": result.sentences,
        "code": record.reason_code,
        "sentence": record.reason_text,
        "seconds": round(seconds, 2),
    }


def _refused(path: Path, reason: Reason, seconds: float) -> dict[str, Any]:
    counts = dict.fromkeys(("members", "contracts", "shares", "inserted", "updated"), 0)
    outcome = {"file": path.name, "status": "refused", **counts, "refused": {reason.code: 1}, "rejected": {}}
    said = f"{reason.sentence} {reason.remedy}".strip()
    return {
        **outcome,
        "reasons": {reason.code: said},
        "code": reason.code,
        "sentence": said,
        "seconds": round(seconds, 2),
    }


def _row(report: dict[str, Any]) -> list[Any]:
    names = ("file", "members", "contracts", "shares", "inserted", "updated")
    by_code = [
        ", ".join(f"{code} {count}" for code, count in sorted(report[name].items())) for name in ("refused", "rejected")
    ]
    return [*(report[name] for name in names), *(text or None for text in by_code), f"{report['seconds']:.1f}"]
