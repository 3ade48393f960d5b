"""The part of the guide on ranking: components and weights, conventions of probability, strike rules, checks."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from market.quality import HIGHEST_RATE
from strategies.catalog import CATALOGUE
from strategies.convention import EVENT, TERMS
from strategies.quote_check import LEAST_TICKS
from strategies.score import HIGH, MEDIUM, TASTES, weights_of
from strategies.strikes import Atm, Premium, StrikeRule
from strategies.view import THRESHOLD, weight_in_score

READS: Mapping[str, str] = MappingProxyType(
    {
        "probability": "probability of a profit after charges under the smile: 0 at 20 %, 1 at 85 %",
        "expected_value": "forecast value after charges over the mean of the worst 5 %: 0 at −5 %, 1 at 20 %",
        "reward_risk": "mean of the best 5 %, at most the maximum profit after charges, over itself and the maximum "
        "loss",
        "iv_fit": "1 where the structure is meant for the regime of implied volatility, 0 where it is not, ½ where it "
        "is meant for all or the regime is not known",
        "direction": "½ and half of the tested direction of the market view, taken from the structure's side; a "
        "neutral structure has ½",
        "liquidity": "half the spread over the premium, half the least open interest of a leg in lots",
        "cost_drag": "charges over the reward: 1 at none, 0 at 5 %",
        "time_decay": "what theta earns to expiry over the mean of the worst 5 %; ½ at none",
        "data_quality": "how well the quotes sit on the smile; four fifths of it where the touch was modelled",
    }
)
RULES: Mapping[str, str] = MappingProxyType(
    {
        "Atm": "nearest the forward",
        "Atm(steps)": "so many listed strikes above or below the one nearest the forward",
        "Delta": "whose option has this delta at its own expiry",
        "Sigma": "so many standard deviations at its own expiry from the forward",
        "Percent": "so many per cent from spot",
        "Premium": "whose price is this share of the straddle's",
        "Premium(of='spot')": "whose price is this share of spot",
        "StraddleWidth": "so many prices of the straddle from the forward",
        "Beside": "so many tradable strikes from the one of an earlier leg",
        "Apart": "so many standard deviations from the one of an earlier leg",
        "Mirror": "as far from the body as the first wing, on the other side",
        "SameAs": "of an earlier leg",
    }
)


def ranking() -> Iterator[str]:
    """Yield all of it as lines of Markdown."""
    yield from _scores()
    yield from _conventions()
    yield from _strike_rules()
    yield from _never()


def checks() -> Iterator[str]:
    """Yield what the checks of the quotes say and when, as lines of Markdown."""
    yield (
        "On every chain that is generated `strategies/quote_check.py` looks at all boxes of each expiry, and at the "
        "conversion at every strike, at executable prices after the charges to open them. What surely earns more than "
        f"{LEAST_TICKS} ticks is a flag of every strategy on that expiry, with the strikes and the amount: `BOX_OFF`, "
        f"`CONVERSION_OFF`. A box pays the distance of its strikes, discounted at {HIGHEST_RATE:.0%} a year or less; a "
        "conversion is financed at that rate. The parity gate of `market/quality.py` asks less: it judges each strike "
        "by itself against one fitted forward, allows for the error of that forward, and does not know the spot. Of "
        "one in five of the recorded chains, none of 28 expiries with an order book is flagged and half of the 1,057 "
        "whose touch is modelled from the last prices of a day: those are of different minutes. A flag forbids "
        "nothing."
    )
    yield ""


def _scores() -> Iterator[str]:
    yield "## How a strategy is scored"
    yield ""
    yield (
        "The score is the sum of weight × component; every part is stored (`component_scores`) and they add up to the "
        f"score. From {HIGH:g} the conviction is High, from {MEDIUM:g} Medium. Components are the documents' own "
        "(probability, direction, reward and risk, IV fit, time decay, liquidity) and three that a trade is judged by "
        "besides: expected value, charges, quality of the data."
    )
    yield ""
    yield f"| Component | {' | '.join(name.capitalize() for name in TASTES)} | What it reads |"
    yield "|---|" + "---:|" * len(TASTES) + "---|"
    for component, reads in READS.items():
        weights = " | ".join(f"{taste.weights[component]:.2f}" for taste in TASTES.values())
        yield f"| {component.replace('_', ' ')} | {weights} | {reads} |"
    yield ""
    raised = weights_of("moderate", tested=False)["probability"]
    yield (
        "The direction counts only where a component of the market view passed its test (t of "
        f"{THRESHOLD.t:g} over {THRESHOLD.sessions} sessions, out of sample). Today: {weight_in_score()} Where it does "
        "not count, its weight goes to the others in proportion, so that those that count add up to 1: of the moderate "
        f"profile {raised:.3f} on probability. A tested direction gives a bull what its mirror image gives a bear. A "
        "regime of implied volatility that is not known is a flag of the strategy, never a bonus."
    )
    yield ""


def _conventions() -> Iterator[str]:
    yield "## Which probability of profit"
    yield ""
    yield (
        f"{EVENT} Three conventions are stored, and every strategy of the API has all three. `generate_strategies "
        "--probability smile|flat|history` and `mark_for_execution list --probability` choose the one that is shown; "
        "`--rank-by probability`, or `?probability=flat&rank_by=probability` on `/api/option-strategies`, ranks by it. "
        "The score always reads the smile's, after charges. What is not known says why."
    )
    yield ""
    yield "| Convention | Anchor | Distribution | Days |"
    yield "|---|---|---|---|"
    for convention, terms in TERMS.items():
        yield f"| `{convention}`: {terms.name} | {terms.anchor} | {terms.distribution} | {terms.day_count} |"
    yield ""


def _strike_rules() -> Iterator[str]:
    yield "## Strike rules"
    yield ""
    yield (
        "Where a leg may go. A rule without entries is there for structures of one's own: a structure is data, and "
        "`recommend(chain, structures=(mine,), …)` searches, measures, scores and gates it as it does the catalogue."
    )
    yield ""
    yield "| Rule | The strike | Structures that use it |"
    yield "|---|---|---|"
    for name, words in RULES.items():
        users = [each.name for each in CATALOGUE if name in {variant(leg.strike) for leg in each.legs if leg.strike}]
        said = f"{len(users)}, such as {users[0]}" if users else "none"
        yield f"| `{name}` | {words} | {said} |"
    yield ""


def variant(rule: StrikeRule) -> str:
    """Return which of `RULES` a rule is."""
    match rule:
        case Atm(steps) if steps:
            return "Atm(steps)"
        case Premium(of="spot"):
            return "Premium(of='spot')"
        case _:
            return type(rule).__name__


def _never() -> Iterator[str]:
    yield "## Never recommended on the recorded dates"
    yield ""
    yield (
        "`python -m bench structures` tries every structure under the aggressive profile on every recorded date and "
        "prints those that no gate ever let pass. Where it is one of these, this is why:"
    )
    yield ""
    yield (
        "- Synthetic long and short (`EXPECTED_VALUE_NEGATIVE`): the forecast claims no drift, its mean is the "
        "forward, and their payoff is a straight line. So they are expected to earn nothing before charges and to lose "
        "the charges, on any chain. A tested direction would move their score, not this gate."
    )
    yield (
        "- Calendars and diagonals (`EXPECTED_VALUE_NEGATIVE`): in the sample two dates, 26 and 29 August 2025, have "
        "more than one expiry in a chain, of NIFTY and of BANKNIFTY. All of them are built there, with 9 to 240 "
        "choices each. But the forecast volatility was 0.96 to 1.01 times the implied one at their front expiries, so "
        "that what they are expected to earn (up to ₹3.7 a unit for the calendar of BANKNIFTY) is less than the "
        "charges (₹1.4 to ₹10.6 a unit) of opening and closing them."
    )
    yield ""
