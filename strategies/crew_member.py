"""What a process of the crew does first: it is started from nothing, so no model may be imported with this module."""

from collections.abc import Sequence


def join_in(database: str, orders: Sequence[int]) -> None:
    """Do these orders of a run; `generate_result` passes over what somebody else has done."""
    import django

    django.setup()
    from django.db import connection

    from strategies.services.generation import generate_result

    connection.settings_dict["NAME"] = database
    for pk in orders:
        generate_result(pk)
