"""How every command speaks: tables and progress for people, raw JSON for programs, and four exit codes."""

import getpass
import math
import os
import sys
from abc import ABC, abstractmethod
from argparse import ArgumentTypeError
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import IO, Any, ClassVar, cast

import orjson
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import ProgrammingError
from psycopg.errors import UndefinedColumn, UndefinedTable
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from market.actor import acting
from market.calendar import IST
from market.errors import OptionsError
from market.moment import now

DONE, FAILED, USAGE, REFUSED = 0, 1, 2, 3
NOT_MIGRATED = "The database lacks tables or columns that this version needs. Run: python manage.py migrate"
MISSING = "–"
FIRST_YEAR, LAST_YEAR = 1990, 2100  # of any moment worth asking about
MOST_ROWS = 100_000


class ConsoleCommand(BaseCommand, ABC):
    """A management command that parses, calls one service and renders.

    Subclasses write `run(**options) -> int | None`; an OptionsError becomes its sentence and exit code 1,
    or 3 when its class is listed in `refusals` (a safety rule said no).
    """

    refusals: ClassVar[tuple[type[OptionsError], ...]] = ()
    takes_as_of: ClassVar[bool] = True

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.add_argument("--json", action="store_true", dest="as_json", help="raw numbers, nothing else")
        if self.takes_as_of:
            parser.add_argument(
                "--as-of", type=moment, default=None, metavar="YYYY-MM-DD[THH:MM]", help="act as if it were then (IST)"
            )
        return parser

    def handle(self, *args: Any, **options: Any) -> None:
        self.as_json: bool = options.pop("as_json", False)
        self.out = Console(file=cast(IO[str], self.stdout._out), emoji=False, width=_width(self.stdout))
        self.note = Console(stderr=True, quiet=self.as_json, emoji=False, width=_width(self.stderr))
        _require_text(options)
        try:
            with acting(f"cli:{person()}"):
                code = self.run(**options)
        except OptionsError as refusal:
            self._refuse(refusal)
        except ProgrammingError as error:
            if not isinstance(error.__cause__, UndefinedTable | UndefinedColumn):
                raise
            raise CommandError(f"{NOT_MIGRATED} [DATABASE_OUTDATED]", returncode=FAILED) from error
        if code:
            sys.exit(code)

    @abstractmethod
    def run(self, **options: Any) -> int | None:
        """Do the work; return an exit code or None for 0."""

    def emit(self, data: Any, *tables: Table | str) -> None:
        """Print `data` as JSON when asked to, else the tables."""
        if self.as_json:
            options = orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS
            self.stdout.write(orjson.dumps(data, default=_plain, option=options).decode())
            return
        for table in tables:
            self.out.print(table)

    def _refuse(self, refusal: OptionsError) -> None:
        code = REFUSED if isinstance(refusal, self.refusals) else FAILED
        reason = refusal.reason
        if self.as_json:
            error = {"code": reason.code, "sentence": reason.sentence, "remedy": reason.remedy}
            self.stdout.write(orjson.dumps({"error": error}).decode())
            sys.exit(code)
        raise CommandError(f"{reason.sentence} {reason.remedy}".strip() + f" [{reason.code}]", returncode=code)

    @contextmanager
    def progress(self, label: str, total: int | None = None) -> Iterator["Advance"]:
        """A progress bar with ETA on stderr; silent under --json and where there is no terminal."""
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(elapsed_when_finished=True),
        )
        with Progress(*columns, console=self.note, disable=not self.note.is_terminal) as bar:
            task = bar.add_task(label, total=total)
            yield Advance(bar, task)
            if total is None:  # a step of unknown length is whole when it is over
                done = max(1, int(bar.tasks[-1].completed))
                bar.update(task, completed=done, total=done)


class Advance:
    """Moves one progress bar on."""

    def __init__(self, bar: Progress, task: Any) -> None:
        self._bar, self._task = bar, task

    def __call__(self, done: int, total: int | None = None, label: str | None = None) -> None:
        """Show that `done` of `total` are finished."""
        changes: dict[str, Any] = {"completed": done}
        if total is not None:
            changes["total"] = total
        if label is not None:
            changes["description"] = label
        self._bar.update(self._task, **changes)


