"""Pytest plugin: throw-away PostgreSQL and Redis for a session, unless TEST_DATABASE_URL and TEST_REDIS_URL exist.

Load it with `addopts = -p optionsv4.testservers`. Workers of pytest-xdist inherit the servers of the controller.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from optionsv4 import embedded

_state_dirs: list[Path] = []
_log_dirs: list[Path] = []


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests() -> Iterator[None]:
    """Put the URLs into the environment; a wrapper runs before pytest-django's own hook reads the settings."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "optionsv4.settings")
    if "PYTEST_XDIST_WORKER" not in os.environ:
        _provide()
    return (yield)


def pytest_unconfigure() -> None:
    """Stop the servers and remove their directory."""
    while _state_dirs:
        state_dir = _state_dirs.pop()
        embedded.stop(state_dir)
        shutil.rmtree(state_dir, ignore_errors=True)
    while _log_dirs:
        shutil.rmtree(_log_dirs.pop(), ignore_errors=True)


def _provide() -> None:
    given = {name: os.environ.get(f"TEST_{name}") for name in ("DATABASE_URL", "REDIS_URL")}
    if not all(given.values()):
        servers = _start(postgres=not given["DATABASE_URL"], redis=not given["REDIS_URL"])
        given["DATABASE_URL"] = given["DATABASE_URL"] or servers.database_url
        given["REDIS_URL"] = given["REDIS_URL"] or servers.redis_url
    os.environ.update({name: url for name, url in given.items() if url})
    # Whatever they are, these servers are for development: settings may fall back to their development defaults.
    os.environ["OPTIONSV4_EMBEDDED"] = "1"
    _log_dirs.append(Path(tempfile.mkdtemp(prefix="optionsv4-test-logs-")))
    os.environ["LOG_DIR"] = str(_log_dirs[-1])


def _start(*, postgres: bool, redis: bool) -> embedded.Servers:
    state_dir = Path(tempfile.mkdtemp(prefix="optionsv4-test-"))
    # Root's servers run as another user, who must be able to pass; what lies inside stays private.
    state_dir.chmod(0o711)
    _state_dirs.append(state_dir)
    try:
        return embedded.start(state_dir, throwaway=True, postgres=postgres, redis=redis)
    except embedded.EmbeddedError as error:
        raise pytest.UsageError(str(error)) from error
