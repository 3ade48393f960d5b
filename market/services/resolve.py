"""Which row of the instrument master a contract is: found by its terms, exactly or not at all."""

import math
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from django.db.models import Q

from market.contract import Contract
from market.errors import Reason, UnknownInstrument
from market.models import Instrument


def resolve(contract: Contract, *, as_of: date, exchange: str | None = None) -> Instrument:
    """The one live row with exactly these terms; raises UnknownInstrument, never offers a neighbour."""
    return resolve_all([contract], as_of=as_of, exchange=exchange)[contract]


def resolve_all(
    contracts: Iterable[Contract], *, as_of: date, exchange: str | None = None
) -> dict[Contract, Instrument]:
    """Resolve a whole basket with one query, or raise for the first contract that has no single live row."""
    wanted = list(dict.fromkeys(contracts))
    found: dict[tuple[Any, ...], list[Instrument]] = {}
    rows = Instrument.objects.active().filter(_terms(wanted))
    for row in rows.filter(exchange=exchange) if exchange else rows:
        found.setdefault(_row_key(row), []).append(row)
    return {contract: _single(contract, found.get(_key(contract), []), as_of) for contract in wanted}


def _terms(contracts: Sequence[Contract]) -> Q:
    """A small superset of the wanted rows; the exact match is made on keys."""
    options = [contract for contract in contracts if contract.is_option and _strike(contract) is not None]
    shares = [contract.underlying for contract in contracts if not contract.is_option]
    listed = Q(
        instrument_name__in=["OPTIDX", "OPTSTK"],
        underlying__in={contract.underlying for contract in options},
        expiry__in={contract.expiry for contract in options},
        strike__in={_strike(contract) for contract in options},
    )
    return listed | Q(instrument_name="EQUITY", series="EQ", underlying__in=shares)


def _strike(contract: Contract) -> Decimal | None:
    if contract.strike is None or not math.isfinite(contract.strike) or abs(contract.strike) > 1e8:
        return None
    return Decimal(repr(contract.strike)).quantize(Decimal("0.00001"))


def _key(contract: Contract) -> tuple[Any, ...]:
    if contract.option_type is None:
        return (contract.underlying,)
    return (contract.underlying, contract.expiry, _strike(contract), contract.option_type.code)


def _row_key(row: Instrument) -> tuple[Any, ...]:
    if row.option_type not in ("CE", "PE"):
        return (row.underlying,)
    return (row.underlying, row.expiry, row.strike, row.option_type)


def _single(contract: Contract, rows: Sequence[Instrument], as_of: date) -> Instrument:
    if contract.expiry is not None and contract.expiry < as_of:
        sentence, remedy = f"{contract} has expired before {as_of}.", "Choose a later expiry."
        raise UnknownInstrument(Reason("EXPIRED", sentence, remedy))
    if not rows:
        sentence = f"{contract} is not in the instrument master in force."
        raise UnknownInstrument(Reason("NOT_IN_MASTER", sentence, "Import today's master or choose a listed contract."))
    if len(rows) > 1:
        where = ", ".join(f"{row.segment} {row.security_id}" for row in rows)
        raise UnknownInstrument(
            Reason("AMBIGUOUS", f"{contract} is listed more than once: {where}.", "Name the exchange.")
        )
    return rows[0]
