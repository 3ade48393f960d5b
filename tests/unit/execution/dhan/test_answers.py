"""What an answer to an order means, and what an answer to a question means."""

import json
from decimal import Decimal

import pytest

from execution.brokers.dhan.answers import (
    Accepted,
    Answer,
    TryAgainAfter,
    changed,
    content,
    outcome,
    says_not_found,
    switched,
)
from execution.errors import AuthExpired, OrderRefused, OutcomeUnknown, RateLimited, ReadFailed


def failed(code: str, text: str = "words") -> bytes:
    return json.dumps({"errorType": "Some_Error", "errorCode": code, "errorMessage": text}).encode()


def data_failed(code: str) -> bytes:
    return json.dumps({"data": {code: "words"}, "status": "failed"}).encode()


TABLE = [
    (200, b'{"orderId":"112111182198","orderStatus":"TRANSIT"}', Accepted("112111182198", "TRANSIT")),
    (200, b'{"orderId":"1","orderStatus":"PENDING"}', Accepted("1", "PENDING")),
    (200, b'{"orderId":"1","orderStatus":"REJECTED"}', Accepted("1", "REJECTED")),
    (200, b'{"orderId":"1"}', Accepted("1", "")),
    (200, b'{"orderId":112111182198,"orderStatus":"TRANSIT"}', Accepted("112111182198", "TRANSIT")),
    (202, b'{"orderId":"1","orderStatus":"CANCELLED"}', Accepted("1", "CANCELLED")),
    (201, b'{"orderId":"1","orderStatus":"A Word Nobody Knows"}', Accepted("1", "A Word Nobody Knows")),
    (200, b'{"orderId":""}', OutcomeUnknown),
    (200, b'{"orderId":" "}', OutcomeUnknown),
    (200, b'{"orderId":null}', OutcomeUnknown),
    (200, b'{"orderId":true}', OutcomeUnknown),
    (200, b'{"orderId":"../killswitch"}', OutcomeUnknown),
    (200, b'{"orderId":["1"]}', OutcomeUnknown),
    (200, b"{}", OutcomeUnknown),
    (200, b"[]", OutcomeUnknown),
    (200, b'[{"orderId":"1"}]', OutcomeUnknown),
    (200, b"null", OutcomeUnknown),
    (200, b"", OutcomeUnknown),
    (202, b"", OutcomeUnknown),
    (204, b"", OutcomeUnknown),
    (200, b"<html>ok</html>", OutcomeUnknown),
    (200, b'{"orderId":"1","price":NaN}', OutcomeUnknown),
    (200, b'{"orderId":"1"', OutcomeUnknown),
    (200, b"\xff\xfe\x00", OutcomeUnknown),
    (200, b"[" * 100_000, OutcomeUnknown),
    (200, failed("DH-905"), OutcomeUnknown),
    (200, data_failed("805"), OutcomeUnknown),
    (301, b"", OutcomeUnknown),
    (302, b'{"orderId":"1"}', OutcomeUnknown),
    (307, b'{"orderId":"1"}', OutcomeUnknown),
    (304, b"", OutcomeUnknown),
    (400, failed("DH-905", "Missing required fields, bad values for parameters etc."), OrderRefused),
    (400, failed("DH-906", "Nothing to Cancel . "), OrderRefused),
    (400, failed("dh-906", "Market is Closed! Want to place an offline order?"), OrderRefused),
    (403, failed("DH-902"), OrderRefused),
    (400, failed("DH-903"), OrderRefused),
    (400, failed("DH-911"), OrderRefused),
    (400, failed("DH-905", "Invalid IP"), OrderRefused),
    (429, failed("DH-904"), RateLimited),
    (400, failed("DH-904"), RateLimited),
    (429, data_failed("805"), RateLimited),
    (429, b"<html>slow down</html>", RateLimited),
    (429, b"", RateLimited),
    (401, failed("DH-901"), AuthExpired),
    (400, failed("DH-901"), AuthExpired),
    (400, failed("DH-906", "Invalid Token"), AuthExpired),
    (401, data_failed("808"), AuthExpired),
    (400, data_failed("807"), AuthExpired),
    (401, b"", AuthExpired),
    (400, failed("DH-907"), OutcomeUnknown),
    (400, failed("DH-908"), OutcomeUnknown),
    (400, failed("DH-909"), OutcomeUnknown),
    (400, failed("DH-910"), OutcomeUnknown),
    (400, failed("DH-999"), OutcomeUnknown),
    (400, failed(""), OutcomeUnknown),
    (400, b"<html>bad</html>", OutcomeUnknown),
    (400, b"[1]", OutcomeUnknown),
    (404, b"", OutcomeUnknown),
    (408, b"", OutcomeUnknown),
    (500, failed("DH-905"), OutcomeUnknown),
    (500, b"<html>oops</html>", OutcomeUnknown),
    (502, b"", OutcomeUnknown),
    (503, failed("DH-904"), OutcomeUnknown),
    (504, b'{"orderId":"1"}', OutcomeUnknown),
    (100, b"", OutcomeUnknown),
]


