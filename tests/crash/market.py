"""One underlying with two expiries' worth of nothing: eight contracts whose quotes never move."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from io import BytesIO
from typing import BinaryIO

from execution.simulator.book import Listing
from market.contract import Contract, OptionType
from market.errors import Illiquid, Reason
from market.ports import CapturedChain, CapturedQuote, Touch, UnderlyingFact

SYMBOL, SEGMENT, SPOT, LOT, DEEP = "ACME", "NSE_FNO", 1000.0, 500, 1_000_000
AGE = timedelta(seconds=0.25)  # of every quote
EXPIRY = date(2026, 11, 24)
TICK = Decimal("0.05")

# (strike, type) -> (security id, bid, ask)
QUOTED: dict[tuple[float, str], tuple[str, str, str]] = {
    (900.0, "PE"): ("11", "9.95", "10.05"),
    (950.0, "PE"): ("12", "19.95", "20.05"),
    (1050.0, "CE"): ("13", "19.95", "20.05"),
    (1100.0, "CE"): ("14", "9.95", "10.05"),
    (1000.0, "CE"): ("15", "39.95", "40.05"),  # traded by nobody but a stray order
}
STRAY = "15"
# Rows as people list them, the shorts first: (side, strike, type).
CONDOR = (("SELL", 950.0, "PE"), ("SELL", 1050.0, "CE"), ("BUY", 900.0, "PE"), ("BUY", 1100.0, "CE"))
SPREAD = (("SELL", 950.0, "PE"), ("BUY", 900.0, "PE"))
# The short that the exchange rejects where a basket must be taken back: the last of the two.
REJECTED = "13"


def contract(strike: float, code: str) -> Contract:
    """An option of the one expiry."""
    return Contract(SYMBOL, EXPIRY, strike, OptionType.from_code(code))


def listings(*, rejecting: str = "") -> dict[tuple[str, str], Listing]:
    """What the exchange lists; orders in the security named `rejecting` are over its freeze quantity."""
    return {
        (SEGMENT, number): Listing(
            SEGMENT,
            number,
            f"{SYMBOL}-{strike:.0f}-{code}",
            "OPTSTK",
            LOT,
            TICK,
            contract(strike, code),
            freeze_quantity=1 if number == rejecting else None,
        )
        for (strike, code), (number, _, _) in QUOTED.items()
    }


class StillMarket:
    """Quotes that are always of this moment and always the same."""

    name = "still"

    def __init__(self) -> None:
        self._quotes = {contract(*terms): (Decimal(bid), Decimal(ask)) for terms, (_, bid, ask) in QUOTED.items()}

    def touch(self, contract: Contract, *, as_of: datetime) -> Touch:
        """Deep on both sides."""
        if contract not in self._quotes:
            raise Illiquid(Reason("NO_TOUCH", f"{contract} has no touch."))
        bid, ask = self._quotes[contract]
        return Touch(bid, ask, DEEP, DEEP, as_of - AGE)

    def underlyings(self) -> Sequence[UnderlyingFact]:
        """None that anybody asks for."""
        return []

    def master(self, *, as_of: datetime) -> BinaryIO:
        """No file: the listings are given to the exchange."""
        return BytesIO(b"")

    def chain(self, underlying: str, *, as_of: datetime) -> CapturedChain:
        """The same quotes as a chain."""
        quotes = [
            CapturedQuote(
                option_type=one.option_type,
                strike=one.strike,
                expiry=one.expiry,
                bid=float(bid),
                ask=float(ask),
                last_price=float(ask),
                bid_quantity=DEEP,
                ask_quantity=DEEP,
                volume=DEEP,
                open_interest=DEEP,
            )
            for one, (bid, ask) in self._quotes.items()
            if one.expiry is not None and one.strike is not None and one.option_type is not None
        ]
        return CapturedChain(
            underlying=underlying, taken_at=as_of - AGE, source=self.name, spot=SPOT, quotes=tuple(quotes)
        )
