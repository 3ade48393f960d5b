"""Every structure of the catalogue tried on one chain: what may be recommended, and why the rest may not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from market.chain import Chain
from market.errors import OptionsError
from market.rulebook.charges import ChargeRates
from strategies.build import Candidate, build
from strategies.catalog import CATALOGUE
from strategies.evaluate import Evaluation, evaluate
from strategies.exits import ExitLevels, exit_levels
from strategies.score import RiskProfile, Score, score
from strategies.spec import Structure


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A candidate that passed every gate, with everything computed about it."""

    candidate: Candidate
    evaluation: Evaluation
    score: Score
    exits: ExitLevels


@dataclass
class Recommended:
    """Recommendations, best first, and a reason code for every structure that is not among them."""

    recommendations: list[Recommendation] = field(default_factory=list)
    refusals: dict[str, str] = field(default_factory=dict)
    built: int = 0


def recommend(
    chain: Chain, *, rates: ChargeRates, risk: RiskProfile, structures: Sequence[Structure] = CATALOGUE
) -> Recommended:
    """Build, evaluate, score and gate every structure; a refusal is a reason code, never a silent gap."""
    result = Recommended()
    for structure in structures:
        try:
            candidate = build(structure, chain)
            result.built += 1
            evaluation = evaluate(candidate, chain, rates=rates)
            ranking = score(evaluation, candidate, chain, risk=risk)
            if ranking.reasons:
                result.refusals[structure.slug] = ranking.reasons[0].code
                continue
            exits = exit_levels(structure, evaluation)
        except OptionsError as error:
            result.refusals[structure.slug] = error.reason.code
            continue
        result.recommendations.append(Recommendation(candidate, evaluation, ranking, exits))
    result.recommendations.sort(key=lambda each: (-each.score.total, each.candidate.structure.slug))
    return result


def most_frequent(refusals: Mapping[str, str]) -> str:
    """The reason most structures share, for a symbol that ends with no recommendation."""
    codes = list(refusals.values())
    return max(set(codes), key=lambda code: (codes.count(code), code)) if codes else "NO_STRUCTURES"
