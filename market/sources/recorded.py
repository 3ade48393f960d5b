"""The recorded market: what was captured or imported before, replayed from the database."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import BinaryIO

from market.assembly import MODELLED_DEPTH_LOTS, modelled_touch
from market.contract import Contract
from market.errors import BadMaster, Illiquid, Reason, StaleQuote, UnknownInstrument
from market.models import ChainSnapshot, Instrument, OptionQuote, Underlying
from market.ports import CapturedChain, Touch, UnderlyingFact
from market.services.chains import latest_chain


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
        snapshot = ChainSnapshot.objects.filter(symbol=contract.underlying).fresh(as_of).order_by("-taken_at").first()
        if snapshot is None:
            raise StaleQuote(
                Reason("NO_CHAIN", f"No chain of {contract.underlying} is stored up to {as_of:%Y-%m-%d %H:%M}.")
            )
        instrument = Instrument.objects.all().of(contract).first()
        if instrument is None:
            raise UnknownInstrument(
                Reason("NOT_IN_MASTER", f"{contract} is not in the master.", "Import the master of that day.")
            )
        if not contract.is_option:
            return _share_touch(snapshot, instrument)
        return _option_touch(snapshot, contract, instrument)


def _option_touch(snapshot: ChainSnapshot, contract: Contract, instrument: Instrument) -> Touch:
    quote = snapshot.quotes.filter(
        expiry=instrument.expiry, strike=instrument.strike, option_type=instrument.option_type
    ).first()
    if quote is None:
        raise Illiquid(Reason("NO_QUOTE", f"{contract} is not quoted in the snapshot {snapshot}."))
    if snapshot.quotes.filter(bid__isnull=False).exists() or snapshot.quotes.filter(ask__isnull=False).exists():
        return _book_touch(quote, contract, snapshot)
    if quote.last_price is None or quote.volume == 0:
        raise Illiquid(Reason("NO_TRADE", f"{contract} did not trade in the session of {snapshot}."))
    return _modelled(quote.last_price, instrument, snapshot)


def _book_touch(quote: OptionQuote, contract: Contract, snapshot: ChainSnapshot) -> Touch:
    if quote.bid is None or quote.ask is None:
        raise Illiquid(Reason("NO_TOUCH", f"{contract} has no bid or no ask in {snapshot}."))
    return Touch(quote.bid, quote.ask, quote.bid_quantity or 0, quote.ask_quantity or 0, snapshot.taken_at)


def _share_touch(snapshot: ChainSnapshot, instrument: Instrument) -> Touch:
    lot = Underlying.objects.filter(symbol=snapshot.symbol).values_list("lot_size", flat=True).first()
    if snapshot.spot is None or lot is None:
        raise Illiquid(Reason("NO_SPOT", f"The snapshot {snapshot} does not say what the share costs."))
    tick, depth = instrument.tick_size, MODELLED_DEPTH_LOTS * lot
    price = (snapshot.spot / tick).to_integral_value() * tick
    return Touch(price - tick, price + tick, depth, depth, snapshot.taken_at, True)


def _modelled(last_price: Decimal, instrument: Instrument, snapshot: ChainSnapshot) -> Touch:
    depth = MODELLED_DEPTH_LOTS * instrument.lot_size
    bid, ask = modelled_touch(float(last_price), float(instrument.tick_size))
    if bid < float(instrument.tick_size):
        raise Illiquid(Reason("NO_BID", f"{instrument} at ₹{last_price} is too cheap to have a buyer."))
    return Touch(Decimal(str(bid)), Decimal(str(ask)), depth, depth, snapshot.taken_at, True)
