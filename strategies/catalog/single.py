"""One option, bought or sold."""

from strategies.catalog.terms import BUY, CALL, CHEAP, PUT, RICHEST, SELL
from strategies.spec import ExitClass, LegRule, Structure
from strategies.strikes import Delta

STRUCTURES = (
    Structure(
        slug="long-call",
        name="Long Call",
        category="directional",
        outlook="Bullish",
        volatility_view="long",
        iv_regimes=CHEAP,
        legs=(LegRule(BUY, CALL, Delta(0.45)),),
        min_days=7,
        max_days=75,
        exits=ExitClass.LONG_PREMIUM,
        premium="debit",
        margin_group="long",
        summary="Pays for a rise larger than the premium; loses the premium otherwise.",
        guidance=(
            "Use it for a strong, early rise while options are cheap. It earns from the move and from rising implied "
            "volatility. Time passing and a slow market hurt it every day. Take profit in multiples of the premium, "
            "and leave at half the premium lost or when ten days remain."
        ),
    ),
    Structure(
        slug="long-put",
        name="Long Put",
        category="directional",
        outlook="Bearish",
        volatility_view="long",
        iv_regimes=CHEAP,
        legs=(LegRule(BUY, PUT, Delta(0.45)),),
        min_days=7,
        max_days=75,
        exits=ExitClass.LONG_PREMIUM,
        premium="debit",
        margin_group="long",
        summary="Pays for a fall larger than the premium; loses the premium otherwise.",
        guidance=(
            "Use it for a sharp fall, or as a hedge of other holdings. It earns from the move and usually from a rise "
            "of implied volatility with it. A calm market eats the premium. Take profit in multiples of the premium, "
            "and do not hold through the last ten days."
        ),
    ),
    Structure(
        slug="short-call",
        name="Short Call",
        category="directional",
        outlook="Bearish",
        volatility_view="short",
        iv_regimes=RICHEST,
        legs=(LegRule(SELL, CALL, Delta(0.20)),),
        min_days=5,
        max_days=50,
        exits=ExitClass.SHORT_PREMIUM,
        premium="credit",
        margin_group="naked",
        undefined_risk=True,
        summary="Keeps the premium unless the underlying rises past the strike; the loss has no limit.",
        guidance=(
            "Use it only with rich premiums and a ceiling you believe in. It earns from time and from falling implied "
            "volatility. A gap upwards costs many times the premium. Buy it back at half the credit, at a loss of "
            "twice the credit, or with 21 days left."
        ),
    ),
    Structure(
        slug="short-put",
        name="Short Put",
        category="directional",
        outlook="Bullish",
        volatility_view="short",
        iv_regimes=RICHEST,
        legs=(LegRule(SELL, PUT, Delta(0.20)),),
        min_days=5,
        max_days=50,
        exits=ExitClass.SHORT_PREMIUM,
        premium="credit",
        margin_group="naked",
        undefined_risk=True,
        summary="Keeps the premium unless the underlying falls past the strike, on margin.",
        guidance=(
            "Use it with rich premiums and a floor you believe in. It earns from time and from falling implied "
            "volatility. A crash costs many times the premium and raises the margin at the same moment. Buy it back "
            "at half the credit, at a loss of twice the credit, or with 21 days left."
        ),
    ),
)
