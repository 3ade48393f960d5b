"""The delta of an open strategy now, from the chain's own smile; raises where the chain cannot tell."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Literal

from execution import checks
from execution.errors import ExecutionDenied
from execution.services.preparation import Desk
from market.assembly import assemble
from market.chain import Chain, ExpiryChain
from market.contract import Contract, OptionType
from market.errors import Reason, UnknownInstrument
from market.quant import black
from market.services.load import listings

Holding = tuple[Contract, int]


def net_delta(underlying: str, holdings: Sequence[Holding], *, set_size: int, desk: Desk) -> float:
    """Delta per unit of one set: signed units of every holding times its delta, over the units of one set."""
    chain = _chain(underlying, desk)
    return sum(units * _delta(contract, chain) for contract, units in holdings) / set_size


def _chain(underlying: str, desk: Desk) -> Chain:
    captured = desk.market.chain(underlying, as_of=desk.as_of)
    if not timedelta(0) <= desk.as_of - captured.taken_at <= checks.MAX_QUOTE_AGE:
        raise ExecutionDenied(Reason("QUOTE_STALE", f"The chain of {underlying} is from {captured.taken_at}."))
    listing = listings([underlying]).get(underlying)
    if listing is None:
        raise UnknownInstrument(Reason("NOT_IN_MASTER", f"The master lists no options of {underlying}."))
    exchange: Literal["NSE", "BSE"] = "BSE" if listing.exchange == "BSE" else "NSE"
    return assemble(captured, lot_sizes=listing.lot_sizes, tick_size=listing.tick_size, exchange=exchange)


def _delta(contract: Contract, chain: Chain) -> float:
    """With respect to spot, undiscounted; a share has delta 1."""
    if contract.strike is None:
        return 1.0
    expiry = _expiry(contract, chain)
    found = black.greeks(
        forward=expiry.forward,
        strike=contract.strike,
        years=expiry.years,
        volatility=expiry.smile.volatility(contract.strike),
        is_call=contract.option_type is OptionType.CALL,
        spot=chain.spot,
    )
    return float(found.delta)


def _expiry(contract: Contract, chain: Chain) -> ExpiryChain:
    for expiry in chain.expiries:
        if expiry.expiry == contract.expiry:
            return expiry
    raise UnknownInstrument(Reason("NO_EXPIRY", f"The chain of {chain.underlying} has no {contract.expiry}."))
