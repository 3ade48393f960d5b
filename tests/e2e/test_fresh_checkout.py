"""The first command on a fresh checkout works; on an old database it says what to do."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

ROOT = Path(__file__).resolve().parents[2]


def manage(state_dir, *words):
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment = kept | {"OPTIONSV4_STATE_DIR": str(state_dir), "LOG_DIR": str(state_dir / "logs")}
    command = [sys.executable, "manage.py", *words]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)


@pytest.mark.slow
@pytest.mark.e2e
def test_the_first_command_lays_the_tables_and_says_so(tmp_path_factory):
    state_dir = tmp_path_factory.mktemp("state")
    for folder in (state_dir, state_dir.parent):
        folder.chmod(0o755)
    try:
        first = manage(state_dir, "mark_for_execution", "list", "--json")
        second = manage(state_dir, "execution_status", "--summary", "--json")
    finally:
        manage(state_dir, "embedded", "stop")

    assert (first.returncode, json.loads(first.stdout)) == (0, []), first.stderr
    assert second.returncode == 0, second.stderr


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_fm_C23_a_database_of_another_version_is_a_sentence():
    rename = "ALTER TABLE strategies RENAME COLUMN {} TO {}"
    with connection.cursor() as cursor:
        cursor.execute(rename.format("sets", "sets_of_old"))
    try:
        with pytest.raises(CommandError, match="Run: python manage.py migrate") as refused:
            call_command("mark_for_execution", "list", stdout=io.StringIO())
    finally:
        with connection.cursor() as cursor:
            cursor.execute(rename.format("sets_of_old", "sets"))

    assert refused.value.returncode == 1


@pytest.mark.django_db
def test_words_that_are_no_text_are_wrong_usage():
    with pytest.raises(CommandError, match="--notes is not valid UTF-8 text") as refused:
        call_command("mark_for_execution", "mark", "1", "--notes", "a\udcff", stdout=io.StringIO())

    assert refused.value.returncode == 2


@pytest.mark.django_db
def test_symbols_may_be_typed_in_small_letters():
    from tests.factories import OptionStrategyFactory

    OptionStrategyFactory(stock_name="INFY")
    out = io.StringIO()

    call_command("mark_for_execution", "list", "--symbol", "infy", "--json", stdout=out)

    assert [row["stock_name"] for row in json.loads(out.getvalue())] == ["INFY"]
