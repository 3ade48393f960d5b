"""The present moment of this installation: the machine's, or shifted as a whole to practise at another time."""

from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone


def now() -> datetime:
    """The moment all processes of this installation agree on; shifted only by CLOCK_SHIFT_SECONDS."""
    return timezone.now() + timedelta(seconds=settings.CLOCK_SHIFT_SECONDS)
