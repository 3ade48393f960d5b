"""Every contract of a chain as one table of parallel arrays, so that candidates are places in it and not objects."""

from dataclasses import dataclass, field
from datetime import date
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from market.chain import Chain, ExpiryChain, Flags, Floats
from market.contract import Contract, OptionType, Side
from market.quant import black
from strategies.liquidity import tradable
from strategies.spec import LegRule
from strategies.strikes import Placed

Ints = NDArray[np.int64]

CALL, PUT, SHARE = 1, -1, 0
_KINDS = {OptionType.CALL: CALL, OptionType.PUT: PUT}


@dataclass(frozen=True, eq=False)
class ContractTable:
    """All calls and puts of all expiries by rising strike, and the share in the last row; arrays of shape (contracts,).

    `rank` is the place of the expiry in the chain (-1 for the share), `kind` CALL, PUT or SHARE. Prices in rupees per
    unit, NaN where there is none; `fair` is the smile's price; greeks are those of the long contract, theta per
    calendar day, vega per 1.00 of volatility. `can_buy` and `can_sell` say where the quote passed the gate, has
    that touch and is liquid. `starts` gives the first row of each side of each expiry. `left` remembers the volatility
    each contract of a later expiry keeps at an earlier one, by (earlier, later) rank, NaN where nobody asked yet;
    `placed` where the rules put the legs of a structure, by them and the front expiry.
    """

    chain: Chain
    rank: Ints
    kind: Ints
    strike: Floats
    bid: Floats
    ask: Floats
    mid: Floats
    fair: Floats
    volatility: Floats
    delta: Floats
    gamma: Floats
    theta: Floats
    vega: Floats
    rho: Floats
    open_interest: Floats
    can_buy: Flags
    can_sell: Flags
    starts: dict[tuple[int, OptionType], int]
    left: dict[tuple[int, int], Floats] = field(default_factory=dict, init=False, repr=False)
    placed: dict[tuple[tuple[LegRule, ...], date], tuple[Placed | None, ...]] = field(
        default_factory=dict, init=False, repr=False
    )

    @property
    def share(self) -> int:
        """The row of the share."""
        return self.strike.size - 1

    @cached_property
    def modelled(self) -> Flags:
        """Where the touch was modelled, not seen; by contract."""
        flags = [expiry.calls.touch_modelled for expiry in self.chain.expiries]
        return np.append(np.array(flags, dtype=np.bool_)[self.rank[:-1]], False)

    @cached_property
    def levels(self) -> Floats:
        """0 and every listed strike, rupees, ascending: where a payoff at expiry can bend."""
        return np.unique(np.append(self.strike, 0.0))

    @cached_property
    def level(self) -> Ints:
        """The place of each contract's strike among `levels`, 0 for the share; by contract."""
        return np.searchsorted(self.levels, self.strike).astype(np.int64)

    @cached_property
    def touches(self) -> Floats:
        """The executable prices: all asks, then all bids; shape (2 × contracts,), 0 where there is none."""
        return np.asarray(np.nan_to_num(np.concatenate([self.ask, self.bid])))

    @cached_property
    def contracts(self) -> tuple[Contract, ...]:
        """The terms of every row."""
        return tuple(self._contract(row) for row in range(self.strike.size))

    def row(self, rank: int, option_type: OptionType, index: int) -> int:
        """The row of a strike by its place among the strikes of an expiry."""
        return self.starts[rank, option_type] + index

    def _contract(self, row: int) -> Contract:
        if row == self.share:
            return Contract(self.chain.underlying)
        option_type = OptionType.CALL if self.kind[row] == CALL else OptionType.PUT
        expiry = self.chain.expiries[int(self.rank[row])]
        return Contract(self.chain.underlying, expiry.expiry, float(self.strike[row]), option_type)


@lru_cache(maxsize=16)
def contract_table(chain: Chain) -> ContractTable:
    """Lay out a chain, once; the greeks of all its contracts are one call per side of an expiry."""
    columns: list[dict[str, Floats]] = []
    starts: dict[tuple[int, OptionType], int] = {}
    rows = 0
    for rank, expiry in enumerate(chain.expiries):
        for option_type, kind in _KINDS.items():
            starts[rank, option_type] = rows
            columns.append(_side(chain, expiry, rank, option_type, kind))
            rows += expiry.strikes.size
    columns.append(_share(chain))
    joined = {name: np.concatenate([each[name] for each in columns]) for name in columns[0]}
    return ContractTable(
        chain=chain,
        rank=joined.pop("rank").astype(np.int64),
        kind=joined.pop("kind").astype(np.int64),
        can_buy=joined.pop("can_buy") > 0.0,
        can_sell=joined.pop("can_sell") > 0.0,
        starts=starts,
        **joined,
    )


def _side(chain: Chain, expiry: ExpiryChain, rank: int, option_type: OptionType, kind: int) -> dict[str, Floats]:
    quotes, strikes = expiry.side(option_type), expiry.strikes
    volatility = expiry.smile.volatility(strikes)
    model = black.greeks(
        forward=expiry.forward,
        strike=strikes,
        years=expiry.years,
        volatility=volatility,
        is_call=option_type is OptionType.CALL,
        spot=chain.spot,
    )
    two_sided = (quotes.bid > 0.0) & (quotes.ask > 0.0)
    return {
        "rank": np.full(strikes.size, float(rank)),
        "kind": np.full(strikes.size, float(kind)),
        "strike": strikes,
        "bid": np.nan_to_num(quotes.bid, nan=0.0),
        "ask": quotes.ask,
        "mid": np.where(two_sided, 0.5 * (quotes.bid + quotes.ask), model.price),
        "fair": model.price,
        "volatility": volatility,
        # Carry can push a spot delta a hair past 1, which the ledger's bounds rightly refuse.
        "delta": np.clip(model.delta, -1.0, 1.0),
        "gamma": model.gamma,
        "theta": model.theta,
        "vega": model.vega,
        "rho": model.rho,
        "open_interest": quotes.open_interest,
        "can_buy": tradable(expiry, option_type, Side.BUY, tick_size=chain.tick_size).liquid.astype(np.float64),
        "can_sell": tradable(expiry, option_type, Side.SELL, tick_size=chain.tick_size).liquid.astype(np.float64),
    }


def _share(chain: Chain) -> dict[str, Floats]:
    """The share at spot: a chain carries no book of its underlying."""
    at_spot = {name: np.array([chain.spot]) for name in ("bid", "ask", "mid", "fair")}
    nothing = {name: np.zeros(1) for name in ("gamma", "theta", "vega", "rho", "strike", "kind")}
    unknown = {name: np.full(1, np.nan) for name in ("volatility", "open_interest")}
    tradable = np.array([0.0 if chain.is_index else 1.0])
    return {
        **at_spot,
        **nothing,
        **unknown,
        "rank": np.array([-1.0]),
        "delta": np.ones(1),
        "can_buy": tradable,
        "can_sell": np.zeros(1),  # nobody lends it
    }
