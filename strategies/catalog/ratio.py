"""Unequal numbers of options of one kind and expiry."""

from strategies.catalog.terms import ANY, BUY, CALL, CHEAP, PUT, RICHEST, SELL
from strategies.spec import ExitClass, LegRule, Structure
from strategies.strikes import Atm, Delta, Sigma

STRUCTURES = (
    Structure(
        slug="call-ratio-spread",
        name="Call Ratio Spread",
        category="advanced",
        outlook="Bullish",
        volatility_view="short",
        iv_regimes=RICHEST,
        legs=(LegRule(BUY, CALL, Atm()), LegRule(SELL, CALL, Sigma(0.9), ratio=2)),
        min_days=5,
        max_days=50,
        exits=ExitClass.SHORT_PREMIUM,
        premium="any",
        margin_group="naked",
        undefined_risk=True,
        summary="One call bought, two sold above: best at the upper strike, unlimited loss beyond.",
        guidance=(
            "Use it for a slow rise to a known level with rich premiums. It earns most at the sold strike and costs "
            "little on a fall. A surge past the upper break-even costs without limit. Leave when the sold strike is "
            "touched early, or buy a further call to cap it."
        ),
    ),
    Structure(
        slug="put-ratio-spread",
        name="Put Ratio Spread",
        category="advanced",
        outlook="Bearish",
        volatility_view="short",
        iv_regimes=RICHEST,
        legs=(LegRule(BUY, PUT, Atm()), LegRule(SELL, PUT, Sigma(-0.9), ratio=2)),
        min_days=5,
        max_days=50,
        exits=ExitClass.SHORT_PREMIUM,
        premium="any",
        margin_group="naked",
        undefined_risk=True,
        summary="One put bought, two sold below: best at the lower strike, a large loss far beyond.",
        guidance=(
            "Use it for a slow fall to a known level with rich premiums. It earns most at the sold strike and costs "
            "little on a rise. A crash past the lower break-even costs a great deal, with rising margin. Leave when "
            "the sold strike is touched early, or buy a further put to cap it."
        ),
    ),
    Structure(
        slug="call-backspread",
        name="Call Backspread",
        category="advanced",
        outlook="Bullish",
        volatility_view="long",
        iv_regimes=CHEAP,
        legs=(LegRule(SELL, CALL, Sigma(-0.4)), LegRule(BUY, CALL, Sigma(0.3), ratio=2)),
        min_days=7,
        max_days=75,
        exits=ExitClass.LONG_PREMIUM,
        premium="any",
        margin_group="defined",
        summary="One call sold, two bought above: a surge pays without limit, a fall costs next to nothing.",
        guidance=(
            "Use it for a surge while options are cheap. It earns from a large rise and from rising implied "
            "volatility. The worst place at expiry is the bought strike, so a small rise hurts. Leave at least ten "
            "days before expiry and take profit on the surge."
        ),
    ),
    Structure(
        slug="put-backspread",
        name="Put Backspread",
        category="advanced",
        outlook="Bearish",
        volatility_view="long",
        iv_regimes=CHEAP,
        legs=(LegRule(SELL, PUT, Sigma(0.4)), LegRule(BUY, PUT, Sigma(-0.3), ratio=2)),
        min_days=7,
        max_days=75,
        exits=ExitClass.LONG_PREMIUM,
        premium="any",
        margin_group="defined",
        summary="One put sold, two bought below: a crash pays, a rise costs next to nothing.",
        guidance=(
            "Use it as cheap protection against a crash. It earns from a large fall and from the implied volatility "
            "that comes with it. The worst place at expiry is the bought strike, so a small fall hurts. Leave at "
            "least ten days before expiry and take profit on the crash."
        ),
    ),
    Structure(
        slug="bull-call-ladder",
        name="Bull Call Ladder",
        category="advanced",
        outlook="Bullish",
        volatility_view="short",
        iv_regimes=RICHEST,
        legs=(
            LegRule(BUY, CALL, Atm()),
            LegRule(SELL, CALL, Sigma(0.7)),
            LegRule(SELL, CALL, Sigma(1.3)),
        ),
        min_days=5,
        max_days=50,
        exits=ExitClass.SHORT_PREMIUM,
        premium="any",
        margin_group="naked",
        undefined_risk=True,
        summary="A bull call spread paid for by a second call sold higher: best between the sold strikes.",
        guidance=(
            "Also called a long call ladder: use it for a moderate rise with rich premiums. It earns most between the "
            "two sold strikes. A surge past the upper one costs without limit. Leave when the upper strike is touched "
            "or the loss reaches the stop."
        ),
    ),
    Structure(
        slug="bear-call-ladder",
        name="Bear Call Ladder",
        category="advanced",
        outlook="Bullish",
        volatility_view="long",
        iv_regimes=CHEAP,
        legs=(
            LegRule(SELL, CALL, Sigma(-0.4)),
            LegRule(BUY, CALL, Sigma(0.1)),
            LegRule(BUY, CALL, Sigma(0.5)),
        ),
        min_days=7,
        max_days=75,
        exits=ExitClass.LONG_PREMIUM,
        premium="any",
        margin_group="defined",
        summary="A bear call spread whose credit buys a further call: in spite of its name it wants a surge.",
        guidance=(
            "Also called a short call ladder: use it for a surge while options are cheap. It earns from a large rise, "
            "without limit, and may keep a small credit on a fall. The worst place at expiry is between the bought "
            "strikes. Leave at least ten days before expiry."
        ),
    ),
    Structure(
        slug="bear-put-ladder",
        name="Bear Put Ladder",
        category="advanced",
        outlook="Bearish",
        volatility_view="short",
        iv_regimes=RICHEST,
        legs=(
            LegRule(BUY, PUT, Atm()),
            LegRule(SELL, PUT, Sigma(-0.7)),
            LegRule(SELL, PUT, Sigma(-1.3)),
        ),
        min_days=5,
        max_days=50,
        exits=ExitClass.SHORT_PREMIUM,
        premium="any",
        margin_group="naked",
        undefined_risk=True,
        summary="A bear put spread paid for by a second put sold lower: best between the sold strikes.",
        guidance=(
            "Also called a long put ladder: use it for a moderate fall with rich premiums. It earns most between the "
            "two sold strikes. A crash past the lower one costs a great deal. Leave when the lower strike is touched "
            "or the loss reaches the stop."
        ),
    ),
    Structure(
        slug="bull-put-ladder",
        name="Bull Put Ladder",
        category="advanced",
        outlook="Bearish",
        volatility_view="long",
        iv_regimes=CHEAP,
        legs=(
            LegRule(SELL, PUT, Sigma(0.4)),
            LegRule(BUY, PUT, Sigma(-0.1)),
            LegRule(BUY, PUT, Sigma(-0.5)),
        ),
        min_days=7,
        max_days=75,
        exits=ExitClass.LONG_PREMIUM,
        premium="any",
        margin_group="defined",
        summary="A bull put spread whose credit buys a further put: in spite of its name it wants a crash.",
        guidance=(
            "Also called a short put ladder: use it for a crash while options are cheap. It earns from a large fall "
            "and may keep a small credit on a rise. The worst place at expiry is between the bought strikes. Leave at "
            "least ten days before expiry."
        ),
    ),
    Structure(
        slug="call-zebra",
        name="Call ZEBRA",
        category="directional",
        outlook="Bullish",
        volatility_view="long",
        iv_regimes=ANY,
        legs=(LegRule(BUY, CALL, Delta(0.70), ratio=2), LegRule(SELL, CALL, Delta(0.50))),
        min_days=7,
        max_days=75,
        exits=ExitClass.LONG_PREMIUM,
        premium="debit",
        margin_group="defined",
        summary="Two calls in the money against one at the money: moves like the share for a limited stake.",
        guidance=(
            "Use it instead of the share or a future when the loss must have a limit. It earns nearly rupee for rupee "
            "on a rise, and time costs it little because the sold call pays for the bought time value. A fall costs "
            "the debit at most. Take profit like on a share and leave ten days before expiry."
        ),
    ),
    Structure(
        slug="put-zebra",
        name="Put ZEBRA",
        category="directional",
        outlook="Bearish",
        volatility_view="long",
        iv_regimes=ANY,
        legs=(LegRule(BUY, PUT, Delta(0.70), ratio=2), LegRule(SELL, PUT, Delta(0.50))),
        min_days=7,
        max_days=75,
        exits=ExitClass.LONG_PREMIUM,
        premium="debit",
        margin_group="defined",
        summary="Two puts in the money against one at the money: moves like a short share for a limited stake.",
        guidance=(
            "Use it instead of a short future when the loss must have a limit. It earns nearly rupee for rupee on a "
            "fall, and time costs it little. A rise costs the debit at most. Take profit like on a short share and "
            "leave ten days before expiry."
        ),
    ),
)