@pytest.mark.parametrize(("status", "body", "expected"), TABLE)
def test_fm_A4_A11_a_write_is_accepted_refused_or_unknown(status, body, expected):
    result = outcome(Answer(status, body))

    assert result == expected if isinstance(expected, Accepted) else isinstance(result, expected)


def test_fm_A4_there_are_at_least_forty_answers_in_the_table():
    assert len({(status, body) for status, body, _ in TABLE}) >= 40


def test_changed_raises_what_is_not_an_acceptance():
    assert changed(Answer(200, b'{"orderId":"7"}')).order_id == "7"
    with pytest.raises(OutcomeUnknown) as caught:
        changed(Answer(502, b"<html>"))

    assert caught.value.reason.code == "OUTCOME_UNKNOWN"
    assert "502" in caught.value.reason.sentence


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("", None), ("Wed, 21 Oct", None), ("-3", None)])
def test_fm_A5_the_named_pause_is_kept(header, seconds):
    result = outcome(Answer(429, b"", header))

    assert isinstance(result, TryAgainAfter)
    assert result.seconds == seconds


def test_fm_A15_a_strange_address_has_its_own_code():
    for body in (failed("DH-911"), failed("DH-905", "Invalid IP address")):
        result = outcome(Answer(400, body))

        assert isinstance(result, OrderRefused)
        assert result.reason.code == "IP_NOT_ALLOWED"


def test_the_broker_s_text_is_one_short_line():
    result = outcome(Answer(400, failed("DH-906", "a\nb\r\n" + "x" * 5_000)))

    assert isinstance(result, OrderRefused)
    assert "a b xxx" in result.reason.sentence
    assert "\n" not in result.reason.sentence
    assert len(result.reason.sentence) < 260


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, b"", ReadFailed),
        (200, b"null", ReadFailed),
        (200, b"<html>", ReadFailed),
        (200, b"[NaN]", ReadFailed),
        (200, failed("DH-905"), ReadFailed),
        (200, data_failed("805"), ReadFailed),
        (200, b'{"status":"failure"}', ReadFailed),
        (400, failed("DH-906"), ReadFailed),
        (404, b"[]", ReadFailed),
        (500, b"[]", ReadFailed),
        (302, b"[]", ReadFailed),
        (401, b"", AuthExpired),
        (400, failed("DH-906", "Invalid Token"), AuthExpired),
        (429, b"", RateLimited),
    ],
)
def test_fm_A13_a_failed_read_is_never_an_empty_one(status, body, error):
    with pytest.raises(error):
        content(Answer(status, body))


def test_a_read_gives_exact_numbers():
    assert content(Answer(200, b'[{"price": 0.1}]')) == [{"price": Decimal("0.1")}]
    assert content(Answer(200, b"[]")) == []


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (404, failed("DH-905", "Order not found"), True),
        (400, failed("DH-906", "No orders found"), True),
        (400, failed("DH-907", "No data"), True),
        (400, failed("DH-905", "Correlation ID does not exist"), True),
        (404, failed("DH-906", "No such order."), True),
        (404, b"", False),
        (404, b"<html>not found</html>", False),
        (404, b'{"message":"order not found"}', False),
        (500, failed("DH-908", "Order not found"), False),
        (200, failed("DH-905", "Order not found"), False),
        (400, failed("DH-905", "Missing required fields, bad values for parameters etc."), False),
        (400, failed("DH-906", "Invalid Token"), False),
        (401, failed("DH-901", "Order not found"), False),
        (429, failed("DH-904", "no data"), False),
        (400, failed("DH-905", "No order could be read because the service is down"), False),
    ],
)
def test_fm_A12_only_a_plain_word_means_not_found(status, body, said):
    assert says_not_found(Answer(status, body)) is said


def test_the_kill_switch_needs_the_broker_s_word():
    switched(Answer(200, b'{"killSwitchStatus":"Kill Switch has been successfully activated"}'))
    with pytest.raises(OutcomeUnknown):
        switched(Answer(200, b"{}"))
    with pytest.raises(OrderRefused):
        switched(Answer(400, failed("DH-906", "positions open")))
