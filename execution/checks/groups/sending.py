"""Whether exactly what was meant leaves, and nothing uncovered. Pure."""

from execution.checks import exposure, quantity
from execution.checks.asking import Check, Group

SENDING: tuple[Check, ...] = (
    Check(
        "SELF_CROSS",
        Group.DUPLICATIVE,
        quantity.self_cross,
        "We do not trade with ourselves.",
        "Wait until the working order is settled.",
        "no opposite working order in the same contract",
        ("working", "orders"),
        cheap=True,
    ),
    Check(
        "COVER",
        Group.CREDIT,
        exposure.cover,
        "A short leaves only when what covers it is filled.",
        "Add the covering leg, or let a person allow naked shorts on the account.",
        "short units never above filled cover",
        ("cover", "cover.position", "cover.cash_secured", "cover.allow_naked"),
        cheap=True,
    ),
    Check(
        "SHADOW_COUNT",
        Group.DUPLICATIVE,
        quantity.shadow_count,
        "Exactly what was intended leaves: the control that Knight Capital lacked.",
        "Tell the developers; nothing was sent.",
        "orders and units leaving equal those intended",
        ("shadow", "shadow.orders_intended", "shadow.orders_leaving", "shadow.units_intended", "shadow.units_leaving"),
        cheap=True,
    ),
)
