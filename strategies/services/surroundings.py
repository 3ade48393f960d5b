"""What is known of one underlying around its candidates: its past, its market view, where its volatility stands."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache

import numpy as np

from market.calendar import IST
from market.chain import Chain
from market.errors import OptionsError, Reason
from market.models import MarketView
from market.quant.indicators import Bars
from market.quant.volatility import Standing
from market.services.candles import closed_candles
from market.services.past import past_of
from market.services.volatility import atm_volatility
from market.sessions import Past
from strategies.build import Candidate
from strategies.calibration import MonotoneMap
from strategies.liquidity import liquidity_flags
from strategies.models import GenerationRun
from strategies.observe import interest_of, iv_regime
from strategies.services.calibrate import current_map
from strategies.services.known import Known
from strategies.services.views import INDEX, VIX, store_view, view_at, weather
from strategies.spec import IvRegime
from strategies.view import Weather

Flag = Mapping[str, str]
SESSIONS = 22  # realised volatility that the implied one is held against


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a candidate cannot tell of itself; a Reason where it is not known.

    `doubts` are flags by what they are about: None for the whole underlying, else an expiry.
    """

    past: Past | None
    view: MarketView | Reason
    percentile: float | Reason
    regime: IvRegime | Reason
    recalibration: MonotoneMap | Reason
    doubts: Mapping[date | None, tuple[Flag, ...]]

    @property
    def view_id(self) -> int | None:
        """Where the market view is kept."""
        return None if isinstance(self.view, Reason) else self.view.pk

    def flags_of(self, candidate: Candidate) -> list[Flag]:
        """What is doubtful or not known about one candidate, as it is stored."""
        expiries = dict.fromkeys(leg.contract.expiry for leg in candidate.option_legs)
        found = [*self.doubts.get(None, ()), *(flag for expiry in expiries for flag in self.doubts.get(expiry, ()))]
        if any(leg.touch_modelled for leg in candidate.legs):
            found.append(_flag("prices", MODELLED))
        return found


MODELLED = Reason("TOUCH_MODELLED", "The source gives no book: bid and ask are modelled from the last price.")


@dataclass(frozen=True, slots=True)
class Shared:
    """What all symbols of a run have in common."""

    weather: Weather
    recalibration: MonotoneMap | Reason


@lru_cache(maxsize=1)
def shared_by(run_id: int, as_of: datetime) -> Shared:
    """Read once per run and process (three queries)."""
    found = current_map(as_of=as_of.astimezone(IST).date())
    now = weather(closed_candles([INDEX, VIX], as_of=as_of), as_of=as_of)
    return Shared(now, found if isinstance(found, Reason) else found[0])


def surroundings_of(symbol: str, known: Known, *, run: GenerationRun) -> Surroundings:
    """Say what follows from what is known of a symbol as of a run, and keep its market view (one statement)."""
    shared, as_of = shared_by(run.pk, run.as_of), run.as_of
    chain, bars = known.chain, known.bars
    past = None if bars is None else past_of(bars, as_of=as_of)
    view = _view(symbol, bars, chain, shared.weather, as_of)
    percentile, regime, mixed = _volatility(known, past, as_of)
    unknown: dict[str, object] = {
        "market_view": view,
        "iv_percentile": percentile,
        "iv_regime": regime,
        "probability_recalibrated": shared.recalibration,
    }
    general = [_flag(about, why) for about, why in unknown.items() if isinstance(why, Reason)]
    general += [_flag("iv_percentile", mixed)] if mixed else []
    usable = chain if isinstance(chain, Chain) else None
    return Surroundings(
        past=past,
        view=view,
        percentile=percentile,
        regime=regime,
        recalibration=shared.recalibration,
        doubts={None: tuple(general)} if usable is None else dict(_doubts(usable, general)),
    )


def _view(
    symbol: str, bars: Bars | None, chain: Chain | OptionsError, now: Weather, as_of: datetime
) -> MarketView | Reason:
    interest = interest_of(chain) if isinstance(chain, Chain) else chain.reason
    found = view_at(symbol, bars, interest, now, as_of)
    return found if isinstance(found, Reason) else store_view(found, as_of=as_of)


def _volatility(
    known: Known, past: Past | None, as_of: datetime
) -> tuple[float | Reason, IvRegime | Reason, Reason | None]:
    """Where implied volatility stands, and what is wrong with its history.

    The session's own volatility is the chain's, so that nothing later is read. A percentile among other maturities is
    shown but decides no regime: near its expiry a volatility rises while the market stands still.
    """
    if isinstance(known.chain, OptionsError):
        return known.chain.reason, known.chain.reason, None
    now = atm_volatility(known.chain)
    history = known.volatilities.and_now(now, session=as_of.astimezone(IST).date())
    standing = history.standing()
    percentile = standing.percentile if isinstance(standing, Standing) else standing
    realised = None if past is None else float(np.sqrt(past.variances[-SESSIONS:].mean()))
    mixed = history.mixed() if isinstance(standing, Standing) else None
    return percentile, iv_regime(mixed or percentile, implied=now.volatility, realised=realised), mixed


def _doubts(chain: Chain, general: list[Flag]) -> Iterator[tuple[date | None, tuple[Flag, ...]]]:
    yield None, (*(_flag("chain", reason) for reason in chain.flags), *general)
    silent = liquidity_flags(chain)
    for expiry in chain.expiries:
        reasons = [*expiry.flags, *(silent[day] for day in [expiry.expiry] if day in silent)]
        yield expiry.expiry, tuple(_flag(expiry.expiry.isoformat(), reason) for reason in reasons)


def _flag(about: str, reason: Reason) -> Flag:
    return {"about": about, "code": reason.code, "sentence": reason.sentence}
