"""One leader per account: election, renewal, fencing; by sessions of one process and by processes that are killed."""

import logging
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.db.models import F

from allocation.models import Account
from execution.errors import ExecutionDenied
from execution.models import ReconcileReport, TraderLease
from execution.services.leadership import Lease, assert_epoch, lead, renew
from tests.elsewhere import Elsewhere

logger = logging.getLogger(__name__)
committing = pytest.mark.django_db(transaction=True, serialized_rollback=True)
CANDIDATES = Path(__file__).with_name("leadership_candidates.py")


def let_it_run_out(account: Account) -> None:
    TraderLease.objects.filter(account=account).update(lease_until=F("renewed_at") - timedelta(seconds=1))


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(ExecutionDenied) as denied:
        call()
    return denied.value.reason.code


def try_to_lead(account: Account) -> Lease:
    with lead(account.pk, owner="second") as lease:
        return lease


def clear(lease: Lease) -> None:
    with transaction.atomic():
        assert_epoch(lease.account_id, lease.epoch)


def test_the_leader_has_a_lease_of_ten_seconds_and_the_first_epoch(account: Account) -> None:
    with lead(account.pk, owner="first", code_version="abc") as lease:
        row = TraderLease.objects.get(account=account)

        clear(lease)

    assert (lease.epoch, row.epoch, row.owner, row.pid, row.code_version) == (1, 1, "first", os.getpid(), "abc")
    assert timedelta(seconds=9.9) < row.lease_until - row.renewed_at <= timedelta(seconds=10)


def test_who_comes_after_a_leader_that_left_has_the_next_epoch_at_once(account: Account) -> None:
    with lead(account.pk, owner="first") as first:
        pass

    with lead(account.pk, owner="second") as second:
        refusal = code_of(lambda: clear(first))

    assert (second.epoch, refusal) == (2, "FENCED")


def test_nothing_is_cleared_after_leaving(account: Account) -> None:
    with lead(account.pk, owner="first") as lease:
        pass

    assert code_of(lambda: clear(lease)) == "FENCED"


def test_no_lease_at_all_clears_nothing(account: Account) -> None:
    with transaction.atomic():
        assert code_of(lambda: assert_epoch(account.pk, 0)) == "FENCED"


@committing
def test_an_epoch_is_asserted_only_inside_a_transaction(account: Account) -> None:
    with lead(account.pk, owner="first") as lease, pytest.raises(transaction.TransactionManagementError):
        assert_epoch(account.pk, lease.epoch)


@committing
def test_fm_C6_a_second_executor_is_refused_and_told_who_leads(account: Account) -> None:
    with Elsewhere(lead(account.pk, owner="first")):
        with pytest.raises(ExecutionDenied) as denied:
            try_to_lead(account)
        row = TraderLease.objects.get(account=account)

    assert denied.value.reason.code == "NOT_LEADER"
    assert denied.value.reason.sentence.startswith("first leads account")
    assert (row.owner, row.epoch) == ("first", 1)


@committing
def test_each_account_has_its_own_leader(account: Account) -> None:
    other = Account.objects.create(name="other", capital=1_000_000)

    with Elsewhere(lead(account.pk, owner="first")), lead(other.pk, owner="second") as lease:
        clear(lease)

    assert lease.account_id == other.pk


@committing
def test_fm_C5_C6_a_lease_that_ran_out_is_taken_though_its_lock_is_still_held(account: Account) -> None:
    with lead(account.pk, owner="first") as first:
        let_it_run_out(account)

        with lead(account.pk, owner="second") as second:
            refusals = [code_of(lambda: renew(first)), code_of(lambda: clear(first))]
            clear(second)

    assert (first.epoch, second.epoch, refusals) == (1, 2, ["FENCED", "FENCED"])


@committing
def test_the_leader_after_a_hang_is_not_unseated_when_the_hung_one_dies(account: Account) -> None:
    first = lead(account.pk, owner="first")
    first.__enter__()
    let_it_run_out(account)

    with lead(account.pk, owner="second") as second:
        first.__exit__(None, None, None)
        refusal = code_of(lambda: try_to_lead(account))
        renew(second)

    assert refusal == "NOT_LEADER"


@committing
def test_fm_C5_a_lease_that_ran_out_is_not_renewed_though_nobody_took_it(account: Account) -> None:
    with lead(account.pk, owner="first") as lease:
        let_it_run_out(account)

        refusals = [code_of(lambda: renew(lease)), code_of(lambda: clear(lease))]

    assert refusals == ["FENCED", "FENCED"]


@committing
def test_renewal_extends_the_lease(account: Account) -> None:
    with lead(account.pk, owner="first") as lease:
        before = TraderLease.objects.get(account=account).lease_until

        renew(lease)

        assert TraderLease.objects.get(account=account).lease_until > before


@committing
def test_fm_C6_a_leader_whose_session_the_server_lost_is_fenced_and_replaced_at_once(account: Account) -> None:
    with lead(account.pk, owner="first") as lease:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 2000)", [lease.session.info.backend_pid])

        refusal = code_of(lambda: renew(lease))

        assert try_to_lead(account).epoch == 2
    assert refusal == "FENCED"


