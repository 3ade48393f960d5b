"""Dhan's `/v2/optionchain` bodies."""

from datetime import date, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from market.calendar import IST
from market.contract import OptionType
from market.errors import BadChain
from market.ports import CapturedChain, CapturedQuote
from market.readers import batches, readings
from market.readers.archive import Member
from market.readers.dhan_chain import captured, read

NAME = "dhan_optionchain_NIFTY_2025-01-28T093332Z_exp2025-01-30.json"
SIDE: dict[str, Any] = {
    "greeks": {"delta": 0.5, "theta": -10, "gamma": 0.001, "vega": 8},
    "implied_volatility": 12.5,
    "last_price": 101.5,
    "oi": 1500,
    "top_ask_price": 102.0,
    "top_ask_quantity": 75,
    "top_bid_price": 101.0,
    "top_bid_quantity": 150,
    "volume": 3000,
}
QUIET = {name: 0 for name in SIDE if name not in ("greeks", "implied_volatility")} | {"implied_volatility": 6.8}
BODY = {"data": {"last_price": 22952.95, "oc": {"22950.000000": {"ce": SIDE, "pe": QUIET}}}, "status": "success"}


def test_a_body_becomes_a_chain_of_its_own_time() -> None:
    (chain,), rejected = read(Member(NAME, orjson.dumps(BODY)), source="dhan")

    expiry = date(2025, 1, 30)
    assert chain == CapturedChain(
        "NIFTY",
        datetime(2025, 1, 28, 15, 3, 32, tzinfo=IST),
        "dhan",
        22952.95,
        (
            CapturedQuote(
                expiry, 22950.0, OptionType.CALL, last_price=101.5, bid=101.0, ask=102.0, bid_quantity=150,
                ask_quantity=75, volume=3000, open_interest=1500, implied_volatility=0.125,
            ),
            CapturedQuote(
                expiry, 22950.0, OptionType.PUT, volume=0, open_interest=0, implied_volatility=pytest.approx(0.068)
            ),
        ),
        is_index=True,
    )  # fmt: skip
    assert not rejected


@pytest.mark.parametrize(
    ("strike", "sides", "faults"),
    [
        ("abc", {"ce": SIDE}, {"BAD_STRIKE": 2}),
        ("23000", {"ce": {**SIDE, "last_price": "101"}}, {"NOT_A_NUMBER": 1}),
        ("23000", {"ce": {**SIDE, "oi": 1.5}}, {"NOT_WHOLE": 1}),
        ("23000", {"ce": [1]}, {"WRONG_COLUMNS": 1}),
    ],
)
def test_a_bad_side_costs_itself_only(strike: str, sides: dict[str, Any], faults: dict[str, int]) -> None:
    strikes = {**BODY["data"]["oc"], strike: sides}

    (chain,), rejected = read(Member(NAME, orjson.dumps({"data": {"last_price": 1.0, "oc": strikes}})), source="dhan")

    assert rejected == faults
    assert len(chain.quotes) == 2


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"errorType": "Invalid_Authentication", "errorCode": "DH-901"}, "WRONG_COLUMNS"),
        ({"data": {"last_price": 1.0}}, "WRONG_COLUMNS"),
        ({"data": []}, "WRONG_COLUMNS"),
        ({"data": {"oc": {}}}, "BAD_SPOT"),
        ({"data": {"oc": {}, "last_price": True}}, "BAD_SPOT"),
    ],
)
def test_a_body_that_is_no_chain_is_refused(body: dict[str, Any], code: str) -> None:
    moment = datetime(2025, 1, 28, 15, 3, tzinfo=IST)

    with pytest.raises(BadChain) as refusal:
        captured(body, "NIFTY", expiry=date(2025, 1, 30), taken_at=moment, source="dhan")

    assert refusal.value.reason.code == code


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        (NAME, orjson.dumps(BODY)[:-5], "TRUNCATED"),
        (NAME.replace("01-28", "13-28"), orjson.dumps(BODY), "NAME_WITHOUT_TIME"),
        ("chain.json", orjson.dumps(BODY), "NAME_WITHOUT_TIME"),
        (NAME.replace("01-28", "01-25"), orjson.dumps(BODY), "OUT_OF_SESSION"),
    ],
)
def test_a_file_that_cannot_be_placed_is_refused(name: str, data: bytes, code: str) -> None:
    (reading,) = readings([Member(name, data)])

    assert [reason.code for reason in reading.refusals] == [code]


@pytest.mark.realdata
def test_the_real_bodies_taken_on_session_days_land(shared_data: Path) -> None:
    found = [
        reading
        for batch in batches(shared_data / "C_option_chains" / "dhan_v2_optionchain_json.tar.xz")
        for reading in readings(batch)
    ]

    assert [chain.taken_at for reading in found for chain in reading.chains] == [
        datetime(2025, 1, 28, 15, 3, 32, tzinfo=IST),
        datetime(2025, 2, 1, 15, 29, tzinfo=IST),
        datetime(2025, 7, 8, 15, 29, tzinfo=IST),
    ]
    assert [reason.code for reading in found for reason in reading.refusals] == ["OUT_OF_SESSION"] * 3
    assert not any(reading.rejected for reading in found)
