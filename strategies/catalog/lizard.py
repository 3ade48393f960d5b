"""A short strangle or straddle with one side covered by its own credit."""

from strategies.catalog.terms import BUY, CALL, PUT, RICHEST, SELL
from strategies.spec import ExitClass, LegRule, Structure
from strategies.strikes import Apart, Atm, Delta, SameAs

STRUCTURES = (
    Structure(
        slug="jade-lizard",
        name="Jade Lizard",
        category="advanced",
        outlook="Bullish",
        volatility_view="short",
        iv_regimes=RICHEST,
        legs=(
            LegRule(SELL, PUT, Delta(0.35)),
            LegRule(SELL, CALL, Delta(0.30)),
            LegRule(BUY, CALL, Apart(1, 0.2)),
        ),
        min_days=3,
        max_days=50,
        exits=ExitClass.CREDIT_SPREAD,
        premium="credit",
        margin_group="naked",
        undefined_risk=True,
        covered_above=True,
        summary="A short put and a bear call spread whose width the total credit covers: no loss on a rise.",
        guidance=(
            "Use it when premiums are rich, above all those of puts, and a crash is unlikely. It earns from time, most "
            "between the sold strikes, and cannot lose on a rise. A large fall costs like a short put. Close at half "
            "the credit and act when the put's strike is touched."
        ),
    ),
    Structure(
        slug="reverse-jade-lizard",
        name="Reverse Jade Lizard",
        category="advanced",
        outlook="Bearish",
        volatility_view="short",
        iv_regimes=RICHEST,
        legs=(
            LegRule(SELL, CALL, Delta(0.35)),
            LegRule(SELL, PUT, Delta(0.30)),
            LegRule(BUY, PUT, Apart(1, -0.2)),
        ),
        min_days=3,
        max_days=50,
        exits=ExitClass.CREDIT_SPREAD,
        premium="credit",
        margin_group="naked",
        undefined_risk=True,
        covered_below=True,
        summary="A short call and a bull put spread whose width the total credit covers: no loss on a fall.",
        guidance=(
            "Also called a twisted sister: use it when premiums are rich and a surge is unlikely. It earns from time, "
            "most between the sold strikes, and cannot lose on a fall. A surge costs without limit. Close at half the "
            "credit and act when the call's strike is touched."
        ),
    ),
    Structure(
        slug="big-lizard",
        name="Big Lizard",
        category="advanced",
        outlook="Bullish",
        volatility_view="short",
        iv_regimes=RICHEST,
        legs=(
            LegRule(SELL, CALL, Atm(paired=True)),
            LegRule(SELL, PUT, SameAs(0)),
            LegRule(BUY, CALL, Apart(0, 0.4)),
        ),
        min_days=3,
        max_days=50,
        exits=ExitClass.CREDIT_SPREAD,
        premium="credit",
        margin_group="naked",
        undefined_risk=True,
        covered_above=True,
        summary="A short straddle with a bought call that the credit pays for: no loss on a rise.",
        guidance=(
            "Use it when premiums are very rich and the price should hold or rise. It earns from time, most at the "
            "sold strike, and cannot lose on a rise. A fall below the break-even costs like a short put. Close at half "
            "the credit or when the loss is one and a half times the credit."
        ),
    ),
    Structure(
        slug="reverse-big-lizard",
        name="Reverse Big Lizard",
        category="advanced",
        outlook="Bearish",
        volatility_view="short",
        iv_regimes=RICHEST,
        legs=(
            LegRule(SELL, PUT, Atm(paired=True)),
            LegRule(SELL, CALL, SameAs(0)),
            LegRule(BUY, PUT, Apart(0, -0.4)),
        ),
        min_days=3,
        max_days=50,
        exits=ExitClass.CREDIT_SPREAD,
        premium="credit",
        margin_group="naked",
        undefined_risk=True,
        covered_below=True,
        summary="A short straddle with a bought put that the credit pays for: no loss on a fall.",
        guidance=(
            "Use it when premiums are very rich and the price should hold or fall. It earns from time, most at the "
            "sold strike, and cannot lose on a fall. A rise above the break-even costs without limit. Close at half "
            "the credit or when the loss is one and a half times the credit."
        ),
    ),
)
