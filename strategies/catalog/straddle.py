"""A call and a put on the same side of the trade."""

from strategies.catalog.terms import BUY, CALL, CHEAP, PUT, RICHEST, SELL
from strategies.spec import ExitClass, LegRule, Structure, opposite
from strategies.strikes import Atm, Delta, SameAs, Sigma

STRADDLE = (LegRule(BUY, CALL, Atm(paired=True)), LegRule(BUY, PUT, SameAs(0)))
GUTS = (LegRule(BUY, CALL, Sigma(-0.35)), LegRule(BUY, PUT, Sigma(0.35)))

STRUCTURES = (
    Structure(
        slug="long-straddle",
        name="Long Straddle",
        category="volatility",
        outlook="Neutral",
        volatility_view="long",
        iv_regimes=CHEAP,
        legs=STRADDLE,
        min_days=7,
        max_days=75,
        exits=ExitClass.LONG_PREMIUM,
        premium="debit",
        margin_group="long",
        summary="Pays for a large move either way.",
        guidance=(
            "Use it when options are cheap and a large move is due. It earns from movement and from rising implied "
            "volatility. Every quiet day costs, and implied volatility often falls right after the event. Take profit "
            "on the first large move and leave ten days before expiry."
        ),
    ),
    Structure(
        slug="short-straddle",
        name="Short Straddle",
        category="volatility",
        outlook="Neutral",
        volatility_view="short",
        iv_regimes=RICHEST,
        legs=opposite(STRADDLE),
        min_days=5,
        max_days=50,
        exits=ExitClass.SHORT_PREMIUM,
        premium="credit",
        margin_group="naked",
        undefined_risk=True,
        summary="Earns if the underlying stays near the strike; the loss has no limit.",
        guidance=(
            "Use it only with very rich premiums and no event ahead. It earns from time and from falling implied "
            "volatility. Any large move costs more than the credit, without limit. Half of the credit is rarely "
            "reached: leave at a loss of twice the credit or with 21 days left."
        ),
    ),
    Structure(
        slug="long-strangle",
        name="Long Strangle",
        category="volatility",
        outlook="Neutral",
        volatility_view="long",
        iv_regimes=CHEAP,
        legs=(LegRule(BUY, CALL, Delta(0.30)), LegRule(BUY, PUT, Delta(0.30))),
        min_days=7,
        max_days=75,
        exits=ExitClass.LONG_PREMIUM,
        premium="debit",
        margin_group="long",
        summary="A cheaper straddle that needs a larger move.",
        guidance=(
            "Use it when options are cheap and a very large move is possible. It earns from movement and from rising "
            "implied volatility. It loses all of its premium more often than a straddle does. Take profit in "
            "multiples of the premium and leave ten days before expiry."
        ),
    ),
    Structure(
        slug="short-strangle",
        name="Short Strangle",
        category="volatility",
        outlook="Neutral",
        volatility_view="short",
        iv_regimes=RICHEST,
        legs=(LegRule(SELL, CALL, Delta(0.18)), LegRule(SELL, PUT, Delta(0.18))),
        min_days=5,
        max_days=50,
        exits=ExitClass.SHORT_PREMIUM,
        premium="credit",
        margin_group="naked",
        undefined_risk=True,
        summary="Sells a call and a put away from the market; the loss has no limit.",
        guidance=(
            "Use it with rich premiums and a wide range to hide in. It earns from time while the price stays between "
            "the strikes. A gap through a strike costs many credits. Close at half the credit, act when a strike is "
            "touched, and leave with 21 days left."
        ),
    ),
    Structure(
        slug="long-guts",
        name="Long Guts",
        category="volatility",
        outlook="Neutral",
        volatility_view="long",
        iv_regimes=CHEAP,
        legs=GUTS,
        min_days=7,
        max_days=75,
        exits=ExitClass.LONG_PREMIUM,
        premium="debit",
        margin_group="long",
        summary="A strangle of options in the money: worth at least the distance of its strikes.",
        guidance=(
            "Use it instead of a strangle where options in the money are the better quoted. It earns from a large "
            "move, like a strangle of the same strikes. The distance between the strikes always comes back, so only "
            "the rest of the premium is at stake. Take profit on the move and leave ten days before expiry."
        ),
    ),
    Structure(
        slug="short-guts",
        name="Short Guts",
        category="volatility",
        outlook="Neutral",
        volatility_view="short",
        iv_regimes=RICHEST,
        legs=opposite(GUTS),
        min_days=5,
        max_days=50,
        exits=ExitClass.SHORT_PREMIUM,
        premium="credit",
        margin_group="naked",
        undefined_risk=True,
        summary="Sells a call and a put in the money: keeps what they cost above the distance of their strikes.",
        guidance=(
            "Use it only where such options are dearer than the strangle of the same strikes. It earns the credit less "
            "the distance of the strikes. A large move costs without limit, and share options in the money are "
            "delivered. Close early, well before the last week."
        ),
    ),
    Structure(
        slug="strip",
        name="Strip",
        category="volatility",
        outlook="Bearish",
        volatility_view="long",
        iv_regimes=CHEAP,
        legs=(LegRule(BUY, CALL, Atm(paired=True)), LegRule(BUY, PUT, SameAs(0), ratio=2)),
        min_days=7,
        max_days=75,
        exits=ExitClass.LONG_PREMIUM,
        premium="debit",
        margin_group="long",
        summary="A straddle with a second put: pays for a move either way, twice as much for a fall.",
        guidance=(
            "Use it when a large move is due and a fall is the likelier one. It earns from movement and from rising "
            "implied volatility. Three premiums decay in a quiet market. Take profit in multiples of the premium and "
            "leave ten days before expiry."
        ),
    ),
    Structure(
        slug="strap",
        name="Strap",
        category="volatility",
        outlook="Bullish",
        volatility_view="long",
        iv_regimes=CHEAP,
        legs=(LegRule(BUY, CALL, Atm(paired=True), ratio=2), LegRule(BUY, PUT, SameAs(0))),
        min_days=7,
        max_days=75,
        exits=ExitClass.LONG_PREMIUM,
        premium="debit",
        margin_group="long",
        summary="A straddle with a second call: pays for a move either way, twice as much for a rise.",
        guidance=(
            "Use it when a large move is due and a rise is the likelier one. It earns from movement and from rising "
            "implied volatility. Three premiums decay in a quiet market. Take profit in multiples of the premium and "
            "leave ten days before expiry."
        ),
    ),
)
