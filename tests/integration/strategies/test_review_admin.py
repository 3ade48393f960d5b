"""The review screen: what it shows, and what its actions do and refuse."""

from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.messages import get_messages
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from strategies.models import OptionStrategy, QueuedStrategy, StrategyLeg

pytestmark = pytest.mark.django_db

LIST = "/admin/strategies/optionstrategy/"
PAGE = "/admin/strategies/optionstrategy/mark/"
FULL_LIST_QUERIES = 10


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


def sign_in(client, *codenames, name="desk"):
    user = User.objects.create_user(name, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(user)
    return client


@pytest.fixture
def reviewer(client):
    return sign_in(client, "view_optionstrategy", "mark_optionstrategy")


def run_action(client, action, strategies, **extra):
    ids = [strategy.pk for strategy in strategies]
    return client.post(LIST, {"action": action, "_selected_action": ids, **extra})


def said(response):
    return [str(message) for message in get_messages(response.wsgi_request)]


def test_list_shows_rupees_words_and_dashes(reviewer):
    make_strategy(stock_name="TCS", expected_profit=1234567, max_loss=None, unlimited_loss=True)

    text = reviewer.get(LIST).content.decode()

    assert "₹12,34,567" in text
    assert '<span class="loss">Unlimited</span>' in text
    assert "–" in text  # the probability nobody computed
    assert "0.00" not in text.split('id="result_list"')[1].split("</table>")[0]


def test_list_costs_the_same_queries_for_two_rows_and_for_forty(reviewer):
    counts = []
    for rows in (2, 38):
        for _ in range(rows):
            make_strategy()
        with CaptureQueriesContext(
            connection,
        ) as queries:
            reviewer.get(LIST)
        counts.append(len(queries))

    assert counts == [FULL_LIST_QUERIES, FULL_LIST_QUERIES]


def test_detail_costs_the_same_queries_for_one_leg_and_for_many(reviewer):
    strategy = make_strategy()
    reviewer.get(f"{LIST}{strategy.pk}/change/")  # content types are cached from here on
    counts = []
    for extra in ((), (2, 3, 4, 5)):
        for number in extra:
            StrategyLeg.objects.create(
                strategy=strategy, leg_number=number, setup_type="BUY", option_type="PE", strike=number, premium=1,
                expiry="2026-02-03",
            )  # fmt: skip
        with CaptureQueriesContext(connection) as queries:
            response = reviewer.get(f"{LIST}{strategy.pk}/change/")
        assert response.status_code == 200
        counts.append(len(queries))

    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("execution_status__exact=pending", ["A", "B"]),
        ("stock_name=B", ["B"]),
        ("structure=iron-condor", ["A"]),
        ("day=2026-01-30", ["A"]),
        ("day=2026-01-29", ["B"]),
        ("day=yesterday", []),
        ("conviction_level=High", ["B"]),
        ("q=b", ["B"]),
    ],
)
def test_filters_and_search(reviewer, query, found):
    make_strategy(stock_name="A", structure="iron-condor")
    make_strategy(stock_name="B", conviction_level="High", generated_on=datetime(2026, 1, 29, 9, 0, tzinfo=UTC))

    response = reviewer.get(f"{LIST}?{query}")

    assert [row.stock_name for row in response.context["cl"].result_list] == found


@pytest.mark.parametrize("priority", [10, 5, 1])
def test_quick_actions_mark_with_their_priority(reviewer, priority):
    first, second = make_strategy(), make_strategy()

    response = run_action(reviewer, f"mark_{priority}", [first, second])

    assert said(response) == [f"2 marked with priority {priority}: #{first.pk}, #{second.pk}."]
    assert set(QueuedStrategy.objects.values_list("id", "execution_priority")) == {
        (first.pk, priority),
        (second.pk, priority),
    }


def test_asking_page_marks_with_priority_and_notes_and_names_the_person(reviewer):
    strategy = make_strategy()
    page = run_action(reviewer, "mark_selected", [strategy]).url

    shown = reviewer.get(page)
    done = reviewer.post(page, {"verb": "mark", "priority": 8, "notes": "High conviction"})

    assert [row.pk for row in shown.context["rows"]] == [strategy.pk]
    assert done.url == LIST
    strategy.refresh_from_db()
    assert (strategy.execution_status, strategy.execution_priority, strategy.execution_notes, strategy.changed_by) == (
        *("marked", 8),
        *("High conviction", "desk"),
    )


@pytest.mark.parametrize("priority", ["0", "11", "-1", "NaN", "5.5", "", "99999999999999999999"])
def test_asking_page_refuses_a_priority_outside_the_scale(reviewer, priority):
    strategy = make_strategy()

    response = reviewer.post(f"{PAGE}?ids={strategy.pk}", {"verb": "mark", "priority": priority})

    assert response.status_code == 200
    assert "priority" in response.context["form"].errors
    strategy.refresh_from_db()
    assert strategy.execution_status == "pending"


