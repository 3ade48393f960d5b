"""Every structure of the catalogue tried on one chain: what may be recommended, and why the rest may not."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from market.chain import Chain, Floats
from market.errors import OptionsError
from market.quant.distribution import Distribution
from market.rulebook.charges import ChargeRates
from market.sessions import Past
from strategies.batch import Batch, concatenate
from strategies.build import Candidate, candidate_of
from strategies.catalog import CATALOGUE
from strategies.evaluate import Evaluation, evaluate
from strategies.exits import ExitLevels, exit_levels
from strategies.figures import Figures, figures
from strategies.forecast import forecasts
from strategies.measure import measure
from strategies.payoff import payoff
from strategies.score import RiskProfile, Score, facts_of_batch, first_gates, score, totals
from strategies.search import neighbourhood
from strategies.spec import Structure
from strategies.table import ContractTable, contract_table

KEPT_PER_STRUCTURE = 1  # the best choice of strikes and expiry; the next best is a strike away from it


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A candidate that passed every gate, with everything computed about it."""

    candidate: Candidate
    evaluation: Evaluation
    score: Score
    exits: ExitLevels
    figures: Figures


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
    structures : sequence of Structure
        By default the whole catalogue.

    Returns
    -------
    Recommended
        Of each structure the choice with the highest score among those no gate refuses.
    """
    result, table = Recommended(), contract_table(chain)
    batches = _searched(structures, chain, table, result)
    if not batches:
        return result
    batch = concatenate(batches)
    result.built, result.measured = len(batches), batch.size
    expected = forecasts(chain, past)
    facts = facts_of_batch(batch, measure(batch, rates=rates, forecasts=expected))
    scores, gates = totals(facts, risk), first_gates(facts, risk)
    for number, structure in enumerate(batch.structures):
        own = np.flatnonzero(batch.which == number)
        for place in _best(own[gates[own] == ""], scores):
            _keep(result, batch, place, rates, risk, past, expected.get(int(batch.front[place])))
        if not (gates[own] == "").any():
            result.refusals[structure.slug] = most_frequent_code(gates[own])
    result.recommendations.sort(key=lambda each: (-each.score.total, each.candidate.structure.slug))
    return result


def most_frequent(refusals: Mapping[str, str]) -> str:
    """The reason most structures share, for a symbol that ends with no recommendation."""
    return most_frequent_code(list(refusals.values())) if refusals else "NO_STRUCTURES"


def most_frequent_code(codes: "Sequence[str] | np.typing.NDArray[np.str_]") -> str:
    """The code that comes most often; of equals the last by name."""
    return max(Counter(str(code) for code in codes).items(), key=lambda item: (item[1], item[0]))[0]


def _searched(structures: Sequence[Structure], chain: Chain, table: ContractTable, result: Recommended) -> list[Batch]:
    found: list[Batch] = []
    for structure in structures:
        try:
            found.append(neighbourhood(structure, chain, table))
        except OptionsError as error:
            result.refusals[structure.slug] = error.reason.code
    return found


def _best(places: "np.typing.NDArray[np.int64]", scores: Floats) -> list[int]:
    """The places with the highest scores; of equal ones the one nearer to the rules' own choice, which comes first."""
    order = np.argsort(-scores[places], kind="stable")
    return [int(place) for place in places[order][:KEPT_PER_STRUCTURE]]


def _keep(
    result: Recommended,
    batch: Batch,
    place: int,
    rates: ChargeRates,
    risk: RiskProfile,
    past: Past | None,
    forecast: Distribution | None,
) -> None:
    candidate, chain = candidate_of(batch, place), batch.table.chain
    structure = candidate.structure
    try:
        line = payoff(candidate, chain)
        evaluation = evaluate(candidate, chain, rates=rates, forecast=forecast, line=line)
        ranking = score(evaluation, candidate, chain, risk=risk)
        exits = exit_levels(structure, evaluation)
        shown = figures(candidate, evaluation, chain, line=line, past=past, forecast=forecast)
    except OptionsError as error:
        result.refusals[structure.slug] = error.reason.code
        return
    if ranking.reasons:
        result.refusals[structure.slug] = ranking.reasons[0].code
        return
    result.recommendations.append(Recommendation(candidate, evaluation, ranking, exits, shown))
