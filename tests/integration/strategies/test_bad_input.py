"""Bad chains from the file to the stored reason: imported and generated as people do, and no number that looks fine."""

import copy
import json
import math
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from market.calendar import IST
from market.contract import OptionType
from market.errors import OptionsError
from market.models import FileImport, Instrument, OptionQuote
from market.ports import CapturedChain, CapturedQuote
from market.quant import black
from strategies.catalog import CATALOGUE
from strategies.models import GenerationRun, OptionStrategy, StrategyLeg, StrategyParameters, SymbolResult
from tests.factories import list_chain, record_past
from tests.stored import load_chain

pytestmark = pytest.mark.django_db

AS_OF = datetime(2026, 1, 30, 12, 0, tzinfo=IST)
EXPIRY = date(2026, 2, 24)
SPOT, VOLATILITY, LOT, TICK = 1_000.0, 0.30, 500, 0.05
STRIKES = [800.0 + 10.0 * rung for rung in range(41)]
CALM = 0.20  # what the share has realised: less than its options cost, so that selling them is expected to earn

Body = dict[str, Any]


def years(at: datetime, expiry: date) -> float:
    return (datetime(expiry.year, expiry.month, expiry.day, 15, 30, tzinfo=IST) - at).total_seconds() / 31_536_000


def side(strike: float, kind: str, *, at: datetime, expiry: date, volatility: float = VOLATILITY) -> Body:
    fair = float(
        black.price(
            forward=SPOT,
            strike=strike,
            years=max(years(at, expiry), 1e-6),
            volatility=volatility,
            is_call=kind == "ce",
        )
    )
    bid = max(TICK, math.floor(0.995 * fair / TICK) * TICK)
    return {
        "implied_volatility": 100 * volatility,
        "last_price": round(bid + TICK, 2),
        "oi": 200 * LOT,
        "volume": 300 * LOT,
        "top_bid_price": round(bid, 2),
        "top_bid_quantity": 10 * LOT,
        "top_ask_price": round(max(math.ceil(1.005 * fair / TICK) * TICK, bid + TICK), 2),
        "top_ask_quantity": 10 * LOT,
    }


def good(*, at: datetime = AS_OF, expiry: date = EXPIRY, volatility: float = VOLATILITY) -> Body:
    """A body as Dhan answers it: two-sided, on parity, on one smile."""
    strikes = {
        f"{strike:.6f}": {
            kind: side(strike, kind, at=at, expiry=expiry, volatility=volatility) for kind in ("ce", "pe")
        }
        for strike in STRIKES
    }
    return {"data": {"last_price": SPOT, "oc": strikes}, "status": "success"}


def key(strike: float) -> str:
    return f"{strike:.6f}"


def imported(
    folder: Path, body: Body, *, at: datetime = AS_OF, expiry: date = EXPIRY, lot: int = LOT
) -> tuple[int, dict[str, Any]]:
    """Import a body with the command, beside a master that lists its contracts and a past of calm sessions."""
    list_chain(listed(expiry), lot_size=lot)
    record_past("ACME", until=at.date() - timedelta(days=1), volatility=CALM, price=SPOT)
    path = folder / f"dhan_optionchain_ACME_{at.astimezone(UTC):%Y-%m-%dT%H%M%S}Z_exp{expiry}.json"
    path.write_text(json.dumps(body))
    return run("import_chains", str(path))


def listed(expiry: date) -> CapturedChain:
    quotes = tuple(CapturedQuote(expiry, strike, kind, last_price=1.0) for strike in STRIKES for kind in OptionType)
    return CapturedChain("ACME", AS_OF, "master", SPOT, quotes)


def run(command: str, *arguments: str) -> tuple[int, dict[str, Any]]:
    out, code = StringIO(), 0
    try:
        call_command(command, *arguments, "--json", stdout=out)
    except SystemExit as stop:
        code = int(stop.code or 0)
    return code, json.loads(out.getvalue())


def generated(*, at: datetime = AS_OF) -> tuple[int, SymbolResult]:
    code, _ = run("generate_strategies", "--as-of", f"{at:%Y-%m-%dT%H:%M}", "--symbol", "ACME", "--risk", "aggressive")
    return code, SymbolResult.objects.get()


