"""What a trade at Dhan costs: brokerage, taxes and fees, each rate with the day it began (dhan.md section 14)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import Literal

from market.errors import InvalidInput, Reason
from market.rulebook.dated import Dated, Timeline

Side = Literal["BUY", "SELL"]

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Charges:
    """Rupees, unrounded. A contract note rounds STT and stamp to the rupee, so it may differ by about one."""

    brokerage: Decimal
    stt: Decimal
    exchange: Decimal
    sebi: Decimal
    stamp: Decimal
    gst: Decimal

    @property
    def total(self) -> Decimal:
        return self.brokerage + self.stt + self.exchange + self.sebi + self.stamp + self.gst

    def __add__(self, other: "Charges") -> "Charges":
        return Charges(
            brokerage=self.brokerage + other.brokerage,
            stt=self.stt + other.stt,
            exchange=self.exchange + other.exchange,
            sebi=self.sebi + other.sebi,
            stamp=self.stamp + other.stamp,
            gst=self.gst + other.gst,
        )


@dataclass(frozen=True, slots=True)
class ChargeRates:
    """The same option charges as floats: fractions of premium turnover, and rupees per order; GST is inside both."""

    buy: float
    sell: float
    per_order: float


def _rates(name: str, *entries: tuple[date, str, str]) -> Timeline[Decimal]:
    return Timeline(name, tuple(Dated(day, Decimal(rate), source) for day, rate, source in entries))


_FINANCE_2023 = date(2023, 4, 1)
_OCT_2024 = date(2024, 10, 1)
_APR_2026 = date(2026, 4, 1)
_DHAN_2023 = "Dhan notice on charges of 1 Apr 2023"

BROKERAGE = _rates("brokerage per option order", (_FINANCE_2023, "20", "dhan.md 14"))
STT_OPTION_SELL = _rates(
    "STT on option sales",
    (_FINANCE_2023, "0.000625", "Finance Act 2023, dhan.md 14"),
    (_OCT_2024, "0.001", "Finance (No. 2) Act 2024, dhan.md 14"),
    (_APR_2026, "0.0015", "dhan.md 14"),
)
STT_EXERCISE = _rates(
    "STT on exercised options",
    (_FINANCE_2023, "0.00125", "dhan.md 14"),
    (_APR_2026, "0.0015", "dhan.md 14"),
)
SEBI_FEE = _rates("the SEBI fee", (_FINANCE_2023, "0.000001", "10 rupees per crore, dhan.md 14"))
STAMP_OPTION_BUY = _rates("stamp duty on option purchases", (_FINANCE_2023, "0.00003", "dhan.md 14"))
GST = _rates("GST", (_FINANCE_2023, "0.18", "dhan.md 14"))

# Transaction charge plus investor-protection fund (IPFT), fraction of premium. BSE's rate is that of SENSEX and BANKEX;
# before October 2024 it was a slab on the member's monthly turnover, so no single rate exists and earlier days raise.
EXCHANGE_OPTION: Mapping[str, Timeline[Decimal]] = MappingProxyType(
    {
        "NSE": _rates(
            "NSE option charges",
            (_FINANCE_2023, "0.000505", f"5000 + IPFT 50 rupees per crore: {_DHAN_2023}"),
            (date(2024, 4, 1), "0.0005", "NSE board of March 2024: 1 % less, 4950 + IPFT 50 rupees per crore [OWN]"),
            (_OCT_2024, "0.0003553", "3503 + IPFT 50 rupees per crore, uniform fees (SEBI 1 Jul 2024), dhan.md 14"),
            (date(2026, 3, 1), "0.0003553", "NSE/FA/73061: 3552 + IPFT 1 rupee per crore, dhan.md 14"),
        ),
        "BSE": _rates("BSE option charges", (_OCT_2024, "0.000325", "BSE notice of 27 Sep 2024, dhan.md 14")),
    }
)

# Delivery of shares at Dhan, from its public tariff as quoted by third parties: [OWN], verify before relying on paise.
STT_DELIVERY = _rates("STT on delivery of shares", (_FINANCE_2023, "0.001", "both sides; dhan.md 14 [OWN]"))
STAMP_DELIVERY_BUY = _rates("stamp duty on share purchases", (_FINANCE_2023, "0.00015", "Dhan tariff [OWN]"))
DEPOSITORY_DEBIT = _rates("the depository charge per share sold", (_FINANCE_2023, "12.50", "Dhan tariff [OWN]"))
EXCHANGE_DELIVERY: Mapping[str, Timeline[Decimal]] = MappingProxyType(
    {
        "NSE": _rates(
            "NSE share charges",
            (_FINANCE_2023, "0.0000335", f"325 + IPFT 10 rupees per crore: {_DHAN_2023}"),
            (date(2024, 4, 1), "0.0000332", "1 % less, 322 + IPFT 10 rupees per crore [OWN]"),
            (_OCT_2024, "0.0000307", "297 + IPFT 10 rupees per crore, NSE notice of 27 Sep 2024"),
        ),
        "BSE": _rates("BSE share charges", (_FINANCE_2023, "0.0000375", "375 rupees per crore; Dhan tariff [OWN]")),
    }
)


def option_charges(
    *, side: Side, premium: Decimal, quantity: int, orders: int = 1, exchange: str = "NSE", as_of: date
) -> Charges:
    """Return the charges of buying or selling options.

    Parameters
    ----------
    side : {"BUY", "SELL"}
    premium : Decimal
        Rupees per unit of the underlying.
    quantity : int
        Units (lots times lot size), positive.
    orders : int
        Executed orders the quantity was sent in: every slice pays brokerage.
    exchange : {"NSE", "BSE"}
        BSE rates are those of SENSEX and BANKEX options.
    as_of : date
        Trade date.

    Returns
    -------
    Charges
        Rupees, unrounded.

    Raises
    ------
    InvalidInput
        A negative or non-finite premium, no quantity or orders, another side or exchange.
    UnknownDay
        A rate is not known for that day.

    Notes
    -----
    Source: dhan.md section 14; its worked examples are the tests.
    """
    turnover = _turnover(side, premium, quantity, orders)
    exchange_rate = _exchange(EXCHANGE_OPTION, exchange).at(as_of)
    return _charges(
        turnover,
        brokerage=BROKERAGE.at(as_of) * orders,
        stt_rate=STT_OPTION_SELL.at(as_of) if side == "SELL" else _ZERO,
        exchange_rate=exchange_rate,
        stamp_rate=STAMP_OPTION_BUY.at(as_of) if side == "BUY" else _ZERO,
        as_of=as_of,
    )


def round_trip_charges(
    *,
    buy_premium: Decimal,
    sell_premium: Decimal,
    quantity: int,
    orders_per_side: int = 1,
    exchange: str = "NSE",
    as_of: date,
) -> Charges:
    """Return the charges of one purchase and one sale of the same quantity on one day; see `option_charges`."""
    bought = option_charges(
        side="BUY", premium=buy_premium, quantity=quantity, orders=orders_per_side, exchange=exchange, as_of=as_of
    )
    sold = option_charges(
        side="SELL", premium=sell_premium, quantity=quantity, orders=orders_per_side, exchange=exchange, as_of=as_of
    )
    return bought + sold


def exercise_stt(*, intrinsic: Decimal, quantity: int, as_of: date) -> Decimal:
    """Return the STT in rupees that the holder of an exercised option pays on its intrinsic value (per unit)."""
    return _turnover("BUY", intrinsic, quantity, 1) * STT_EXERCISE.at(as_of)


def equity_charges(*, side: Side, price: Decimal, quantity: int, exchange: str = "NSE", as_of: date) -> Charges:
    """Return the charges of buying or selling shares for delivery, e.g. the stock leg of a covered call.

    Parameters
    ----------
    side : {"BUY", "SELL"}
    price : Decimal
        Rupees per share.
    quantity : int
        Shares, positive.
    exchange : {"NSE", "BSE"}
    as_of : date
        Trade date.

    Returns
    -------
    Charges
        Rupees, unrounded; `brokerage` is nothing but the depository charge of a sale. Physical settlement of
        an option adds a broker's fee that is not included.

    Raises
    ------
    InvalidInput, UnknownDay
        As for `option_charges`.

    Notes
    -----
    Source: Dhan tariff as quoted by third parties [OWN], NSE and BSE fee notices.
    """
    turnover = _turnover(side, price, quantity, 1)
    return _charges(
        turnover,
        brokerage=DEPOSITORY_DEBIT.at(as_of) if side == "SELL" else _ZERO,
        stt_rate=STT_DELIVERY.at(as_of),
        exchange_rate=_exchange(EXCHANGE_DELIVERY, exchange).at(as_of),
        stamp_rate=STAMP_DELIVERY_BUY.at(as_of) if side == "BUY" else _ZERO,
        as_of=as_of,
    )


@lru_cache(maxsize=1024)
def option_charge_rates(*, exchange: str = "NSE", as_of: date) -> ChargeRates:
    """Return option charges as plain floats for pricing many candidates.

    Charges of one side in rupees are `rate * premium * quantity + per_order * orders`.

    Parameters
    ----------
    exchange : {"NSE", "BSE"}
    as_of : date
        Trade date.

    Returns
    -------
    ChargeRates
        Fractions of premium turnover and rupees per order, GST included.

    Raises
    ------
    InvalidInput, UnknownDay
        As for `option_charges`.

    Notes
    -----
    Source: dhan.md section 14.
    """
    with_gst = 1 + GST.at(as_of)
    fees = (_exchange(EXCHANGE_OPTION, exchange).at(as_of) + SEBI_FEE.at(as_of)) * with_gst
    return ChargeRates(
        buy=float(fees + STAMP_OPTION_BUY.at(as_of)),
        sell=float(fees + STT_OPTION_SELL.at(as_of)),
        per_order=float(BROKERAGE.at(as_of) * with_gst),
    )


def _charges(
    turnover: Decimal,
    *,
    brokerage: Decimal,
    stt_rate: Decimal,
    exchange_rate: Decimal,
    stamp_rate: Decimal,
    as_of: date,
) -> Charges:
    exchange_fee = exchange_rate * turnover
    sebi = SEBI_FEE.at(as_of) * turnover
    return Charges(
        brokerage=brokerage,
        stt=stt_rate * turnover,
        exchange=exchange_fee,
        sebi=sebi,
        stamp=stamp_rate * turnover,
        gst=GST.at(as_of) * (brokerage + exchange_fee + sebi),
    )


def _turnover(side: str, price: Decimal, quantity: int, orders: int) -> Decimal:
    if side not in ("BUY", "SELL"):
        raise InvalidInput(Reason("BAD_SIDE", f"A side is BUY or SELL, not {side!r}."))
    if not (price.is_finite() and price >= 0):
        raise InvalidInput(Reason("BAD_PRICE", f"A price must be finite and not negative, got {price}."))
    if quantity <= 0 or orders <= 0:
        raise InvalidInput(Reason("BAD_QUANTITY", f"Quantity {quantity} and orders {orders} must be positive."))
    return price * quantity


def _exchange(table: Mapping[str, Timeline[Decimal]], exchange: str) -> Timeline[Decimal]:
    timeline = table.get(exchange)
    if timeline is None:
        raise InvalidInput(Reason("BAD_EXCHANGE", f"Charges are known for NSE and BSE, not {exchange!r}."))
    return timeline
