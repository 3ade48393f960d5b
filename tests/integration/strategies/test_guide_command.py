"""`strategy_guide` lists the structures, explains one and writes their page."""

import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from strategies.catalog import BY_SLUG, CATALOGUE
from strategies.guide import page


def test_the_command_writes_the_page(db, settings, tmp_path, capsys):
    settings.BASE_DIR = tmp_path
    (tmp_path / "docs").mkdir()

    call_command("strategy_guide", "--write", "--json")

    assert (tmp_path / "docs" / "strategies.md").read_text(encoding="utf-8") == page()
    assert json.loads(capsys.readouterr().out) == {"written": str(Path("docs/strategies.md"))}


def test_the_command_explains_one_structure(db, capsys):
    call_command("strategy_guide", "iron-condor")

    shown = " ".join(capsys.readouterr().out.split())
    assert BY_SLUG["iron-condor"].guidance in shown
    assert "Sell 1 put at 0.2 delta." in shown


def test_the_command_lists_all_as_raw_data(db, capsys):
    call_command("strategy_guide", "--json")

    listed = json.loads(capsys.readouterr().out)
    assert [entry["slug"] for entry in listed] == [structure.slug for structure in CATALOGUE]
    assert listed[0]["iv_regimes"] == ["low", "normal"]


def test_an_unknown_structure_is_wrong_usage():
    with pytest.raises(CommandError, match="invalid choice"):
        call_command("strategy_guide", "iron-cheetah")
