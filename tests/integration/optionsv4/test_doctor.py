"""The morning's questions."""

import io
import json

import pytest
from django.core.management import call_command

pytestmark = pytest.mark.django_db


def ask():
    out = io.StringIO()
    with pytest.raises(SystemExit) as stop:
        call_command("doctor", "--json", "--as-of", "2026-01-30T10:00", stdout=out)
    return stop.value.code, json.loads(out.getvalue())


def test_an_empty_installation_is_not_ready_and_says_why():
    code, answers = ask()

    assert code == 1
    assert {name for name, answer in answers.items() if not answer["ok"]} == {"Master", "Chains"}
    assert "import_scrip_master" in answers["Master"]["text"]
    assert answers["Calendar"]["text"] == "the market is open"


def test_a_closed_account_is_found():
    from allocation.models import Account

    Account.objects.update(active=False)

    _, answers = ask()

    assert answers["Account"] == {"ok": False, "text": "paper: none is active; broker paper"}
