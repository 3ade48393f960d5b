"""What a process of the crew does first: it is started from nothing, so no model may be imported with this module."""

import sys
from collections.abc import Sequence


def join_in(database: str, run_id: int, share: Sequence[int]) -> None:
    """Take part in a run with these orders of one's own."""
    import django

    # TA-Lib loads pandas where it is installed, which takes as long as twenty symbols; nothing here uses it.
    sys.modules.setdefault("pandas", None)  # type: ignore[arg-type]
    django.setup()
    from django.db import connection

    from strategies.services.crew import take_part

    connection.settings_dict["NAME"] = database
    take_part(run_id, share)
