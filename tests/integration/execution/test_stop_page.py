"""The kill switch on a page: who may, what it asks, and what the execution page then says."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from allocation.models import Account
from execution.models import Alert, AlertLevel, TradingState
from execution.services.leadership import lead
from execution.services.standing import halt, standing, standings
from market.errors import Reason

pytestmark = pytest.mark.django_db
WHY = Reason("BY_HAND", "The feed looks wrong.")


@pytest.fixture
def account() -> Account:
    return Account.objects.get_or_create(name="paper")[0]


@pytest.fixture
def person(client: Client) -> Client:
    user = User.objects.create_user("asha", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="change_tradingstate"))
    client.force_login(user)
    return client


def stop(client: Client, account: Account, **answers: str) -> Any:
    return client.post(f"/execution/stop/{account.pk}/", {"how": "halt", "reason": "The feed looks wrong."} | answers)


@pytest.mark.parametrize(("how", "state"), [("halt", "HALTED"), ("reduce_only", "REDUCE_ONLY")])
def test_a_person_who_may_stops_an_account_and_is_named(person: Client, account: Account, how: str, state: str) -> None:
    response = stop(person, account, how=how)

    found = standing(account.pk)
    assert (response.status_code, response.headers["Location"]) == (302, "/execution/")
    assert (found.state, found.actor, found.automatic) == (state, "user:asha", False)
    assert found.reason == Reason("BY_HAND", "The feed looks wrong.")


def test_without_a_reason_nothing_is_stopped(person: Client, account: Account) -> None:
    response = stop(person, account, reason=" ")

    assert response.status_code == 400
    assert not TradingState.objects.filter(account=account).exclude(state="ACTIVE").exists()


def test_looking_at_the_page_stops_nothing(person: Client, account: Account) -> None:
    response = person.get(f"/execution/stop/{account.pk}/")

    assert "It is ACTIVE now" in response.content.decode()
    assert standing(account.pk).state == "ACTIVE"


def test_who_may_not_is_refused_and_changes_nothing(client: Client, account: Account) -> None:
    client.force_login(User.objects.create_user("guest", is_staff=True))

    assert stop(client, account).status_code == 403
    assert standing(account.pk).state == "ACTIVE"


def test_fm_F6_a_stop_from_another_site_is_refused(account: Account) -> None:
    strict = Client(enforce_csrf_checks=True)
    user = User.objects.create_superuser("root")
    strict.force_login(user)

    assert stop(strict, account).status_code == 403
    assert standing(account.pk).state == "ACTIVE"


def test_the_page_says_that_an_account_is_stopped_and_why(person: Client, account: Account) -> None:
    halt(account, reason=WHY, actor="cli:asha")

    page = person.get("/execution/").content.decode()

    assert ">HALTED</span>" in page
    assert "The feed looks wrong." in page
    assert f"/execution/stop/{account.pk}/" in page


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_the_page_says_who_leads(person: Client, account: Account) -> None:
    assert "none is running" in person.get("/execution/").content.decode()

    with lead(account.pk, owner="desk:1", code_version="x"):
        assert "leading <small>" in person.get("/execution/").content.decode()


def test_the_page_shows_what_needs_a_person_first(person: Client, account: Account) -> None:
    Alert.objects.create(
        account=account, level=AlertLevel.CRITICAL, code="STILL_HELD", sentence="Run 7 is stuck.", dedupe="x"
    )

    page = person.get("/execution/").content.decode()

    assert page.index("Run 7 is stuck.") < page.index('aria-label="Accounts"')


def test_standings_of_all_are_those_of_each(account: Account) -> None:
    halt(account, reason=WHY, actor="cli:asha")
    other = Account.objects.create(name="other", capital=1)

    found = standings()

    assert found[account.pk] == standing(account.pk)
    assert found.get(other.pk, found[0]) == standing(other.pk)
