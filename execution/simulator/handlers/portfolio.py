"""Positions, holdings, funds, margin, statements and the account's own stops (dhan.md 4.5 to 4.8)."""

from datetime import date, datetime
from decimal import Decimal
from urllib.parse import unquote

from execution.simulator.book import Ticket
from execution.simulator.handlers.orders import ticket_of
from execution.simulator.judging import bad_input, order_error
from execution.simulator.shapes import position_row, trade_row
from execution.simulator.venue import PnlExit, Venue
from execution.simulator.wire import Answer, Failed, Json, Request, number, plain, rupees, trading_error, whole
from market.calendar import IST

HISTORY_PAGE = 20
_UNSAID = {"createTime": "NA", "updateTime": "NA", "drvExpiryDate": "NA", "drvOptionType": "NA", "tradingSymbol": None}


def positions(venue: Venue, request: Request) -> Answer:
    """GET /positions."""
    now = venue.now()
    held = venue.exchange.positions(now)
    return plain([position_row(one, venue.client_id, venue.screen.price(one.listing, now)) for one in held])


def exit_all(venue: Venue, request: Request) -> Answer:
    """DELETE /positions: squares off and cancels every open order as well."""
    venue.exchange.exit_all(venue.now())
    return plain({"status": "SUCCESS", "message": "All orders and positions exited successfully"})


def convert(venue: Venue, request: Request) -> Answer:
    """POST /positions/convert: 202 and no body."""
    fields = request.fields()
    listing = venue.listings.get((str(fields.get("exchangeSegment")), str(fields.get("securityId"))))
    if listing is None:
        raise bad_input()
    venue.exchange.convert(
        listing,
        whole(fields.get("convertQty"), least=1),
        from_product=str(fields.get("fromProductType")),
        to_product=str(fields.get("toProductType")),
        now=venue.now(),
    )
    return Answer(202)


def holdings(venue: Venue, request: Request) -> Answer:
    """GET /holdings: an empty account is an error on the wire."""
    held = [one for one in venue.exchange.positions(venue.now()) if one.product == "CNC" and one.net_quantity > 0]
    if not held and venue.switches.empty_holdings_error:
        raise Failed(trading_error("DH-1111"))
    return plain(
        [
            {
                "exchange": "ALL",
                "tradingSymbol": one.listing.trading_symbol,
                "securityId": one.listing.security_id,
                "isin": "NA",
                "totalQty": one.net_quantity,
                "dpQty": max(one.carried, 0),
                "t1Qty": one.net_quantity - max(one.carried, 0),
                "mtf_tq_qty": 0,
                "mtf_qty": 0,
                "availableQty": one.net_quantity,
                "collateralQty": 0,
                "avgCostPrice": number(round(one.cost_price, 4)),
                "lastTradedPrice": number(venue.screen.price(one.listing, venue.now())),
            }
            for one in held
        ]
    )


def tpin(venue: Venue, request: Request) -> Answer:
    """GET /edis/tpin: 202 and no body."""
    return Answer(202)


def edis_form(venue: Venue, request: Request) -> Answer:
    """POST /edis/form."""
    request.fields()
    return plain({"dhanClientId": venue.client_id, "edisFormHtml": "<!DOCTYPE html><html><body>eDIS</body></html>"})


def edis_inquire(venue: Venue, request: Request) -> Answer:
    """GET /edis/inquire/{isin}."""
    row = {"clientId": venue.client_id, "isin": request.words[0], "totalQty": 0, "aprvdQty": 0}
    return plain({**row, "status": "SUCCESS", "remarks": "eDIS transaction done successfully"})


def funds(venue: Venue, request: Request) -> Answer:
    """GET /fundlimit; the misspellings are the wire's."""
    account = venue.exchange.funds(venue.now())
    return plain(
        {
            "dhanClientId": venue.client_id,
            "availabelBalance": number(account.available),
            "sodLimit": number(account.opening),
            "collateralAmount": 0.0,
            "receiveableAmount": number(max(account.cash, Decimal(0))),
            "utilizedAmount": number(account.blocked),
            "blockedPayoutAmount": 0.0,
            "withdrawableBalance": number(max(account.available, Decimal(0))),
        }
    )


def margin(venue: Venue, request: Request) -> Answer:
    """POST /margincalculator: floats, and a leverage that is text."""
    needed, available = _need(venue, [request.fields()], alone=False)
    return plain(
        {
            "totalMargin": number(needed),
            "spanMargin": number(needed * 4 / 5),
            "exposureMargin": number(needed / 5),
            "availableBalance": number(available),
            "variableMargin": 0.0,
            "insufficientBalance": number(max(needed - available, Decimal(0))),
            "brokerage": 20.0,
            "leverage": "1.00",
        }
    )


def margin_multi(venue: Venue, request: Request) -> Answer:
    """POST /margincalculator/multi: both spellings of the request, snake_case text back."""
    fields = request.fields()
    rows = fields.get("scripList", fields.get("scripts"))
    if not isinstance(rows, list) or not rows:
        raise bad_input()
    together, _ = _need(venue, rows, alone=not fields.get("includePosition"))
    apart = sum((_need(venue, [row], alone=True)[0] for row in rows), Decimal(0))
    values = {
        "total_margin": together,
        "span_margin": together * 4 / 5,
        "exposure_margin": together / 5,
        "equity_margin": Decimal(0),
        "fo_margin": together,
        "commodity_margin": Decimal(0),
        "currency": Decimal(0),
        "hedge_benefit": max(apart - together, Decimal(0)),
    }
    return plain({name: f"{value:.2f}" for name, value in values.items()})


