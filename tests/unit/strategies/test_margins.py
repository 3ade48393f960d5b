"""What one set blocks by its margin group, to the rupee; rates of dhan.md section 13.8."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from scipy.stats import norm

from market.contract import Contract, OptionType
from market.errors import InvalidInput, UnknownDay
from strategies.margins import HeldLeg, margin_group, margin_of

DAY = date(2026, 1, 30)
NEAR, FAR = date(2026, 2, 24), date(2026, 3, 30)
TYPES = {"C": OptionType.CALL, "P": OptionType.PUT}
SPOT = 1_000.0


def leg(text: str) -> HeldLeg:
    """Read `-500 P 950 @ 12` (near), `+500 C' 950 @ 12` (far) and `+500 S @ 1000`; volatility 25 %."""
    terms, premium = text.split("@")
    units, kind, *strike = terms.split()
    if kind == "S":
        return HeldLeg(Contract("ACME"), int(units), float(premium), None)
    expiry = FAR if kind.endswith("'") else NEAR
    return HeldLeg(Contract("ACME", expiry, float(strike[0]), TYPES[kind[0]]), int(units), float(premium), 0.25)


def margin(*texts: str, group=None, spot=SPOT, is_index=False, as_of=DAY) -> float:
    legs = [leg(text) for text in texts]
    return margin_of(legs, group=group or margin_group(legs), spot=spot, is_index=is_index, as_of=as_of)


def margin_on(*texts: str, as_of: date, days: tuple[date, date]) -> float:
    """The same with other expiries."""
    near, far = days
    read = [leg(text) for text in texts]
    legs = [
        replace(each, contract=replace(each.contract, expiry=near if each.contract.expiry == NEAR else far))
        if each.contract.is_option
        else each
        for each in read
    ]
    return margin_of(legs, group=margin_group(legs), spot=SPOT, is_index=False, as_of=as_of)


def black_price(kind: str, level: float, strike: float, days: int, volatility: float) -> float:
    """Black's formula straight from the book."""
    spread = volatility * np.sqrt(days / 365.0)
    first = np.log(level / strike) / spread + 0.5 * spread
    sign = 1.0 if kind == "C" else -1.0
    return float(sign * (level * norm.cdf(sign * first) - strike * norm.cdf(sign * (first - spread))))


