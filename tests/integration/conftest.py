"""What every test with a database may use."""

from typing import Any

import pytest


@pytest.fixture(autouse=True)
def static_files_as_in_development(settings: Any) -> None:
    """Pytest turns DEBUG off, and a checkout has no collected static files to warn about."""
    settings.WHITENOISE_AUTOREFRESH = True