def nothing_stored() -> bool:
    return not (OptionStrategy.objects.exists() or StrategyLeg.objects.exists() or StrategyParameters.objects.exists())


def legs() -> set[tuple[float, str]]:
    rows = StrategyLeg.objects.filter(option_type__isnull=False).values_list("strike", "option_type")
    return {(float(strike), code) for strike, code in rows}


def reason_at(strike: float, kind: OptionType) -> str:
    front = load_chain("ACME", as_of=AS_OF).expiries[0]
    reason = front.side(kind).reason(front.strikes.tolist().index(strike))
    return reason.code if reason else ""


def test_the_good_chain_gives_strategies(tmp_path):
    imported(tmp_path, good())

    code, result = generated()

    assert (code, result.status, result.reason_code) == (0, "done", "")
    assert OptionStrategy.objects.count() == result.kept >= 10
    assert {code for _, code in legs()} == {"CE", "PE"}


# --- chains nothing can be made of: no row, and the reason at the symbol ----------------------------------------------


def without(kind: str) -> Body:
    body = good()
    for sides in body["data"]["oc"].values():
        del sides[kind]
    return body


def without_book(kind: str, name: str) -> Body:
    body = good()
    for sides in body["data"]["oc"].values():
        sides[kind][name] = 0
    return body


def single() -> Body:
    body = good()
    body["data"]["oc"] = {key(1_000.0): body["data"]["oc"][key(1_000.0)]}
    return body


@pytest.mark.parametrize(
    ("body", "code", "detail"),
    [
        (without("pe"), "NO_USABLE_EXPIRY", "ONE_SIDE_MISSING"),
        (without("ce"), "NO_USABLE_EXPIRY", "ONE_SIDE_MISSING"),
        (without_book("pe", "top_bid_price"), "NO_USABLE_EXPIRY", "ONE_SIDE_MISSING"),
        (without_book("ce", "top_ask_price"), "NO_USABLE_EXPIRY", "ONE_SIDE_MISSING"),
        (single(), "NO_USABLE_EXPIRY", "SINGLE_STRIKE"),
        (good(volatility=6.0), "NO_USABLE_EXPIRY", "IV_TOO_HIGH"),
    ],
    ids=["no puts", "no calls", "no bids for puts", "no asks for calls", "a single strike", "volatility of 600 %"],
)
def test_a_chain_that_says_too_little_or_too_much_stores_its_reason_and_no_row(tmp_path, body, code, detail):
    landed, _ = imported(tmp_path, body)

    exit_code, result = generated()

    assert (landed, exit_code) == (0, 1)
    assert (result.status, result.reason_code, result.kept) == ("failed", code, 0)
    assert f"[{detail}]" in result.reason_text
    assert nothing_stored()


@pytest.mark.parametrize("spot", [0, 0.0, -5.0])
def test_without_a_price_of_the_underlying_the_import_is_refused_and_so_is_the_symbol(tmp_path, spot):
    body = good()
    body["data"]["last_price"] = spot

    landed, report = imported(tmp_path, body)
    exit_code, result = generated()

    assert (landed, exit_code) == (1, 1)
    assert report["files"][0]["refused"] in ({"ZERO_SPOT": 1}, {"BAD_SPOT": 1})
    assert FileImport.objects.latest("pk").reason_code in ("ZERO_SPOT", "BAD_SPOT")
    assert result.reason_code == "NO_CHAIN"
    assert nothing_stored()


@pytest.mark.parametrize(("clock", "detail"), [((15, 16), "LAST_MINUTES"), ((15, 29), "LAST_MINUTES")])
def test_in_the_last_minutes_of_the_day_of_expiry_nothing_is_proposed(tmp_path, clock, detail):
    at = datetime(2026, 2, 24, *clock, tzinfo=IST)
    imported(tmp_path, good(at=at), at=at)

    exit_code, result = generated(at=at)

    assert (exit_code, result.reason_code) == (1, "NO_USABLE_EXPIRY")
    assert f"[{detail}]" in result.reason_text
    assert nothing_stored()


