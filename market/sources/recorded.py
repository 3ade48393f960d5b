"""The recorded market: what was captured or imported before, replayed from the database."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import BinaryIO

from django.db.models import Q

from market.assembly import MODELLED_DEPTH_LOTS, modelled_touch
from market.calendar import IST
from market.contract import Contract
from market.errors import BadMaster, Illiquid, Reason, StaleQuote
from market.models import ChainSnapshot, Instrument, OptionQuote, Underlying
from market.ports import CapturedChain, Touch, UnderlyingFact
from market.quant.ticks import snap
from market.services.chains import latest_chain
from market.services.instruments import resolve


class RecordedMarket:
    """Chains and touches as they were stored, never later than asked for."""

    name = "recorded"

    def underlyings(self) -> Sequence[UnderlyingFact]:
        """Every tradable underlying we know."""
        return [
            UnderlyingFact(
                symbol=row.symbol,
                name=row.name,
                kind=row.kind,
                exchange=row.exchange,
                industry=row.industry,
                sector=row.sector,
                market_cap=None if row.market_cap is None else float(row.market_cap),
            )
            for row in Underlying.objects.all().tradable()
        ]

    def master(self, *, as_of: datetime) -> BinaryIO:
        """A recording holds no master of its own."""
        raise BadMaster(
            Reason("NO_MASTER_SOURCE", "The recorded market has no instrument master.", "Give one: --file PATH.")
        )

    def chain(self, underlying: str, *, as_of: datetime) -> CapturedChain:
        """The newest stored chain."""
        return latest_chain(underlying, as_of=as_of)

    def touch(self, contract: Contract, *, as_of: datetime) -> Touch:
        """The touch of the newest stored snapshot: its book, else one modelled from the last price."""
        snapshot = ChainSnapshot.objects.filter(symbol=contract.underlying).latest_per_symbol(as_of).first()
        if snapshot is None:
            moment = f"{as_of.astimezone(IST):%Y-%m-%d %H:%M}"
            raise StaleQuote(
                Reason("NO_CHAIN", f"No chain of {contract.underlying} is stored up to {moment}.", "Import one.")
            )
        underlying = Underlying.objects.filter(symbol=contract.underlying).first()
        exchange = None if underlying is None else underlying.exchange
        instrument = resolve(contract, as_of=as_of.astimezone(IST).date(), exchange=exchange)
        if contract.is_option:
            return _option_touch(snapshot, contract, instrument)
        return _share_touch(snapshot, instrument, None if underlying is None else underlying.lot_size)


def _option_touch(snapshot: ChainSnapshot, contract: Contract, instrument: Instrument) -> Touch:
    terms = {"expiry": instrument.expiry, "strike": instrument.strike, "option_type": instrument.option_type}
    quote = snapshot.quotes.filter(**terms).first()
    if quote is None:
        raise Illiquid(Reason("NO_QUOTE", f"{contract} is not quoted in {_named(snapshot)}."))
    if snapshot.quotes.filter(Q(bid__isnull=False) | Q(ask__isnull=False)).exists():
        return _book_touch(quote, contract, snapshot)
    if quote.last_price is None or quote.volume == 0:
        raise Illiquid(Reason("NO_TRADE", f"{contract} had not traded in {_named(snapshot)}."))
    return _modelled(quote.last_price, instrument, snapshot)


def _book_touch(quote: OptionQuote, contract: Contract, snapshot: ChainSnapshot) -> Touch:
    if quote.bid is None or quote.ask is None:
        raise Illiquid(Reason("NO_TOUCH", f"{contract} has no bid or no ask in {_named(snapshot)}."))
    return Touch(quote.bid, quote.ask, quote.bid_quantity or 0, quote.ask_quantity or 0, snapshot.taken_at)


def _share_touch(snapshot: ChainSnapshot, instrument: Instrument, lot_size: int | None) -> Touch:
    """One tick either side of the spot, as deep as an option's modelled touch."""
    if snapshot.spot is None or lot_size is None:
        raise Illiquid(Reason("NO_SPOT", f"What the share costs, or its lot, is not known from {_named(snapshot)}."))
    tick, depth = instrument.tick_size, MODELLED_DEPTH_LOTS * lot_size
    price = snap(snapshot.spot, tick, towards="nearest")
    return Touch(price - tick, price + tick, depth, depth, snapshot.taken_at, True)


def _modelled(last_price: Decimal, instrument: Instrument, snapshot: ChainSnapshot) -> Touch:
    depth = MODELLED_DEPTH_LOTS * instrument.lot_size
    bid, ask = modelled_touch(float(last_price), float(instrument.tick_size))
    if bid < float(instrument.tick_size):
        raise Illiquid(Reason("NO_BID", f"{instrument} at ₹{last_price} is too cheap to have a buyer."))
    return Touch(Decimal(str(bid)), Decimal(str(ask)), depth, depth, snapshot.taken_at, True)


def _named(snapshot: ChainSnapshot) -> str:
    return f"the chain of {snapshot.symbol} at {snapshot.taken_at.astimezone(IST):%Y-%m-%d %H:%M}"
