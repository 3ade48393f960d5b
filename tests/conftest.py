"""What every test may use."""

from pathlib import Path

import pytest

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
