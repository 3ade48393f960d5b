"""What is held has a name: legs given by hand, the legs of a stored strategy, and what trades add up to."""

import io
import json

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from execution.models import Trade
from strategies.models import StrategyLeg
from tests.factories import AS_OF, EXPIRY, AccountFactory, OptionStrategyFactory

pytestmark = pytest.mark.django_db

CALLS = ("BUY:65:NIFTY:2026-02-24:25000:CE", "SELL:65:NIFTY:2026-02-24:25500:CE")


def run(*arguments, command="recognise_position"):
    out, code = io.StringIO(), 0
    try:
        call_command(command, *arguments, stdout=out)
    except SystemExit as stop:
        code = stop.code
    return code, out.getvalue()


def test_legs_given_by_hand_have_a_name():
    code, output = run("--legs", *CALLS, "--json")

    found = json.loads(output)["structure"]
    assert (code, found["slug"], found["units"], found["confidence"]) == (0, "bull-call-spread", 65, 1.0)
    assert (found["outlook"], found["margin"]) == ("Bullish", "the worst outcome")


@pytest.mark.parametrize(("options", "slug"), [((), "short-put"), (("--cash-secured",), "cash-secured-put")])
def test_cash_set_aside_makes_a_short_put_another_structure(options, slug):
    _, output = run("--legs", "SELL:65:NIFTY:2026-02-24:24000:PE", *options, "--json")

    assert json.loads(output)["structure"]["slug"] == slug


@pytest.mark.parametrize(
    ("options", "risk"),
    [((), "sells what nothing covers"), (("--cash-secured",), "all it sells, if anything, is covered")],
)
def test_a_short_puts_loss_is_bounded_and_what_it_sells_is_not_covered_unless_by_cash(options, risk):
    _, output = run("--legs", "SELL:65:NIFTY:2026-02-24:24000:PE", *options)

    (row,) = [line for line in output.splitlines() if line.lstrip("│ ").startswith("Risk ")]
    assert row.strip("│ ").split("│")[1].strip() == risk


def test_a_share_counts_as_a_leg():
    code, output = run("--legs", "BUY:500:INFY", "SELL:500:INFY:2026-02-24:1700:CE")

    assert code == 0
    assert "Covered Call" in output
    assert "the share held" in output


def test_unequal_wings_are_said():
    legs = [f"{side}:2026-02-24:{strike}:CE" for side, strike in (("BUY:65:NIFTY", 24000), ("SELL:130:NIFTY", 25000))]

    _, output = run("--legs", *legs, "BUY:65:NIFTY:2026-02-24:25400:CE", "--json")

    found = json.loads(output)["structure"]
    assert "butterfly" in found["slug"]
    assert found["broken_wing"] == ("wings unequal" in found["name"])


def test_what_is_no_structure_fails_with_a_reason():
    code, output = run("--legs", "BUY:65:NIFTY:2026-02-24:25000:CE", "BUY:195:NIFTY:2026-02-24:25500:PE", "--json")

    assert code == 1
    assert json.loads(output)["reason"]["code"] == "NOT_RECOGNISED"


@pytest.mark.parametrize(
    "text",
    [
        "BUY", "HOLD:1:NIFTY", "BUY:0:NIFTY", "BUY:-1:NIFTY", "BUY:x:NIFTY", "BUY:1:NI FTY", "BUY:1:NIFTY:2026-02-24",
        "BUY:1:NIFTY:2026-02-30:1:CE", "BUY:1:NIFTY:2026-02-24:nan:CE", "BUY:1:NIFTY:2026-02-24:-5:CE",
        "BUY:1:NIFTY:2026-02-24:5:XX", "BUY:1:NIFTY:2026-02-24:5:CE:9",
    ],
)  # fmt: skip
def test_what_is_no_leg_is_wrong_usage(text):
    with pytest.raises(CommandError, match="no leg|no units"):
        run("--legs", text)


def test_a_stored_strategy_is_named_by_its_legs_and_so_is_its_page(client):
    typed = OptionStrategyFactory(structure="", strategy_name="My trade", content_hash="", details=False)
    client.force_login(User.objects.create_superuser("chief"))

    _, output = run("--strategy", str(typed.pk), "--json")
    page = client.get(f"/admin/strategies/optionstrategy/{typed.pk}/change/").content.decode()

    assert json.loads(output)["structure"]["slug"] == "bull-call-spread"
    assert "Bull Call Spread" in page


def test_an_unknown_strategy_is_refused():
    with pytest.raises(CommandError, match="UNKNOWN_STRATEGY"):
        run("--strategy", "999")


def test_what_is_held_has_the_name_of_what_is_left_of_it():
    whole, half = OptionStrategyFactory(), OptionStrategyFactory()
    account = AccountFactory(name="paper")
    for strategy, legs in ((whole, 2), (half, 1)):
        for leg in StrategyLeg.objects.filter(strategy=strategy)[:legs]:
            Trade.objects.create(
                strategy=strategy, account=account, order_id=f"o{leg.pk}", security_id=str(leg.leg_number),
                action=leg.setup_type, quantity=500, price=leg.premium, order_status="TRADED", timestamp=AS_OF,
                symbol=f"ACME {leg.strike}", option_type=leg.option_type, strike=leg.strike, expiry=EXPIRY,
            )  # fmt: skip

    _, output = run("--all", "--json", command="execution_status")
    _, shown = run("--all", command="execution_status")

    held = {(row["strategy_id"], row["held_as"]) for row in json.loads(output)["positions"]}
    assert held == {(whole.pk, "Bull Call Spread"), (half.pk, "Long Call")}
    assert "Long Call" in shown
