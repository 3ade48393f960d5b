"""A body of sold or bought options between two wings."""

from strategies.catalog.terms import ANY, BUY, CALL, CHEAP, PUT, RICH, RICHEST, SELL
from strategies.spec import ExitClass, LegRule, Structure, opposite
from strategies.strikes import Apart, Atm, Mirror, SameAs, Sigma, StraddleWidth

CALL_BUTTERFLY = (
    LegRule(SELL, CALL, Atm(), ratio=2),
    LegRule(BUY, CALL, Sigma(-0.6)),  # the wing in the money first: fewer of those are quoted
    LegRule(BUY, CALL, Mirror(wing=1, body=0)),
)
PUT_BUTTERFLY = (
    LegRule(SELL, PUT, Atm(), ratio=2),
    LegRule(BUY, PUT, Sigma(0.6)),
    LegRule(BUY, PUT, Mirror(wing=1, body=0)),
)
IRON_BUTTERFLY = (
    LegRule(SELL, CALL, Atm(paired=True)),
    LegRule(SELL, PUT, SameAs(0)),
    LegRule(BUY, CALL, StraddleWidth(1.25)),
    LegRule(BUY, PUT, Mirror(wing=2, body=0)),
)

STRUCTURES = (
    Structure(
        slug="butterfly",
        name="Butterfly Spread",
        category="neutral",
        outlook="Neutral",
        volatility_view="short",
        iv_regimes=ANY,
        legs=CALL_BUTTERFLY,
        min_days=3,
        max_days=50,
        exits=ExitClass.PINNED,
        premium="debit",
        margin_group="defined",
        summary="Calls one, two, one at equal distances: a small stake on the middle strike.",
        guidance=(
            "Use it when the price is likely to end near a known level. It earns from time in the last weeks, most at "
            "the middle strike. A move past either wing costs the small debit. Take a quarter to three quarters of "
            "the most it can make: the peak is rarely reached."
        ),
    ),
    Structure(
        slug="put-butterfly",
        name="Put Butterfly",
        category="neutral",
        outlook="Neutral",
        volatility_view="short",
        iv_regimes=ANY,
        legs=PUT_BUTTERFLY,
        min_days=3,
        max_days=50,
        exits=ExitClass.PINNED,
        premium="debit",
        margin_group="defined",
        summary="Puts one, two, one at equal distances: the butterfly where puts have the better market.",
        guidance=(
            "Use it like the call butterfly when puts are the more liquid side. It earns from time near the middle "
            "strike. A move past either wing costs the debit. Take a quarter to three quarters of the most it can "
            "make, before the last days make it jump with every tick."
        ),
    ),
    Structure(
        slug="short-call-butterfly",
        name="Short Call Butterfly",
        category="volatility",
        outlook="Neutral",
        volatility_view="long",
        iv_regimes=CHEAP,
        legs=opposite(CALL_BUTTERFLY),
        min_days=5,
        max_days=60,
        exits=ExitClass.DEBIT_SPREAD,
        premium="credit",
        margin_group="defined",
        summary="The call butterfly sold: keeps a small credit when the price leaves the middle.",
        guidance=(
            "Use it when a move either way is likely and options are cheap. It keeps its credit when the price ends "
            "past a wing. Standing still at the middle strike costs a wing less the credit. Close when most of the "
            "credit is earned, or at half of the worst loss."
        ),
    ),
    Structure(
        slug="short-put-butterfly",
        name="Short Put Butterfly",
        category="volatility",
        outlook="Neutral",
        volatility_view="long",
        iv_regimes=CHEAP,
        legs=opposite(PUT_BUTTERFLY),
        min_days=5,
        max_days=60,
        exits=ExitClass.DEBIT_SPREAD,
        premium="credit",
        margin_group="defined",
        summary="The put butterfly sold: keeps a small credit when the price leaves the middle.",
        guidance=(
            "Use it like the short call butterfly when puts are the more liquid side. It keeps its credit when the "
            "price ends past a wing. A quiet market costs a wing less the credit. Close when most of the credit is "
            "earned, or at half of the worst loss."
        ),
    ),
    Structure(
        slug="iron-butterfly",
        name="Iron Butterfly",
        category="neutral",
        outlook="Neutral",
        volatility_view="short",
        iv_regimes=RICHEST,
        legs=IRON_BUTTERFLY,
        min_days=3,
        max_days=50,
        exits=ExitClass.PINNED,
        premium="credit",
        margin_group="defined",
        summary="Sells the straddle at the money and buys equal wings.",
        guidance=(
            "Use it when premiums are rich and the price should stay put. It earns from time and from falling implied "
            "volatility, most at the middle strike. A move past a wing costs the wing less the credit. A quarter of "
            "the credit is a good result; leave when a break-even is crossed."
        ),
    ),
    Structure(
        slug="reverse-iron-butterfly",
        name="Reverse Iron Butterfly",
        category="volatility",
        outlook="Neutral",
        volatility_view="long",
        iv_regimes=CHEAP,
        legs=opposite(IRON_BUTTERFLY),
        min_days=5,
        max_days=60,
        exits=ExitClass.DEBIT_SPREAD,
        premium="debit",
        margin_group="defined",
        summary="Buys the straddle at the money and sells equal wings: a cheaper stake on a move either way.",
        guidance=(
            "Use it before a move of known size and unknown direction. It earns when the price reaches a wing. A quiet "
            "market costs the debit, which the sold wings make smaller than a straddle's. Take half of the most it "
            "can make and leave a week before expiry."
        ),
    ),
    Structure(
        slug="broken-wing-butterfly",
        name="Broken Wing Butterfly",
        category="advanced",
        outlook="Neutral",
        volatility_view="short",
        iv_regimes=RICH,
        legs=(
            LegRule(BUY, PUT, Atm()),
            LegRule(SELL, PUT, Apart(0, -0.25), ratio=2),
            LegRule(BUY, PUT, Apart(0, -1.0)),
        ),
        min_days=3,
        max_days=50,
        exits=ExitClass.PINNED,
        premium="credit",
        margin_group="defined",
        covered_above=True,
        summary="A put butterfly with a wider lower wing, opened for a credit: no loss on a rise.",
        guidance=(
            "Use it when a rise or a small dip is likely and a crash is not. It keeps its credit on any rise and earns "
            "most at the sold strike. A fall past the wide wing costs the difference of the wings. Take a part of the "
            "peak on the dip and leave when the lower break-even is crossed."
        ),
    ),
    Structure(
        slug="broken-wing-call-butterfly",
        name="Broken Wing Call Butterfly",
        category="advanced",
        outlook="Neutral",
        volatility_view="short",
        iv_regimes=RICH,
        legs=(
            LegRule(BUY, CALL, Atm()),
            LegRule(SELL, CALL, Apart(0, 0.25), ratio=2),
            LegRule(BUY, CALL, Apart(0, 1.0)),
        ),
        min_days=3,
        max_days=50,
        exits=ExitClass.PINNED,
        premium="credit",
        margin_group="defined",
        covered_below=True,
        summary="A call butterfly that skips strikes above, opened for a credit: no loss on a fall.",
        guidance=(
            "Use it when a fall or a small rise is likely and a surge is not. It keeps its credit on any fall and "
            "earns most at the sold strike. A rise past the wide wing costs the difference of the wings. Take a part "
            "of the peak and leave when the upper break-even is crossed."
        ),
    ),
    Structure(
        slug="call-christmas-tree",
        name="Call Christmas Tree",
        category="advanced",
        outlook="Neutral",
        volatility_view="short",
        iv_regimes=ANY,
        legs=(
            LegRule(BUY, CALL, Sigma(-0.4)),
            LegRule(SELL, CALL, Apart(0, 0.8), ratio=3),
            LegRule(BUY, CALL, Apart(1, 0.4), ratio=2),
        ),
        min_days=3,
        max_days=50,
        exits=ExitClass.PINNED,
        premium="debit",
        margin_group="defined",
        summary="Calls one, three, two: a butterfly that peaks above the market and falls away faster beyond.",
        guidance=(
            "Use it for a slow drift upwards to a known level. It earns most at the sold strike at expiry. A fall or a "
            "surge past the top costs the small debit. Take a quarter to three quarters of the peak: three sold calls "
            "make it jump in the last days."
        ),
    ),
    Structure(
        slug="put-christmas-tree",
        name="Put Christmas Tree",
        category="advanced",
        outlook="Neutral",
        volatility_view="short",
        iv_regimes=ANY,
        legs=(
            LegRule(BUY, PUT, Sigma(0.4)),
            LegRule(SELL, PUT, Apart(0, -0.8), ratio=3),
            LegRule(BUY, PUT, Apart(1, -0.4), ratio=2),
        ),
        min_days=3,
        max_days=50,
        exits=ExitClass.PINNED,
        premium="debit",
        margin_group="defined",
        summary="Puts one, three, two: a butterfly that peaks below the market and falls away faster beyond.",
        guidance=(
            "Use it for a slow drift downwards to a known level. It earns most at the sold strike at expiry. A rise or "
            "a crash past the bottom costs the small debit. Take a quarter to three quarters of the peak before the "
            "last days."
        ),
    ),
)
