"""`strategy_guide`: what every structure is, when to use it and how it is managed."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from market.console import DONE, ConsoleCommand, table
from strategies.catalog import BY_SLUG, CATALOGUE
from strategies.guide import COLUMNS, as_data, page, row, section

PAGE = Path("docs") / "strategies.md"


class Command(ConsoleCommand):
    """Three views of one catalogue."""

    help = "List the structures, explain one, or write their page."
    takes_as_of = False

    def add_arguments(self, parser: CommandParser) -> None:
        """Which structure, or the page."""
        parser.add_argument("slug", nargs="?", choices=sorted(BY_SLUG), metavar="SLUG", help="explain this structure")
        parser.add_argument("--write", action="store_true", help=f"write {PAGE} from the catalogue")

    def run(self, **options: Any) -> int | None:
        """Do what was asked."""
        if options["write"]:
            self._write()
        elif options["slug"]:
            structure = BY_SLUG[options["slug"]]
            self.emit(as_data(structure), "\n".join(section(structure)))
        else:
            rows = [(structure.slug, *row(structure)[1:]) for structure in CATALOGUE]
            self.emit([as_data(structure) for structure in CATALOGUE], table("Strategies", COLUMNS, rows))
        return DONE

    def _write(self) -> None:
        (Path(settings.BASE_DIR) / PAGE).write_text(page(), encoding="utf-8")
        self.emit({"written": str(PAGE)}, f"{PAGE} written.")
