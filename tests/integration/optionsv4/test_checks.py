"""What must be true before an installation may run for real."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core import checks

ROOT = Path(__file__).resolve().parents[3]
PRODUCTION = {
    "PATH": os.environ["PATH"],
    "DEBUG": "false",
    "SECRET_KEY": "p" * 30 + "0123456789abcdefghijklmnopqrstuvwxyz",
    "DATABASE_URL": "postgres://app@db.invalid/app",
    "REDIS_URL": "redis://redis.invalid",
}


def check_deploy(environment):
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_a_production_environment_passes_without_a_warning():
    result = check_deploy(PRODUCTION)

    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("missing", ["DATABASE_URL", "REDIS_URL"])
def test_a_missing_server_is_an_error_while_debug_is_off(missing):
    environment = {name: value for name, value in PRODUCTION.items() if name != missing}

    result = check_deploy(environment)

    assert result.returncode == 1
    assert f"{missing} is not set while DEBUG is off" in result.stderr


def test_embedded_servers_do_not_count_as_given():
    result = check_deploy(PRODUCTION | {"OPTIONSV4_EMBEDDED": "1"})

    assert result.returncode == 1
    assert "DATABASE_URL is not set while DEBUG is off" in result.stderr


def test_a_database_url_turns_debug_off_and_demands_a_secret_key():
    environment = {name: value for name, value in PRODUCTION.items() if name not in ("DEBUG", "SECRET_KEY")}

    result = check_deploy(environment)

    assert result.returncode != 0
    assert "SECRET_KEY is empty" in result.stderr


@pytest.mark.parametrize(("name", "value"), [("BROKER", "zerodha"), ("MARKET_SOURCE", "x"), ("TRADING_MODE", "LIVE")])
def test_unknown_adapters_are_errors(settings, name, value):
    setattr(settings, name, value)

    found = [message for message in checks.run_checks() if message.id == "optionsv4.E010"]

    assert [value in message.msg for message in found] == [True]
