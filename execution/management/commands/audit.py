"""The audit chain: verify it, keep its head outside the database, read it."""

import re
from argparse import SUPPRESS
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
from django.core.management.base import CommandParser

from execution.audit_chain import Anchor
from execution.models import AuditEntry
from execution.services import audit
from execution.services.audit import Subject
from market.calendar import IST
from market.console import DONE, FAILED, ConsoleCommand, now_or, row_count, table

DEFAULT_LIMIT = 50
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class Command(ConsoleCommand):
    """`verify`, `export-head` or `show`."""

    help = "Verify the audit chain, export its head, or show entries."

    def add_arguments(self, parser: CommandParser) -> None:
        """One action with its own words."""
        actions = parser.add_subparsers(dest="action", required=True, metavar="verify | export-head | show")
        verify = actions.add_parser("verify", help="walk the whole chain and name what is not as it was written")
        verify.add_argument("--head", type=Path, metavar="FILE", help="compare with the heads kept by export-head")
        export = actions.add_parser("export-head", help="append the chain's head to a file outside the database")
        export.add_argument("file", type=Path, metavar="FILE")
        show = actions.add_parser("show", help="the newest entries, oldest first")
        show.add_argument("--subject", nargs=2, metavar=("KIND", "ID"), help="only of one subject: order 12")
        show.add_argument("--limit", type=row_count, default=DEFAULT_LIMIT, metavar="N")
        for action in (verify, export, show):  # people write it after the action as well
            action.add_argument("--json", action="store_true", dest="as_json", default=SUPPRESS)

    def run(self, **options: Any) -> int | None:
        """Do the one action."""
        return int(_ACTIONS[options["action"]](self, options))

    def verify(self, options: dict[str, Any]) -> int:
        """Print the count and the head, or every fault."""
        anchors = audit.read_heads(options["head"]) if options["head"] else []
        found = audit.verify(anchors)
        data = {
            "entries": found.entries,
            "head": _line(found.head),
            "anchors": len(anchors),
            "faults": [{"seq": fault.seq, "code": fault.code, "sentence": fault.sentence} for fault in found.faults],
        }
        if found.is_sound:
            self.emit(data, f"{found.entries} entries, sound; head {found.head.seq} {found.head.hash}")
            return DONE
        rows = [(fault.seq or None, fault.code, fault.sentence) for fault in found.faults]
        self.emit(data, table(f"{len(rows)} faults", ("seq", "code", "what"), rows, right=("seq",)))
        return FAILED

    def export(self, options: dict[str, Any]) -> int:
        """Append one line."""
        kept = audit.export_head(options["file"], now=now_or(options["as_of"]))
        self.emit(_line(kept), f"{kept.taken} {kept.seq} {kept.hash}")
        return DONE

    def show(self, options: dict[str, Any]) -> int:
        """Print entries."""
        subject = Subject(*options["subject"]) if options["subject"] else None
        entries = audit.entries_of(subject, limit=options["limit"])
        columns = ("seq", "at (IST)", "actor", "subject", "event", "before", "after", "detail")
        self.emit([_plain(entry) for entry in entries], table("Audit", columns, map(_cells, entries), right=("seq",)))
        return DONE


_ACTIONS = {"verify": Command.verify, "export-head": Command.export, "show": Command.show}


def _line(anchor: Anchor) -> dict[str, Any]:
    return {"taken": anchor.taken, "seq": anchor.seq, "hash": anchor.hash}


def _plain(entry: AuditEntry) -> dict[str, Any]:
    names = ("seq", "at", "actor", "subject_kind", "subject_id", "event", "before", "after", "detail", "hash")
    return {name: getattr(entry, name) for name in names}


def _cells(entry: AuditEntry) -> tuple[object, ...]:
    detail = orjson.dumps(entry.detail).decode()
    subject = f"{entry.subject_kind} {entry.subject_id}"
    texts = (entry.actor, subject, entry.event, entry.before, entry.after, detail)
    return entry.seq, _to_the_millisecond(entry.at), *(text and _CONTROL.sub(" ", text) for text in texts)


def _to_the_millisecond(stamp: datetime) -> str:
    return stamp.astimezone(IST).isoformat(sep=" ", timespec="milliseconds")[:23]
