"""Whatever nonsense a fact holds, every check answers, and what it needs and does not get denies."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from execution.checks import BY_CODE, CHECKS, LIMIT_NAMES, Limits, Purpose, Situation, run_checks
from tests.unit.execution.checks.situations import changed, passing, paths

NUMBERLESS = (
    None,
    Decimal("NaN"),
    Decimal("sNaN"),
    Decimal("Infinity"),
    Decimal("-Infinity"),
    float("nan"),
    float("inf"),
)
NEGATIVE = (-1, Decimal(-1), -0.5, timedelta(seconds=-1))
STRANGE = ("", "x", b"x", True, (), [], {}, 10**40, Decimal("1e400"), datetime(2026, 1, 30, 12, 0), object())

SOUND = passing()
PATHS = paths(SOUND)
NEEDED = [(check.code, path) for check in CHECKS for path in check.needs]


@given(
    changes=st.lists(st.tuples(st.sampled_from(PATHS), st.sampled_from(NUMBERLESS + NEGATIVE + STRANGE)), max_size=4),
    purpose=st.sampled_from(list(Purpose)),
)
def test_every_check_answers_whatever_the_facts_hold(changes, purpose):
    situation = SOUND
    for path, value in changes:
        situation = _try(situation, path, value)

    answers = run_checks(situation, Limits(), purpose)

    assert [each.code for each in answers] == [check.code for check in CHECKS if purpose in check.purposes]
    assert all(each.reason is not None and each.reason.remedy for each in answers if not each.passed)
    assert all(isinstance(text, str) for each in answers for text in each.numbers.values())


@given(needed=st.sampled_from(NEEDED), value=st.sampled_from(NUMBERLESS))
def test_fm_E11_a_fact_that_is_no_number_denies_the_check_that_needs_it(needed, value):
    code, path = needed

    answers = run_checks(_try(SOUND, path, value), Limits(), Purpose.ENTRY, checks=[BY_CODE[code]])

    assert [each.passed for each in answers] == [False]


@given(name=st.sampled_from(LIMIT_NAMES), value=st.sampled_from([None, Decimal("NaN"), float("nan"), "x"]))
def test_a_limit_that_is_no_number_never_lets_its_checks_break(name, value):
    limits = replace(Limits(), **{name: value})

    answers = run_checks(SOUND, limits, Purpose.ENTRY)

    assert len(answers) == len(CHECKS)


COUNTS = [path for path in PATHS if path.startswith("counts.") or path.endswith(("unknown_orders", "critical_alerts"))]


@given(path=st.sampled_from(COUNTS), value=st.integers(max_value=-1))
def test_a_count_below_zero_is_not_a_count(path, value):
    answers = run_checks(changed(SOUND, path, value), Limits(), Purpose.ENTRY)

    assert not all(each.passed for each in answers)


def _try(situation: Situation, path: str, value: object) -> Situation:
    """An earlier change may have taken away what this one would change."""
    try:
        return changed(situation, path, value)
    except (AttributeError, TypeError, IndexError):
        return situation
