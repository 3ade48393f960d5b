"""Dhan's `/v2/optionchain` bodies (dhan.md, option chain): one expiry keyed by strike, `ce` and `pe` below.

A recorded body names neither underlying nor expiry nor time: they stand in its file name,
`dhan_optionchain_NIFTY_2025-01-28T093332Z_exp2025-01-30.json` (UTC). Prices of 0 mean none;
`implied_volatility` is in percent.
"""

import re
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import PurePosixPath
from typing import Any

import orjson

from market.calendar import IST
from market.contract import OptionType
from market.ports import CapturedChain, CapturedQuote
from market.readers.archive import Member, bad, text_of
from market.readers.rows import INDEX_SYMBOLS, RowFault, as_whole

SLUG = "dhan_chain"
_NAME = re.compile(
    r"dhan_optionchain_(?P<symbol>[A-Z0-9&-]+)_(?P<stamp>\d{4}-\d\d-\d\dT\d{6})Z_exp(?P<expiry>[\d-]{10})"
)


def recognises(member: Member) -> bool:
    """Whether the text is a JSON object."""
    return member.data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")


def read(member: Member, *, source: str) -> tuple[list[CapturedChain], Counter[str]]:
    """The one chain of the body, and the sides rejected by code."""
    text = text_of(member)
    match = _NAME.match(PurePosixPath(member.name).name)
    if match is None:
        remedy = "Name it dhan_optionchain_SYMBOL_YYYY-MM-DDTHHMMSSZ_expYYYY-MM-DD.json."
        raise bad("NAME_WITHOUT_TIME", f"{member.name} does not say underlying, time and expiry.", remedy)
    try:
        taken_at = datetime.strptime(match["stamp"], "%Y-%m-%dT%H%M%S").replace(tzinfo=UTC).astimezone(IST)
        expiry = date.fromisoformat(match["expiry"])
    except ValueError as error:
        raise bad("NAME_WITHOUT_TIME", f"{member.name} names a time that does not exist.") from error
    chain, rejected = captured(
        _body(member.name, text), match["symbol"], expiry=expiry, taken_at=taken_at, source=source
    )
    return [chain], rejected


def captured(
    body: Mapping[str, Any], underlying: str, *, expiry: date, taken_at: datetime, source: str
) -> tuple[CapturedChain, Counter[str]]:
    """A response body as a chain; raises BadChain when it is not one (an error answer, another call's answer)."""
    data = body.get("data")
    strikes = data.get("oc") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(strikes, dict):
        raise bad("WRONG_COLUMNS", f"The body for {underlying} holds no data.oc: it is not an option chain.")
    rejected: Counter[str] = Counter()
    quotes = []
    for strike, sides in strikes.items():
        for option_type in OptionType:
            try:
                quotes += _quotes(sides, float(strike), option_type, expiry)
            except RowFault as fault:
                rejected[fault.code] += 1
            except ValueError:
                rejected["BAD_STRIKE"] += 1
    spot = data.get("last_price")
    if not _is_number(spot):
        raise bad("BAD_SPOT", f"The body for {underlying} has no readable underlying price.")
    return CapturedChain(
        underlying, taken_at, source, spot or None, tuple(quotes), underlying in INDEX_SYMBOLS
    ), rejected


def _body(name: str, text: str) -> Mapping[str, Any]:
    try:
        body = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise bad("TRUNCATED", f"{name} is not whole JSON.", "Fetch it again.") from error
    if not isinstance(body, dict):
        raise bad("WRONG_COLUMNS", f"{name} is not an option chain.")
    return body


def _quotes(sides: Any, strike: float, option_type: OptionType, expiry: date) -> list[CapturedQuote]:
    if not isinstance(sides, dict):
        raise RowFault("WRONG_COLUMNS")
    side = sides.get(option_type.code.lower())
    if side is None:
        return []  # far strikes may list one type only
    if not isinstance(side, dict):
        raise RowFault("WRONG_COLUMNS")
    percent = _value(side, "implied_volatility")
    return [
        CapturedQuote(
            expiry,
            strike,
            option_type,
            last_price=_value(side, "last_price") or None,
            bid=_value(side, "top_bid_price") or None,
            ask=_value(side, "top_ask_price") or None,
            bid_quantity=_count(side, "top_bid_quantity") or None,
            ask_quantity=_count(side, "top_ask_quantity") or None,
            volume=_count(side, "volume"),
            open_interest=_count(side, "oi"),
            implied_volatility=percent / 100 if percent else None,
        )
    ]


def _value(side: Mapping[str, Any], name: str) -> float | None:
    value = side.get(name)
    if value is not None and not _is_number(value):
        raise RowFault("NOT_A_NUMBER")
    return value


def _count(side: Mapping[str, Any], name: str) -> int | None:
    value = _value(side, name)
    return None if value is None else as_whole(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
