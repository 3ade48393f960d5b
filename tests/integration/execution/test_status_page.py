"""The execution page: what a trader reads at 09:14, and what it costs."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from allocation.models import Account
from execution.models import ExecutionRun, LegOrder, StrategyMark, Trade
from market.calendar import IST
from market.models import FileImport
from strategies.models import OptionStrategy, StrategyLeg
from tests.factories import RUN_DONE, walk

pytestmark = pytest.mark.django_db

PAGE = "/execution/"
FRIDAY = datetime(2026, 1, 30, 9, 14, tzinfo=IST)
PAGE_QUERIES = 21
BUYING = ("precheck", "ready", "buying")


@pytest.fixture
def trader(client):
    client.force_login(User.objects.create_user("trader", is_staff=True))
    return client


def at(moment):
    return time_machine.travel(moment, tick=False)


def make_strategy(status="pending", **values):
    defaults = {"stock_name": "NIFTY", "strategy_name": "Iron Condor", "total_score": "0.7", "generated_on": FRIDAY}
    strategy = OptionStrategy.objects.create(**defaults)
    StrategyLeg.objects.create(
        strategy=strategy, leg_number=1, setup_type="BUY", option_type="CE", strike=25000, expiry=FRIDAY, premium=10
    )
    rows = OptionStrategy.objects.filter(pk=strategy.pk)
    path = {"pending": [], "marked": ["marked"], "executing": ["marked", "executing"]}
    path |= {end: ["marked", "executing", end] for end in ("executed", "failed")}
    for step in path[status]:
        stamp = {"executed_at": FRIDAY} if step == "executed" else {}
        rows.update(execution_status=step, marked_for_execution=True, execution_priority=7, **stamp)
    rows.update(**values)
    strategy.refresh_from_db()
    return strategy


def make_run(strategy, *states):
    account = Account.objects.get(name="paper")
    meant = [{"row": leg.pk, "side": "BUY", "quantity": 75} for leg in strategy.legs.all()]
    run = ExecutionRun.objects.create(strategy=strategy, account=account, broker="paper", as_of=FRIDAY, intended=meant)
    return walk(run, *states)


def make_trade(strategy, moment, *, order, **values):
    values = {"action": "SELL", "quantity": 75, "price": Decimal("42.35"), "charges": Decimal("31.20")} | values
    return Trade.objects.create(
        strategy=strategy, account=Account.objects.get(name="paper"), order_id=order, security_id="41",
        timestamp=moment, symbol="NIFTY 25000 CE", order_status="TRADED", **values,
    )  # fmt: skip


def read(client, moment=FRIDAY, **headers):
    with at(moment):
        return client.get(PAGE, headers=headers).content.decode()


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        (FRIDAY, ["MARKET CLOSED", "The market opens at 09:15 IST on 30 Jan 2026; it is 09:14."]),
        (FRIDAY + timedelta(minutes=1), ["MARKET OPEN", "until 15:30 IST"]),
        (FRIDAY + timedelta(days=1), ["MARKET CLOSED", "weekend", "Sunday 01 Feb 2026 at 09:15 IST"]),
    ],
)
def test_the_top_line_says_whether_the_market_is_open_and_when_it_opens(trader, moment, words):
    text = read(trader, moment)

    assert [word for word in words if word not in text] == []


def test_the_top_line_says_paper_or_live(trader, settings):
    assert '<span class="ov-badge info">PAPER</span>' in read(trader)

    settings.TRADING_MODE = "live"

    assert '<span class="ov-badge danger">LIVE</span>' in read(trader)


def test_the_top_line_tells_no_todays_old_and_stale_master_apart(trader):
    master = {"kind": "master", "source": "dhan", "file_name": "master.csv"}
    assert "NO MASTER" in read(trader)

    FileImport.objects.create(**master, status="accepted", published_on=FRIDAY.date())
    assert "Master of 30 Jan 2026" in (today := read(trader))
    assert "OLD MASTER" not in today

    assert "OLD MASTER" in read(trader, FRIDAY + timedelta(days=3))

    FileImport.objects.create(**master, status="refused", reason_code="HTML")
    assert "MASTER STALE" in read(trader)


def test_an_empty_desk_says_what_to_do(trader):
    text = read(trader)

    for sentence in ("Nothing is marked", "No basket is on its way", "Nothing has failed", "Nothing is held"):
        assert sentence in text


def test_queue_runs_failures_positions_and_trades_are_shown(trader):
    make_strategy("marked", stock_name="QUEUED", execution_notes="before <b>RBI</b>")
    working = make_strategy("executing", stock_name="WORKING")
    run = make_run(working, *BUYING)
    order = LegOrder.objects.create(
        run=run, leg=working.legs.get(), side="BUY", segment="NSE_FNO", security_id="41", symbol="X", quantity=75,
        filled_quantity=50, limit_price="10", correlation_id="r1",
    )  # fmt: skip
    walk(order, "sending", "acked", "part")
    make_strategy("failed", stock_name="BROKEN", execution_notes="LIMIT: too much")
    held = make_strategy("executed", stock_name="HELD")
    make_run(held, *RUN_DONE)
    make_trade(held, FRIDAY, order="1")
    StrategyMark.objects.create(strategy=held, as_of=FRIDAY, profit=Decimal(-1234))

    text = read(trader)

    sections = {name: text.split(f'id="{name}"')[1].split("</section>")[0] for name in ("queue", "working", "failed")}
    sections |= {
        name: text.split(f'id="{name}"')[1].split("</section>")[0] for name in ("recent", "positions", "trades")
    }
    assert "QUEUED" in sections["queue"]
    assert "before &lt;b&gt;RBI&lt;/b&gt;" in sections["queue"]
    assert "50 / 75" in sections["working"]
    assert "LIMIT: too much" in sections["failed"]
    assert "HELD" in sections["recent"]
    assert "WORKING" not in sections["recent"]
    assert [word in sections["positions"] for word in ("SHORT", "-75", "₹3,176")] == [True] * 3
    assert [word in sections["trades"] for word in ("₹42.35", "₹31.20", "09:14:00")] == [True] * 3
    assert '<span class="loss">-₹1,234</span>' in text


def test_a_closed_position_is_not_held(trader):
    held = make_strategy("executed")
    make_trade(held, FRIDAY, order="1")
    make_trade(held, FRIDAY, order="2", action="BUY")

    assert "Nothing is held" in read(trader)


def test_trades_of_an_older_day_say_so(trader):
    make_trade(make_strategy("executed"), FRIDAY, order="1")

    text = read(trader, FRIDAY + timedelta(days=3))

    assert "Trades of 30 Jan 2026 <small>none today</small>" in text


def test_the_page_costs_the_same_queries_for_one_row_and_for_many(trader):
    counts = []
    for rows in (1, 6):
        for number in range(rows):
            make_strategy("marked")
            make_strategy("failed")
            make_run(make_strategy("executing"), *BUYING)
            held = make_strategy("executed")
            make_run(held, *RUN_DONE)
            make_trade(held, FRIDAY, order=f"{rows}-{number}")
            StrategyMark.objects.create(strategy=held, as_of=FRIDAY, profit=1)
        with at(FRIDAY), CaptureQueriesContext(connection) as queries:
            trader.get(PAGE)
        counts.append(len(queries))

    assert counts == [PAGE_QUERIES, PAGE_QUERIES]


def test_htmx_gets_the_tables_alone_and_no_cache_keeps_them(trader):
    with at(FRIDAY):
        whole = trader.get(PAGE)
        part = trader.get(PAGE, headers={"HX-Request": "true"})

    assert "<html" in whole.content.decode()
    assert "<html" not in part.content.decode()
    assert 'id="queue"' in part.content.decode()
    assert "no-store" in part.headers["Cache-Control"]
    assert "HX-Request" in part.headers["Vary"]


def test_the_page_has_no_inline_script_and_no_foreign_address(trader):
    text = read(trader)

    scripts = [part.split(">")[0] for part in text.split("<script")[1:]]
    assert [script for script in scripts if "src=" not in script] == []
    assert "//cdn" not in text
    assert "http://" not in text.replace('xmlns="http://', "")
    assert "https://" not in text


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_fm_F6_the_page_only_reads(trader, method):
    assert getattr(trader, method)(PAGE).status_code == 405


def test_the_root_leads_to_the_page(trader):
    assert trader.get("/").url == PAGE


def test_units_that_were_asked_for_again_or_taken_back_are_not_counted_twice(trader):
    working = make_strategy("executing", stock_name="WORKING")
    run = make_run(working, *BUYING)
    tries = [
        ("buying", "BUY", 75, 25, "cancelled"),
        ("buying", "BUY", 50, 50, "filled"),
        ("unwinding", "SELL", 75, 75, "filled"),
    ]
    for number, (phase, side, asked, filled, end) in enumerate(tries, start=1):
        order = LegOrder.objects.create(
            run=run, leg=working.legs.get(), side=side, phase=phase, segment="NSE_FNO", security_id="41", symbol="X",
            quantity=asked, filled_quantity=filled, limit_price="10", correlation_id=f"r{number}", attempt=number,
        )  # fmt: skip
        walk(order, "sending", "acked", end)

    text = read(trader)

    assert "75 / 75" in text


def test_a_practice_names_its_day(trader, settings):
    make_trade(make_strategy("executed"), FRIDAY, order="1")
    today = read(trader)
    settings.CLOCK_SHIFT_SECONDS = -60

    practice = read(trader)

    assert ("Today's trades" in today, "<dt>Fills</dt>" in today) == (True, True)
    assert ("Trades of 30 Jan 2026</h2>" in practice, "<dt>Fills <small>30 Jan 2026</small></dt>" in practice) == (
        True,
        True,
    )
