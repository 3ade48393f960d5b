"""A bought and a sold option of different kinds: nearly the underlying itself."""

from strategies.catalog.terms import ANY, BUY, CALL, PUT, RICH, SELL
from strategies.spec import ExitClass, LegRule, Structure, opposite
from strategies.strikes import Atm, Delta, SameAs

SYNTHETIC = (LegRule(BUY, CALL, Atm(paired=True)), LegRule(SELL, PUT, SameAs(0)))
RISK_REVERSAL = (LegRule(BUY, CALL, Delta(0.28)), LegRule(SELL, PUT, Delta(0.28)))

STRUCTURES = (
    Structure(
        slug="synthetic-long",
        name="Synthetic Long",
        category="directional",
        outlook="Bullish",
        volatility_view="neutral",
        iv_regimes=ANY,
        legs=SYNTHETIC,
        min_days=3,
        max_days=75,
        exits=ExitClass.DELTA_ONE,
        premium="any",
        margin_group="naked",
        undefined_risk=True,
        summary="A call bought and a put sold at one strike: a long future made of options.",
        guidance=(
            "Use it where a long future is wanted and options are the better quoted. It earns and loses rupee for "
            "rupee with the price; time and implied volatility hardly matter. A fall costs as much as on the future. "
            "Set a stop on the price and close before delivery."
        ),
    ),
    Structure(
        slug="synthetic-short",
        name="Synthetic Short",
        category="directional",
        outlook="Bearish",
        volatility_view="neutral",
        iv_regimes=ANY,
        legs=opposite(SYNTHETIC),
        min_days=3,
        max_days=75,
        exits=ExitClass.DELTA_ONE,
        premium="any",
        margin_group="naked",
        undefined_risk=True,
        summary="A call sold and a put bought at one strike: a short future made of options.",
        guidance=(
            "Use it where a short future is wanted, or to hedge shares that are held. It earns and loses rupee for "
            "rupee against the price. A rise costs without limit. Set a stop on the price and close before delivery."
        ),
    ),
    Structure(
        slug="bullish-risk-reversal",
        name="Bullish Risk Reversal",
        category="directional",
        outlook="Bullish",
        volatility_view="neutral",
        iv_regimes=ANY,
        legs=RISK_REVERSAL,
        min_days=5,
        max_days=75,
        exits=ExitClass.DELTA_ONE,
        premium="any",
        margin_group="naked",
        undefined_risk=True,
        summary="A call above the market paid for by a put below it: a rise for next to no premium.",
        guidance=(
            "Use it for a rise when puts are dear against calls. It earns from the rise and little else. Below the "
            "sold put it loses like the underlying. Take profit in parts, stop when the put's strike is touched, and "
            "close before delivery."
        ),
    ),
    Structure(
        slug="bearish-risk-reversal",
        name="Bearish Risk Reversal",
        category="directional",
        outlook="Bearish",
        volatility_view="neutral",
        iv_regimes=ANY,
        legs=opposite(RISK_REVERSAL),
        min_days=5,
        max_days=75,
        exits=ExitClass.DELTA_ONE,
        premium="any",
        margin_group="naked",
        undefined_risk=True,
        summary="A put below the market paid for by a call above it: a fall for little premium.",
        guidance=(
            "Use it for a fall, or to protect shares without paying for the whole put. It earns from the fall. Above "
            "the sold call it loses without limit unless the share is held. Stop when the call's strike is touched."
        ),
    ),
    Structure(
        slug="bullish-seagull",
        name="Bullish Seagull",
        category="directional",
        outlook="Bullish",
        volatility_view="short",
        iv_regimes=RICH,
        legs=(LegRule(BUY, CALL, Delta(0.48)), LegRule(SELL, CALL, Delta(0.20)), LegRule(SELL, PUT, Delta(0.20))),
        min_days=5,
        max_days=60,
        exits=ExitClass.DELTA_ONE,
        premium="any",
        margin_group="naked",
        undefined_risk=True,
        summary="A bull call spread partly paid for by a put sold below: a moderate rise for a small premium.",
        guidance=(
            "Use it for a moderate rise with a floor you believe in. It earns up to the sold call. Between the put and "
            "the bought call it costs the small premium; below the put it loses like the underlying. Stop when the "
            "put's strike is touched."
        ),
    ),
    Structure(
        slug="bearish-seagull",
        name="Bearish Seagull",
        category="directional",
        outlook="Bearish",
        volatility_view="short",
        iv_regimes=RICH,
        legs=(LegRule(BUY, PUT, Delta(0.48)), LegRule(SELL, PUT, Delta(0.20)), LegRule(SELL, CALL, Delta(0.20))),
        min_days=5,
        max_days=60,
        exits=ExitClass.DELTA_ONE,
        premium="any",
        margin_group="naked",
        undefined_risk=True,
        summary="A bear put spread partly paid for by a call sold above: a moderate fall for a small premium.",
        guidance=(
            "Use it for a moderate fall with a ceiling you believe in. It earns down to the sold put. Between the "
            "bought put and the call it costs the small premium; above the call it loses without limit. Stop when the "
            "call's strike is touched."
        ),
    ),
)
