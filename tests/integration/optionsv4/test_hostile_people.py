"""What hostile or merely former colleagues can do: scripts in names, bombs in bodies, old sessions and rights."""

from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import Permission, User

from strategies.models import OptionStrategy

pytestmark = pytest.mark.django_db

LIST = "/api/option-strategies"
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def strategy():
    moment = datetime(2026, 1, 30, 9, 59, tzinfo=UTC)
    return OptionStrategy.objects.create(
        stock_name="NIFTY", strategy_name=SCRIPT, total_score="0.7", generated_on=moment
    )


@pytest.fixture
def user():
    made = User.objects.create_user("desk", password="a-long-password")
    made.user_permissions.add(Permission.objects.get(codename="mark_optionstrategy"))
    return made


@pytest.mark.parametrize("page", ["/admin/strategies/optionstrategy/", "/admin/strategies/optionstrategy/{}/change/"])
def test_fm_F14_a_script_in_a_name_is_shown_and_not_run(admin_client, strategy, page):
    text = admin_client.get(page.format(strategy.pk)).content.decode()

    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert SCRIPT not in text


@pytest.mark.parametrize(
    ("body", "status"),
    [("[" * 100_000, 400), ('{"priority": ' + "[" * 50_000 + "]" * 50_000 + "}", 400), (" " * 10_000_000, 400)],
    ids=["open brackets", "depth", "10 MB"],
)
def test_fm_D14_a_bomb_is_refused_and_marks_nothing(client, user, strategy, body, status):
    client.force_login(user)

    response = client.post(f"{LIST}/{strategy.pk}/mark", body, content_type="application/json")

    strategy.refresh_from_db()
    assert (response.status_code, strategy.execution_status) == (status, "pending")


def test_fm_F9_a_right_that_was_taken_away_is_gone_at_the_next_request(client, user, strategy):
    client.force_login(user)
    before = client.post(f"{LIST}/{strategy.pk}/unmark", {}, content_type="application/json").status_code
    user.user_permissions.clear()

    after = client.post(f"{LIST}/{strategy.pk}/mark", {"priority": 5}, content_type="application/json")

    strategy.refresh_from_db()
    assert (before, after.status_code, strategy.execution_status) == (409, 403, "pending")


def test_fm_F10_a_planted_session_key_does_not_outlive_the_sign_in(client, user):
    User.objects.filter(pk=user.pk).update(is_staff=True)
    session = client.session
    session["planted"] = True
    session.save()
    planted = session.session_key

    answer = client.post("/admin/login/", {"username": "desk", "password": "a-long-password"})

    assert answer.status_code == 302
    assert client.session["_auth_user_id"] == str(user.pk)
    assert client.session.session_key != planted
    assert not client.session.exists(planted)