def moment(text: str) -> datetime:
    """Read `2026-01-30`, `2026-01-30T15:29` or a full ISO stamp; IST without a zone, a bare day means its end."""
    try:
        stamp = _end_of_day(text) or datetime.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"'{text}' is not a moment; write 2026-01-30T15:29") from error
    if not FIRST_YEAR <= stamp.year <= LAST_YEAR:
        raise ArgumentTypeError(f"'{text}' is outside {FIRST_YEAR}-{LAST_YEAR}")
    return stamp if stamp.tzinfo else stamp.replace(tzinfo=IST)


def _end_of_day(text: str) -> datetime | None:
    try:
        return datetime.combine(date.fromisoformat(text), time(23, 59, 59), tzinfo=IST)
    except ValueError:
        return None


def share(text: str) -> Decimal:
    """Read a number from 0 to 1."""
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise ArgumentTypeError(f"'{text}' is not a number") from error
    if not (value.is_finite() and 0 <= value <= 1):
        raise ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def row_count(text: str) -> int:
    """Read how many rows: a whole number from 1."""
    value = int(text) if text.isdecimal() and len(text) < len(str(MOST_ROWS)) + 1 else 0
    if not 1 <= value <= MOST_ROWS:
        raise ArgumentTypeError(f"'{text}' is not a whole number from 1 to {MOST_ROWS}")
    return value


def person() -> str:
    """Who runs this process: the login name, or the number of a user without one."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def now_or(as_of: datetime | None) -> datetime:
    """The moment asked for, else the clock: the one place where commands read it."""
    return as_of or now()


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Sequence[str] = ()) -> Table:
    """A rich table; columns named in `right` hold numbers; None shows as a dash, never as 0; cells hold no markup."""
    result = Table(title=escape(title), title_justify="left", header_style="bold", min_width=len(title))
    for column in columns:
        result.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        result.add_row(*[_cell(cell) for cell in row])
    return result


def _cell(value: Any) -> str | Text:
    """Text is shown as it is; everything else is data, which may hold square brackets."""
    if value is None:
        return MISSING
    return value if isinstance(value, Text) else escape(str(value))


def rupees(amount: Decimal | float | None, *, places: int = 0) -> str:
    """₹ with Indian grouping: 12,34,567; a dash where there is no number."""
    if amount is None or math.isnan(amount):
        return MISSING
    text = f"{abs(amount):.{places}f}"
    whole, _, fraction = text.partition(".")
    groups = [whole[-3:]]
    rest = whole[:-3]
    while rest:
        groups.insert(0, rest[-2:])
        rest = rest[:-2]
    sign = "-" if amount < 0 and float(text) else ""
    return f"{sign}₹{','.join(groups)}{'.' + fraction if fraction else ''}"


def percent(fraction: Decimal | float | None, *, places: int = 1) -> str:
    """A fraction as per cent."""
    return MISSING if fraction is None or math.isnan(fraction) else f"{100 * fraction:.{places}f} %"


def ist(stamp: datetime | None) -> str:
    """A moment as the trader's clock shows it."""
    return MISSING if stamp is None else stamp.astimezone(IST).strftime("%Y-%m-%d %H:%M")


def _plain(value: Any) -> Any:
    """Numbers for orjson: decimals as numbers, everything else as text."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)


def _width(stream: Any) -> int | None:
    """Let rich find a terminal's width; give pipes and files enough room not to cut columns."""
    return None if getattr(stream, "isatty", lambda: False)() else 160


def _require_text(options: Mapping[str, Any]) -> None:
    """Refuse words that are no UTF-8: they could be neither stored nor printed."""
    for name, value in options.items():
        for word in value if isinstance(value, list) else [value]:
            try:
                str(word).encode()
            except UnicodeEncodeError as error:
                raise CommandError(f"--{name} is not valid UTF-8 text", returncode=USAGE) from error
