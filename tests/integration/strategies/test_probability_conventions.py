"""The probability of profit is read, and ranked by, under the convention one asks for; each says what it assumes."""

import io
import json

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.html import escape

from market.services.chains import store_chain
from market.sources import build_source
from strategies.convention import TERMS, ProbabilityConvention
from strategies.models import OptionStrategy, StrategyParameters
from tests.factories import AS_OF, OptionStrategyFactory, list_chain, record_past

pytestmark = pytest.mark.django_db

LIST = "/api/option-strategies"
COLUMNS = {convention.value: terms.column for convention, terms in TERMS.items()}


@pytest.fixture
def desk(client):
    client.force_login(User.objects.create_user("desk", password="a-long-password"))
    return client


def stored(name, score, smile, flat, history):
    row = OptionStrategyFactory(stock_name=name, total_score=score, probability_of_profit=smile)
    StrategyParameters.objects.filter(strategy=row).update(probability_flat=flat, probability_history=history)
    return row


@pytest.fixture
def three():
    """Each convention likes another one best."""
    return [
        stored("ONE", "0.9", smile="0.40", flat="0.60", history=None),
        stored("TWO", "0.8", smile="0.70", flat="0.50", history="0.45"),
        stored("THREE", "0.7", smile="0.50", flat="0.55", history="0.65"),
    ]


ORDERS = [
    ("rank_by=score&probability=flat", ["ONE", "TWO", "THREE"]),
    ("rank_by=probability", ["TWO", "THREE", "ONE"]),
    ("rank_by=probability&probability=smile", ["TWO", "THREE", "ONE"]),
    ("rank_by=probability&probability=flat", ["ONE", "THREE", "TWO"]),
    ("rank_by=probability&probability=history", ["THREE", "TWO", "ONE"]),
]


@pytest.mark.parametrize(("query", "names"), ORDERS)
def test_the_list_is_ranked_by_the_convention_that_is_asked_for_and_the_unknown_come_last(desk, three, query, names):
    assert [row["stock_name"] for row in desk.get(f"{LIST}?{query}").json()] == names


def test_every_listed_strategy_has_all_three_and_the_unknown_one_its_reason(desk, three):
    first = desk.get(f"{LIST}?limit=1").json()[0]

    assert first["probabilities"] == [
        {"convention": "smile", "value": 0.4, "reason": ""},
        {"convention": "flat", "value": 0.6, "reason": ""},
        {"convention": "history", "value": None, "reason": "NO_PAST"},
    ]
    assert desk.get(f"{LIST}/{three[0].pk}").json()["probabilities"] == first["probabilities"]


def test_what_was_typed_in_by_hand_was_never_measured(desk):
    row = OptionStrategyFactory(details=False, probability_of_profit=None)

    found = desk.get(f"{LIST}/{row.pk}").json()["probabilities"]

    assert [(each["value"], each["reason"]) for each in found] == [(None, "NOT_MEASURED")] * 3


@pytest.mark.parametrize("query", ["probability=delta", "rank_by=name"])
def test_a_convention_nobody_defined_is_refused(desk, query):
    assert desk.get(f"{LIST}?{query}").status_code == 422


def test_the_list_costs_the_same_queries_under_every_convention(desk, three):
    counts = []
    for convention in ProbabilityConvention:
        with CaptureQueriesContext(connection) as queries:
            desk.get(f"{LIST}?probability={convention}&rank_by=probability")
        counts.append(len(queries))

    assert counts == [3, 3, 3]


def test_the_conventions_are_told_with_anchor_distribution_and_day_count(desk):
    found = {each["convention"]: each for each in desk.get(f"{LIST}/probability-conventions").json()}

    assert found.keys() == COLUMNS.keys()
    for convention, terms in TERMS.items():
        for name in ("name", "anchor", "distribution", "day_count"):
            assert found[convention][name] == getattr(terms, name)


def test_the_page_of_a_strategy_tells_every_convention(admin_client, three):
    page = admin_client.get(f"/admin/strategies/optionstrategy/{three[1].pk}/change/").content.decode()

    for terms in TERMS.values():
        assert escape(terms.sentence) in page


def run(*arguments):
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


@pytest.mark.parametrize(("query", "names"), ORDERS)
def test_the_review_list_is_ranked_and_shown_by_convention(three, query, names):
    options = [
        word for pair in query.split("&") for word in (f"--{pair.split('=')[0].replace('_', '-')}", pair.split("=")[1])
    ]

    rows = json.loads(run("mark_for_execution", "list", *options, "--json"))

    assert [row["stock_name"] for row in rows] == names


def test_the_review_list_shows_the_reason_and_what_the_convention_assumes(three):
    shown = run("mark_for_execution", "list", "--probability", "history")
    rows = json.loads(run("mark_for_execution", "list", "--probability", "history", "--json"))

    assert "NO_PAST" in shown
    assert TERMS[ProbabilityConvention.HISTORY].anchor in " ".join(shown.split())
    assert [(row["probability"], row["probability_reason"]) for row in rows] == [
        (None, "NO_PAST"),
        (0.45, ""),
        (0.65, ""),
    ]


@pytest.fixture
def infy():
    chain = build_source("simulated").chain("INFY", as_of=AS_OF)
    list_chain(chain, lot_size=400)
    store_chain(chain)
    record_past("INFY", until=AS_OF.date().replace(day=29), volatility=0.12)


@pytest.mark.parametrize("convention", list(ProbabilityConvention))
def test_the_generator_shows_and_ranks_by_the_convention_that_is_asked_for(infy, convention):
    options = ("--as-of", f"{AS_OF:%Y-%m-%dT%H:%M}", "--probability", convention, "--rank-by", "probability")

    found = json.loads(run("generate_strategies", *options, "--top", "5", "--jobs", "1", "--json"))

    column = TERMS[convention].column
    best = OptionStrategy.objects.order_by(f"-{column}").values_list(column, flat=True)[:5]
    assert len(best) == 5
    assert [each["probability"] for each in found["best"]] == [float(value) for value in best]
    assert found["probability"]["convention"] == convention
    assert found["probability"]["anchor"] == TERMS[convention].anchor
    assert TERMS[convention].distribution in " ".join(run("generate_strategies", *options, "--jobs", "1").split())
