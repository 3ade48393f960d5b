"""Options around a share that is held, or about to be bought."""

from strategies.catalog.terms import ANY, BUY, CALL, CHEAP, PUT, RICH, SELL, STOCK
from strategies.spec import ExitClass, LegRule, Structure
from strategies.strikes import Apart, Atm, Delta, Premium

STRUCTURES = (
    Structure(
        slug="cash-secured-put",
        name="Cash-Secured Put",
        category="income",
        outlook="Bullish",
        volatility_view="short",
        iv_regimes=RICH,
        legs=(LegRule(SELL, PUT, Delta(0.30)),),
        min_days=3,
        max_days=50,
        exits=ExitClass.INCOME,
        premium="credit",
        margin_group="cash",
        summary="Sells a put with the purchase price set aside: paid to wait for a lower price.",
        guidance=(
            "Use it on a share you would gladly own at the strike. It earns the premium while the price stays above. A "
            "large fall leaves you with a share that cost more than it is worth. Take delivery if you still want the "
            "share; otherwise buy the put back at half the credit."
        ),
    ),
    Structure(
        slug="covered-call",
        name="Covered Call",
        category="income",
        outlook="Bullish",
        volatility_view="short",
        iv_regimes=RICH,
        legs=(LegRule(BUY, STOCK), LegRule(SELL, CALL, Delta(0.30))),
        min_days=3,
        max_days=50,
        exits=ExitClass.INCOME,
        premium="credit",
        margin_group="covered",
        summary="Holds the share and sells a call above it: income against a capped rise.",
        guidance=(
            "Use it on a share you hold and expect to rise slowly. It earns the premium and the rise up to the strike. "
            "A fall of the share hurts as much as without the call, less the premium. Let the share go at the strike, "
            "or roll the call before expiry."
        ),
    ),
    Structure(
        slug="covered-strangle",
        name="Covered Strangle",
        category="income",
        outlook="Bullish",
        volatility_view="short",
        iv_regimes=RICH,
        legs=(LegRule(BUY, STOCK), LegRule(SELL, CALL, Premium(0.20)), LegRule(SELL, PUT, Premium(0.20))),
        min_days=3,
        max_days=50,
        exits=ExitClass.INCOME,
        premium="credit",
        margin_group="naked",
        undefined_risk=True,
        summary="A covered call and a short put: two premiums, and a second lot of the share on a fall.",
        guidance=(
            "Use it on a share you hold and would gladly double at a lower price. It earns two premiums in a range. A "
            "large fall hurts twice, through the share and through the put. Buy the put back when its strike is "
            "touched unless you want the delivery."
        ),
    ),
    Structure(
        slug="protective-put",
        name="Protective Put",
        category="directional",
        outlook="Bullish",
        volatility_view="long",
        iv_regimes=CHEAP,
        legs=(LegRule(BUY, STOCK), LegRule(BUY, PUT, Delta(0.35))),
        min_days=7,
        max_days=75,
        exits=ExitClass.HEDGE,
        premium="debit",
        margin_group="covered",
        summary="Holds the share with a put as insurance: the rise without the fall, for a premium.",
        guidance=(
            "Use it to stay in a share through a dangerous time. It earns like the share less the premium. Standing "
            "still costs the premium each time the insurance is renewed. Sell or roll the put once the danger is over, "
            "or exercise it after a fall."
        ),
    ),
    Structure(
        slug="collar",
        name="Collar",
        category="income",
        outlook="Bullish",
        volatility_view="neutral",
        iv_regimes=ANY,
        legs=(LegRule(BUY, STOCK), LegRule(BUY, PUT, Delta(0.25)), LegRule(SELL, CALL, Delta(0.28))),
        min_days=3,
        max_days=75,
        exits=ExitClass.HEDGE,
        premium="any",
        margin_group="covered",
        summary="Holds the share with a floor below and a ceiling above that pays for it.",
        guidance=(
            "Use it to keep a share through a dangerous time at next to no cost. It earns the rise up to the sold "
            "call. Below the put the loss stops; above the call so does the gain. Close both options together once "
            "the danger is over."
        ),
    ),
    Structure(
        slug="put-spread-collar",
        name="Put Spread Collar",
        category="income",
        outlook="Bullish",
        volatility_view="short",
        iv_regimes=RICH,
        legs=(
            LegRule(BUY, STOCK),
            LegRule(BUY, PUT, Delta(0.40)),
            LegRule(SELL, PUT, Delta(0.15)),
            LegRule(SELL, CALL, Delta(0.25)),
        ),
        min_days=3,
        max_days=60,
        exits=ExitClass.HEDGE,
        premium="any",
        margin_group="covered",
        summary="A collar whose put is a spread: protects against a moderate fall, not against a crash.",
        guidance=(
            "Use it on a share you hold when full insurance is too dear. It protects between the two puts and earns "
            "the rise up to the call. Below the lower put the share falls freely again. Close the three options "
            "together once the danger is over."
        ),
    ),
    Structure(
        slug="stock-repair",
        name="Stock Repair",
        category="income",
        outlook="Bullish",
        volatility_view="short",
        iv_regimes=RICH,
        legs=(
            LegRule(BUY, STOCK),
            LegRule(BUY, CALL, Atm()),
            LegRule(SELL, CALL, Apart(1, 0.6), ratio=2),
        ),
        min_days=5,
        max_days=60,
        exits=ExitClass.HEDGE,
        premium="any",
        margin_group="covered",
        summary="A share and a call ratio spread above it: earns a modest recovery twice.",
        guidance=(
            "Use it on a share that has fallen and should recover part of the way. It earns double between the bought "
            "and the sold calls for next to no premium. Beyond the sold strike nothing more is earned, and a further "
            "fall hurts as before. Close all of it when the sold strike is reached."
        ),
    ),
)
