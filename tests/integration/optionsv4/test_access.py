"""Who may open what: role by address, in one table."""

import pytest
from django.contrib.admin import site
from django.contrib.auth.models import Permission, User
from django.urls import get_resolver

pytestmark = pytest.mark.django_db

OK, IN, NO, OUT, LOST = 200, 302, 403, 401, 404
ROLES = ("stranger", "member", "reviewer", "marker", "operator")
# What the order path writes by itself; people look at it, and act on it only by what the list offers.
LOOKED_AT = (
    "alert", "auditentry", "brokeraccess", "checkanswer", "externalorder", "livearming", "reconcilereport",
    "rejectioncount", "residentstop", "traderlease", "tradingstate",
)  # fmt: skip
TABLE = {
    "/healthz": (OK, OK, OK, OK, OK),
    "/execution/": (IN, OK, OK, OK, OK),
    "/execution/preview/0/": (IN, NO, LOST, LOST, LOST),
    "/execution/stop/0/": (IN, NO, NO, NO, LOST),
    "/strategies/calibration": (IN, IN, OK, OK, OK),
    "/api/openapi.json": (IN, OK, OK, OK, OK),
    "/api/docs": (IN, OK, OK, OK, OK),
    "/api/option-strategies": (OUT, OK, OK, OK, OK),
    "/api/option-strategies/1": (OUT, LOST, LOST, LOST, LOST),
    "/api/execution/queue": (OUT, OK, OK, OK, OK),
    "/api/execution/trades": (OUT, OK, OK, OK, OK),
    "/api/execution/positions": (OUT, OK, OK, OK, OK),
    "/admin/": (IN, IN, OK, OK, OK),
    "/admin/strategies/optionstrategy/": (IN, IN, OK, OK, OK),
    "/admin/strategies/optionstrategy/add/": (IN, IN, NO, NO, NO),
    "/admin/strategies/optionstrategy/mark/?ids=1": (IN, IN, NO, OK, OK),
    "/admin/strategies/generationrun/": (IN, IN, NO, NO, OK),
    "/admin/execution/trade/": (IN, IN, OK, OK, OK),
    "/admin/execution/trade/add/": (IN, IN, NO, NO, NO),
    "/admin/execution/executionrun/": (IN, IN, NO, NO, OK),
    "/admin/execution/executionrun/add/": (IN, IN, NO, NO, NO),
    "/admin/execution/legorder/": (IN, IN, NO, NO, OK),
    "/admin/execution/risklimits/": (IN, IN, NO, NO, OK),
    "/admin/execution/risklimits/add/": (IN, IN, NO, NO, OK),
    **{
        f"/admin/execution/{name}/{page}": (IN, IN, NO, NO, answer)
        for name in LOOKED_AT
        for page, answer in (("", OK), ("add/", NO))
    },
    "/admin/market/instrument/": (IN, IN, NO, NO, OK),
    "/admin/market/instrument/add/": (IN, IN, NO, NO, NO),
    "/admin/market/chainsnapshot/": (IN, IN, NO, NO, OK),
    "/admin/market/fileimport/": (IN, IN, NO, NO, OK),
    "/admin/market/underlying/": (IN, IN, NO, NO, OK),
    "/admin/market/underlying/import/": (IN, IN, NO, NO, OK),
    "/admin/market/underlying/export/": (IN, IN, NO, NO, OK),
    "/admin/market/watchlistitem/": (IN, IN, NO, NO, OK),
    "/admin/market/watchlistitem/import/": (IN, IN, NO, NO, OK),
    "/admin/allocation/account/": (IN, IN, NO, NO, OK),
    "/admin/allocation/account/add/": (IN, IN, NO, NO, OK),
    "/admin/allocation/industryallocation/": (IN, IN, NO, NO, OK),
    "/admin/allocation/sectorallocation/": (IN, IN, NO, NO, OK),
    "/admin/allocation/sectorallocation/import/": (IN, IN, NO, NO, OK),
    "/admin/allocation/allocationrun/": (IN, IN, NO, NO, OK),
    "/admin/django_celery_beat/periodictask/": (IN, IN, NO, NO, OK),
    "/admin/django_celery_beat/periodictask/add/": (IN, IN, NO, NO, OK),
    "/admin/auth/user/": (IN, IN, NO, NO, OK),
    "/admin/auth/group/": (IN, IN, NO, NO, OK),
    "/metrics": (LOST, LOST, LOST, LOST, LOST),
}
PERMISSIONS = {
    "reviewer": ["view_optionstrategy", "view_trade"],
    "marker": ["view_optionstrategy", "view_trade", "mark_optionstrategy"],
}


@pytest.fixture(params=ROLES)
def role(request, client):
    if request.param != "stranger":
        user = User.objects.create_user(request.param, is_staff=request.param != "member")
        user.is_superuser = request.param == "operator"
        user.save()
        user.user_permissions.set(Permission.objects.filter(codename__in=PERMISSIONS.get(request.param, [])))
        client.force_login(user)
    return request.param, client


def test_fm_F7_every_role_gets_exactly_its_pages(role):
    name, client = role

    got = {address: client.get(address).status_code for address in TABLE}

    assert got == {address: answers[ROLES.index(name)] for address, answers in TABLE.items()}


def test_the_table_covers_every_page_of_our_own():
    names = {str(pattern.pattern) for pattern in get_resolver().url_patterns}

    assert names == {"healthz", "api/", "admin/", "strategies/", ""}


def test_the_table_names_every_model_that_has_admin_pages():
    ours = {"allocation", "execution", "market", "strategies"}
    models = {model._meta for model in site._registry if model._meta.app_label in ours}

    assert {f"/admin/{one.app_label}/{one.model_name}/" for one in models} - set(TABLE) == set()


@pytest.mark.parametrize("address", ["/admin/allocation/account/{}/delete/", "/admin/allocation/account/{}/change/"])
def test_only_an_operator_changes_an_account_and_nobody_deletes_it(client, address):
    from allocation.models import Account

    account = Account.objects.get(name="paper")
    keeper = User.objects.create_user("keeper", is_staff=True)
    keeper.user_permissions.set(Permission.objects.filter(content_type__app_label="allocation"))
    client.force_login(keeper)

    response = client.post(address.format(account.pk), {"post": "yes", "name": "mine"})

    assert response.status_code == 403
    account.refresh_from_db()
    assert account.name == "paper"


def test_a_schedule_cannot_be_run_by_permission_alone(client):
    clerk = User.objects.create_user("clerk", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(content_type__app_label="django_celery_beat"))
    client.force_login(clerk)

    assert client.get("/admin/django_celery_beat/periodictask/").status_code == 403


def test_who_logs_in_without_having_asked_for_a_page_gets_the_first_one(client):
    User.objects.create_superuser("boss", password="known")

    response = client.post("/admin/login/", {"username": "boss", "password": "known"}, follow=True)

    assert response.status_code == 200
    assert [address for address, _ in response.redirect_chain] == ["/", "/execution/"]
