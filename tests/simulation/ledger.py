"""`execution.ledger.Ledger` in memory, as one process sees it: its epoch, its crashes, and the database's outages."""

from collections.abc import Callable, Collection, Mapping, Sequence

from execution.basket.messages import CallPerson
from execution.basket.values import Attempt, Basket, Permit, Purpose
from execution.errors import ExecutionDenied, Fenced, LostRace
from execution.evidence import MOVING, UNCONFIRMED
from execution.ledger import KnownOrder, left_ended
from execution.lifecycle import RunState, StrategyEvent, StrategyState
from execution.ports import BrokerOrder, BrokerTrade, ClearedOrder, OrderRequest
from market.errors import Reason
from tests.simulation.database import LEASE, Database
from tests.simulation.market import SEGMENT, TICK
from tests.simulation.world import Unavailable

Reach = Callable[[str], None]


class MemoryLedger:
    """One process's session with the database."""

    def __init__(self, database: Database, owner: str, reach: Reach) -> None:
        self.database, self.owner, self.epoch = database, owner, 0
        self._world, self._reach = database.world, reach
        self.busy: set[int] = set()  # runs another thread of this process is working on
        self.lost_commits = 0.0  # how often the answer to a commit is lost

    # --- leading -----------------------------------------------------------------------------------------------------

    def elect(self) -> bool:
        """Take the lease when it ran out or its holder's session is gone."""
        with self._transaction("elect"):
            lease, now = self.database.lease, self._world.time
            if lease.session_lives and now < lease.until and lease.owner != self.owner:
                return False
            lease.owner, lease.epoch, lease.until, lease.session_lives = self.owner, lease.epoch + 1, now + LEASE, True
            self.epoch = lease.epoch
            self._world.say("leads", self.owner, self.epoch)
        return True

    @property
    def writer(self) -> tuple[str, int]:
        """Who writes, and since which epoch it leads."""
        return self.owner, self.epoch

    def renew(self) -> None:
        """Extend the lease, unless it ran out or was taken."""
        with self._transaction("renew"):
            self.require_lease()
            self.database.lease.until = self._world.time + LEASE

    def require_lease(self) -> None:
        """Raise Fenced unless this epoch leads now."""
        lease = self.database.lease
        if lease.epoch != self.epoch or self._world.time >= lease.until:
            raise Fenced(Reason("FENCED", f"Epoch {self.epoch} is over."))

    def require_epoch(self) -> None:
        """Raise Fenced when somebody else has led since."""
        if self.database.lease.epoch != self.epoch:
            raise Fenced(Reason("FENCED", f"Epoch {self.epoch} is over."))

    # --- claiming ----------------------------------------------------------------------------------------------------

    def claim(self) -> None:
        """Turn what is marked into runs."""
        with self._transaction("claim"):
            self.require_lease()
            if self.database.permit().opening is not None:
                return
            for strategy in self.database.strategies.values():
                if strategy.state is StrategyState.MARKED:
                    self.database.move_strategy(strategy, StrategyEvent.CLAIM)
                    self.database.open_run(strategy, Purpose.ENTRY, strategy.legs, self.writer)

    # --- execution.ledger.Ledger -------------------------------------------------------------------------------------

    def open_runs(self) -> Sequence[int]:
        """Runs with something to do, exits first."""
        with self._transaction("open_runs"):
            runs = [run for run in self.database.runs.values() if run.run not in self.busy and _is_open(run)]
            return [run.run for run in sorted(runs, key=lambda run: (run.purpose is Purpose.ENTRY, run.run))]

    def basket(self, run: int) -> Basket:
        """The run as committed."""
        with self._transaction("basket"):
            return self.database.runs[run]

    def commit(self, before: Basket, after: Basket, trades: Sequence[BrokerTrade] = ()) -> Basket:
        """Compare and set."""
        with self._transaction("commit", writes=True):
            self.require_epoch()
            self.require_version(before)
            if before.has_ended and self.database.another_open(before.run):
                after = left_ended(before, after)
            return self.database.write(before, after, trades, self.writer)

    def require_version(self, before: Basket) -> None:
        """Raise LostRace when the row has moved on."""
        if self.database.runs[before.run].version != before.version:
            raise LostRace(Reason("LOST_RACE", f"Run {before.run} has moved on."))

    def clear(self, before: Basket, after: Basket, correlation_id: str) -> ClearedOrder:
        """The last gate and SENDING in one transaction."""
        cleared_at = self._world.time
        with self._transaction("clear", writes=True):
            self.require_lease()
            self.require_version(before)
            attempt = before.attempt(correlation_id)
            self.require_standing(before, attempt)
            self.reserve(before, attempt)
            self.database.write(before, after, (), self.writer)
        return ClearedOrder(self.request(before, attempt), cleared_at)

    def request(self, basket: Basket, attempt: Attempt) -> OrderRequest:
        """The order as it goes out."""
        leg = basket.leg(attempt.leg)
        return OrderRequest(
            attempt.correlation_id, SEGMENT, self.database.securities[leg.contract], leg.contract,
            attempt.side, attempt.quantity, attempt.limit, TICK, leg.lot_size,
        )  # fmt: skip

    def require_standing(self, before: Basket, attempt: Attempt) -> None:
        """Raise ExecutionDenied for what the account may not do now."""
        permit = self.database.permit()
        if before.opens:
            obstacle = permit.opening
        else:
            obstacle = permit.flattening if before.purpose is Purpose.FLATTEN else permit.reducing
        if obstacle is not None:
            raise ExecutionDenied(obstacle)

    def reserve(self, before: Basket, attempt: Attempt) -> None:
        """Keep the account within its limit, over all runs."""
        if not before.opens:
            return
        if self.database.exposure() + attempt.quantity > self.database.limit:
            raise ExecutionDenied(Reason("EXPOSURE", "The account would hold too much."))
        self.database.reserved[attempt.correlation_id] = attempt.quantity

    def permit(self) -> Permit:
        """What may be sent now."""
        with self._transaction("permit"):
            return self.database.permit()

    def pace(self, *, urgent: bool) -> float:
        """One call from the allowance."""
        with self._transaction("pace"):
            return self.database.take_call(self._world.time, urgent=urgent)

    def known_orders(self) -> Mapping[str, KnownOrder]:
        """Everything that was sent, and every live one."""
        with self._transaction("known_orders"):
            known = self.database.known
            return {name: order for name, order in known.items() if order.sent_at is not None or order.is_live}

    def keep_external(self, order: BrokerOrder, *, own_tag: bool) -> None:
        """Remember an order that is not ours."""
        with self._transaction("keep_external"):
            self.database.external[order.order_id] = own_tag

    def positions(self) -> Mapping[tuple[str, str], int]:
        """What our trades add up to."""
        with self._transaction("positions"):
            return {key: units for key, units in self.database.net.items() if units}

    def traded_contracts(self) -> Collection[tuple[str, str]]:
        """What our trades name."""
        with self._transaction("traded_contracts"):
            return set(self.database.net)

    def call_person(self, run: int | None, call: CallPerson) -> None:
        """An alert, once."""
        with self._transaction("call_person"):
            self.database.alert(run, call.reason, critical=call.critical)

    def keep_report(self, *, clean: bool, findings: Sequence[Reason], seen: Mapping[str, int]) -> None:
        """What a reconciliation found."""
        with self._transaction("keep_report"):
            self.database.reports += 1
            self.database.report_at = self._world.time
            self.database.last_report_clean = clean
            self.database.doubtful = not {one.code for one in findings}.isdisjoint({MOVING.code, UNCONFIRMED.code})

    def _transaction(self, name: str, *, writes: bool = False) -> "_Transaction":
        """All or nothing; the process may die before or after, and the answer to a commit may get lost."""
        return _Transaction(self, name, writes)

    def begin(self, name: str) -> None:
        """The process may die before it, the database may be away."""
        self._reach("before " + name)
        if self._world.time < self.database.down_until:
            raise Unavailable(name)

    def end(self, name: str, writes: bool) -> None:
        """It is committed."""
        if writes and self._world.chance(self.lost_commits):
            self._world.say("commit answer lost", name)
            raise Unavailable(name)
        self._reach("after " + name)


class _Transaction:
    """A context manager without a generator: there are a thousand of them in a schedule."""

    __slots__ = ("_ledger", "_name", "_writes")

    def __init__(self, ledger: MemoryLedger, name: str, writes: bool) -> None:
        self._ledger, self._name, self._writes = ledger, name, writes

    def __enter__(self) -> None:
        self._ledger.begin(self._name)

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        if kind is None:
            self._ledger.end(self._name, self._writes)


def _is_open(run: Basket) -> bool:
    settled = run.state is RunState.ATTENTION and not run.live
    return not run.has_ended and not settled
