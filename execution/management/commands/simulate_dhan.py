"""`simulate_dhan`: a Dhan-shaped exchange on this machine, to practise and to test against."""

from argparse import ArgumentTypeError
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

from django.core.management.base import CommandParser

from execution.errors import ExecutionDenied
from execution.simulator.book import Rules
from execution.simulator.faults import CALM, PLANS, FaultPlan
from execution.simulator.server import DhanServer
from execution.simulator.serving import LOOPBACK, Addresses, RunningClock, bind, make_server
from execution.simulator.venue import Venue, build_venue
from market.calendar import closed_reason
from market.console import ConsoleCommand, now_or
from market.errors import MarketError, Reason
from market.sources import build_source

DEFAULT_PORT = 8600
_LOOPBACK_NAMES = frozenset({LOOPBACK, "localhost"})
_LAST_PORT = 65_535


def port_number(text: str) -> int:
    """A TCP port; 0 takes a free one."""
    if not text.isascii() or not text.isdigit() or int(text) > _LAST_PORT:
        raise ArgumentTypeError(f"{text} is not a port from 0 to {_LAST_PORT}.")
    return int(text)


class Command(ConsoleCommand):
    """Serve until Ctrl-C."""

    help = (
        "Run a Dhan-shaped exchange on this machine (REST, market feed, order updates). Faults can be switched while "
        "it runs: POST /simulator/faults; what really happened: GET /simulator/journal."
    )
    refusals: ClassVar = (ExecutionDenied,)

    def add_arguments(self, parser: CommandParser) -> None:
        """Where, on which market, and what goes wrong."""
        parser.add_argument("--host", default=LOOPBACK, help="loopback only")
        parser.add_argument("--port", type=port_number, default=DEFAULT_PORT, help="for HTTP and both WebSockets")
        parser.add_argument("--seed", type=int, default=1, help="of delays and faults")
        parser.add_argument(
            "--faults", choices=[*PLANS, "swarm"], default="calm", help="what goes wrong from the start"
        )
        parser.add_argument("--no-rate-limits", action="store_true", help="take as many calls as come")
        parser.add_argument("--any-hour", action="store_true", help="trade outside the session, at its last prices")
        parser.add_argument("--market", default=None, help="market source; by default the one MARKET_SOURCE names")
        parser.add_argument("--master", type=Path, default=None, help="compact master CSV instead of the source's own")

    def run(self, **options: Any) -> None:
        """Print where it listens, then serve."""
        if options["host"] not in _LOOPBACK_NAMES:
            sentence = f"The simulated exchange has no real security and never listens on {options['host']}."
            raise ExecutionDenied(Reason("LOOPBACK_ONLY", sentence, f"Leave --host at {LOOPBACK}."))
        venue = self._venue(options)
        try:
            bound = bind(options["port"])
        except OSError as error:
            sentence = f"Port {options['port']} cannot be opened: {error.strerror}."
            raise MarketError(Reason("PORT_TAKEN", sentence, "Give another: --port.")) from error
        with bound:
            self._introduce(venue, Addresses(LOOPBACK, bound.getsockname()[1]), any_hour=options["any_hour"])
            with suppress(KeyboardInterrupt):  # the server raises it again after it has ended cleanly
                make_server(DhanServer(venue)).run(sockets=[bound])
        self.note.print("Simulated exchange stopped.")

    def _venue(self, options: dict[str, Any]) -> Venue:
        master: Path | None = options["master"]
        seed, faults = options["seed"], options["faults"]
        plan = FaultPlan.swarm(seed) if faults == "swarm" else FaultPlan(seed, PLANS.get(faults, CALM))
        return build_venue(
            build_source(options["market"]),
            RunningClock(now_or(options["as_of"])),
            seed=seed,
            plan=plan,
            master=None if master is None else _read(master),
            rules=Rules(check_hours=not options["any_hour"]),
            rate_limits=not options["no_rate_limits"],
        )

    def _introduce(self, venue: Venue, addresses: Addresses, *, any_hour: bool) -> None:
        """The lines to put into the environment, and what a person should know."""
        environment = addresses.environment(venue)
        if self.as_json:
            self.emit(dict(environment))
        else:  # not through the console, which would break a token in two lines
            self.stdout.write("\n".join(f"{name}={value}" for name, value in environment.items()))
        self.stdout.flush()
        closed = closed_reason(venue.now())
        if closed is not None and not any_hour:
            self.note.print(f"{closed.sentence} Orders will be rejected; use --as-of or --any-hour to practise now.")
        self.note.print(f"Faults and journal: {addresses.console}/faults, {addresses.console}/journal. Ctrl-C ends it.")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise MarketError(Reason("NO_MASTER", f"{path} cannot be read: {error.strerror}.")) from error
