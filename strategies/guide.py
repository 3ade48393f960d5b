"""The guide to the structures, written from the catalogue itself: words for rules, tables and one section each."""

from collections.abc import Iterator, Sequence
from types import MappingProxyType

from market.contract import Side
from strategies.catalog import CATALOGUE, CHECKS
from strategies.exits import DELTA_ROOM, ENTRY_SHARE, RULES, VEGA_GROWTH, ExitRule
from strategies.liquidity import LIQUIDITY
from strategies.ranking_guide import checks, ranking
from strategies.spec import LegRule, Structure
from strategies.strikes import (
    REACH,
    Apart,
    Atm,
    Beside,
    Delta,
    Mirror,
    Percent,
    Premium,
    SameAs,
    Sigma,
    StraddleWidth,
    StrikeRule,
)

COLUMNS = ("Structure", "View", "Volatility", "IV", "Legs", "Days", "Opens for", "Exits", "Risk")
MARGIN = MappingProxyType(
    {
        "long": "the premium paid",
        "defined": "the worst outcome",
        "naked": "margin for a short option",
        "cash": "the purchase price set aside",
        "covered": "the share held",
        "calendar": "margin for the near short option against the later one",
    }
)


def page() -> str:
    """Return the whole guide as Markdown."""
    return "\n".join([*_preface(), *_table(CATALOGUE), "", *_exit_table(), *ranking(), *_sections(), *_checks()]) + "\n"


def row(structure: Structure) -> tuple[str, ...]:
    """Return one structure as the cells of `COLUMNS`."""
    return (
        structure.name,
        structure.outlook,
        structure.volatility_view,
        ", ".join(structure.iv_regimes),
        "; ".join(leg_in_words(leg) for leg in structure.legs),
        window(structure),
        "credit or debit" if structure.premium == "any" else structure.premium,
        structure.exits.value.replace("_", " "),
        risk(structure),
    )


def window(structure: Structure) -> str:
    """Return the window of calendar days to the front expiry."""
    return f"{structure.min_days}–{structure.max_days}"


def risk(structure: Structure) -> str:
    """Return whether the loss is bounded."""
    return "undefined" if structure.undefined_risk else "defined"


def leg_in_words(leg: LegRule) -> str:
    """Return one leg as a phrase; legs are numbered from 1."""
    verb = "buy" if leg.side is Side.BUY else "sell"
    if leg.strike is None:
        return f"{verb} the share"
    word = leg.kind.value.lower() + ("s" if leg.ratio > 1 else "")
    later = " of the next expiry" if leg.expiry_rank else ""
    return f"{verb} {leg.ratio} {word}{later} {strike_in_words(leg.strike)}"


def strike_in_words(rule: StrikeRule) -> str:
    """Return where a leg goes, as a phrase."""
    match rule:
        case Apart(leader, multiple):
            return f"{abs(multiple):g} σ {_side(multiple)} leg {leader + 1}"
        case Beside(leader, steps):
            return f"{abs(steps)} strikes {_side(steps)} leg {leader + 1}"
        case Mirror(wing, body):
            return f"as far from leg {body + 1} as leg {wing + 1}, on the other side"
        case SameAs(leader):
            return f"at the strike of leg {leader + 1}"
        case _:
            return _absolute_in_words(rule)


def exits_in_words(rule: ExitRule) -> tuple[str, str, str]:
    """Return targets, stop and time exit of an exit class as phrases."""
    shares = ", ".join(f"{share:.0%}" for share in rule.targets)
    targets = f"{shares} of the {'premium paid' if rule.targets_of_debit else 'maximum profit'}"
    stop = f"{rule.stop_of_loss:.0%} of the worst outcomes"
    if rule.stop_of_credit is not None:
        stop = f"{rule.stop_of_credit:g} × the credit, else {stop}"
    return targets, stop, f"{rule.time_exit_dte} days"


def as_data(structure: Structure) -> dict[str, object]:
    """Return one structure as plain values for a program."""
    return {
        "slug": structure.slug,
        "name": structure.name,
        "category": structure.category,
        "outlook": structure.outlook,
        "volatility_view": structure.volatility_view,
        "iv_regimes": list(structure.iv_regimes),
        "legs": [
            {
                "side": leg.side.value,
                "kind": leg.kind.value,
                "ratio": leg.ratio,
                "expiry_rank": leg.expiry_rank,
                "strike": None if leg.strike is None else strike_in_words(leg.strike),
            }
            for leg in structure.legs
        ],
        "min_days": structure.min_days,
        "max_days": structure.max_days,
        "premium": structure.premium,
        "exits": structure.exits.value,
        "margin_group": structure.margin_group,
        "undefined_risk": structure.undefined_risk,
        "is_check": structure.is_check,
        "summary": structure.summary,
        "guidance": structure.guidance,
    }


