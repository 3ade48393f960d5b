"""The account's money and positions at the simulated exchange. Pure."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from execution.simulator.book import ZERO, Account, Listing, Order, Position, Ticket
from execution.simulator.judging import has_expired
from execution.simulator.margin import Group, Holding, group_margin, group_of
from market.contract import Side

PAISA = Decimal("0.01")

_Key = tuple[str, str]


class Ledger:
    """Cash, positions and what live orders reserve."""

    def __init__(self, opening: Decimal) -> None:
        self.opening, self.cash = opening, ZERO
        self.positions: dict[tuple[str, str, str], Position] = {}
        self._holds: dict[str, Decimal] = {}
        self._held = ZERO
        self._nets: dict[Group, dict[_Key, Holding]] = {}
        self._margins: dict[Group, Decimal] = {}  # of groups with shorts
        self._day = date.min

    def count(self, order: Order, units: int, price: Decimal) -> None:
        """Book a fill."""
        value = units * price
        self.cash -= order.side.sign * value
        self.position(order.listing, order.ticket.product).add(order.side, units, value)
        self._net(order.listing, order.side.sign * units)

    def position(self, listing: Listing, product: str) -> Position:
        """The position in one security and product, made when there is none."""
        key = listing.segment, listing.security_id, product
        found = self.positions.get(key)
        if found is None:
            found = self.positions[key] = Position(listing, product)
        return found

    def carry(self, listing: Listing, units: int, price: Decimal, product: str) -> None:
        """Add units that come from elsewhere, as from an earlier day."""
        position = self.position(listing, product)
        position.carried += units
        position.carried_price = price
        self._net(listing, units)

    def convert(self, held: Position, units: int, product: str) -> None:
        """Move signed units of a position to another product."""
        other, price = self.position(held.listing, product), held.cost_price
        held.carried -= units
        other.carried += units
        other.carried_price = price

    def reserve(self, order: Order, amount: Decimal) -> None:
        """Set what a live order needs, to the paisa: what is taken adds up to what is freed; 0 when it has ended."""
        amount = amount.quantize(PAISA)
        self._held += amount - self._holds.get(order.order_id, ZERO)
        if amount:
            self._holds[order.order_id] = amount
        else:
            self._holds.pop(order.order_id, None)

    def release(self, order: Order, units: int) -> None:
        """Free the share of what an order reserved that belongs to units just filled."""
        held = self._holds.get(order.order_id)
        if held is not None:
            self.reserve(order, held * order.remaining / (order.remaining + units) if order.remaining else ZERO)

    def account(self) -> Account:
        """What may be spent."""
        blocked = sum(self._margins.values(), self._held)
        return Account(self.opening, self.cash, blocked, self.opening + self.cash - blocked)

    def need(self, tickets: Iterable[Ticket], listings: Iterable[Listing], *, alone: bool) -> Decimal:
        """What orders block on top of what is open (or all alone): premium of buys, margin that shorts add."""
        premium, changed = ZERO, dict[Group, dict[_Key, Holding]]()
        for ticket, listing in zip(tickets, listings, strict=True):
            group, key = group_of(listing), (listing.segment, listing.security_id)
            nets = changed.setdefault(group, {} if alone else dict(self._nets.get(group, {})))
            nets[key] = listing, nets.get(key, (listing, 0))[1] + ticket.side.sign * ticket.quantity
            premium += ticket.quantity * ticket.price if ticket.side is Side.BUY else ZERO
        after = sum((group_margin(nets.values(), day=self._day) for nets in changed.values()), ZERO)
        before = ZERO if alone else sum((self._margins.get(group, ZERO) for group in changed), ZERO)
        return max(after - before, ZERO) + premium

    def start_day(self, today: date) -> None:
        """Carry what is open into a new day; dead contracts drop out."""
        old, self.positions, self._day = self.positions, {}, today
        self._nets, self._margins = {}, {}
        for position in old.values():
            if position.net_quantity and not has_expired(position.listing, today):
                self.carry(position.listing, position.net_quantity, position.cost_price, position.product)

    def _net(self, listing: Listing, units: int) -> None:
        """Keep the signed units over all products, and the margin of the group they belong to."""
        group, key = group_of(listing), (listing.segment, listing.security_id)
        nets = self._nets.setdefault(group, {})
        nets[key] = listing, nets.get(key, (listing, 0))[1] + units
        needed = group_margin(nets.values(), day=self._day)
        if needed:
            self._margins[group] = needed
        else:
            self._margins.pop(group, None)
