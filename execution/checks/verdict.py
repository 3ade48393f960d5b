"""What one check says of one situation. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from market.errors import Reason


@dataclass(frozen=True, slots=True)
class Verdict:
    """Pass or deny, why, and the numbers compared; a passing verdict with a reason is a warning."""

    passed: bool
    reason: Reason | None = None
    numbers: Mapping[str, str] = field(default_factory=dict)


def passes(warning: Reason | None = None, /, **numbers: object) -> Verdict:
    """Let it through."""
    return Verdict(True, warning, _texts(numbers))


def denies(reason: Reason, /, **numbers: object) -> Verdict:
    """Stop it."""
    return Verdict(False, reason, _texts(numbers))


def _texts(numbers: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in numbers.items()}
