"""`run_trader`: works the queue and watches positions while the market is open."""

import signal
import threading
from typing import Any, ClassVar

from django.core.management.base import CommandParser

from execution.errors import ExecutionDenied
from execution.management.usage import require_known_broker
from execution.services.trader import trade_until
from market.console import ConsoleCommand


class Command(ConsoleCommand):
    """Lead: execute what is marked and watch what is open until stopped."""

    help = "Execute marked strategies and monitor positions while the market is open; one per database."
    refusals: ClassVar = (ExecutionDenied,)
    takes_as_of = False

    def add_arguments(self, parser: CommandParser) -> None:
        """For whom."""
        parser.add_argument("--account", help="by default the first active one of the trading mode")

    def run(self, **options: Any) -> None:
        """Trade until SIGTERM or Ctrl-C."""
        require_known_broker()
        stopped = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopped.set())
        trade_until(stopped, account_name=options["account"], say=self.out.print)
        self.out.print("Trader stopped.")
