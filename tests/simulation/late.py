"""The simulated exchange with requests that hang on their way."""

from contextlib import suppress
from datetime import datetime

from execution.simulator.book import ORDINARY, Fate, Refused, Ticket
from execution.simulator.exchange import Exchange


class LateExchange(Exchange):
    """Takes a request now and hears of it later, as a proxy does that keeps it; a running server delays by its own."""

    def submit_at(self, ticket: Ticket, arrives: datetime, fate: Fate = ORDINARY) -> None:
        """Let a request reach the front door later."""
        self._push(arrives, self._submit_late, ticket, fate)

    def _submit_late(self, now: datetime, ticket: Ticket, fate: Fate) -> None:
        with suppress(Refused):  # it stands in the journal, and nobody waits for the answer any more
            self.submit(ticket, now, fate)
