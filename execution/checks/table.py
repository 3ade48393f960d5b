"""The registry as a page for people, written by the registry itself. Pure."""

from dataclasses import fields

from execution.basket.values import Purpose
from execution.checks.asking import Check
from execution.checks.limits import STREAMING, Limits
from execution.checks.registry import CHECKS

HEAD = """# Pre-trade checks

Written by `manage.py checks docs`; a test compares it with the registry in `execution/checks/registry.py`.

Every check answers with an explicit pass or a denial; a missing datum (`CODE_UNKNOWN`), a number that is none, and any
failure of the check itself (`CODE_FAILED`) deny. A check may answer with a more exact reason code; both are kept in
`check_answers`, and `v_rejections_by_check` counts them by day (`manage.py checks rejections`). Checks marked *each
order* are asked for the whole basket and again inside every SENDING transaction. Limits are rows of `risk_limits`, one
for each change; a limit that is empty there is the account's own, or the default below.

| check | group | guards | default | asked for | remedy |
|---|---|---|---|---|---|
"""


def page() -> str:
    """Return the whole page."""
    rows = "".join(map(_row, CHECKS))
    departures = "".join(f"- **{check.code}**: {check.deviation}\n" for check in CHECKS if check.deviation)
    return (
        f"{HEAD}{rows}\n## Where a default is not that of reliability.md 3.1\n\n{departures}"
        f"\n## Limits\n\n| limit | default | streaming feed | used by |\n|---|---|---|---|\n{_limit_rows()}"
    )


def asked_for(check: Check) -> str:
    """The purposes in words, and whether each single order is asked about again."""
    purposes = "all" if check.purposes == frozenset(Purpose) else ", ".join(sorted(check.purposes))
    return f"{purposes}; each order" if check.cheap else purposes


def _row(check: Check) -> str:
    cells = (check.code, check.group, check.guards, check.default, asked_for(check), check.remedy)
    return f"| {' | '.join(map(str, cells))} |\n"


def _limit_rows() -> str:
    plain = Limits()
    return "".join(
        f"| `{each.name}` | {getattr(plain, each.name)} | {STREAMING.get(each.name, '')} | {_users(each.name)} |\n"
        for each in fields(Limits)
    )


def _users(name: str) -> str:
    return ", ".join(check.code for check in CHECKS if name in check.limits)
