"""Tokens, profile, static addresses, masters and the practice console (dhan.md sections 8 and 11)."""

from dataclasses import fields as fields_of
from ipaddress import ip_address

from execution.simulator.access import IP_LOCK
from execution.simulator.faults import APPLIES, PLANS, Call, Fault, Scripted, default_call
from execution.simulator.judging import bad_input
from execution.simulator.listings import detailed_csv
from execution.simulator.shapes import stamp
from execution.simulator.venue import Switches, Venue
from execution.simulator.wire import Answer, Json, Request, plain, trading_error, whole
from market.calendar import IST

JOURNAL_PAGE = 5_000


def generate_token(venue: Venue, request: Request) -> Answer:
    """POST /app/generateAccessToken: a wrong PIN or TOTP comes back with status 200."""
    if request.query.get("dhanClientId") != venue.client_id:
        return plain({"status": "error", "message": "Invalid Client ID"})
    why = venue.access.generate(request.query.get("pin", ""), request.query.get("totp", ""), venue.now())
    return plain({"status": "error", "message": why}) if why else _token(venue)


def renew_token(venue: Venue, request: Request) -> Answer:
    """GET /RenewToken: only for a live token; it dies."""
    if not venue.access.accepts(request.headers.get("access-token", ""), venue.now()):
        return trading_error("DH-901")
    venue.access.issue(venue.now())
    return _token(venue)


def _token(venue: Venue) -> Answer:
    expiry = venue.access.expires_at.astimezone(IST)
    return plain(
        {
            "dhanClientId": venue.client_id,
            "dhanClientName": "SIMULATED CLIENT",
            "dhanClientUcc": "SIM0001",
            "givenPowerOfAttorney": False,
            "accessToken": venue.access.token,
            "expiryTime": expiry.strftime("%Y-%m-%dT%H:%M:%S.000"),
        }
    )


def generate_consent(venue: Venue, request: Request) -> Answer:
    """POST /app/generate-consent?client_id=."""
    if not request.headers.get("app_id") or not request.headers.get("app_secret"):
        return plain({"status": "error", "message": "Invalid app credentials"}, 400)
    return plain({"consentAppId": "simulated-consent", "consentAppStatus": "GENERATED", "status": "success"})


def consume_consent(venue: Venue, request: Request) -> Answer:
    """GET /app/consumeApp-consent?tokenId=."""
    if not request.query.get("tokenId"):
        return plain({"status": "error", "message": "Invalid token"}, 400)
    venue.access.issue(venue.now())
    return _token(venue)


def profile(venue: Venue, request: Request) -> Answer:
    """GET /profile: three formats of date in one answer."""
    expiry = venue.access.expires_at.astimezone(IST)
    return plain(
        {
            "dhanClientId": venue.client_id,
            "tokenValidity": expiry.strftime("%d/%m/%Y %H:%M"),
            "activeSegment": "Equity, Derivative, Currency, Commodity",
            "ddpi": "Active",
            "mtf": "Active",
            "dataPlan": "Active",
            "dataValidity": f"{expiry:%Y-%m-%d %H:%M:%S}.0",
        }
    )


def set_ip(venue: Venue, request: Request) -> Answer:
    """POST /ip/setIP and PUT /ip/modifyIP: locked for seven days."""
    body = request.fields()
    flag = str(body.get("ipFlag"))
    try:
        address = str(ip_address(str(body.get("ip"))))
    except ValueError:
        raise bad_input("Invalid IP") from None
    if flag not in {"PRIMARY", "SECONDARY"}:
        raise bad_input()
    if not venue.access.whitelist(flag, address, venue.now()):
        raise bad_input(f"IP can be modified once in {IP_LOCK.days} days")
    return plain({"message": "IP saved successfully", "status": "SUCCESS"})


def get_ip(venue: Venue, request: Request) -> Answer:
    """GET /ip/getIP."""
    answer: dict[str, Json] = {"detectedIP": "127.0.0.1", "ipMatchStatus": "MATCH", "ordersAllowed": True}
    for flag, name in (("PRIMARY", "primary"), ("SECONDARY", "secondary")):
        address, since = venue.access.addresses.get(flag, (None, None))
        answer[f"{name}IP"] = address
        answer[f"modifyDate{name.title()}"] = stamp(since)
    if not venue.access.address_allowed:
        answer |= {"ipMatchStatus": "MISMATCH", "ordersAllowed": False}
    return plain(answer)


