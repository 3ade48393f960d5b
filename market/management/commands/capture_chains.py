"""`capture_chains`: store the chains of the market source as of now."""

from typing import Any

from django.core.management.base import CommandParser

from market.calendar import IST
from market.console import FAILED, ConsoleCommand, now_or, table
from market.services.capture import capture_chains, planned
from market.sources import build_source

LIMITED = "dhan"  # the source whose requests are limited
EXPIRIES = 2  # per underlying


class Command(ConsoleCommand):
    """Capture option chains."""

    help = "Capture the option chains of the market source (MARKET_SOURCE) and store them."

    def add_arguments(self, parser: CommandParser) -> None:
        """Which symbols, from where."""
        parser.add_argument("--symbol", action="append", type=str.upper, help="only these; may be repeated")
        parser.add_argument("--source", default=None, help="which market; default MARKET_SOURCE")

    def run(self, **options: Any) -> int | None:
        """Capture and report; exit code 1 when nothing could be stored."""
        source = build_source(options["source"])
        symbols = options["symbol"] or [fact.symbol for fact in source.underlyings()]
        as_of = now_or(options["as_of"])
        if source.name == LIMITED:
            way = planned(symbols, as_of=as_of.astimezone(IST).date(), expiries=EXPIRIES)[0]
            self.note.print(f"Plan for {way.chains} chains, {way.contracts:,} contracts: {way.sentence}.")
        with self.progress("Capturing chains", len(symbols)) as advance:
            outcome = capture_chains(source, symbols, as_of=as_of, progress=advance)
        refused = {symbol: reason for symbol, reason in outcome.items() if reason}
        stored = len(outcome) - len(refused)
        rows = [(symbol, reason.code, reason.sentence) for symbol, reason in refused.items()]
        shown = [table("Not captured", ("Symbol", "Reason", "Why"), rows)] if rows else []
        data = {"stored": stored, "refused": {symbol: reason.code for symbol, reason in refused.items()}}
        self.emit(data, f"{stored} of {len(outcome)} chains stored from the {source.name} market.", *shown)
        return None if stored else FAILED
