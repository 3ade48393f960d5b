"""What an answer of Dhan means, judged by HTTP status and raw body (reliability.md 2.5). Pure."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NoReturn

from execution.errors import AuthExpired, BrokerError, OrderRefused, OutcomeUnknown, RateLimited, ReadFailed
from market.errors import Reason

_REFUSED = frozenset({"DH-902", "DH-903", "DH-905", "DH-906", "DH-911"})
_DEAD_TOKEN = frozenset({"DH-901", "807", "808", "809", "810"})
_PACED = frozenset({"DH-904", "805"})
_ORDER_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")
_NOT_FOUND = re.compile(
    r"\b(order|orders|correlation ?id|record|records|data)\b[^.]{0,60}\b(not found|does not exist|not available)\b"
    r"|\bno (such )?(order|orders|record|records|data)\b( (was|were))?( found| available| exists?)?\s*[.!]*\s*$",
    re.IGNORECASE,
)
_LONGEST_TEXT = 200
_LONGEST_PAUSE = 3600.0
UNKNOWN_REMEDY = "Ask the broker by correlation id and the day book; never send again."


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer as it came."""

    status: int
    body: bytes
    retry_after: str = ""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The broker has the order; `status` is its word for where it stands, empty when it said none."""

    order_id: str
    status: str


class TryAgainAfter(RateLimited):
    """Refused for pace, with the pause that the broker named; None when it named none."""

    def __init__(self, reason: Reason, seconds: float | None) -> None:
        super().__init__(reason)
        self.seconds = seconds


def outcome(answer: Answer) -> Accepted | BrokerError:
    """What became of a write: accepted, definitively refused, or unknown."""
    fields = _object(answer.body)
    if 200 <= answer.status <= 299:
        return _accepted(fields) or _unknown(answer, "no order id")
    return definitive(answer) or _unknown(answer, "no definite refusal")


def definitive(answer: Answer) -> BrokerError | None:
    """The error of an answer that proves that nothing was done; None when it proves nothing."""
    if not 400 <= answer.status <= 499:
        return None
    code, text = error_of(answer.body)
    if answer.status == 429 or code in _PACED:
        return _paced(answer)
    if answer.status == 401 or code in _DEAD_TOKEN or (code == "DH-906" and "invalid token" in text.lower()):
        return AuthExpired(Reason("TOKEN_DEAD", f"Dhan does not accept the access token{_said(code, text)}."))
    if code in _REFUSED:
        return _refused(code, text)
    return None


def changed(answer: Answer) -> Accepted:
    """Return the acceptance of a write or raise the error it means."""
    result = outcome(answer)
    if isinstance(result, Accepted):
        return result
    raise result


def switched(answer: Answer) -> None:
    """Return when a kill-switch request was taken, else raise the error it means."""
    fields = _object(answer.body)
    if 200 <= answer.status <= 299 and fields.get("killSwitchStatus"):
        return
    raise definitive(answer) or _unknown(answer, "no word on the kill switch")


def content(answer: Answer) -> Any:
    """The JSON of a read; raises for every other answer, so that no failed read looks like an empty one."""
    if not 200 <= answer.status <= 299:
        _raise_unreadable(answer)
    value = parsed(answer.body)
    if value is None:
        raise ReadFailed(Reason("NOT_JSON", f"Dhan answered {answer.status} with something that is no JSON value."))
    code, text = error_of(answer.body)
    if code or (isinstance(value, dict) and value.get("status") in {"failed", "failure", "error"}):
        raise ReadFailed(Reason("READ_REFUSED", f"Dhan answered {answer.status} with an error{_said(code, text)}."))
    return value


def says_not_found(answer: Answer) -> bool:
    """Whether the broker said, in so many words, that it has no such order; a bare 404 says nothing."""
    if answer.status not in {400, 404}:
        return False
    code, text = error_of(answer.body)
    return bool(code) and token_or_pace(answer) is None and bool(_NOT_FOUND.search(text))


def token_or_pace(answer: Answer) -> BrokerError | None:
    """The token or pace error of an answer, which always comes before what else it may say."""
    error = definitive(answer)
    return error if isinstance(error, AuthExpired | RateLimited) else None


def error_of(body: bytes) -> tuple[str, str]:
    """The error code and text of either failure shape; empty when there is none."""
    fields = _object(body)
    code = fields.get("errorCode")
    if isinstance(code, str) and code:
        return code.strip().upper(), _text(fields.get("errorMessage"))
    inner = fields.get("data")
    if isinstance(inner, dict) and fields.get("status") == "failed" and len(inner) == 1:
        (number, said), *_ = inner.items()
        return str(number), _text(said)
    return "", ""


def parsed(body: bytes) -> Any:
    """The JSON value of a body with exact decimals, or None; NaN and infinity are not JSON."""
    try:
        return json.loads(body, parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _object(body: bytes) -> Mapping[str, Any]:
    value = parsed(body)
    return value if isinstance(value, dict) else {}


def _accepted(fields: Mapping[str, Any]) -> Accepted | None:
    number = fields.get("orderId")
    order_id = str(number) if type(number) is int else number
    if not isinstance(order_id, str) or not _ORDER_ID.fullmatch(order_id):
        return None
    return Accepted(order_id, _text(fields.get("orderStatus")))


def _refused(code: str, text: str) -> OrderRefused:
    sentence = f"Dhan refused{_said(code, text)}."
    if code == "DH-911" or "invalid ip" in text.lower():
        remedy = "Register this machine's static IP at Dhan; nothing can be placed until then."
        return OrderRefused(Reason("IP_NOT_ALLOWED", sentence, remedy))
    return OrderRefused(Reason("BROKER_REFUSED", sentence))


def _paced(answer: Answer) -> TryAgainAfter:
    seconds = _seconds(answer.retry_after)
    pause = "later" if seconds is None else f"in {seconds:g} s"
    return TryAgainAfter(Reason("BROKER_RATE_LIMIT", "Dhan refused for pace.", f"Try again {pause}."), seconds)


def _seconds(retry_after: str) -> float | None:
    """Retry-After as a number of seconds; its date form is not worth a clock here."""
    return min(float(retry_after), _LONGEST_PAUSE) if re.fullmatch(r"[0-9]{1,6}", retry_after.strip()) else None


def _unknown(answer: Answer, why: str) -> OutcomeUnknown:
    code, text = error_of(answer.body)
    sentence = f"Dhan answered {answer.status} with {why}{_said(code, text)}."
    return OutcomeUnknown(Reason("OUTCOME_UNKNOWN", sentence, UNKNOWN_REMEDY))


def _raise_unreadable(answer: Answer) -> NoReturn:
    token = token_or_pace(answer)
    if token is not None:
        raise token
    code, text = error_of(answer.body)
    raise ReadFailed(Reason("READ_REFUSED", f"Dhan answered {answer.status}{_said(code, text)}."))


def _said(code: str, text: str) -> str:
    inside = ": ".join(part for part in (code, text) if part)
    return f" ({inside})" if inside else ""


def _text(value: Any) -> str:
    """A broker's text, on one line and not too long."""
    return " ".join(str(value).split())[:_LONGEST_TEXT] if isinstance(value, str) else ""
