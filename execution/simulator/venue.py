"""One running simulated exchange: its books, its screen, its faults, and who may talk to it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from random import Random

from execution.ports import Clock
from execution.simulator.access import Access
from execution.simulator.book import ORDINARY, Entry, Order, Rules, Ticket
from execution.simulator.exchange import OPENING_BALANCE, Exchange, exchange_hours
from execution.simulator.faults import CALM, Call, Fault, FaultPlan, Strike
from execution.simulator.limits import Limits
from execution.simulator.listings import Listings, detailed_csv, read_master
from execution.simulator.screen import Screen
from execution.simulator.standing import Standing
from market.calendar import IST
from market.contract import Side
from market.ports import MarketSource

CLIENT_ID = "1100000001"
PIN = "111111"
TOTP_SECRET = "JBSWY3DPEHPK3PXP"  # noqa: S105 - of a simulated account


@dataclass(slots=True)
class Switches:
    """How the server behaves where Dhan's documents and its wire differ; all can be set at run time."""

    pascal_updates: bool = False  # documented; the live socket writes camelCase
    empty_holdings_error: bool = True  # DH-1111 instead of []
    single_as_array: bool = False  # one order as a one-element array
    refuse_feed: int = 0  # HTTP status of the market feed's handshake
    feed_seconds: float = 0.5  # between packets of one instrument
    silent_feed: bool = False
    silent_updates: bool = False


@dataclass(slots=True)
class PnlExit:
    """The broker's own profit and loss stop for the day."""

    profit: Decimal
    loss: Decimal
    products: list[str]
    kill_switch: bool


@dataclass(slots=True, eq=False)
class Venue:
    """Everything the handlers work on."""

    exchange: Exchange
    screen: Screen
    plan: FaultPlan
    clock: Clock
    access: Access
    limits: Limits
    standing: Standing
    master: bytes
    rng: Random
    switches: Switches = field(default_factory=Switches)
    pnl_exit: PnlExit | None = None
    late: list[tuple[datetime, Callable[[], object]]] = field(default_factory=list)
    requests: list[tuple[datetime, str, str, int]] = field(default_factory=list)
    alerted: int = 0  # journal entries already told to the order-update sockets

    @property
    def client_id(self) -> str:
        """Whose account this is."""
        return self.access.client_id

    @property
    def listings(self) -> Listings:
        """What may be traded."""
        return self.screen.listings

    def now(self) -> datetime:
        """The market moment."""
        return self.clock.now()

    def detailed(self) -> bytes:
        """The detailed master."""
        return detailed_csv(self.listings.values()).encode()

    def place(self, ticket: Ticket, now: datetime, *, twice: bool = False) -> Order:
        """Submit an order, as the fault plan has it."""
        order = self.exchange.submit(ticket, now, self.plan.fate())
        if twice:
            self.exchange.submit(ticket, now, ORDINARY)
        return order

    def pump(self, now: datetime) -> list[Entry]:
        """Let time do its work; return the journal lines nobody was told of yet."""
        due = [action for at, action in self.late if at <= now]
        self.late = [(at, action) for at, action in self.late if at > now]
        for action in due:
            action()
        self.exchange.advance(now)
        self.standing.advance(now)
        self._watch_pnl(now)
        fresh = self.exchange.journal[self.alerted :]
        self.alerted = len(self.exchange.journal)
        return fresh

    def happen(self, strike: Strike, now: datetime) -> None:
        """Let something happen to the account that nobody here asked for."""
        if strike.fault is Fault.TOKEN_EXPIRED:
            self.access.expire(now)
        elif strike.fault is Fault.BROKER_SQUARE_OFF:
            self.exchange.square_off(now)
        elif strike.fault is Fault.FOREIGN_ORDER:
            self.trade_by_hand(now)

    def trade_by_hand(self, now: datetime) -> None:
        """A person buys or sells one lot of something that is quoted, in the broker's own app."""
        traded = [order.listing for order in self.exchange.every_order()]
        listing = self.rng.choice(traded or [item for item in self.listings.values() if item.is_option])
        touch = self.screen.touch(listing.segment, listing.security_id, now)
        if touch is not None:
            side = self.rng.choice([Side.BUY, Side.SELL])
            price = touch.ask if side is Side.BUY else touch.bid
            ticket = Ticket(listing.segment, listing.security_id, side, listing.lot_size, price, source="N")
            self.exchange.submit(ticket, now)

    def _watch_pnl(self, now: datetime) -> None:
        """Exit everything when the day's profit or loss passes its limit."""
        watched = self.pnl_exit
        if watched is None:
            return
        gain = self.day_gain(now)
        if gain >= watched.profit > 0 or -gain >= watched.loss > 0:
            self.pnl_exit = None
            self.exchange.exit_all(now)
            self.exchange.note(now, f"P&L exit at {gain:.2f}")

    def day_gain(self, now: datetime) -> Decimal:
        """Profit of the open and closed positions against what is quoted, rupees."""
        total = Decimal(0)
        for position in self.exchange.positions(now):
            price = self.screen.price(position.listing, now) if position.net_quantity else Decimal(0)
            cost = position.buy_value - position.sell_value + position.carried * position.carried_price
            total += position.net_quantity * (price or position.cost_price) - cost
        return total


def build_venue(
    source: MarketSource,
    clock: Clock,
    *,
    seed: int = 1,
    plan: FaultPlan | None = None,
    master: bytes | None = None,
    listings: Listings | None = None,
    rules: Rules | None = None,
    rate_limits: bool = True,
    opening_balance: Decimal = OPENING_BALANCE,
    client_id: str = CLIENT_ID,
    pin: str = PIN,
    totp_secret: str = TOTP_SECRET,
) -> Venue:
    """Put an exchange in front of a market source; its instruments come from the source's master of that day."""
    now = clock.now()
    if master is None:
        with source.master(as_of=now) as stream:
            master = stream.read()
    if listings is None:
        listings = read_master(master.decode(), day=now.astimezone(IST).date())
    screen = Screen(source, listings)
    exchange = Exchange(
        listings=listings,
        touch=screen.touch,
        rng=Random(f"{seed}:exchange"),  # noqa: S311 - a simulation
        rules=rules,
        closed=exchange_hours,
        opening_balance=opening_balance,
    )

    def level(segment: str, security_id: str, at: datetime) -> Decimal | None:
        listing = listings.get((segment, security_id))
        return None if listing is None else screen.price(listing, at)

    return Venue(
        exchange=exchange,
        screen=screen,
        plan=plan or FaultPlan(seed, CALM),
        clock=clock,
        access=Access(client_id=client_id, pin=pin, totp_secret=totp_secret, seed=seed, now=now),
        limits=Limits(active=rate_limits),
        standing=Standing(exchange, level),
        master=master,
        rng=Random(f"{seed}:venue"),  # noqa: S311 - a simulation
    )


def session_strike(venue: Venue, now: datetime) -> None:
    """Ask the plan whether something happens to the account with this request."""
    strike = venue.plan.on(Call.SESSION)
    if strike is not None:
        venue.happen(strike, now)
