"""Which path does what, what may go wrong there, and which allowance it uses."""

import re
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import unquote

from execution.simulator.faults import Call
from execution.simulator.handlers import account, charts, data, orders, portfolio, waiting
from execution.simulator.limits import Bucket
from execution.simulator.venue import Venue
from execution.simulator.wire import Answer, Request

Handler = Callable[[Venue, Request], Answer]


class Door(NamedTuple):
    """Who may pass, and how a refusal looks there."""

    name: str
    needs_token: bool = True
    needs_client: bool = False
    data_shape: bool = False  # failures as {"data": {"805": ...}}
    order_write: bool = False  # a dead token looks like an order error, and the address must be whitelisted


OPEN = Door("open", needs_token=False)
TRADING = Door("trading")
WRITE = Door("write", order_write=True)
DATA = Door("data", data_shape=True)
QUOTED = Door("quoted", needs_client=True, data_shape=True)


class Route(NamedTuple):
    """One path; the variable parts of the pattern become the request's words."""

    method: str
    pattern: re.Pattern[str]
    handler: Handler
    call: Call | None
    bucket: Bucket
    door: Door


def _route(method: str, path: str, handler: Handler, call: Call | None, bucket: Bucket, door: Door) -> Route:
    return Route(method, re.compile(path.replace("{}", "([^/]+)") + "/?"), handler, call, bucket, door)


def _write(method: str, path: str, handler: Handler) -> Route:
    call = {"POST": Call.PLACE, "PUT": Call.MODIFY, "DELETE": Call.CANCEL}[method]
    return _route(method, path, handler, call, Bucket.ORDER, WRITE)


def _read(path: str, handler: Handler, call: Call = Call.BOOK) -> Route:
    return _route("GET", path, handler, call, Bucket.NON_TRADING, TRADING)


def _other(method: str, path: str, handler: Handler) -> Route:
    return _route(method, path, handler, Call.BOOK, Bucket.NON_TRADING, TRADING)


def _data(path: str, handler: Handler, bucket: Bucket = Bucket.DATA, door: Door = DATA) -> Route:
    return _route("POST", path, handler, Call.BOOK, bucket, door)


def _open(method: str, path: str, handler: Handler) -> Route:
    return _route(method, path, handler, None, Bucket.NONE, OPEN)


def _orders() -> list[Route]:
    return [
        _write("POST", "/orders", orders.place),
        _write("POST", "/orders/slicing", orders.place_sliced),
        _write("PUT", "/orders/{}", orders.modify),
        _write("DELETE", "/orders/{}", orders.cancel),
        _read("/orders", orders.book),
        _read("/orders/external/{}", orders.by_correlation, Call.LOOKUP),
        _read("/orders/{}", orders.by_id, Call.LOOKUP),
        _read("/trades", orders.trades),
        _read("/trades/{}", orders.trades),
        _read("/trades/{}/{}/{}", portfolio.history),
    ]


def _waiting() -> list[Route]:
    return [
        _write("POST", "/super/orders", waiting.place_super),
        _write("PUT", "/super/orders/{}", waiting.modify_super),
        _write("DELETE", "/super/orders/{}/{}", waiting.cancel_super),
        _read("/super/orders", waiting.list_super),
        _write("POST", "/forever/orders", waiting.place_forever),
        _write("PUT", "/forever/orders/{}", waiting.modify_forever),
        _write("DELETE", "/forever/orders/{}", waiting.cancel_forever),
        _read("/forever/(?:orders|all)", waiting.list_forever),
        _write("POST", "/alerts/multi/orders", orders.place_batch),
        _write("POST", "/alerts/orders", waiting.place_alert),
        _write("PUT", "/alerts/orders/{}", waiting.modify_alert),
        _write("DELETE", "/alerts/orders/{}", waiting.cancel_alert),
        _read("/alerts/orders", waiting.list_alerts),
        _read("/alerts/orders/{}", waiting.one_alert),
    ]


def _portfolio() -> list[Route]:
    return [
        _read("/positions", portfolio.positions),
        _other("DELETE", "/positions", portfolio.exit_all),
        _other("POST", "/positions/convert", portfolio.convert),
        _read("/holdings", portfolio.holdings),
        _read("/fundlimit", portfolio.funds),
        _other("POST", "/margincalculator", portfolio.margin),
        _other("POST", "/margincalculator/multi", portfolio.margin_multi),
        _other("POST", "/killswitch", portfolio.set_kill_switch),
        _read("/killswitch", portfolio.kill_switch),
        _other("POST", "/pnlExit", portfolio.set_pnl_exit),
        _other("DELETE", "/pnlExit", portfolio.stop_pnl_exit),
        _read("/pnlExit", portfolio.pnl_exit),
        _read("/ledger", portfolio.ledger),
        _read("/edis/tpin", portfolio.tpin),
        _other("POST", "/edis/form", portfolio.edis_form),
        _read("/edis/inquire/{}", portfolio.edis_inquire),
        _read("/profile", account.profile),
        _open("GET", "/RenewToken", account.renew_token),
        _other("POST", "/ip/setIP", account.set_ip),
        _other("PUT", "/ip/modifyIP", account.set_ip),
        _read("/ip/getIP", account.get_ip),
    ]


def _market() -> list[Route]:
    return [
        _data("/marketfeed/ltp", data.last_prices, Bucket.QUOTE, QUOTED),
        _data("/marketfeed/ohlc", data.day_prices, Bucket.QUOTE, QUOTED),
        _data("/marketfeed/quote", data.full_quotes, Bucket.QUOTE, QUOTED),
        _data("/optionchain", data.chain, door=QUOTED),
        _data("/optionchain/expirylist", data.expiries, door=QUOTED),
        _data("/charts/historical", charts.daily),
        _data("/charts/intraday", charts.intraday),
        _data("/charts/rollingoption", charts.rolling),
        _read("/instrument/{}", account.segment_master),
    ]


API = (*_orders(), *_waiting(), *_portfolio(), *_market())
"""Under /v2."""

BESIDES = (
    _open("POST", "/auth/app/generateAccessToken", account.generate_token),
    _open("POST", "/auth/app/generate-consent", account.generate_consent),
    _open("GET", "/auth/app/consumeApp-consent", account.consume_consent),
    _open("GET", "/api-scrip-master.csv", account.compact_master),
    _open("GET", "/api-scrip-master-detailed.csv", account.detailed_master),
    _open("GET", "/simulator/journal", account.journal),
    _open("GET", "/simulator/faults", account.show_faults),
    _open("POST", "/simulator/faults", account.set_faults),
    _open("POST", "/simulator/act/{}", account.act),
)

PREFIX = "/v2"


def find(method: str, path: str) -> tuple[Route, tuple[str, ...]] | None:
    """The route of a raw path, with its variable parts percent-decoded."""
    under = path.startswith(PREFIX + "/")
    for route in API if under else BESIDES:
        matched = route.pattern.fullmatch(path.removeprefix(PREFIX) if under else path)
        if matched and route.method == method:
            return route, tuple(unquote(word) for word in matched.groups())
    return None
