"""A reviewer in a real browser: sign in, mark a strategy, see it queued, and see an order update arrive."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit, urlunsplit
from urllib.request import urlopen

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection

from strategies.models import OptionStrategy, StrategyLeg

CHROMIUM = Path("/usr/bin/chromium")
START_SECONDS = 30
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is a development requirement")

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no browser at {CHROMIUM}"),
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
]


@pytest.fixture
def site(db: None, tmp_path: Path) -> Iterator[str]:
    """The real web process on the test database."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    database = urlunsplit(urlsplit(settings.DATABASE_URL)._replace(path=f"/{connection.settings_dict['NAME']}"))
    environment = {"DATABASE_URL": database, "DEBUG": "1", "LOG_DIR": str(tmp_path), "BROKER": "paper"}
    command = [sys.executable, "-m", "uvicorn", "optionsv4.asgi:application", "--port", str(port)]
    with subprocess.Popen(
        command,
        cwd=settings.BASE_DIR,
        env=os.environ | environment,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    ) as server:
        try:
            yield _answering(f"http://127.0.0.1:{port}", server)
        finally:
            server.terminate()


def _answering(address: str, server: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urlopen(f"{address}/healthz", timeout=1):
                return address
        except (URLError, OSError):
            time.sleep(0.1)
    raise AssertionError("the web process did not start")


@pytest.fixture
def strategy(db: None) -> OptionStrategy:
    """One strategy to review, and somebody to review it."""
    User.objects.create_superuser("reviewer", password="a-long-password")
    strategy = OptionStrategy.objects.create(
        stock_name="RELIANCE", strategy_name="Iron Condor", total_score="0.71", max_loss=123456,
        generated_on=datetime(2026, 1, 30, 9, 59, tzinfo=UTC),
    )  # fmt: skip
    StrategyLeg.objects.create(
        strategy=strategy,
        leg_number=1,
        setup_type="SELL",
        option_type="CE",
        strike=1500,
        expiry="2026-02-24",
        premium=9,
    )
    return strategy


def test_sign_in_mark_and_watch_the_queue(strategy: OptionStrategy, site: str) -> None:
    complaints: list[str] = []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        session = browser.new_context()
        status = session.new_page()
        status.on("pageerror", lambda error: complaints.append(str(error)))
        status.on("requestfailed", lambda request: complaints.append(request.url))

        status.goto(f"{site}/execution/")
        status.fill("[name=username]", "reviewer")
        status.fill("[name=password]", "a-long-password")
        status.click("[type=submit]")
        status.wait_for_url("**/execution/")
        assert "Nothing is marked" in status.inner_text("#queue")
        status.wait_for_function("document.getElementById('connection').hidden")

        review = session.new_page()
        review.goto(f"{site}/admin/strategies/optionstrategy/")
        assert "₹1,23,456" in review.inner_text("#result_list")
        review.locator("input.action-select").first.check()
        review.locator("select[name=action]").select_option("mark_selected")
        review.locator("button[name=index]").click()
        review.fill("[name=priority]", "8")
        review.fill("[name=notes]", "from the browser")
        review.click("button[value=mark]")
        review.wait_for_selector("text=1 marked with priority 8")

        status.wait_for_selector("#queue >> text=from the browser", timeout=10_000)
        row = status.inner_text("#queue tbody tr")
        browser.close()

    assert "RELIANCE" in row
    assert row.startswith("8")
    assert complaints == []
    strategy.refresh_from_db()
    assert (strategy.execution_status, strategy.execution_priority, strategy.changed_by) == ("marked", 8, "reviewer")