@pytest.mark.parametrize(
    ("legs", "group"),
    [
        (["+500 C 1000 @ 20"], "long"),
        (["+500 C 1000 @ 20", "+500 P' 1000 @ 30"], "long"),
        (["-500 P 950 @ 12"], "naked"),
        (["-500 P 950 @ 12", "+500 P 900 @ 4"], "defined"),
        (["-500 P 950 @ 12", "+500 C 1100 @ 4"], "naked"),
        (["-1000 C 1050 @ 12", "+500 C 1000 @ 30"], "naked"),
        (["-500 C 1000 @ 30", "+1000 C 1050 @ 12"], "defined"),
        (["-500 C 1000 @ 30", "+500 C' 1000 @ 45"], "calendar"),
        (["+500 C 1000 @ 30", "-500 C' 1000 @ 45"], "naked"),
        (["-500 C 1000 @ 30", "+500 C' 1000 @ 45", "-500 P 900 @ 5"], "naked"),
        (["+500 S @ 1000", "-500 C 1050 @ 12"], "covered"),
        (["+500 S @ 1000", "+500 P 950 @ 12"], "covered"),
        (["+500 S @ 1000", "-1000 C 1050 @ 12"], "naked"),
        (["+500 S @ 1000", "-500 C 1050 @ 12", "-500 P 950 @ 12"], "naked"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_the_legs_tell_the_group(legs: list[str], group: str):
    assert margin_group([leg(text) for text in legs]) == group


def test_bought_options_block_what_they_cost():
    assert margin("+500 C 1000 @ 20", "+1000 P 1000 @ 18") == 28_000.0


def test_a_credit_spread_blocks_its_worst_loss_once_and_the_exposure_of_its_short():
    # width 50 less the credit of 8, and 3.5 % of 1000, each × 500
    assert margin("-500 P 950 @ 12", "+500 P 900 @ 4") == pytest.approx(500 * (50 - 8 + 35))


def test_a_debit_spread_blocks_what_it_cost_and_the_exposure_of_its_short():
    assert margin("+500 C 1000 @ 30", "-500 C 1050 @ 12") == pytest.approx(500 * (18 + 35))


def test_an_index_condor_blocks_one_side_and_the_exposure_of_both():
    legs = ["-65 P 24500 @ 90", "+65 P 24300 @ 50", "-65 C 25500 @ 80", "+65 C 25700 @ 45"]

    assert margin(*legs, spot=25_000.0, is_index=True) == pytest.approx(65 * (200 - 75 + 2 * 0.02 * 25_000))


def test_a_cash_secured_put_blocks_its_whole_strike_and_the_plain_one_does_not():
    assert margin("-500 P 950 @ 12", group="cash") == 475_000.0
    assert margin("-500 P 950 @ 12") < 0.25 * 475_000.0


def test_a_short_put_blocks_the_worst_scenario_and_its_exposure():
    # The range is 6 √2 daily deviations of 25 %, 13.4 %, so the floor of 14.2 %; volatility up by 10 points, not 6.25.
    worst = black_price("P", 858.0, 950.0, 25, 0.35)

    assert margin("-500 P 950 @ 12") == pytest.approx(500 * (worst - 12 + 35))


def test_a_wild_share_is_scanned_wider_than_the_floor():
    reach = 6 * np.sqrt(2) * 0.60 / np.sqrt(252)
    worst = black_price("P", 1000.0 * (1 - reach), 950.0, 25, 0.75)
    wild = HeldLeg(leg("-500 P 950 @ 40").contract, -500, 40.0, 0.60)

    assert reach == pytest.approx(0.32071, abs=1e-5)
    found = margin_of([wild], group="naked", spot=SPOT, is_index=False, as_of=DAY)
    assert found == pytest.approx(500 * (worst - 40 + 35))


def test_a_far_short_call_is_asked_for_a_part_of_its_extreme_loss():
    now = black_price("C", 1000.0, 1300.0, 25, 0.25)
    extreme = black_price("C", 1284.0, 1300.0, 25, 0.25)
    usual = black_price("C", 1142.0, 1300.0, 25, 0.35)
    assert now + 0.35 * (extreme - now) > usual

    assert margin("-500 C 1300 @ 0.5") == pytest.approx(500 * (now + 0.35 * (extreme - now) - 0.5 + 35))


def test_an_index_option_of_ten_months_is_scanned_wider():
    later = DAY + timedelta(days=304)
    sold = HeldLeg(Contract("NIFTY", later, 25_000.0, OptionType.CALL), -65, 1_500.0, 0.12)
    worst = black_price("C", 25_000 * 1.177, 25_000.0, 304, 0.16)

    found = margin_of([sold], group="naked", spot=25_000.0, is_index=True, as_of=DAY)

    assert found == pytest.approx(65 * (worst - 1_500 + 500))


def test_a_short_strangle_blocks_its_worse_side_and_the_exposure_of_both():
    worst = max(
        black_price("P", 858.0, 950.0, 25, 0.35) + black_price("C", 858.0, 1050.0, 25, 0.35),
        black_price("P", 1142.0, 950.0, 25, 0.35) + black_price("C", 1142.0, 1050.0, 25, 0.35),
    )

    both = margin("-500 P 950 @ 12", "-500 C 1050 @ 13")

    assert both == pytest.approx(500 * (worst - 25 + 70))
    assert both < margin("-500 P 950 @ 12") + margin("-500 C 1050 @ 13")


def test_a_ratio_pays_for_what_it_bought_and_is_scanned_for_the_rest():
    now, usual, extreme = (
        2 * black_price("C", level, 1050.0, 25, volatility) - black_price("C", level, 1000.0, 25, volatility)
        for level, volatility in [(1000.0, 0.25), (1142.0, 0.35), (1284.0, 0.25)]
    )
    worst = now + 0.35 * (extreme - now)
    assert worst > usual

    assert margin("+500 C 1000 @ 30", "-1000 C 1050 @ 12") == pytest.approx(500 * (30 - 24 + worst + 70))


def test_a_covered_call_blocks_the_share_less_the_premium_and_the_exposure():
    assert margin("+500 S @ 1000", "-500 C 1050 @ 12") == pytest.approx(500 * (1000 - 12 + 35))


def test_a_protective_put_blocks_the_share_and_the_premium():
    assert margin("+500 S @ 1000", "+500 P 950 @ 12") == pytest.approx(500 * 1012)


def test_a_put_spread_beside_a_share_blocks_its_width_too():
    # At a price of nothing the share is lost and the spread costs its width besides.
    legs = ["+500 S @ 1000", "-500 P 950 @ 12", "+500 P 900 @ 5"]

    assert margin(*legs) == pytest.approx(500 * (1000 - 7 + 50 + 35))


def test_a_covered_call_in_the_money_blocks_no_more_than_the_share_less_its_premium():
    assert margin("+500 S @ 1000", "-500 C 950 @ 60") == pytest.approx(500 * (1000 - 60 + 35))


@pytest.mark.parametrize(
    "legs",
    [
        ["+500 C 1000 @ 20"],
        ["-500 P 950 @ 12", "+500 P 900 @ 4"],
        ["-500 C 1000 @ 30", "+500 C' 1000 @ 45"],
        ["+500 S @ 1000", "-500 C 1050 @ 12"],
    ],
)
def test_no_volatility_is_asked_for_where_no_scenario_is_gone_through(legs: list[str]):
    bare = [replace(leg(text), volatility=None) for text in legs]

    found = margin_of(bare, group=margin_group(bare), spot=SPOT, is_index=False, as_of=DAY)

    assert found == margin(*legs)


def test_a_covered_strangle_blocks_the_share_and_the_scan_of_its_put():
    worst = black_price("P", 858.0, 950.0, 25, 0.35) + black_price("C", 858.0, 1050.0, 25, 0.35)

    found = margin("+500 S @ 1000", "-500 C 1050 @ 13", "-500 P 950 @ 12")

    assert found == pytest.approx(500 * (1000 - 25 + worst + 70))


def test_a_calendar_blocks_its_debit_the_charge_on_the_later_contract_and_the_exposure():
    # 2.2 % and 3.5 % of 1000
    assert margin("-500 C 1000 @ 30", "+500 C' 1000 @ 45") == pytest.approx(500 * (15 + 22 + 35))


def test_a_diagonal_blocks_the_distance_of_its_strikes_where_it_may_be_lost():
    assert margin("-500 C 1000 @ 30", "+500 C' 1050 @ 20") == pytest.approx(500 * (-10 + 50 + 22 + 35))
    assert margin("-500 C 1050 @ 12", "+500 C' 1000 @ 45") == pytest.approx(500 * (33 + 22 + 35))


def test_nothing_covers_across_expiries_on_the_day_of_the_first_where_the_rule_is_in_force():
    legs = ["-65 C 25000 @ 30", "+65 C' 25000 @ 300"]
    naked = margin("-65 C 25000 @ 30", spot=25_000.0, is_index=True, as_of=NEAR)

    day_before = margin(*legs, spot=25_000.0, is_index=True, as_of=NEAR - timedelta(days=1))
    on_the_day = margin(*legs, spot=25_000.0, is_index=True, as_of=NEAR)

    assert day_before == pytest.approx(65 * (270 + 0.0375 * 25_000))
    assert on_the_day == pytest.approx(65 * 300 + naked)
    assert on_the_day > 2 * day_before


def test_what_is_scanned_is_apart_too_on_the_day_of_the_first_expiry():
    """Together the later call would return what the earlier one costs in a rise."""
    ending, later = ["-65 C 25000 @ 30"], ["+65 C' 25000 @ 300", "-65 P' 24000 @ 200"]
    terms = {"spot": 25_000.0, "is_index": True, "as_of": NEAR}

    whole = margin(*ending, *later, **terms)

    assert whole == pytest.approx(margin(*ending, **terms) + margin(*later, **terms))


def test_a_later_call_beside_shares_covers_nothing_on_the_day_of_the_first_expiry():
    held = ["+500 S @ 1000", "-1000 C 1000 @ 3"]
    terms = {"as_of": date(2026, 5, 26), "days": (date(2026, 5, 26), date(2026, 6, 30))}

    whole = margin_on(*held, "+500 C' 1000 @ 25", **terms)

    assert whole == pytest.approx(margin_on(*held, **terms) + 500 * 25)
    day_before = margin_on(*held, "+500 C' 1000 @ 25", **(terms | {"as_of": date(2026, 5, 25)}))
    assert whole > day_before


def test_shares_stay_with_the_later_calls_that_today_does_not_need_them_for():
    terms = {"as_of": date(2026, 5, 26), "days": (date(2026, 5, 26), date(2026, 6, 30))}
    ending, later = ["-95 P 950 @ 12"], ["+200 S @ 1000", "+200 P' 1050 @ 60", "-200 C' 900 @ 110"]

    whole = margin_on(*ending, *later, **terms)

    assert whole == pytest.approx(margin_on(*later, **terms) + margin_on(*ending, **terms))


def test_a_position_apart_never_blocks_less_than_whole():
    """At a price of zero the two strikes are 300 apart, further than any scenario scans."""
    terms = {"as_of": date(2026, 5, 26), "days": (date(2026, 5, 26), date(2026, 6, 30))}

    found = margin_on("+200 S @ 1000", "+100 P' 700 @ 2", "-100 P 1000 @ 12", **terms)

    assert found == pytest.approx(200 * 1000 + 100 * (2 - 12 + 300 + 35))


def test_shares_that_cover_alone_cover_on_the_day_of_expiry_as_before():
    held = ["+500 S @ 1000", "-500 C 1050 @ 2"]
    terms = {"as_of": date(2026, 5, 26), "days": (date(2026, 5, 26), date(2026, 6, 30))}

    whole = margin_on(*held, "+500 P' 950 @ 20", **terms)

    assert whole == pytest.approx(margin_on(*held, **terms) + 500 * 20)


def test_shares_kept_the_calendar_benefit_until_may_2026():
    assert margin("-500 C 1000 @ 3", "+500 C' 1000 @ 25", as_of=NEAR) == pytest.approx(500 * (22 + 22 + 35))


def test_a_short_that_expires_today_has_more_exposure_on_an_index_only():
    index = ["-65 C 25000 @ 30", "+65 C 25100 @ 5"]

    found = margin(*index, spot=25_000.0, is_index=True, as_of=NEAR)

    assert found == pytest.approx(65 * (100 - 25 + 0.04 * 25_000))
    assert margin("-500 P 950 @ 12", "+500 P 900 @ 4", as_of=NEAR) == pytest.approx(500 * (50 - 8 + 35))


@pytest.mark.parametrize(
    ("legs", "group", "found"),
    [
        (["-500 P 950 @ 12"], "defined", "naked"),
        (["-500 P 950 @ 12", "+500 P 900 @ 4"], "naked", "defined"),
        (["-500 C 1050 @ 12"], "cash", "naked"),
        (["-500 C 1000 @ 30", "+500 C' 1000 @ 45"], "defined", "calendar"),
    ],
)
def test_legs_of_another_group_are_refused(legs: list[str], group: str, found: str):
    with pytest.raises(InvalidInput) as refusal:
        margin(*legs, group=group)

    assert refusal.value.reason.code == "MARGIN_GROUP"
    assert found in refusal.value.reason.sentence


NAN, INF = float("nan"), float("inf")
PUT = leg("-500 P 950 @ 12").contract


@pytest.mark.parametrize(
    ("legs", "spot"),
    [
        ([HeldLeg(PUT, -500, 12.0, 0.25)], NAN),
        ([HeldLeg(PUT, -500, 12.0, 0.25)], 0.0),
        ([HeldLeg(PUT, -500, 12.0, 0.25)], INF),
        ([HeldLeg(PUT, -500, NAN, 0.25)], SPOT),
        ([HeldLeg(PUT, -500, -1.0, 0.25)], SPOT),
        ([HeldLeg(PUT, 0, 12.0, 0.25)], SPOT),
        ([HeldLeg(PUT, -500, 12.0, None)], SPOT),
        ([HeldLeg(PUT, -500, 12.0, NAN)], SPOT),
        ([HeldLeg(PUT, -500, 12.0, 0.0)], SPOT),
        ([HeldLeg(Contract("ACME"), -500, 1000.0, None)], SPOT),
        ([HeldLeg(PUT, -500, 12.0, 0.25), HeldLeg(Contract("OTHER"), 500, 1000.0, None)], SPOT),
        ([], SPOT),
    ],
)
def test_what_is_missing_or_no_number_is_refused(legs: list[HeldLeg], spot: float):
    with pytest.raises(InvalidInput) as refusal:
        margin_of(legs, group="naked", spot=spot, is_index=False, as_of=DAY)

    assert refusal.value.reason.code == "MARGIN_INPUT"


def test_a_day_without_rates_is_refused():
    with pytest.raises(UnknownDay):
        margin("-500 P 950 @ 12", as_of=date(2020, 1, 1))