def compact_master(venue: Venue, request: Request) -> Answer:
    """GET /api-scrip-master.csv."""
    return Answer(200, venue.master, "text/csv")


def detailed_master(venue: Venue, request: Request) -> Answer:
    """GET /api-scrip-master-detailed.csv."""
    return Answer(200, venue.detailed(), "text/csv")


def segment_master(venue: Venue, request: Request) -> Answer:
    """GET /instrument/{segment}: the detailed form of one segment."""
    kept = [listing for listing in venue.listings.values() if listing.segment == request.words[0]]
    if not kept:
        raise bad_input()
    return Answer(200, detailed_csv(kept).encode(), "text/csv")


# --- the practice console --------------------------------------------------------------------------------------------


def journal(venue: Venue, request: Request) -> Answer:
    """GET /simulator/journal?after=: what really happened, oldest first."""
    first = whole(request.query.get("after") or 0)
    venue.exchange.advance(venue.now())
    entries = venue.exchange.journal[first : first + JOURNAL_PAGE]
    return plain([{**entry._asdict(), "price": None if entry.price is None else str(entry.price)} for entry in entries])


def show_faults(venue: Venue, request: Request) -> Answer:
    """GET /simulator/faults: what may go wrong, what is scripted, and what has struck."""
    plan = venue.plan
    return plain(
        {
            "rates": {fault.value: rate for fault, rate in plan.rates.items()},
            "script": [line._asdict() for line in plan.pending()],
            "struck": [
                {"call": call, "number": number, **strike._asdict()} for call, number, strike in plan.struck[-200:]
            ],
            "switches": {item.name: getattr(venue.switches, item.name) for item in fields_of(Switches)},
            "rate_limits": venue.limits.active,
            "calls": {call.value: [fault.value for fault in faults] for call, faults in APPLIES.items()},
            "plans": sorted(PLANS),
        }
    )


def set_faults(venue: Venue, request: Request) -> Answer:
    """POST /simulator/faults {plan, rates, script, switches, rate_limits, act}; a part that is absent stays."""
    body = request.fields()
    try:
        if "plan" in body:
            venue.plan.set_rates(PLANS[body["plan"]])
        if "rates" in body:
            venue.plan.set_rates({Fault(name): float(rate) for name, rate in body["rates"].items()})
        for line in body.get("script", ()):
            venue.plan.add(_scripted(line))
        for name, value in body.get("switches", {}).items():
            setattr(venue.switches, name, type(getattr(venue.switches, name))(value))
    except (KeyError, ValueError, AttributeError, TypeError) as error:
        return plain({"status": "error", "message": f"{type(error).__name__}: {error}"}, 400)
    venue.limits.active = bool(body.get("rate_limits", venue.limits.active))
    return show_faults(venue, request)


def _scripted(line: Json) -> Scripted:
    fault = Fault(line["fault"])
    call = Call(line["call"]) if "call" in line else default_call(fault)
    seconds = line.get("seconds")
    nth, times = int(line.get("nth", 1)), int(line.get("times", 0))
    return Scripted(fault, call, nth, None if seconds is None else float(seconds), times)


def act(venue: Venue, request: Request) -> Answer:
    """POST /simulator/act/{foreign-order|square-off|expire-token|allow-ip|refuse-ip}."""
    now = venue.now()
    acts = {
        "foreign-order": lambda: venue.trade_by_hand(now),
        "square-off": lambda: venue.exchange.square_off(now),
        "expire-token": lambda: venue.access.expire(now),
        "allow-ip": lambda: setattr(venue.access, "address_allowed", True),
        "refuse-ip": lambda: setattr(venue.access, "address_allowed", False),
    }
    chosen = acts.get(request.words[0])
    if chosen is None:
        return plain({"status": "error", "message": f"Known acts: {', '.join(sorted(acts))}"}, 404)
    chosen()
    return plain({"status": "success"})
