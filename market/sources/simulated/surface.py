"""The implied volatility of every strike and expiry, free of static arbitrage by construction."""

from dataclasses import dataclass

import numpy as np

from market.quant import black
from market.sources.simulated.noise import Floats, stream
from market.sources.simulated.universe import Listing

CARRY_RATE = 0.065  # yearly, continuous: the forward's growth and the discount

_PREMIUM = 1.10  # implied over realised volatility
_RETURN_SPEED = 4.0  # per year, of variance towards its long-run level
_LONG_RUN = 1.05  # of the long-run volatility over the middle regime's
_DECAY = 0.45  # power of the skew's decay with variance; up to 1/2 is free of arbitrage
_INDEX_SMILE = (-0.50, 0.80)
_STOCK_SMILE = (-0.22, 0.75)


@dataclass(frozen=True, slots=True)
class Surface:
    """Total implied variance by log-moneyness and time (surface SVI with a power law).

    `lean` is in (-1, 0] for a put skew, `bend` > 0, variances are yearly.

    Notes
    -----
    Source: J. Gatheral and A. Jacquier, "Arbitrage-free SVI volatility surfaces", Quantitative Finance 14 (2014)
    59-71: section 4, equation (4.5); bend (1 + |lean|) <= 2 with a decay of at most 1/2 admits neither butterfly nor
    calendar arbitrage while at-the-money total variance grows. That grows because it integrates a positive variance
    that returns exponentially to its long-run level (J. Gatheral, "The Volatility Surface", Wiley 2006, chapter 3).
    """

    lean: float
    bend: float
    variance_now: float
    variance_later: float

    def atm_variance(self, years: float) -> float:
        """Return at-the-money total variance to a time in years; it never falls with time."""
        settled = -np.expm1(-_RETURN_SPEED * years) / _RETURN_SPEED
        return float(self.variance_later * years + (self.variance_now - self.variance_later) * settled)

    def total_variance(self, log_moneyness: Floats, *, years: float) -> Floats:
        """Return total variance at ln(strike / forward)."""
        atm = self.atm_variance(years)
        steepness = self.bend / (atm**_DECAY * (1 + atm) ** (1 - _DECAY))
        scaled = steepness * log_moneyness
        root = np.sqrt((scaled + self.lean) ** 2 + 1 - self.lean**2)
        return np.asarray(0.5 * atm * (1 + self.lean * scaled + root), dtype=np.float64)

    def volatility(self, log_moneyness: Floats, *, years: float) -> Floats:
        """Return yearly implied volatility at ln(strike / forward), a fraction."""
        return np.asarray(np.sqrt(self.total_variance(log_moneyness, years=years) / years), dtype=np.float64)

    def atm_volatility(self, years: float) -> float:
        """Return yearly at-the-money-forward volatility, a fraction."""
        return float((self.atm_variance(years) / years) ** 0.5)


def surface_of(listing: Listing, *, seed: int, regime: float) -> Surface:
    """Return the surface of an underlying in a volatility regime; shares differ a little in their skew."""
    lean, bend = _INDEX_SMILE if listing.is_index else _STOCK_SMILE
    if not listing.is_index:
        lean += 0.08 * (2 * stream(seed, "skew", listing.symbol).random() - 1)
    level = _PREMIUM * listing.base_volatility
    return Surface(lean, bend, (level * regime) ** 2, (_LONG_RUN * level) ** 2)


def forward_price(spot: float, *, years: float) -> float:
    """Return the forward of a spot at the carry rate, rupees."""
    return float(spot * np.exp(CARRY_RATE * years))


def fair_prices(surface: Surface, strikes: Floats, *, spot: float, years: float) -> tuple[Floats, Floats, Floats]:
    """Return discounted values of calls and of puts, rupees per unit, and the volatilities they come from."""
    forward = forward_price(spot, years=years)
    volatility = surface.volatility(np.log(strikes / forward), years=years)
    both = black.price(
        forward=forward,
        strike=strikes,
        years=years,
        volatility=volatility,
        is_call=np.array([[True], [False]]),
        discount=float(np.exp(-CARRY_RATE * years)),
    )
    return both[0], both[1], volatility
