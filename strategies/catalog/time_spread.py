"""The near expiry sold against the next one bought."""

from strategies.catalog.terms import BUY, CALL, CHEAP, PUT, SELL
from strategies.spec import ExitClass, LegRule, Structure
from strategies.strikes import Atm, Delta, SameAs, Sigma

STRUCTURES = (
    Structure(
        slug="calendar-spread",
        name="Calendar Spread",
        category="advanced",
        outlook="Neutral",
        volatility_view="long",
        iv_regimes=CHEAP,
        legs=(LegRule(SELL, CALL, Atm(lasting=True)), LegRule(BUY, CALL, SameAs(0), expiry_rank=1)),
        min_days=5,
        max_days=50,
        exits=ExitClass.TIME_SPREAD,
        premium="debit",
        margin_group="calendar",
        summary="Sells the near and buys the next expiry of one strike: earns if the price stays.",
        guidance=(
            "Use it when options are cheap and the price should stay near the strike until the near expiry. It earns "
            "because the near option decays faster, and from rising implied volatility of the far one. A large move "
            "either way costs the debit. Close both legs before the near expiry."
        ),
    ),
    Structure(
        slug="put-calendar-spread",
        name="Put Calendar Spread",
        category="advanced",
        outlook="Neutral",
        volatility_view="long",
        iv_regimes=CHEAP,
        legs=(LegRule(SELL, PUT, Atm(lasting=True)), LegRule(BUY, PUT, SameAs(0), expiry_rank=1)),
        min_days=5,
        max_days=50,
        exits=ExitClass.TIME_SPREAD,
        premium="debit",
        margin_group="calendar",
        summary="The calendar made of puts, where puts have the better market.",
        guidance=(
            "Use it like the call calendar when puts are the more liquid side. It earns from the faster decay of the "
            "near put. A large move either way costs the debit. Close both legs before the near expiry."
        ),
    ),
    Structure(
        slug="double-calendar",
        name="Double Calendar",
        category="advanced",
        outlook="Neutral",
        volatility_view="long",
        iv_regimes=CHEAP,
        legs=(
            LegRule(SELL, PUT, Sigma(-0.5, lasting=True)),
            LegRule(BUY, PUT, SameAs(0), expiry_rank=1),
            LegRule(SELL, CALL, Sigma(0.5, lasting=True)),
            LegRule(BUY, CALL, SameAs(2), expiry_rank=1),
        ),
        min_days=5,
        max_days=50,
        exits=ExitClass.TIME_SPREAD,
        premium="debit",
        margin_group="calendar",
        summary="A put calendar below and a call calendar above: a wider tent than one calendar.",
        guidance=(
            "Use it when options are cheap and a range should hold until the near expiry. It earns from the faster "
            "decay of the two near options. A move beyond either strike, or falling implied volatility, costs part of "
            "the debit. Close all legs before the near expiry."
        ),
    ),
    Structure(
        slug="diagonal-spread",
        name="Diagonal Spread",
        category="advanced",
        outlook="Bullish",
        volatility_view="long",
        iv_regimes=CHEAP,
        legs=(LegRule(SELL, CALL, Delta(0.30)), LegRule(BUY, CALL, Delta(0.60), expiry_rank=1)),
        min_days=5,
        max_days=50,
        exits=ExitClass.TIME_SPREAD,
        premium="debit",
        margin_group="calendar",
        summary="A longer call in the money, partly paid for by a nearer one above the market.",
        guidance=(
            "Use it for a slow rise; with a bought call of 0.75 delta or more it is the poor man's covered call. It "
            "earns from the rise and from the decay of the near call. A fall costs the debit. Roll the near call "
            "while it is cheap, or close both before the near expiry."
        ),
    ),
    Structure(
        slug="put-diagonal-spread",
        name="Put Diagonal Spread",
        category="advanced",
        outlook="Bearish",
        volatility_view="long",
        iv_regimes=CHEAP,
        legs=(LegRule(SELL, PUT, Delta(0.30)), LegRule(BUY, PUT, Delta(0.60), expiry_rank=1)),
        min_days=5,
        max_days=50,
        exits=ExitClass.TIME_SPREAD,
        premium="debit",
        margin_group="calendar",
        summary="A longer put in the money, partly paid for by a nearer one below the market.",
        guidance=(
            "Use it for a slow fall. It earns from the fall, from the decay of the near put and often from rising "
            "implied volatility. A rise costs the debit. Roll the near put while it is cheap, or close both before "
            "the near expiry."
        ),
    ),
    Structure(
        slug="double-diagonal",
        name="Double Diagonal",
        category="advanced",
        outlook="Neutral",
        volatility_view="long",
        iv_regimes=CHEAP,
        legs=(
            LegRule(SELL, PUT, Delta(0.28)),
            LegRule(BUY, PUT, Delta(0.25), expiry_rank=1),
            LegRule(SELL, CALL, Delta(0.28)),
            LegRule(BUY, CALL, Delta(0.25), expiry_rank=1),
        ),
        min_days=5,
        max_days=50,
        exits=ExitClass.TIME_SPREAD,
        premium="any",
        margin_group="calendar",
        summary="A near strangle sold inside a later one bought: an iron condor with time on its side.",
        guidance=(
            "Use it when a range should hold until the near expiry and options are not dear. It earns from the decay "
            "of the near strangle. A move beyond the sold strikes, or falling implied volatility, costs. Close all "
            "legs, or sell the next strangle, before the near expiry."
        ),
    ),
)
