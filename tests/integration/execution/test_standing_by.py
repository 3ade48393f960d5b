"""A trader that stands by asks four times a second: that must cost little, and it leads with the account of now."""

import threading
from decimal import Decimal
from typing import Any

import pytest
import time_machine

from allocation.models import Account
from execution.ports import Broker
from execution.services.leadership import lead
from execution.services.paper_ledger import build_paper_broker
from execution.services.trader import trade_until
from tests.elsewhere import Elsewhere

SATURDAY = "2026-01-31T10:00:00+05:30"

built_for: list[Account] = []


def build_and_count(*, account: Account, **rest: Any) -> Broker:
    """The paper broker, and a note of whom it was built for."""
    built_for.append(account)
    return build_paper_broker(account=account, **rest)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_candidate_opens_its_desk_once_and_reads_the_account_anew_when_it_leads(
    account: Account, settings: Any
) -> None:
    settings.BROKERS = settings.BROKERS | {"paper": f"{__name__}.build_and_count"}
    built_for.clear()
    stopped, other, said = threading.Event(), Elsewhere(lead(account.pk, owner="elsewhere")), list[str]()

    def hear(sentence: str) -> None:
        said.append(sentence.partition(".")[0])
        if said == ["Standing by"]:
            Account.objects.filter(pk=account.pk).update(capital=Decimal(123_456))
            threading.Timer(0.8, other.__exit__, [None, None, None]).start()
        if said[-1] == "Trader is leading":
            stopped.set()

    with other, time_machine.travel(SATURDAY, tick=True):
        trade_until(stopped, account_name=account.name, say=hear)

    assert said[:2] == ["Standing by", "Trader is leading"]
    assert [one.capital for one in built_for] == [Decimal(123_456)]