def test_on_the_morning_of_expiry_every_structure_says_that_its_time_is_over(tmp_path):
    at = datetime(2026, 2, 24, 10, 0, tzinfo=IST)
    imported(tmp_path, good(at=at), at=at)

    exit_code, result = generated(at=at)

    assert (exit_code, result.status, result.reason_code) == (1, "failed", "NO_EXPIRY_IN_WINDOW")
    assert set(result.refusals) == {structure.slug for structure in CATALOGUE}
    assert load_chain("ACME", as_of=at).expiries[0].days_to_expiry == 0
    assert nothing_stored()


def test_a_week_before_expiry_two_months_of_sessions_are_past_enough(tmp_path):
    at = datetime(2026, 2, 17, 12, 0, tzinfo=IST)
    imported(tmp_path, good(at=at), at=at)

    code, result = generated(at=at)

    assert (code, result.status, result.reason_code) == (0, "done", "")
    assert OptionStrategy.objects.exists()


@pytest.mark.parametrize(("expiry", "why"), [(date(2026, 3, 3), "Holi"), (date(2026, 3, 1), "weekend")])
def test_an_expiry_on_a_day_without_a_session_is_refused(tmp_path, expiry, why):
    imported(tmp_path, good(expiry=expiry), expiry=expiry)

    exit_code, result = generated()

    assert (exit_code, result.reason_code) == (1, "NO_USABLE_EXPIRY")
    assert "[EXPIRY_NOT_A_SESSION]" in result.reason_text
    assert why in result.reason_text
    assert nothing_stored()


def rows_with_times(folder: Path, time_of: Callable[[float], str]) -> int:
    """Import a file of the form that gives a time in every row; its prices are those of the good chain."""
    list_chain(listed(EXPIRY), lot_size=LOT)
    record_past("ACME", until=AS_OF.date() - timedelta(days=1), volatility=CALM, price=SPOT)
    lines = ["Stock,Expiry,Strike,CE_LTP,CE_OI,CE_Volume,PE_LTP,PE_OI,PE_Volume,timestamp,Stock_LTP"]
    for strike in STRIKES:
        call, put = (side(strike, kind, at=AS_OF, expiry=EXPIRY) for kind in ("ce", "pe"))
        cells = [f"{each['last_price']},{each['oi']},{each['volume']}" for each in (call, put)]
        lines.append(f"ACME,{EXPIRY},{strike},{','.join(cells)},{AS_OF:%Y-%m-%d} {time_of(strike)},{SPOT}")
    path = folder / "stock_option_chain.csv"
    path.write_text("\n".join(lines) + "\n")
    return run("import_chains", str(path))[0]


def test_rows_of_one_minute_are_taken(tmp_path):
    assert rows_with_times(tmp_path, lambda strike: "11:59:00" if strike < 1_000 else "11:57:30") == 0

    exit_code, result = generated()

    assert (exit_code, result.status, result.reason_code) == (0, "done", "")
    assert set(OptionQuote.objects.values_list("quoted_at", flat=True)) == {
        AS_OF.replace(hour=11, minute=59),
        AS_OF.replace(hour=11, minute=57, second=30),
    }


def test_rows_of_different_minutes_are_refused(tmp_path):
    assert rows_with_times(tmp_path, lambda strike: "11:59:00" if strike < 1_000 else "11:50:00") == 0

    exit_code, result = generated()

    assert (exit_code, result.status) == (1, "failed")
    assert result.reason_code == "MIXED_TIMES"
    assert reason_at(900.0, OptionType.PUT) == reason_at(1_100.0, OptionType.CALL) == "MIXED_TIMES"
    assert nothing_stored()


# --- one bad quote: refused with its reason, in no leg, and the rest of the chain goes on -----------------------------


def chosen(folder: Path, *, deepest: bool = False) -> float:
    """Generate from the good chain, forget it, and return the strike of a call that was in a leg."""
    imported(folder, good())
    generated()
    calls = [strike for strike, code in legs() if code == "CE"]
    OptionStrategy.objects.all().delete()
    GenerationRun.objects.all().delete()
    return min(calls) if deepest else min(calls, key=lambda strike: abs(strike - SPOT))


def replaced(folder: Path, body: Body) -> None:
    (path,) = folder.iterdir()
    path.write_text(json.dumps(body))
    assert run("import_chains", str(path), "--replace")[0] == 0


