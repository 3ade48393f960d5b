"""The recorded market: what was captured or imported before, replayed from the database."""

import math
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import BinaryIO

from django.db.models import Q

from market.assembly import MODELLED_DEPTH_LOTS, modelled_touches
from market.calendar import IST
from market.contract import Contract, OptionType
from market.errors import BadMaster, Illiquid, Reason, StaleQuote
from market.models import ChainSnapshot, DailyBar, Instrument, OptionQuote, Underlying
from market.ports import CapturedChain, DayCandle, Touch, UnderlyingFact
from market.quant.forward import implied_forward
from market.quant.ticks import snap
from market.services.resolve import resolve
from market.services.stored_chains import latest_chain


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

    def candles(self, underlying: str, *, since: date, as_of: datetime) -> Sequence[DayCandle]:
        """The stored sessions; a recording has no other."""
        last = as_of.astimezone(IST).date()
        rows = DailyBar.objects.filter(symbol=underlying, series__in=["EQ", "IDX"], day__range=(since, last))
        return [
            DayCandle(row.day, float(row.open), float(row.high), float(row.low), float(row.close), row.volume)
            for row in rows.order_by("day")
        ]

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
    return _modelled(quote, instrument, snapshot)


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


def _modelled(quote: OptionQuote, instrument: Instrument, snapshot: ChainSnapshot) -> Touch:
    """The touch that assembling the chain gives this quote."""
    depth = MODELLED_DEPTH_LOTS * instrument.lot_size
    bids, asks = modelled_touches(
        last_price=[_number(quote.last_price)],
        volume=[_number(quote.volume)],
        open_interest=[_number(quote.open_interest)],
        strike=[float(quote.strike)],
        is_call=[quote.option_type == OptionType.CALL.code],
        forward=_centre(quote, snapshot),
        days=(quote.expiry - snapshot.taken_at.astimezone(IST).date()).days,
        tick_size=float(instrument.tick_size),
        is_index=snapshot.is_index,
    )
    if math.isnan(bids[0]):
        raise Illiquid(Reason("NO_BID", f"{instrument} at ₹{quote.last_price} is too cheap to have a buyer."))
    return Touch(Decimal(str(bids[0])), Decimal(str(asks[0])), depth, depth, snapshot.taken_at, True)


def _number(value: Decimal | int | None) -> float:
    return math.nan if value is None else float(value)


def _centre(quote: OptionQuote, snapshot: ChainSnapshot) -> float:
    """What strikes are measured from: the spot, else the forward of the last prices, as assembly does."""
    if snapshot.spot is not None:
        return float(snapshot.spot)
    rows = snapshot.quotes.filter(expiry=quote.expiry, last_price__isnull=False)
    prices = {(row.strike, row.option_type): _number(row.last_price) for row in rows}
    strikes = sorted({strike for strike, _ in prices})
    calls, puts = ([prices.get((strike, code), math.nan) for strike in strikes] for code in ("CE", "PE"))
    return implied_forward(strikes=[float(k) for k in strikes], call_prices=calls, put_prices=puts).forward


def _named(snapshot: ChainSnapshot) -> str:
    return f"the chain of {snapshot.symbol} at {snapshot.taken_at.astimezone(IST):%Y-%m-%d %H:%M}"
