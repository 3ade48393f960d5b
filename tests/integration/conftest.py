"""What every test with a database may use."""

from typing import Any

import pytest


@pytest.fixture(autouse=True)
def static_files_as_in_development(settings: Any) -> None:
    """Pytest turns DEBUG off, and a checkout has no collected static files to warn about."""
    settings.WHITENOISE_AUTOREFRESH = True


@pytest.fixture(autouse=True)
def own_channel_layer(settings, worker_id):
    """Workers of a parallel run share one Redis; each hears only its own order updates."""
    layer = settings.CHANNEL_LAYERS["default"]
    settings.CHANNEL_LAYERS = {"default": layer | {"CONFIG": layer["CONFIG"] | {"prefix": f"test-{worker_id}"}}}