def test_asking_page_leads_back_to_the_filtered_list_and_nowhere_else(reviewer):
    strategy = make_strategy()
    address = f"{LIST}?stock_name=NIFTY"

    page = reviewer.post(address, {"action": "mark_selected", "_selected_action": [strategy.pk]}).url
    done = reviewer.post(page, {"verb": "mark", "priority": 5})
    evil = reviewer.post(f"{PAGE}?ids={strategy.pk}&back=https://evil.example/", {"verb": "unmark"})

    assert done.url == address
    assert evil.url.startswith(LIST)


@pytest.mark.parametrize("ids", ["", "x", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21", "9" * 40])
def test_asking_page_without_a_sensible_selection_sends_back(reviewer, ids):
    response = reviewer.post(f"{PAGE}?ids={ids}", {"verb": "mark", "priority": 5})

    assert response.url == LIST
    assert "select 1 to 20 at a time. Nothing was changed." in said(response)[0]


def test_fm_F3_more_than_twenty_rows_are_refused_whole(reviewer):
    strategies = [make_strategy() for _ in range(21)]

    response = run_action(reviewer, "mark_5", strategies)

    assert said(response) == ["21 strategies are selected; select 1 to 20 at a time. Nothing was changed."]
    assert not QueuedStrategy.objects.exists()


def test_twenty_rows_are_marked(reviewer):
    strategies = [make_strategy() for _ in range(20)]

    run_action(reviewer, "mark_5", strategies)

    assert QueuedStrategy.objects.count() == 20


def test_a_refused_row_says_why_and_stops_no_other(reviewer):
    marked, bare = make_strategy(), make_strategy()
    bare.legs.all().delete()

    response = run_action(reviewer, "mark_5", [marked, bare])

    assert said(response)[0] == f"1 marked with priority 5: #{marked.pk}."
    assert said(response)[1].startswith(f"Refused: Strategy {bare.pk} has no legs")


def test_fm_F2_unmark_takes_out_of_the_queue_and_refuses_what_is_not_in_it(reviewer):
    marked, pending = make_strategy(), make_strategy()
    run_action(reviewer, "mark_5", [marked])

    response = run_action(reviewer, "unmark_selected", [marked, pending])

    assert f"1 unmarked: #{marked.pk}." in said(response)
    assert any(f"Strategy {pending.pk} is pending, not marked." in text for text in said(response))
    assert not QueuedStrategy.objects.exists()


@pytest.mark.parametrize("action", ["mark_selected", "mark_10", "mark_5", "mark_1", "unmark_selected"])
def test_who_only_views_is_offered_no_action_and_changes_nothing(client, action):
    viewer = sign_in(client, "view_optionstrategy", "change_optionstrategy")
    strategy = make_strategy()

    page = viewer.get(LIST)
    run_action(viewer, action, [strategy])
    forced = viewer.post(f"{PAGE}?ids={strategy.pk}", {"verb": "mark", "priority": 5})

    assert "Mark for execution" not in page.content.decode()
    assert forced.status_code == 403
    strategy.refresh_from_db()
    assert strategy.execution_status == "pending"


def test_fm_F5_nobody_edits_execution_columns_or_scores_in_the_form(admin_client):
    strategy = make_strategy()
    page = f"{LIST}{strategy.pk}/change/"

    response = admin_client.post(page, {"execution_status": "executed", "execution_priority": 99, "total_score": "1"})

    assert response.status_code == 403
    strategy.refresh_from_db()
    assert (strategy.execution_status, strategy.execution_priority) == ("pending", 0)
    assert admin_client.get(f"{LIST}add/").status_code == 403
    assert admin_client.post(f"{LIST}{strategy.pk}/delete/", {"post": "yes"}).status_code == 403


def test_detail_shows_history_with_its_author(reviewer):
    strategy = make_strategy()
    run_action(reviewer, "mark_5", [strategy])

    text = reviewer.get(reverse("admin:strategies_optionstrategy_change", args=[strategy.pk])).content.decode()

    history = text.split('id="events-group"')[1]
    assert ["Marked" in history, "Pending" in history, "desk" in history] == [True, True, True]
    assert "25000" in text.split('id="legs-group"')[1].split('id="events-group"')[0]


def test_detail_button_leads_to_the_asking_page(reviewer):
    strategy = make_strategy()
    address = reverse("admin:strategies_optionstrategy_mark_this", args=[strategy.pk])

    response = reviewer.get(address)

    assert response.url.startswith(f"{PAGE}?ids={strategy.pk}")
    strategy.refresh_from_db()
    assert strategy.execution_status == "pending"
