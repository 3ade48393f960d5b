"""Reads the probability of profit under the convention that was asked for."""

from typing import Literal, NamedTuple, get_args

from django.db.models import F, QuerySet

from strategies.convention import TERMS, ProbabilityConvention, why_none
from strategies.models import OptionStrategy

RankBy = Literal["score", "probability"]
RANKS: tuple[RankBy, ...] = get_args(RankBy)


def ranked(
    rows: QuerySet[OptionStrategy], convention: ProbabilityConvention, *, rank_by: RankBy
) -> QuerySet[OptionStrategy]:
    """The rows with their metrics, best first: by score, or by the probability under a convention (unknown last)."""
    found: QuerySet[OptionStrategy] = rows.select_related("parameters")
    if rank_by == "score":
        return found.order_by("-total_score", "id")
    return found.order_by(F(TERMS[convention].column).desc(nulls_last=True), "-total_score", "id")


class Stated(NamedTuple):
    """A probability under one convention; `value` None with the code of the reason."""

    convention: ProbabilityConvention
    value: float | None
    reason: str


def stated(row: OptionStrategy, convention: ProbabilityConvention) -> Stated:
    """The probability of one stored strategy under a convention, or why there is none."""
    value: object = row
    for name in TERMS[convention].column.split("__"):
        value = getattr(value, name, None)
    if value is not None:
        return Stated(convention, float(str(value)), "")
    measured = getattr(row, "parameters", None) is not None
    return Stated(convention, None, why_none(convention, measured=measured).code)
