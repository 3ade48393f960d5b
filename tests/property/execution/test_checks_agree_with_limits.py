"""What limit_price computes, the checks let pass: two roads to one price."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import assume, given
from hypothesis import strategies as st

from execution.checks import BY_CODE, Limits, OrderFact, Purpose, QuoteFact, run_checks
from execution.errors import ExecutionDenied
from execution.limit_price import ENTRY_PRICES, EXIT_PRICES, limit_price
from market.contract import Side
from market.ports import Touch
from tests.unit.execution.checks.situations import NOON, passing

TICK = Decimal("0.05")
PRICES = ("TICK", "PRICE_FINITE", "PRICE_COLLAR")


@given(
    bid=st.integers(min_value=1, max_value=100_000),
    width=st.integers(min_value=0, max_value=2_000),
    side=st.sampled_from(list(Side)),
    attempt=st.integers(min_value=1, max_value=6),
    purpose=st.sampled_from(list(Purpose)),
)
def test_every_limit_that_can_be_computed_passes_the_price_checks(bid, width, side, attempt, purpose):
    touch = Touch(bid * TICK, (bid + width) * TICK, 1_000, 1_000, NOON)
    entering = purpose is Purpose.ENTRY
    rules = ENTRY_PRICES if entering else EXIT_PRICES
    try:
        limit = limit_price(side=side, touch=touch, tick=TICK, attempt=attempt, rules=rules, banded=True)
    except ExecutionDenied:
        assume(False)
        raise
    sound = passing()
    leg = replace((sound.legs or ())[0], side=side)
    order = OrderFact(leg, side, 500, limit, QuoteFact(touch.bid, touch.ask, NOON))

    codes = (*PRICES, "SPREAD") if entering else PRICES
    answers = run_checks(replace(sound, orders=(order,)), Limits(), purpose, checks=[BY_CODE[code] for code in codes])

    assert [(each.code, each.reason_code) for each in answers if not each.passed] == []