def _need(venue: Venue, rows: list[Json], *, alone: bool) -> tuple[Decimal, Decimal]:
    """What the orders block and what there is, rupees."""
    tickets: list[Ticket] = [ticket_of({"orderType": "LIMIT", **row}) for row in rows]
    needed = venue.exchange.margin_for(tickets, venue.now(), alone=alone)
    return needed, venue.exchange.funds(venue.now()).available


def set_kill_switch(venue: Venue, request: Request) -> Answer:
    """POST /killswitch?killSwitchStatus=: the answer is a sentence."""
    wanted = request.query.get("killSwitchStatus")
    if wanted not in {"ACTIVATE", "DEACTIVATE"}:
        raise bad_input()
    venue.exchange.switch(venue.now(), on=wanted == "ACTIVATE")
    sentence = f"Kill Switch has been successfully {wanted.lower()}d"
    return plain({"dhanClientId": venue.client_id, "killSwitchStatus": sentence})


def kill_switch(venue: Venue, request: Request) -> Answer:
    """GET /killswitch: here it is a word."""
    word = "ACTIVATE" if venue.exchange.killed else "DEACTIVATE"
    return plain({"dhanClientId": venue.client_id, "killSwitchStatus": word})


def set_pnl_exit(venue: Venue, request: Request) -> Answer:
    """POST /pnlExit."""
    fields = request.fields()
    products = fields.get("productType")
    if not isinstance(products, list):
        raise bad_input()
    profit, loss = rupees(fields.get("profitValue")), rupees(fields.get("lossValue"))
    venue.pnl_exit = PnlExit(profit, loss, [str(name) for name in products], bool(fields.get("enableKillSwitch")))
    return plain({"pnlExitStatus": "ACTIVE", "message": "P&L based exit configured successfully"})


def stop_pnl_exit(venue: Venue, request: Request) -> Answer:
    """DELETE /pnlExit."""
    venue.pnl_exit = None
    return plain({"pnlExitStatus": "DISABLED", "message": "P&L based exit stopped successfully"})


def pnl_exit(venue: Venue, request: Request) -> Answer:
    """GET /pnlExit: snake_case in one place, amounts as text."""
    watched = venue.pnl_exit
    return plain(
        {
            "pnlExitStatus": "DISABLED" if watched is None else "ACTIVE",
            "profit": "0.00" if watched is None else f"{watched.profit:.2f}",
            "loss": "0.00" if watched is None else f"{watched.loss:.2f}",
            "productType": [] if watched is None else watched.products,
            "enable_kill_switch": watched is not None and watched.kill_switch,
        }
    )


def ledger(venue: Venue, request: Request) -> Answer:
    """GET /ledger?from-date=&to-date=: amounts are text."""
    first, last = _day(request.query.get("from-date")), _day(request.query.get("to-date"))
    account = venue.exchange.funds(venue.now())
    today = venue.now().astimezone(IST).date()
    if not first <= today <= last:
        return plain([])
    shared = {"dhanClientId": venue.client_id, "exchange": "NSE-FNO", "voucherdate": f"{today:%b %d, %Y}"}
    opening = {"narration": "OPENING BALANCE", "voucherdesc": "OPENING BALANCE", "vouchernumber": ""}
    trades = {"narration": "TRADES OF THE DAY", "voucherdesc": "TRDBIL", "vouchernumber": f"{today:%Y%m%d}1"}
    debit, credit = max(-account.cash, Decimal(0)), max(account.cash, Decimal(0))
    return plain(
        [
            {**shared, **opening, "debit": "0.00", "credit": "0.00", "runbal": f"{account.opening:.2f}"},
            {
                **shared,
                **trades,
                "debit": f"{debit:.2f}",
                "credit": f"{credit:.2f}",
                "runbal": f"{account.opening + account.cash:.2f}",
            },
        ]
    )


def history(venue: Venue, request: Request) -> Answer:
    """GET /trades/{from}/{to}/{page}: pages from 0, past the end an empty array, "NA" where nothing is said."""
    first, last = (_day(unquote(word)) for word in request.words[:2])
    start = whole(request.words[2]) * HISTORY_PAGE
    kept = [t for t in venue.exchange.every_trade() if first <= t.at.astimezone(IST).date() <= last]
    rows = []
    for trade in kept[start : start + HISTORY_PAGE]:
        order = venue.exchange.order(trade.order_id, venue.now())
        if order is None:
            raise order_error("Order does not exist")
        row = {**trade_row(trade, order, venue.client_id), **_UNSAID, "isin": "NA"}
        charges = dict.fromkeys(
            ("sebiTax", "stt", "brokerageCharges", "serviceTax", "exchangeTransactionCharges", "stampDuty"), 0.0
        )
        rows.append({**row, "instrument": order.listing.instrument, **charges})
    return plain(rows)


def _day(text: str | None) -> date:
    try:
        return datetime.fromisoformat(str(text)).date()
    except ValueError:
        raise bad_input() from None
