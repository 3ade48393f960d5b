"""What every test may use."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django.plugin import blocking_manager_key

# Registered as hooks of this file: the run fails when anything reached for a host that is not this machine.
from tests.live_host_guard import (
    pytest_configure,
    pytest_sessionfinish,
    pytest_terminal_summary,
    pytest_testnodedown,
)

__all__ = ["pytest_configure", "pytest_sessionfinish", "pytest_terminal_summary", "pytest_testnodedown"]

SHARED_DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, saying why, what needs recorded market data that is not on this machine."""
    if SHARED_DATA.is_dir():
        return
    reason = pytest.mark.skip(reason=f"recorded market data is not on this machine ({SHARED_DATA})")
    for item in items:
        if item.get_closest_marker("realdata"):
            item.add_marker(reason)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of recorded market data."""
    return SHARED_DATA


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """The audit chain keeps what earlier tests wrote: no test may expect it to be empty, the first one neither."""
    from django.core.management import call_command
    from django.db import connection

    with django_db_blocker.unblock():
        seeds = connection.creation.serialize_db_to_string()
        call_command(
            "flush",
            interactive=False,
            inhibit_post_migrate=True,
            allow_cascade=True,
            reset_sequences=False,
            verbosity=0,
        )
        connection.creation.deserialize_db_from_string(seeds)
        connection.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """A test that commits empties every table at its end; what the migrations seeded is put back for the next one.

    Parallel workers run tests in any order, so an ordinary test may follow one that committed.
    """
    yield
    if nextitem is None or not _commits(item):  # after the last test the database is gone
        return
    from django.db import connection

    with item.config.stash[blocking_manager_key].unblock():
        connection.creation.deserialize_db_from_string(connection._test_serialized_contents)
        connection.close()


def _commits(item: pytest.Item) -> bool:
    marker = item.get_closest_marker("django_db")
    return bool(marker and marker.kwargs.get("transaction")) or "transactional_db" in getattr(item, "fixturenames", ())
