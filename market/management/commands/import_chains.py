"""Imports recorded option chains."""

import time
from argparse import ArgumentParser
from datetime import date
from pathlib import Path
from typing import Any

from rich.markup import escape

from market.console import FAILED, ConsoleCommand, table
from market.errors import BadChain, Reason
from market.moment import now
from market.services.chains import ChainImport, Wanted, import_chain_file
from market.services.volatility import record_sessions

COLUMNS = ("File", "Members", "Stored", "Replaced", "Unchanged", "Quotes", "Refused", "Rejected rows", "Seconds")


class Command(ConsoleCommand):
    """`import_chains PATH ...`: store the chains of recorded files."""

    help = (
        "Store recorded option chains: end-of-day and intraday CSV, NSE pages of 2019, one-minute parquet, Dhan bodies."
    )
    takes_as_of = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="file or archive")
        parser.add_argument("--source", type=_source, help="name to store them under (default: the name of the form)")
        parser.add_argument(
            "--symbol", action="append", type=_symbol, default=[], metavar="S", help="only this underlying; repeatable"
        )
        parser.add_argument("--from", dest="first", type=date.fromisoformat, metavar="DATE", help="first day")
        parser.add_argument("--to", dest="last", type=date.fromisoformat, metavar="DATE", help="last day")
        parser.add_argument("--limit", type=_positive, metavar="N", help="read only the first N members")
        parser.add_argument("--without-history", action="store_true", help="do not write the sessions' volatility")
        parser.add_argument("--replace", action="store_true", help="overwrite chains stored with different content")

    def run(self, **options: Any) -> int | None:
        wanted = Wanted(frozenset(name.upper() for name in options["symbol"]), options["first"], options["last"])
        self.landed: set[str] = set()
        reports = [self._import(path, wanted, options) for path in options["paths"]]
        written = 0 if options["without_history"] else self._record(reports)
        rows = [_row(report) for report in reports]
        right = [column for column in COLUMNS if column not in ("File", "Refused", "Rejected rows")]
        sentences = [escape(f"{one['file']}: {one['sentence']} [{one['code']}]") for one in reports if one["sentence"]]
        sentences.append(f"Sessions written to the history of implied volatility: {written}.")
        self.emit(
            {"files": reports, "history": written}, table("Option chains", COLUMNS, rows, right=right), *sentences
        )
        return FAILED if any(report["status"] == "refused" or report["absent"] for report in reports) else None

    def _import(self, path: Path, wanted: Wanted, options: dict[str, Any]) -> dict[str, Any]:
        started = time.monotonic()
        with self.progress(path.name) as advance:
            try:
                result = import_chain_file(
                    path,
                    source=options["source"],
                    wanted=wanted,
                    limit=options["limit"],
                    replace=options["replace"],
                    progress=advance,
                )
            except BadChain as refusal:
                return _refused(path, refusal.reason, time.monotonic() - started)
        if result.counts.stored or result.counts.replaced:
            self.landed |= {name for name in result.symbols if not wanted.symbols or name in wanted.symbols}
        return _report(result, time.monotonic() - started)

    def _record(self, reports: list[dict[str, Any]]) -> int:
        """Write the history of implied volatility of what landed; all of it again where chains were replaced."""
        again = any(report.get("replaced") for report in reports)
        with self.progress("Volatility history") as advance:
            return record_sessions(sorted(self.landed), now(), again=again, progress=advance)


def _source(text: str) -> str:
    if not text.strip() or len(text) > 30:
        raise ValueError(text)
    return text.strip()


def _symbol(text: str) -> str:
    if not text.strip():
        raise ValueError(text)
    return text.strip()


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _report(result: ChainImport, seconds: float) -> dict[str, Any]:
    record, counts = result.record, result.counts
    return {
        "file": record.file_name,
        "status": str(record.status),
        "members": result.members,
        "stored": counts.stored,
        "replaced": counts.replaced,
        "unchanged": counts.unchanged,
        "quotes": counts.quotes,
        "refused": dict(counts.refused),
        "rejected": dict(counts.rejected),
        "reasons": result.sentences,
        "absent": list(result.absent),
        "code": record.reason_code,
        "sentence": record.reason_text,
        "seconds": round(seconds, 2),
    }


def _refused(path: Path, reason: Reason, seconds: float) -> dict[str, Any]:
    counts = dict.fromkeys(("members", "stored", "unchanged", "replaced", "quotes"), 0)
    outcome = {"file": path.name, "status": "refused", **counts, "refused": {reason.code: 1}, "rejected": {}}
    said = f"{reason.sentence} {reason.remedy}".strip()
    return {
        **outcome,
        "reasons": {reason.code: said},
        "absent": [],
        "code": reason.code,
        "sentence": said,
        "seconds": round(seconds, 2),
    }


def _row(report: dict[str, Any]) -> list[Any]:
    names = ("file", "members", "stored", "replaced", "unchanged", "quotes")
    by_code = [
        ", ".join(f"{code} {count}" for code, count in sorted(report[name].items())) or None
        for name in ("refused", "rejected")
    ]
    return [*(report[name] for name in names), *by_code, f"{report['seconds']:.1f}"]