def touch(bid: float, ask: float) -> Callable[[float], Body]:
    return lambda fair: {"top_bid_price": bid, "top_ask_price": ask}


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        (lambda fair: {"top_ask_price": 0}, "ONE_SIDED"),
        (lambda fair: {"top_bid_price": 0}, "ONE_SIDED"),
        (touch(500.0, 505.0), "IV_TOO_HIGH"),
        (
            lambda fair: {"top_bid_price": round(1.5 * fair, 1), "top_ask_price": round(1.5 * fair + 0.5, 1)},
            "OFF_SMILE",
        ),
        (lambda fair: {"top_bid_price": round(fair, 1), "top_ask_price": round(fair, 1)}, "LOCKED"),
    ],
    ids=["no ask", "no bid", "volatility above 500 %", "an old price", "a locked market"],
)
def test_a_bad_quote_is_in_no_leg(tmp_path, change, refusal):
    strike, body = chosen(tmp_path), good()
    call = body["data"]["oc"][key(strike)]["ce"]
    call |= change(call["last_price"])
    replaced(tmp_path, body)

    code, result = generated()

    assert (code, result.status) == (0, "done")
    assert reason_at(strike, OptionType.CALL) == refusal
    assert (strike, "CE") not in legs()
    assert OptionStrategy.objects.count() >= 5


def test_an_offer_below_intrinsic_value_is_in_no_leg(tmp_path):
    strike, body = chosen(tmp_path, deepest=True), good()
    offered = SPOT - strike - 5.0
    body["data"]["oc"][key(strike)]["ce"] |= {"top_bid_price": offered - 0.5, "top_ask_price": offered}
    replaced(tmp_path, body)

    _, result = generated()

    assert offered > 0.0
    assert result.status == "done"
    assert reason_at(strike, OptionType.CALL) == "NEGATIVE_TIME_VALUE"
    assert (strike, "CE") not in legs()


def test_the_same_contract_twice_is_told_at_the_import_and_priced_once(tmp_path):
    body = good()
    double = copy.deepcopy(body["data"]["oc"][key(1_000.0)])
    double["ce"] |= {"top_bid_price": 70.0, "top_ask_price": 71.0}
    body["data"]["oc"]["1000.0"] = double

    landed, report = imported(tmp_path, body)
    generated()

    assert landed == 0
    assert report["files"][0]["rejected"] == {"DUPLICATE": 2}
    call = OptionQuote.objects.get(strike=1_000, option_type="CE")
    assert float(call.bid) < 60.0
    assert not StrategyLeg.objects.filter(premium__in=(70, 71)).exists()


def test_a_strike_left_by_a_corporate_action_is_in_no_leg(tmp_path):
    body = good()
    odd = {kind: side(1_003.35, kind, at=AS_OF, expiry=EXPIRY) for kind in ("ce", "pe")}
    body["data"]["oc"][key(1_003.35)] = odd
    imported(tmp_path, body)

    _, result = generated()

    assert result.status == "done"
    assert reason_at(1_003.35, OptionType.CALL) == reason_at(1_003.35, OptionType.PUT) == "ODD_STRIKE"
    assert not {strike for strike, _ in legs()} & {1_003.35}


def test_a_contract_with_a_lot_of_its_own_is_in_no_leg(tmp_path):
    strike = chosen(tmp_path)
    Instrument.objects.filter(strike=strike).update(lot_size=537)

    _, result = generated()

    assert result.status == "done"
    assert reason_at(strike, OptionType.CALL) == reason_at(strike, OptionType.PUT) == "ODD_LOT"
    assert strike not in {at for at, _ in legs()}
    assert set(OptionStrategy.objects.values_list("lot_size", flat=True)) == {LOT}


def test_a_chain_from_before_a_split_is_refused(tmp_path):
    body = good()
    body["data"]["last_price"] = SPOT / 5
    imported(tmp_path, body)

    exit_code, result = generated()

    assert (exit_code, result.reason_code) == (1, "NO_USABLE_EXPIRY")
    assert "[FORWARD_OFF_SPOT]" in result.reason_text
    assert nothing_stored()
    with pytest.raises(OptionsError):
        load_chain("ACME", as_of=AS_OF)
