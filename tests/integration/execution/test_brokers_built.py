"""Which broker is built for whom; real money only where the installation and the account are both live."""

import sys
from datetime import UTC, datetime
from inspect import signature
from typing import Any

import pytest

from allocation.models import Account
from execution.brokers import build_broker
from execution.clock import SteppedClock
from execution.errors import ExecutionDenied
from execution.services.paper_ledger import build_paper_broker

pytestmark = pytest.mark.django_db
CLOCK = SteppedClock(datetime(2026, 1, 30, 5, 0, tzinfo=UTC))
TRAP = "tests.integration.execution.live_broker_trap"


def build(settings: Any, *, broker: str, trading_mode: str, account_mode: str, name: str | None = None) -> Any:
    settings.BROKERS = {**settings.BROKERS, "dhan": f"{TRAP}.build"}
    settings.BROKER, settings.TRADING_MODE = broker, trading_mode
    account = Account.objects.create(name="built", capital=1_000, mode=account_mode)
    market: Any = object()
    return build_broker(account=account, market=market, clock=CLOCK, name=name)


def test_the_paper_broker_is_built_with_the_clock_it_is_given(settings: Any) -> None:
    broker = build(settings, broker="paper", trading_mode="paper", account_mode="paper")

    assert (broker.name, broker.mode, broker._clock) == ("paper", "paper", CLOCK)


@pytest.mark.parametrize(("trading_mode", "account_mode"), [("paper", "paper"), ("paper", "live"), ("live", "paper")])
@pytest.mark.parametrize("by_name", [False, True])
def test_fm_A21_a_live_broker_is_not_even_imported_unless_everything_is_live(
    settings: Any, trading_mode: str, account_mode: str, by_name: bool
) -> None:
    broker, name = ("paper", "dhan") if by_name else ("dhan", None)

    with pytest.raises(ExecutionDenied) as denied:
        build(settings, broker=broker, trading_mode=trading_mode, account_mode=account_mode, name=name)

    assert denied.value.reason.code == "LIVE_NOT_ARMED"
    assert TRAP not in sys.modules


def test_the_paper_broker_serves_no_live_account(settings: Any) -> None:
    with pytest.raises(ExecutionDenied) as denied:
        build(settings, broker="paper", trading_mode="live", account_mode="live")

    assert denied.value.reason.code == "MODE"


def test_an_unknown_broker_is_named(settings: Any) -> None:
    with pytest.raises(ExecutionDenied) as denied:
        build(settings, broker="nobody", trading_mode="paper", account_mode="paper")

    assert denied.value.reason.code == "UNKNOWN_BROKER"


def test_fm_A21_the_paper_builder_takes_no_credentials_and_no_address() -> None:
    assert set(signature(build_paper_broker).parameters) == {"account", "market", "clock", "habits"}


def test_fm_A21_the_configured_live_broker_is_refused_on_paper(settings: Any) -> None:
    settings.BROKER, settings.TRADING_MODE = "dhan", "paper"
    market: Any = object()

    with pytest.raises(ExecutionDenied) as denied:
        build_broker(account=Account.objects.create(name="built", capital=1_000), market=market, clock=CLOCK)

    assert settings.BROKERS["dhan"]
    assert denied.value.reason.code == "LIVE_NOT_ARMED"
