"""Two options of one kind and expiry, one bought and one sold."""

from strategies.catalog.terms import ANY, BUY, CALL, PUT, RICH, SELL
from strategies.spec import ExitClass, LegRule, Structure
from strategies.strikes import Delta

STRUCTURES = (
    Structure(
        slug="bull-call-spread",
        name="Bull Call Spread",
        category="directional",
        outlook="Bullish",
        volatility_view="neutral",
        iv_regimes=ANY,
        legs=(LegRule(BUY, CALL, Delta(0.54)), LegRule(SELL, CALL, Delta(0.28))),
        min_days=3,
        max_days=60,
        exits=ExitClass.DEBIT_SPREAD,
        premium="debit",
        margin_group="defined",
        summary="A call at the money, cheapened by selling one above: a moderate rise at a known cost.",
        guidance=(
            "Use it for a moderate rise at any level of implied volatility. It earns as the price moves towards the "
            "sold strike. A fall, or standing still, costs at most the debit. Take half to four fifths of the most it "
            "can make rather than wait for the last rupee."
        ),
    ),
    Structure(
        slug="bear-call-spread",
        name="Bear Call Spread",
        category="directional",
        outlook="Bearish",
        volatility_view="short",
        iv_regimes=RICH,
        legs=(LegRule(SELL, CALL, Delta(0.28)), LegRule(BUY, CALL, Delta(0.12))),
        min_days=3,
        max_days=50,
        exits=ExitClass.CREDIT_SPREAD,
        premium="credit",
        margin_group="defined",
        summary="Sells a call above the market and caps the loss with a further one.",
        guidance=(
            "Use it when a rise looks unlikely and premiums are fair or rich. It earns from time as long as the price "
            "stays below the sold strike. A rise through that strike costs several credits. Close at half the credit, "
            "or when the loss is one and a half times the credit."
        ),
    ),
    Structure(
        slug="bull-put-spread",
        name="Bull Put Spread",
        category="directional",
        outlook="Bullish",
        volatility_view="short",
        iv_regimes=RICH,
        legs=(LegRule(SELL, PUT, Delta(0.28)), LegRule(BUY, PUT, Delta(0.12))),
        min_days=3,
        max_days=50,
        exits=ExitClass.CREDIT_SPREAD,
        premium="credit",
        margin_group="defined",
        summary="Sells a put below the market and caps the loss with a further one.",
        guidance=(
            "Use it when a fall looks unlikely and premiums are fair or rich. It earns from time and from the extra "
            "price of puts. A fall through the sold strike costs several credits. Close at half the credit, or when "
            "the loss is one and a half times the credit."
        ),
    ),
    Structure(
        slug="bear-put-spread",
        name="Bear Put Spread",
        category="directional",
        outlook="Bearish",
        volatility_view="neutral",
        iv_regimes=ANY,
        legs=(LegRule(BUY, PUT, Delta(0.54)), LegRule(SELL, PUT, Delta(0.28))),
        min_days=3,
        max_days=60,
        exits=ExitClass.DEBIT_SPREAD,
        premium="debit",
        margin_group="defined",
        summary="A put at the money, cheapened by selling one below: a moderate fall at a known cost.",
        guidance=(
            "Use it for a moderate fall at any level of implied volatility. It earns as the price moves towards the "
            "sold strike, which the dearer low strike helps to pay for. A rise costs at most the debit. Take half to "
            "four fifths of the most it can make."
        ),
    ),
)
