"""The review list and marking over REST."""

from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from strategies.models import OptionStrategy, QueuedStrategy, StrategyLeg
from tests.factories import OptionStrategyFactory

pytestmark = pytest.mark.django_db

LIST = "/api/option-strategies"


def make_strategy(**values):
    defaults = {"stock_name": "NIFTY", "strategy_name": "Iron Condor", "total_score": "0.7"}
    moment = {"generated_on": datetime(2026, 1, 30, 9, 59, tzinfo=UTC)}
    strategy = OptionStrategy.objects.create(**moment | defaults | values)
    StrategyLeg.objects.create(
        strategy=strategy,
        leg_number=1,
        setup_type="SELL",
        option_type="CE",
        strike=25000,
        expiry="2026-02-03",
        premium=10,
    )
    return strategy


@pytest.fixture
def user():
    return User.objects.create_user("desk", password="a-long-password")


@pytest.fixture
def marker(client, user):
    user.user_permissions.add(Permission.objects.get(codename="mark_optionstrategy"))
    client.force_login(user)
    return client


def post(client, path, body):
    return client.post(path, body, content_type="application/json")


def test_list_is_ranked_filtered_and_paged(marker):
    for score, symbol in (("0.5", "TCS"), ("0.9", "TCS"), ("0.7", "INFY")):
        make_strategy(total_score=score, stock_name=symbol)

    def scores(query):
        return [row["total_score"] for row in marker.get(f"{LIST}?{query}").json()]

    assert scores("") == [0.9, 0.7, 0.5]
    assert scores("symbol=TCS") == [0.9, 0.5]
    assert scores("min_score=0.6") == [0.9, 0.7]
    assert scores("status=marked") == []
    assert scores("limit=1&offset=1") == [0.7]


@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=501", "limit=-1", "limit=x", "offset=-1", "offset=1000001", "min_score=NaN"),
        *("min_score=inf", "min_score=1.1", "status=nonsense", f"symbol={'x' * 41}", "symbol=%00"),
    ],
)
def test_list_refuses_what_is_out_of_bounds(marker, query):
    assert marker.get(f"{LIST}?{query}").status_code == 422


def test_list_costs_the_same_queries_for_one_row_and_for_ten(marker):
    counts = []
    for rows in (1, 9):
        for _ in range(rows):
            make_strategy()
        with CaptureQueriesContext(connection) as queries:
            marker.get(LIST)
        counts.append(len(queries))

    assert counts == [3, 3]


def test_detail_has_legs_and_tells_unlimited_from_unknown(marker):
    strategy = make_strategy(unlimited_loss=True)

    body = marker.get(f"{LIST}/{strategy.pk}").json()

    assert (body["max_loss"], body["unlimited_loss"], body["expected_profit"], body["unlimited_profit"]) == (
        *(None, True),
        *(None, False),
    )
    assert body["legs"] == [
        {
            "leg_number": 1,
            "setup_type": "SELL",
            "option_type": "CE",
            "strike_price": 25000.0,
            "expiry": "2026-02-03",
            "premium": 10.0,
            "lots": 1,
            "delta": None,
        }
    ]


def test_mark_then_unmark(marker):
    strategy = make_strategy()

    marked = post(marker, f"{LIST}/{strategy.pk}/mark", {"priority": 9, "notes": "good"})

    assert marked.status_code == 200
    assert [marked.json()[key] for key in ("execution_status", "execution_priority", "execution_notes")] == [
        *("marked", 9, "good")
    ]
    strategy.refresh_from_db()
    assert strategy.changed_by == "desk"
    assert post(marker, f"{LIST}/{strategy.pk}/unmark", {}).json()["execution_status"] == "pending"
    assert not QueuedStrategy.objects.exists()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ('{"priority": 0}', 422),
        ('{"priority": 11}', 422),
        ('{"priority": 5.5}', 422),
        ('{"priority": "high"}', 422),
        ('{"priority": NaN}', 400),
        ('{"priority": Infinity}', 400),
        ('{"priority": -Infinity}', 400),
        ('{"notes": "a\\u0000b"}', 422),
        ('{"priority"', 400),
        ("", 422),
        ("[]", 400),
        ("5", 400),
    ],
)
def test_fm_D14_mark_refuses_a_bad_body(marker, body, status):
    strategy = make_strategy()

    response = post(marker, f"{LIST}/{strategy.pk}/mark", body)

    assert response.status_code == status
    strategy.refresh_from_db()
    assert strategy.execution_status == "pending"


def test_fm_D10_mark_twice_is_a_conflict_with_a_reason(marker):
    strategy = make_strategy()
    post(marker, f"{LIST}/{strategy.pk}/mark", {"priority": 9})

    response = post(marker, f"{LIST}/{strategy.pk}/mark", {"priority": 3})

    assert response.status_code == 409
    assert response.json()["code"] == "NOT_PENDING"
    strategy.refresh_from_db()
    assert strategy.execution_priority == 9


@pytest.mark.parametrize("strategy_id", [0, 999_999, 10**30])
@pytest.mark.parametrize("verb", ["", "/mark", "/unmark"])
def test_fm_F7_an_unknown_id_is_a_404(marker, strategy_id, verb):
    path = f"{LIST}/{strategy_id}{verb}"

    response = post(marker, path, {}) if verb else marker.get(path)

    assert response.status_code == 404


@pytest.mark.parametrize("verb", ["mark", "unmark"])
def test_fm_F7_marking_needs_the_permission(client, user, verb):
    client.force_login(user)
    strategy = make_strategy()

    response = post(client, f"{LIST}/{strategy.pk}/{verb}", {})

    assert response.status_code == 403
    strategy.refresh_from_db()
    assert strategy.execution_status == "pending"


def test_fm_F6_marking_needs_the_csrf_token(user):
    user.user_permissions.add(Permission.objects.get(codename="mark_optionstrategy"))
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(user)
    strategy = make_strategy()

    response = post(strict, f"{LIST}/{strategy.pk}/mark", {"priority": 5})

    assert response.status_code == 403
    strategy.refresh_from_db()
    assert strategy.execution_status == "pending"


def test_detail_holds_metrics_and_typed_exits_in_three_queries_of_its_own(marker):
    strategy, bare = OptionStrategyFactory(), make_strategy()
    marker.get(f"{LIST}/{strategy.pk}")

    with CaptureQueriesContext(connection) as queries:
        found = marker.get(f"{LIST}/{strategy.pk}").json()

    assert sum("strateg" in query["sql"] for query in queries) == 3
    (stop,) = [row for row in found["exit_rows"] if (row["kind"], row["level"]) == ("money", "stop_loss")]
    assert (stop["value"], stop["unit"], stop["reason"]) == (5025.0, "rupees per set", "A test says so.")
    assert [row["value"] for row in found["exit_rows"] if row["kind"] == "percent_of_credit"] == [None]
    metrics = found["parameters"]
    assert (metrics["expected_value"], metrics["recalibration_reason"]) == (150.0, "NOT_CALIBRATED")
    assert metrics["scenarios"][0] == [-0.05, 0.0, 0, -5000.0]
    assert marker.get(f"{LIST}/{bare.pk}").json()["parameters"] is None
