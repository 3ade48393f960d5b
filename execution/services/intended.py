"""The legs of a run as they were resolved at its claim, kept in the row: what is sent later is what was meant."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from execution.legs import BasketLeg
from execution.services.listing import ListedLeg
from market.contract import Contract, OptionType, Side

Json = dict[str, Any]


def to_json(legs: Iterable[ListedLeg]) -> list[Json]:
    """Write down every leg with its instrument."""
    return [
        {
            "leg": listed.leg.number,
            "row": listed.row_id,
            "contract": _contract_to_json(listed.leg.contract),
            "side": listed.leg.side.value,
            "quantity": listed.leg.quantity,
            "lot_size": listed.leg.lot_size,
            "order_limit": listed.leg.order_limit,
            "exchange": listed.exchange,
            "segment": listed.segment,
            "security_id": listed.security_id,
            "symbol": listed.symbol,
            "tick": str(listed.tick),
        }
        for listed in legs
    ]


def from_json(rows: Iterable[Json]) -> list[ListedLeg]:
    """Read it back."""
    return [
        ListedLeg(
            row_id=row["row"],
            leg=BasketLeg(
                number=row["leg"],
                contract=_contract_from_json(row["contract"]),
                side=Side(row["side"]),
                quantity=row["quantity"],
                lot_size=row["lot_size"],
                order_limit=row["order_limit"],
            ),
            exchange=row["exchange"],
            segment=row["segment"],
            security_id=row["security_id"],
            symbol=row["symbol"],
            tick=Decimal(row["tick"]),
        )
        for row in rows
    ]


def _contract_to_json(contract: Contract) -> Json:
    if contract.expiry is None or contract.option_type is None:
        return {"underlying": contract.underlying}
    return {
        "underlying": contract.underlying,
        "expiry": contract.expiry.isoformat(),
        "strike": contract.strike,
        "option_type": contract.option_type.code,
    }


def _contract_from_json(row: Json) -> Contract:
    if "expiry" not in row:
        return Contract(row["underlying"])
    expiry = date.fromisoformat(row["expiry"])
    return Contract(row["underlying"], expiry, row["strike"], OptionType.from_code(row["option_type"]))
