"""Every structure of the catalogue tried on one chain: what may be recommended, and why the rest may not."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np

from market.chain import Chain, Flags, Floats
from market.errors import OptionsError, Reason
from market.quant.distribution import Distribution
from market.rulebook.charges import ChargeRates
from market.sessions import Past
from strategies.batch import Batch
from strategies.build import Candidate, candidate_of
from strategies.catalog import CATALOGUE
from strategies.evaluate import Evaluation, evaluations
from strategies.exits import ExitLevels, exit_levels
from strategies.figures import Figures, figures
from strategies.forecast import forecasts
from strategies.measure import Measures, measure, sharpened
from strategies.quote_check import quote_flags
from strategies.score import RiskProfile, Score, facts_of, first_gates, scores, totals
from strategies.search import neighbourhoods
from strategies.spec import IvRegime, Structure
from strategies.table import Ints, contract_table


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A candidate that passed every gate, with everything computed about it.

    `doubts` are the checks of the catalogue that contradict the quotes of an expiry it uses.
    """

    candidate: Candidate
    evaluation: Evaluation
    score: Score
    exits: ExitLevels
    figures: Figures
    doubts: tuple[tuple[date, Reason], ...] = ()


@dataclass
class Recommended:
    """Recommendations, best first, and a reason code for every structure that is not among them.

    `built` counts the structures that could be built, `measured` all choices of strikes and expiries compared.
    """

    recommendations: list[Recommendation] = field(default_factory=list)
    refusals: dict[str, str] = field(default_factory=dict)
    built: int = 0
    measured: int = 0


def recommend(
    chain: Chain,
    *,
    rates: ChargeRates,
    risk: RiskProfile,
    past: Past | None = None,
    regime: IvRegime | None = None,
    tested: float | None = None,
    structures: Sequence[Structure] = CATALOGUE,
) -> Recommended:
    """Search, measure, score and gate every structure; a refusal is a reason code, never a silent gap.

    Parameters
    ----------
    chain : Chain
    rates : ChargeRates
        Option charges of the day.
    risk : {"conservative", "moderate", "aggressive"}
    past : Past, optional
        Closed sessions of the underlying; without it nothing is expected to earn more than the smile says, which is
        less than nothing after costs.
    regime : {"low", "normal", "high"}, optional
        Where implied volatility stands; None where it is not known, which neither raises nor lowers a score.
    tested : float, optional
        The tested direction of the market view, -1 to 1; None while nothing of a view has shown that it predicts.
    structures : sequence of Structure
        By default the whole catalogue.

    Returns
    -------
    Recommended
        Of each structure the choice with the highest score among those no gate refuses.
    """
    table = contract_table(chain)
    batch, refused = neighbourhoods(structures, chain, table)
    result = Recommended(refusals={slug: reason.code for slug, reason in refused.items()})
    if not batch.size:
        return result
    result.built, result.measured = len(batch.structures), batch.size
    expected = forecasts(chain, past)
    measures = measure(batch, rates=rates, forecasts=expected)
    facts = facts_of(batch, measures, regime=regime, tested=tested)
    codes, gated = first_gates(facts, risk)
    kept = _best(batch.which, totals(facts, risk), gated < 0)
    result.refusals |= _refused(batch, codes, gated)
    best = batch.take(kept)
    _keep(result, best, sharpened(best, measures.take(kept)), scores(facts.take(kept), risk), past, expected)
    _doubt(result, quote_flags(chain, rates=rates))
    result.recommendations.sort(key=lambda each: (-each.score.total, each.candidate.structure.slug))
    return result


def most_frequent(refusals: Mapping[str, str]) -> str:
    """The reason most structures share, for a symbol that ends with no recommendation."""
    return most_frequent_code(list(refusals.values())) if refusals else "NO_STRUCTURES"


def most_frequent_code(codes: "Sequence[str] | np.typing.NDArray[np.str_]") -> str:
    """The code that comes most often; of equals the last by name."""
    return max(Counter(str(code) for code in codes).items(), key=lambda item: (item[1], item[0]))[0]


def _best(which: Ints, scores: Floats, passed: Flags) -> Ints:
    """Return of each structure the place with the highest score; of equals the nearer to the rules' own choice."""
    places = np.flatnonzero(passed)
    order = places[np.lexsort((-scores[places], which[places]))]  # stable: the rules' own choice comes first
    first = np.diff(which[order], prepend=-1) != 0
    return np.asarray(order[first])


def _refused(batch: Batch, codes: Sequence[str], gated: Ints) -> dict[str, str]:
    """Return for every structure none of whose choices passed the code that refuses most; of equals the last."""
    counts = np.zeros((len(batch.structures), len(codes)), dtype=np.int64)
    refused = gated >= 0
    np.add.at(counts, (batch.which[refused], gated[refused]), 1)
    passed = np.bincount(batch.which[~refused], minlength=len(batch.structures)) > 0
    return {
        structure.slug: max(zip(row, codes, strict=True))[1]
        for structure, row, some in zip(batch.structures, counts.tolist(), passed.tolist(), strict=True)
        if not some
    }


def _keep(
    result: Recommended,
    best: Batch,
    measures: Measures,
    ranked: Sequence[Score],
    past: Past | None,
    expected: Mapping[int, Distribution],
) -> None:
    candidates = [candidate_of(best, place) for place in range(best.size)]
    judged = evaluations(best, measures)
    shown = figures(best, candidates, judged, past=past, forecasts=expected)
    for candidate, evaluation, ranking, figure in zip(candidates, judged, ranked, shown, strict=True):
        try:
            exits = exit_levels(candidate.structure, evaluation)
        except OptionsError as error:
            result.refusals[candidate.structure.slug] = error.reason.code
            continue
        result.recommendations.append(Recommendation(candidate, evaluation, ranking, exits, figure))


def _doubt(result: Recommended, found: Mapping[date, Sequence[Reason]]) -> None:
    """Put the checks of the expiries it uses beside every recommendation."""
    for place, each in enumerate(result.recommendations):
        used = {leg.contract.expiry for leg in each.candidate.option_legs}
        doubts = tuple((day, reason) for day, reasons in found.items() if day in used for reason in reasons)
        result.recommendations[place] = replace(each, doubts=doubts)
