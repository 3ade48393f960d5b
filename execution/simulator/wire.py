"""What goes over the wire: requests, answers, and the shapes of every failure (dhan.md section 4). Pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

from execution.simulator.book import Refused
from execution.simulator.faults import Strike
from execution.simulator.judging import bad_input

Json = Any

TOO_MANY = "Too many requests. Further requests may result in the user being blocked."
DATA_TEXTS: Mapping[int, str] = {
    800: "Internal Server Error",
    804: "Requested number of instruments exceeds limit",
    805: TOO_MANY,
    806: "Data APIs not subscribed",
    807: "Access token is expired",
    808: "Authentication Failed - Client ID or Token invalid",
    809: "Access token is invalid",
    810: "Client ID is invalid",
    811: "Invalid Expiry Date",
    812: "Invalid Date Format",
    813: "Invalid SecurityId",
    814: "Invalid Request",
}
# Trading errors: code -> status, type, text.
TRADING_ERRORS: Mapping[str, tuple[int, str, str]] = {
    "DH-901": (401, "Invalid_Authentication", "Client ID or user generated access token is invalid or expired."),
    "DH-902": (403, "Invalid_Access", "User has not subscribed to Data APIs or does not have access to Trading APIs."),
    "DH-903": (400, "User_Account", "Errors related to User's Account. Check if the required segments are activated."),
    "DH-904": (429, "Rate_Limit", "Too many requests on server from single user breaching rate limits."),
    "DH-905": (400, "Input_Exception", "Missing required fields, bad values for parameters etc."),
    "DH-906": (400, "Order_Error", "Incorrect request for order and cannot be processed."),
    "DH-907": (400, "Data_Error", "System is unable to fetch data due to incorrect parameters or no data present."),
    "DH-908": (
        500,
        "Internal_Server_Error",
        "Server was not able to process API request. This will only occur rarely.",
    ),
    "DH-909": (502, "Network_Error", "Network error where the API was unable to communicate with the backend system."),
    "DH-910": (500, "Others", "Error originating from other reasons."),
    "DH-911": (400, "Invalid_IP", "Invalid IP"),
    "DH-1111": (400, "Holding_Error", "No holdings available"),
}
WEB_PAGE = (
    b"<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer; `body` None is no body at all."""

    status: int = 200
    body: bytes | None = None
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Request:
    """One HTTP request as a handler sees it."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Json
    words: tuple[str, ...] = ()  # the variable parts of the path
    strike: Strike | None = None
    notes: dict[str, str] = field(default_factory=dict)

    def fields(self) -> Mapping[str, Json]:
        """The body as an object; raises DH-905 for anything else."""
        if not isinstance(self.body, dict):
            raise bad_input()
        return self.body


class Failed(Exception):
    """An answer that is a failure, thrown from wherever it became clear."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(str(answer.status))
        self.answer = answer


def plain(value: Json, status: int = 200) -> Answer:
    """A trading answer: a bare object or array."""
    return Answer(status, orjson.dumps(value))


def wrapped(value: Json) -> Answer:
    """A data answer: an object that carries the payload in `data`."""
    return plain({"data": value, "status": "success"})


def trading_error(code: str, text: str = "", *, status: int | None = None) -> Answer:
    """A failure of a trading endpoint."""
    usual, kind, sentence = TRADING_ERRORS[code]
    return plain({"errorType": kind, "errorCode": code, "errorMessage": text or sentence}, status or usual)


def data_error(code: int, *, status: int) -> Answer:
    """A failure of a data endpoint: the code is the key."""
    return plain({"data": {str(code): DATA_TEXTS[code]}, "status": "failed"}, status)


def refusal(refused: Refused) -> Answer:
    """What the exchange's front door said, as HTTP."""
    return trading_error(refused.code, refused.sentence)


def whole(value: Json, *, least: int = 0) -> int:
    """A count, from a number or a numeric string; raises DH-905."""
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise bad_input() from None
    if isinstance(value, bool) or not number.is_finite() or number != int(number) or number < least:
        raise bad_input()
    return int(number)


def rupees(value: Json) -> Decimal:
    """An amount, from a number, a numeric string or nothing; raises DH-905."""
    if value is None or value == "":
        return Decimal(0)
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise bad_input() from None
    if isinstance(value, bool) or not number.is_finite() or abs(number) > 10**9:
        raise bad_input()
    return number


def parse_body(raw: bytes) -> Json:
    """The JSON of a request, None when there is none; `NaN` is not JSON. Raises DH-905."""
    if not raw.strip():
        return None
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise bad_input() from None


def number(value: Decimal | float | None) -> float:
    """A float for the wire."""
    return 0.0 if value is None or not math.isfinite(value) else float(value) + 0.0  # no -0.0
