"""From the quotes a source gave to a chain one can calculate on: touches, the quality gate, forward and smile."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np

from market import quality
from market.calendar import IST, years_to
from market.chain import Chain, Codes, ExpiryChain, Flags, Floats, OptionSide
from market.contract import OptionType
from market.errors import BadChain, OptionsError, Reason
from market.ports import CapturedChain, CapturedQuote
from market.quality import Circumstances, Refusal, SideQuotes
from market.quant.forward import ForwardFit, implied_forward
from market.quant.implied import implied_volatility
from market.quant.smile import Smile, fit_smile
from market.spread_model import MODELLED_DEPTH_LOTS, modelled_touch, modelled_touches

__all__ = ["MODELLED_DEPTH_LOTS", "assemble", "has_book", "modelled_touch", "modelled_touches"]

_FIELDS = ("bid", "ask", "last_price", "volume", "open_interest")
_NO_CIRCUMSTANCES = Circumstances()


def assemble(
    captured: CapturedChain,
    *,
    lot_sizes: Mapping[date, int],
    tick_size: float,
    exchange: Literal["NSE", "BSE"] = "NSE",
    known: Circumstances = _NO_CIRCUMSTANCES,
) -> Chain:
    """Turn captured quotes into a chain; what cannot be read becomes a flag or a refusal, never a guess.

    Parameters
    ----------
    captured : CapturedChain
        Prices in rupees per unit.
    lot_sizes : Mapping[date, int]
        Units per lot, by expiry, from the master. An expiry without a lot is left out (NO_LOT_SIZE).
    tick_size : float
        Rupees.
    exchange : str
        Whose calendar ends the day of expiry.
    known : Circumstances
        Age, snapshot before, odd lots and spread of time stamps, as far as the caller knows them.

    Returns
    -------
    Chain
        At least one expiry, in order. Quotes that failed the gate stay, not usable, each with its code.

    Raises
    ------
    BadChain
        ZERO_SPOT when the spot is given but is no price; NO_USABLE_EXPIRY when no expiry survives, with every
        expiry's code in its sentence.
    """
    _require_spot(captured)
    condition = quality.chain_refusal(captured.taken_at, known, exchange)
    expiries, flags = [], [] if condition is Refusal.NONE else [_of_chain(captured, condition)]
    modelled = not has_book(captured.quotes)
    for expiry, quotes in sorted(_by_expiry(captured.quotes).items()):
        maker = _Maker(captured, expiry, tick_size, exchange, known, modelled, condition)
        outcome = maker.made(quotes, lot_sizes.get(expiry))
        if isinstance(outcome, Reason):
            flags.append(outcome)
        else:
            expiries.append(outcome)
    if not expiries:
        raise BadChain(_none_usable(captured, flags))
    return Chain(
        underlying=captured.underlying,
        taken_at=captured.taken_at,
        source=captured.source,
        spot=captured.spot if captured.spot is not None else expiries[0].forward,
        tick_size=tick_size,
        is_index=captured.is_index,
        expiries=tuple(expiries),
        flags=tuple(flags),
    )


def has_book(quotes: Iterable[CapturedQuote]) -> bool:
    """Whether the source records bids and asks at all; if so, what has none has no market."""
    return any(quote.bid is not None or quote.ask is not None for quote in quotes)


def _require_spot(captured: CapturedChain) -> None:
    spot = captured.spot
    if spot is not None and not (math.isfinite(spot) and spot > 0.0):
        sentence = f"The chain of {captured.underlying} has no underlying price but {spot}."
        raise BadChain(Reason("ZERO_SPOT", sentence, "Import another."))


def _of_chain(captured: CapturedChain, refusal: Refusal) -> Reason:
    sentence, remedy = quality.REASONS[refusal]
    return Reason(refusal.name, f"{captured.underlying} at {captured.taken_at:%H:%M}: {sentence}", remedy)


def _none_usable(captured: CapturedChain, flags: Sequence[Reason]) -> Reason:
    why = "; ".join(f"{flag.sentence} [{flag.code}]" for flag in flags) or "it holds no quotes"
    return Reason("NO_USABLE_EXPIRY", f"The chain of {captured.underlying} cannot be used: {why}.", "Import another.")


def _by_expiry(quotes: Iterable[CapturedQuote]) -> dict[date, list[CapturedQuote]]:
    groups: dict[date, list[CapturedQuote]] = {}
    for quote in quotes:
        groups.setdefault(quote.expiry, []).append(quote)
    return groups


def _row(quote: CapturedQuote) -> tuple[float | None, ...]:
    return quote.bid, quote.ask, quote.last_price, quote.volume, quote.open_interest


@dataclass(frozen=True, slots=True, eq=False)
class _Maker:
    """Makes one expiry of a captured chain."""

    captured: CapturedChain
    expiry: date
    tick_size: float
    exchange: str
    known: Circumstances
    modelled: bool
    condition: Refusal

    @property
    def label(self) -> str:
        return f"{self.captured.underlying} {self.expiry:%d %b %Y}"

    @property
    def days(self) -> int:
        return (self.expiry - self.captured.taken_at.astimezone(IST).date()).days

    def made(self, quotes: Sequence[CapturedQuote], lot_size: int | None) -> ExpiryChain | Reason:
        if lot_size is None:
            return Reason(
                "NO_LOT_SIZE", f"{self.label} has no lot size in the master", "Import a master that lists it."
            )
        try:
            years = years_to(self.expiry, self.captured.taken_at, exchange=self.exchange)
            return self._expiry(quotes, years, lot_size)
        except OptionsError as error:
            return Reason(error.reason.code, f"{self.label}: {error.reason.sentence}", error.reason.remedy)

    def _expiry(self, quotes: Sequence[CapturedQuote], years: float, lot_size: int) -> ExpiryChain | Reason:
        strikes = np.array(sorted({quote.strike for quote in quotes if quote.strike > 0.0}))
        calls, puts = self._sides(quotes, strikes)
        refusal = quality.expiry_refusal(label=self.label, strikes=strikes, sides=(calls, puts), years=years)
        if refusal is not None:
            return refusal
        codes = quality.touch_refusals(calls, self.tick_size), quality.touch_refusals(puts, self.tick_size)
        spot = self.captured.spot
        fit = implied_forward(
            strikes=strikes, call_prices=_usable(calls, codes[0]), put_prices=_usable(puts, codes[1]), spot=spot
        )
        smile = _smile(strikes, (calls, puts), codes, fit.forward, years)
        refusal = quality.smile_refusal(label=self.label, smile=smile, spot=spot)
        if refusal is not None:
            return refusal
        return self._joined(
            strikes, (calls, puts), self._gated(strikes, (calls, puts), codes, smile, fit), smile, fit, lot_size
        )

    def _joined(
        self,
        strikes: Floats,
        sides: tuple[SideQuotes, SideQuotes],
        codes: tuple[Codes, Codes],
        smile: Smile,
        fit: ForwardFit,
        lot_size: int,
    ) -> ExpiryChain:
        spot, volatility = self.captured.spot, smile.volatility(strikes)
        calls, puts = (_side(quotes, code, volatility) for quotes, code in zip(sides, codes, strict=True))
        return ExpiryChain(
            expiry=self.expiry,
            years=smile.years,
            days_to_expiry=self.days,
            strikes=strikes,
            calls=calls,
            puts=puts,
            forward=fit.forward,
            smile=smile,
            lot_size=lot_size,
            forward_stderr=fit.stderr,
            pairs=fit.strikes_used,
            carry=None if spot is None else math.log(fit.forward / spot) / smile.years,
            carry_reason=_NO_SPOT if spot is None else None,
            flags=quality.fit_flags(
                label=self.label,
                smile=smile,
                forward=fit.forward,
                forward_error=fit.stderr,
                pairs=fit.strikes_used,
                codes=codes,
            ),
        )

    def _sides(self, quotes: Sequence[CapturedQuote], strikes: Floats) -> tuple[SideQuotes, SideQuotes]:
        """Calls and puts as arrays, with modelled touches where the source has no book at all."""
        columns = [_columns(quotes, kind, strikes) for kind in (OptionType.CALL, OptionType.PUT)]
        if self.modelled:
            self._model(columns, strikes)
        moved = self._before()
        sides = []
        for (rows, counts), kind in zip(columns, (OptionType.CALL, OptionType.PUT), strict=True):
            frozen = self.modelled & (rows[3] == 0)
            if self.modelled and moved:
                then = np.array([moved.get((kind, strike), (math.nan, math.nan)) for strike in strikes.tolist()])
                frozen = frozen | ((then[:, 0] == rows[2]) & (then[:, 1] == rows[3]))
            bid, ask, last, volume, interest = rows
            sides.append(SideQuotes(bid, ask, last, volume, interest, counts, frozen, self.modelled))
        return sides[0], sides[1]

    def _model(self, columns: Sequence[tuple[Floats, "quality.Counts"]], strikes: Floats) -> None:
        """Put modelled bids and asks in; without a spot the forward comes from the last prices themselves."""
        last = [rows[2] for rows, _ in columns]
        spot = self.captured.spot
        centre = spot or implied_forward(strikes=strikes, call_prices=last[0], put_prices=last[1]).forward
        both = np.concatenate([rows for rows, _ in columns], axis=1)
        touches = modelled_touches(
            last_price=both[2],
            volume=both[3],
            open_interest=both[4],
            strike=np.concatenate([strikes, strikes]),
            is_call=np.arange(2 * strikes.size) < strikes.size,
            forward=centre,
            days=self.days,
            tick_size=self.tick_size,
            is_index=self.captured.is_index,
        )
        for place, values in enumerate(touches):
            columns[0][0][place], columns[1][0][place] = values[: strikes.size], values[strikes.size :]

    def _before(self) -> dict[tuple[OptionType, float], tuple[float, float]]:
        """Last price and volume of the snapshot before, where the spot moved too far since for both to stand still."""
        previous, spot = self.known.previous, self.captured.spot
        if previous is None or not previous.spot or not spot:
            return {}
        if abs(spot / previous.spot - 1.0) <= quality.FROZEN_MOVE:
            return {}
        return {
            (quote.option_type, quote.strike): (quote.last_price, float(quote.volume))
            for quote in previous.quotes
            if quote.expiry == self.expiry and quote.last_price is not None and quote.volume is not None
        }

    def _gated(
        self,
        strikes: Floats,
        sides: tuple[SideQuotes, SideQuotes],
        codes: tuple[Codes, Codes],
        smile: Smile,
        fit: ForwardFit,
    ) -> tuple[Codes, Codes]:
        """Refuse what the rest of the expiry contradicts, then what nobody should trade whatever its price."""
        tick, kinds = self.tick_size, (True, False)
        both = np.array(kinds)[:, None]
        fair = smile.prices(strikes, both)
        priced = [
            quality.price_refusals(
                *(sides[i], codes[i]),
                strikes=strikes,
                smile=smile,
                forward_error=fit.stderr,
                tick_size=tick,
                is_call=kinds[i],
                fair=fair[i],
            )
            for i in (0, 1)
        ]
        paired = quality.parity_refusals(
            *sides,
            (priced[0], priced[1]),
            strikes=strikes,
            forward=fit.forward,
            years=smile.years,
            forward_error=fit.stderr,
            tick_size=tick,
            fair=(fair[0], fair[1]),
        )
        shaped = [
            quality.shape_refusals(sides[i], paired[i], strikes=strikes, tick_size=tick, is_call=kinds[i], fair=fair[i])
            for i in (0, 1)
        ]
        odd = quality.odd_strikes(strikes)
        for quotes, code in zip(sides, shaped, strict=True):
            self._exclude(code, strikes, odd, quotes.open_interest)
        return shaped[0], shaped[1]

    def _exclude(self, codes: Codes, strikes: Floats, odd: Flags, open_interest: Floats) -> None:
        if self.condition is not Refusal.NONE:
            codes[codes == 0] = self.condition
        codes[(codes == 0) & odd] = Refusal.ODD_STRIKE
        if self.known.odd_lots:
            other = np.array([(self.expiry, strike) in self.known.odd_lots for strike in strikes.tolist()])
            codes[(codes == 0) & other] = Refusal.ODD_LOT
        codes[(codes == 0) & (open_interest == 0.0)] = Refusal.NO_OPEN_INTEREST


_NO_SPOT = Reason("NO_SPOT", "The source gives no underlying price, so the carry is not known.", "Capture the spot.")


def _columns(
    quotes: Sequence[CapturedQuote], option_type: OptionType, strikes: Floats
) -> tuple[Floats, "quality.Counts"]:
    """Fields by strike, NaN where there is none, and how many different rows each strike has."""
    mine = [quote for quote in quotes if quote.option_type is option_type and quote.strike > 0.0]
    columns, counts = np.full((len(_FIELDS), strikes.size), np.nan), np.zeros(strikes.size, dtype=np.intp)
    distinct = dict.fromkeys((quote.strike, _row(quote)) for quote in mine)
    if distinct:
        places = np.searchsorted(strikes, [strike for strike, _ in distinct])
        values = np.array([row for _, row in distinct], dtype=np.float64)
        columns[:, places] = np.where(np.isfinite(values), values, np.nan).T
        np.add.at(counts, places, 1)
    return columns, counts


def _side(quotes: SideQuotes, codes: Codes, volatility: Floats) -> OptionSide:
    return OptionSide(
        bid=quotes.bid,
        ask=quotes.ask,
        last_price=quotes.last_price,
        volume=quotes.volume,
        open_interest=quotes.open_interest,
        implied_volatility=volatility,
        usable=codes == 0,
        touch_modelled=quotes.modelled,
        refusal=codes,
    )


def _usable(quotes: SideQuotes, codes: Codes) -> Floats:
    return np.where(codes == 0, quotes.mid, np.nan)


def _smile(
    strikes: Floats,
    sides: tuple[SideQuotes, SideQuotes],
    codes: tuple[Codes, Codes],
    forward: float,
    years: float,
) -> Smile:
    """Fit to the out-of-the-money side of every strike, trusting what trades more and is tighter."""
    calls, puts = sides
    is_call = strikes >= forward
    mids = np.where(is_call, _usable(calls, codes[0]), _usable(puts, codes[1]))
    spreads = np.where(is_call, calls.ask - calls.bid, puts.ask - puts.bid)
    quoted = np.isfinite(mids)
    volatilities = np.full(strikes.size, np.nan)
    volatilities[quoted] = implied_volatility(
        price=mids[quoted], forward=forward, strike=strikes[quoted], years=years, is_call=is_call[quoted]
    )
    interest = np.where(is_call, calls.open_interest, puts.open_interest)
    held = np.where(np.isfinite(interest), interest, 0.0)
    weights = np.where(quoted, np.sqrt(1 + held) / (0.02 + np.where(quoted, spreads / mids, 1.0)), 0.0)
    return fit_smile(forward=forward, years=years, strikes=strikes, volatilities=volatilities, weights=weights)
