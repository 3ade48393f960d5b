"""Names what is held: legs somebody typed in, bought by hand, or kept of a basket, as structures of the catalogue."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from market.contract import Contract
from market.errors import Reason, UnknownInstrument
from strategies.guide import MARGIN
from strategies.models import OptionStrategy
from strategies.recognise import Recognised, recognise

NOTHING = Reason(
    "NOT_RECOGNISED", "No structure of the catalogue has these legs.", "It is held and closed all the same."
)


@dataclass(frozen=True, slots=True)
class Named:
    """What a position is called; `name` tells of unequal wings and of conditions on strikes that do not hold."""

    slug: str
    name: str
    outlook: str
    volatility_view: str
    margin: str
    undefined_risk: bool
    units: int
    confidence: float
    broken_wing: bool
    summary: str


def named(legs: Iterable[tuple[Contract, int]], *, cash_secured: bool = False) -> Named | Reason:
    """Name signed units of contracts on one underlying."""
    found = recognise(legs, cash_secured=cash_secured)
    return NOTHING if found is None else _named(found)


def name_of(legs: Sequence[tuple[Contract, int]]) -> str:
    """The name alone; empty where there is none."""
    found = named(legs)
    return "" if isinstance(found, Reason) else found.name


def named_strategy(strategy_id: int, *, cash_secured: bool = False) -> Named | Reason:
    """Name a stored strategy by its legs, whoever wrote them."""
    strategy = OptionStrategy.objects.filter(pk=strategy_id).first()
    if strategy is None:
        remedy = "See mark_for_execution list."
        raise UnknownInstrument(Reason("UNKNOWN_STRATEGY", f"There is no strategy {strategy_id}.", remedy))
    return named(legs_of(strategy), cash_secured=cash_secured)


def legs_of(strategy: OptionStrategy) -> list[tuple[Contract, int]]:
    """The legs of a stored strategy as signed ratios (one query)."""
    rows = strategy.legs.select_related("strategy").order_by("leg_number")
    return [(leg.contract, leg.side.sign * leg.lots) for leg in rows]


def _named(found: Recognised) -> Named:
    structure = found.structure
    name = f"{structure.name}, wings unequal" if found.broken_wing else structure.name
    return Named(
        slug=structure.slug,
        name=name,
        outlook=structure.outlook,
        volatility_view=structure.volatility_view,
        margin=MARGIN[structure.margin_group],
        undefined_risk=structure.undefined_risk,
        units=found.ratio,
        confidence=found.confidence,
        broken_wing=found.broken_wing,
        summary=structure.summary,
    )
