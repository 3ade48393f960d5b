"""Four strikes, two on each side of the market."""

from strategies.catalog.terms import ANY, BUY, CALL, CHEAP, PUT, RICH, SELL
from strategies.spec import ExitClass, LegRule, Structure, opposite
from strategies.strikes import Apart, Delta, Sigma

CALL_CONDOR = (
    LegRule(SELL, CALL, Sigma(-0.25)),
    LegRule(SELL, CALL, Sigma(0.25)),
    LegRule(BUY, CALL, Apart(0, -0.5)),
    LegRule(BUY, CALL, Apart(1, 0.5)),
)
PUT_CONDOR = (
    LegRule(SELL, PUT, Sigma(0.25)),
    LegRule(SELL, PUT, Sigma(-0.25)),
    LegRule(BUY, PUT, Apart(0, 0.5)),
    LegRule(BUY, PUT, Apart(1, -0.5)),
)

STRUCTURES = (
    Structure(
        slug="iron-condor",
        name="Iron Condor",
        category="neutral",
        outlook="Neutral",
        volatility_view="short",
        iv_regimes=RICH,
        legs=(
            LegRule(SELL, PUT, Delta(0.20)),
            LegRule(BUY, PUT, Delta(0.08)),
            LegRule(SELL, CALL, Delta(0.20)),
            LegRule(BUY, CALL, Delta(0.08)),
        ),
        min_days=3,
        max_days=50,
        exits=ExitClass.CREDIT_SPREAD,
        premium="credit",
        margin_group="defined",
        summary="Sells a put and a call away from the market, both covered: earns in a range.",
        guidance=(
            "Use it when premiums are rich and a range is likely to hold. It earns from time while the price stays "
            "between the sold strikes. A trend through either side costs a few credits, never more than a wing. Close "
            "at half the credit, and act when a sold strike is touched."
        ),
    ),
    Structure(
        slug="reverse-iron-condor",
        name="Reverse Iron Condor",
        category="volatility",
        outlook="Neutral",
        volatility_view="long",
        iv_regimes=CHEAP,
        legs=(
            LegRule(BUY, PUT, Delta(0.38)),
            LegRule(SELL, PUT, Delta(0.18)),
            LegRule(BUY, CALL, Delta(0.38)),
            LegRule(SELL, CALL, Delta(0.18)),
        ),
        min_days=5,
        max_days=60,
        exits=ExitClass.DEBIT_SPREAD,
        premium="debit",
        margin_group="defined",
        summary="Buys a put and a call near the market and sells further ones: a move either way at a known cost.",
        guidance=(
            "Use it before a move whose direction is unknown, while options are cheap. It earns when the price leaves "
            "the range of the bought strikes. A market that stands still costs the debit. Take half of the most it "
            "can make, which it reaches well before expiry only on a large move."
        ),
    ),
    Structure(
        slug="long-call-condor",
        name="Long Call Condor",
        category="neutral",
        outlook="Neutral",
        volatility_view="short",
        iv_regimes=ANY,
        legs=CALL_CONDOR,
        min_days=3,
        max_days=50,
        exits=ExitClass.PINNED,
        premium="debit",
        margin_group="defined",
        summary="Four calls, the inner two sold: a small stake on a range around the market.",
        guidance=(
            "Use it for a quiet market when a butterfly's peak looks too narrow. It earns most between the sold "
            "strikes at expiry. A move beyond the outer strikes costs the debit and no more. Take a quarter to three "
            "quarters of the most it can make in the last weeks."
        ),
    ),
    Structure(
        slug="short-call-condor",
        name="Short Call Condor",
        category="volatility",
        outlook="Neutral",
        volatility_view="long",
        iv_regimes=CHEAP,
        legs=opposite(CALL_CONDOR),
        min_days=5,
        max_days=60,
        exits=ExitClass.DEBIT_SPREAD,
        premium="credit",
        margin_group="defined",
        summary="Four calls, the inner two bought: a small credit that is kept when the price leaves the range.",
        guidance=(
            "Use it when a move either way is likely and options are cheap. It keeps its credit when the price ends "
            "beyond the outer strikes. A market that stands still costs the distance of a wing less the credit. Close "
            "when most of the credit is earned; it grows slowly before expiry."
        ),
    ),
    Structure(
        slug="long-put-condor",
        name="Long Put Condor",
        category="neutral",
        outlook="Neutral",
        volatility_view="short",
        iv_regimes=ANY,
        legs=PUT_CONDOR,
        min_days=3,
        max_days=50,
        exits=ExitClass.PINNED,
        premium="debit",
        margin_group="defined",
        summary="Four puts, the inner two sold: the call condor where the puts have the better market.",
        guidance=(
            "Use it like the call condor when puts are the more liquid side. It earns most between the sold strikes at "
            "expiry. A move beyond the outer strikes costs the debit and no more. Take a quarter to three quarters of "
            "the most it can make in the last weeks."
        ),
    ),
    Structure(
        slug="short-put-condor",
        name="Short Put Condor",
        category="volatility",
        outlook="Neutral",
        volatility_view="long",
        iv_regimes=CHEAP,
        legs=opposite(PUT_CONDOR),
        min_days=5,
        max_days=60,
        exits=ExitClass.DEBIT_SPREAD,
        premium="credit",
        margin_group="defined",
        summary="Four puts, the inner two bought: a small credit that is kept when the price leaves the range.",
        guidance=(
            "Use it like the short call condor when puts are the more liquid side. It keeps its credit when the price "
            "ends beyond the outer strikes. A quiet market costs the distance of a wing less the credit. Close when "
            "most of the credit is earned."
        ),
    ),
)
