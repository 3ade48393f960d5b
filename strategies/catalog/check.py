"""Structures that cannot earn at honest prices: built to prove that quotes agree, never recommended."""

from strategies.catalog.terms import ANY, BUY, CALL, PUT, SELL, STOCK
from strategies.spec import ExitClass, LegRule, Structure
from strategies.strikes import Atm, SameAs, Sigma

STRUCTURES = (
    Structure(
        slug="box-spread",
        name="Box Spread",
        category="advanced",
        outlook="Neutral",
        volatility_view="neutral",
        iv_regimes=ANY,
        legs=(
            LegRule(BUY, CALL, Sigma(-0.3)),
            LegRule(SELL, CALL, Sigma(0.3)),
            LegRule(BUY, PUT, SameAs(1)),
            LegRule(SELL, PUT, SameAs(0)),
        ),
        min_days=1,
        max_days=75,
        exits=ExitClass.HEDGE,
        premium="debit",
        margin_group="defined",
        is_check=True,
        proves=(
            "A box pays the distance of its strikes whatever happens, so it must cost a little more than that "
            "distance, discounted. One that costs less shows quotes of different moments."
        ),
        summary="A long and a short synthetic at two strikes: a loan whose price shows whether quotes agree.",
        guidance=(
            "Built to check quotes, never to trade. It pays the distance of its strikes at any price of the "
            "underlying. Four spreads and four charges always cost more than it can earn. A price below its worth "
            "means that a quote is old."
        ),
    ),
    Structure(
        slug="conversion",
        name="Conversion",
        category="advanced",
        outlook="Neutral",
        volatility_view="neutral",
        iv_regimes=ANY,
        legs=(LegRule(BUY, STOCK), LegRule(SELL, CALL, Atm(paired=True)), LegRule(BUY, PUT, SameAs(1))),
        min_days=1,
        max_days=75,
        exits=ExitClass.HEDGE,
        premium="any",
        margin_group="covered",
        is_check=True,
        proves=(
            "Share, put and short call pay the strike whatever happens, so call less put must equal the forward less "
            "the strike, within spreads: put-call parity at the money."
        ),
        summary="The share against a synthetic short: its price shows whether call, put and forward agree.",
        guidance=(
            "Built to check quotes, never to trade. It pays the strike at any price of the underlying. What it earns "
            "is the carry in the forward, less spreads and charges. More than that means that a quote, or the "
            "price of the share, is old."
        ),
    ),
)