@committing
def test_nobody_is_elected_between_a_clearance_and_its_commit(account: Account) -> None:
    with Elsewhere(lead(account.pk, owner="first")), transaction.atomic():
        assert_epoch(account.pk, 1)
        TraderLease.objects.get(account=account)

        with Elsewhere(refused_to_lead(account)):
            pass

    assert TraderLease.objects.get(account=account).epoch == 1


@contextmanager
def refused_to_lead(account: Account) -> Iterator[None]:
    assert code_of(lambda: try_to_lead(account)) == "NOT_LEADER"
    yield


class Candidates:
    """Processes that want to lead one account, and what they said."""

    def __init__(self, count: int, account: Account, *, ttl: float, how: str = "") -> None:
        self.account, self.said = account, []
        words = [str(count), str(account.pk), str(ttl), how]
        self.parent = subprocess.Popen(
            [sys.executable, str(CANDIDATES), *words], env=_environment(), stdout=subprocess.PIPE, text=True
        )
        self.living = [int(word) for word in self.parent.stdout.readline().split()]

    def leader(self) -> int:
        """The process that leads, once it has sent something."""
        row = wait_for(self._sending, 10)
        return row.pid

    def _sending(self) -> TraderLease | None:
        row = TraderLease.objects.filter(account=self.account).first()
        sent = row and ReconcileReport.objects.filter(account=self.account, epoch=row.epoch).exists()
        return row if sent else None

    def kill(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)
        self.living.remove(pid)

    def seconds_until_another_sends(self, epoch: int, limit: float) -> float:
        start = time.monotonic()
        wait_for(lambda: ReconcileReport.objects.filter(account=self.account, epoch__gt=epoch).exists(), limit)
        return time.monotonic() - start

    def epoch(self) -> int:
        return TraderLease.objects.get(account=self.account).epoch

    def next_word(self) -> str:
        return self.parent.stdout.readline().strip()

    def end(self) -> None:
        for pid in self.living:
            os.kill(pid, signal.SIGKILL)
        self.parent.wait(10)
        self.parent.stdout.close()


def _environment() -> dict[str, str]:
    """The servers of this test session, and the database of this test."""
    address, _, query = os.environ["DATABASE_URL"].partition("?")
    url = f"{address.rsplit('/', 1)[0]}/{connection.settings_dict['NAME']}" + (f"?{query}" if query else "")
    return {**os.environ, "DATABASE_URL": url, "PYTHONPATH": str(settings.BASE_DIR)}


def wait_for(found: Callable[[], object], seconds: float):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if result := found():
            return result
        time.sleep(0.01)
    raise AssertionError(f"nothing within {seconds} s")


@pytest.fixture
def candidates(account: Account) -> Iterator[Callable[..., Candidates]]:
    started = []

    def start(count: int, **how: object) -> Candidates:
        started.append(Candidates(count, account, **how))
        return started[-1]

    yield start
    for group in started:
        group.end()


def epochs_in_order_of_sending(account: Account) -> list[int]:
    return list(ReconcileReport.objects.filter(account=account).order_by("id").values_list("epoch", flat=True))


@committing
def test_fm_C6_six_executors_killed_at_random_one_leads_and_is_replaced_within_a_second(
    candidates, account, record_property
):
    group, dice, took = candidates(6, ttl=10), random.Random(6), []

    while len(group.living) > 1:
        leader, epoch = group.leader(), group.epoch()
        victim = leader if len(took) < 2 else dice.choice(group.living)
        group.kill(victim)
        if victim == leader:
            took.append(group.seconds_until_another_sends(epoch, 5))

    logger.info("takeover after %s s", [round(seconds, 3) for seconds in took])
    assert group.leader() == group.living[0]
    assert max(took) < 1
    sent = epochs_in_order_of_sending(account)
    assert sent == sorted(sent)
    assert max(sent) == len(took) + 1


@committing
@pytest.mark.parametrize("ttl", [2, pytest.param(10, marks=pytest.mark.slow)])
def test_fm_C5_a_stopped_leader_is_replaced_when_its_lease_is_over_and_wakes_up_fenced(
    candidates, account, ttl, record_property
):
    group = candidates(2, ttl=ttl)
    stopped, epoch = group.leader(), group.epoch()

    os.kill(stopped, signal.SIGSTOP)
    took = group.seconds_until_another_sends(epoch, 20)
    os.kill(stopped, signal.SIGCONT)
    word = group.next_word()

    logger.info("takeover after %s s", round(took, 2))
    assert ttl - 1 < took < ttl + 5.5
    assert word.startswith(f"{stopped} ")  # "fenced", or "lost" when it was stopped inside its transaction
    sent = epochs_in_order_of_sending(account)
    assert sent == sorted(sent)


@committing
@pytest.mark.slow
def test_fm_C5_a_leader_frozen_inside_its_clearance_loses_the_transaction_and_sends_nothing(
    candidates, account, record_property
):
    group = candidates(2, ttl=2, how="freeze")
    wait_for(lambda: ReconcileReport.objects.filter(account=account, epoch=1).count() == 3, 10)
    frozen = TraderLease.objects.get(account=account).pid

    took = group.seconds_until_another_sends(1, 15)
    os.kill(frozen, signal.SIGCONT)
    word = group.next_word()

    logger.info("takeover after %s s", round(took, 2))
    assert 4 < took < 8
    assert word == f"{frozen} lost InternalError"  # idle in transaction
    assert ReconcileReport.objects.filter(account=account, epoch=1).count() == 3
