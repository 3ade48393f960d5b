"""What the executor asks of its books: PostgreSQL in production, memory in simulation. Every method is one transaction.

No method is called while a request to the broker is under way inside it: writing and sending never share a transaction.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from execution.basket.messages import CallPerson, Price
from execution.basket.values import Basket, Permit
from execution.lifecycle import ENDED_ORDERS, OrderState
from execution.ports import BrokerOrder, BrokerTrade, ClearedOrder
from market.errors import Reason


@dataclass(frozen=True, slots=True)
class KnownOrder:
    """One order of the day as our books have it."""

    correlation_id: str
    run: int
    state: OrderState
    order_id: str
    filled: int
    sent_at: datetime | None

    @property
    def is_live(self) -> bool:
        """Whether its outcome is open."""
        return self.state not in ENDED_ORDERS


def left_ended(before: Basket, after: Basket) -> Basket:
    """A run that a late order would open again beside another run of its strategy: the fill counts, the end stays."""
    return replace(after, state=before.state, phase_at=before.phase_at, reason=before.reason)


class Ledger(Protocol):
    """The books of one account. Raises LostRace when a row has moved on, Fenced when this process leads no more."""

    def open_runs(self) -> Sequence[int]:
        """Runs that have something to do, in the order of doing: what reduces risk before what adds it."""

    def basket(self, run: int) -> Basket:
        """The run as committed."""

    def commit(self, before: Basket, after: Basket, trades: Sequence[BrokerTrade] = ()) -> Basket:
        """Write what changed, with its trades and audit rows, and return the basket with its new version."""

    def clear(self, before: Basket, after: Basket, correlation_id: str) -> ClearedOrder:
        """Pass the last gate and commit SENDING; raises ExecutionDenied, having written nothing, when it is shut."""

    def permit(self) -> Permit:
        """What may be sent now; what cannot be read forbids."""

    def pace(self, *, urgent: bool) -> float:
        """Take one call from the broker's allowance; the seconds to wait when there is none, 0 when it was taken."""

    def known_orders(self) -> Mapping[str, KnownOrder]:
        """Orders sent on this market day, and every live one, by correlation id."""

    def keep_external(self, order: BrokerOrder, *, own_tag: bool) -> None:
        """Remember an order of the broker's book that is not ours, or bears our tag and is not in our books."""

    def positions(self) -> Mapping[tuple[str, str], int]:
        """Signed units of options our trades add up to, by segment and security id; what is flat is left out."""

    def traded_contracts(self) -> Collection[tuple[str, str]]:
        """Options alive that our trades name, by segment and security id: held, or flat by now."""

    def call_person(self, run: int | None, call: CallPerson) -> None:
        """Raise an alert, once; a critical one lets nothing but reductions through until it is acknowledged."""

    def keep_report(self, *, clean: bool, findings: Sequence[Reason], seen: Mapping[str, int]) -> None:
        """Keep what a reconciliation found."""


class Desk(Protocol):
    """Judges and prices what a basket wants to send."""

    def check(self, basket: Basket) -> Reason | None:
        """Why the whole basket may not be sent, or None; raises NotYet for what passes by itself."""

    def limit(self, basket: Basket, wanted: Price) -> Decimal:
        """A limit for one slice; raises an OptionsError when there is none."""