def section(structure: Structure) -> Iterator[str]:
    """Yield one structure as lines of Markdown."""
    rule = RULES[structure.exits]
    targets, stop, days = exits_in_words(rule)
    yield f"### {structure.name}"
    yield ""
    yield f"`{structure.slug}` · {structure.summary}"
    yield ""
    yield structure.guidance
    yield ""
    yield from (f"{number}. {_sentence(leg_in_words(leg))}" for number, leg in enumerate(structure.legs, start=1))
    yield ""
    yield f"- View {structure.outlook}, volatility {structure.volatility_view}; IV {', '.join(structure.iv_regimes)}."
    yield f"- Front expiry in {window(structure)} days. Margin: {MARGIN[structure.margin_group]}."
    if structure.is_check:
        yield f"- {structure.proves}"
    else:
        yield f"- Targets {targets}; stop {stop}; leave with {days} left."
    yield from _promises(structure)
    yield ""


def _promises(structure: Structure) -> Iterator[str]:
    if structure.undefined_risk:
        yield (
            "- Undefined risk: no bought option, share or cash set aside covers all it sells; only for the aggressive "
            "profile."
        )
    if structure.covered_above:
        yield "- Built only where no rise can lose money."
    if structure.covered_below:
        yield "- Built only where no fall can lose money."
    if structure.holds_share:
        yield "- Holds the share, so it exists for stocks only."


def _preface() -> Iterator[str]:
    yield "# Strategies"
    yield ""
    yield "Written by `manage.py strategy_guide --write` from `strategies/catalog/`; a test compares the two."
    yield ""
    yield (
        f"{len(CATALOGUE)} structures may be recommended; {len(CHECKS)} more are built only to check quotes. A view "
        "is the sign of the net delta at entry, a volatility view that of the net vega. σ is one standard deviation "
        "of the underlying at the leg's own expiry, measured from the forward. Days are calendar days to the front "
        "expiry."
    )
    yield ""
    yield (
        f"A leg takes the listed strike nearest its target that can be traded, at most {REACH:g} σ or one listed step "
        "away; how far it lies from the target is kept. To be traded a quote needs open interest of "
        f"{LIQUIDITY.least_lots:g} lot, a spread of at most {LIQUIDITY.widest_spread:.0%} of the mid or "
        f"{LIQUIDITY.narrow_ticks:g} ticks, and a premium of {LIQUIDITY.least_ticks:g} ticks."
    )
    yield ""
    yield "## All structures"
    yield ""


def _table(structures: Sequence[Structure]) -> Iterator[str]:
    yield "| " + " | ".join(COLUMNS) + " |"
    yield "|" + "---|" * len(COLUMNS)
    yield from ("| " + " | ".join(row(structure)) + " |" for structure in structures)


def _exit_table() -> Iterator[str]:
    yield "## Exits by class"
    yield ""
    yield (
        f"A time exit never comes before {ENTRY_SHARE:.0%} of the days at entry are over. Stops stand "
        f"short of the maximum loss. The net delta may grow by {DELTA_ROOM:g} beyond the one at entry where the "
        f"class allows less, and the net vega to {VEGA_GROWTH:g} times its own."
    )
    yield ""
    yield "| Class | Targets | Stop | Leave with | Price of the underlying |"
    yield "|---|---|---|---|---|"
    for exit_class, rule in RULES.items():
        yield "| " + " | ".join([exit_class.value.replace("_", " "), *exits_in_words(rule), rule.price_means]) + " |"
    yield ""


def _sections() -> Iterator[str]:
    category = ""
    for structure in sorted(CATALOGUE, key=lambda each: _ORDER[each.category]):
        if structure.category != category:
            category = structure.category
            yield f"## {category.capitalize()}"
            yield ""
        yield from section(structure)


def _checks() -> Iterator[str]:
    yield "## Checks of the quotes"
    yield ""
    yield from checks()
    lines = [line for structure in CHECKS for line in section(structure)]
    yield from lines[:-1]


_ORDER = {name: place for place, name in enumerate(dict.fromkeys(structure.category for structure in CATALOGUE))}


def _absolute_in_words(rule: Atm | Delta | Sigma | Percent | Premium | StraddleWidth) -> str:
    match rule:
        case Atm(steps):
            return "at the money" if steps == 0 else f"{abs(steps)} strikes {_side(steps)} the money"
        case Delta(target):
            return f"at {target:g} delta"
        case Sigma(multiple):
            return f"{abs(multiple):g} σ {_side(multiple)} the forward"
        case Percent(offset):
            return f"{100.0 * abs(offset):g}% {_side(offset)} spot"
        case Premium(fraction, of):
            return f"at a premium of {100.0 * fraction:g}% of {'the straddle' if of == 'straddle' else 'spot'}"
        case StraddleWidth(multiple):
            return f"{abs(multiple):g} × the straddle's price {_side(multiple)} the forward"


def _side(amount: float) -> str:
    return "above" if amount > 0.0 else "below"


def _sentence(phrase: str) -> str:
    return phrase[0].upper() + phrase[1:] + "."
