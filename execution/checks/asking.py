"""One check as data, and how it is asked: what cannot answer has answered no. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from execution.basket.values import Purpose
from execution.checks.known import NotKnown
from execution.checks.limits import Limits
from execution.checks.situation import Situation
from execution.checks.verdict import Verdict
from market.errors import OptionsError, Reason

# All that a calculation on values can raise; anything beyond is no answer of a check but a dying process.
_FAILURES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)

ALL = frozenset(Purpose)
ENTRY = frozenset({Purpose.ENTRY})


class Group(StrEnum):
    """The four groups of SEC rule 15c3-5, and the health of the plant itself."""

    CREDIT = "credit"
    ERRONEOUS = "erroneous"
    DUPLICATIVE = "duplicative"
    ACCESS = "access"
    HEALTH = "health"


@dataclass(frozen=True, slots=True)
class Check:
    """What it guards, what to do when it denies, its default and where that departs from reliability.md 3.1.

    `needs` are the facts without which an entry cannot pass, `limits` the numbers it compares with.

    `cheap` checks are repeated inside each SENDING transaction; a `passing_cloud` goes away by itself within a
    minute, so the gate waits before it denies the run.
    """

    code: str
    group: Group
    ask: Callable[[Situation, Limits, Purpose], Verdict]
    guards: str
    remedy: str
    default: str
    needs: tuple[str, ...]
    purposes: frozenset[Purpose] = ALL
    cheap: bool = False
    passing_cloud: bool = False
    limits: tuple[str, ...] = ()
    deviation: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one check answered; `reason` may carry a more exact code, and a passing answer's reason is a warning."""

    code: str
    passed: bool
    reason: Reason | None = None
    numbers: Mapping[str, str] = field(default_factory=dict)

    @property
    def reason_code(self) -> str:
        """The exact code, empty when there is nothing to say."""
        return "" if self.reason is None else self.reason.code


def ask(check: Check, situation: Situation, limits: Limits, purpose: Purpose) -> Answer:
    """Let one check answer; a missing datum and any failure deny."""
    try:
        verdict = check.ask(situation, limits, purpose)
    except NotKnown as missing:
        return _denied(check, Reason(f"{check.code}_UNKNOWN", missing.reason.sentence))
    except OptionsError as error:
        return _denied(check, error.reason)
    except _FAILURES as error:
        sentence = f"The check {check.code} could not answer: {type(error).__name__}."
        return _denied(check, Reason(f"{check.code}_FAILED", sentence, "Tell the developers; nothing was sent."))
    if verdict.passed:
        return Answer(check.code, True, verdict.reason, verdict.numbers)
    return _denied(check, verdict.reason or Reason(check.code, check.guards), verdict.numbers)


def denials(answers: Iterable[Answer]) -> tuple[Reason, ...]:
    """The reasons not to send, each once, in the order of the registry."""
    return tuple(dict.fromkeys(each.reason for each in answers if not each.passed and each.reason is not None))


def _denied(check: Check, reason: Reason, numbers: Mapping[str, str] | None = None) -> Answer:
    told = reason if reason.remedy else replace(reason, remedy=check.remedy)
    return Answer(check.code, False, told, numbers or {})
