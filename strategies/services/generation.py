"""Generate: one work order per symbol, claimed, computed and stored in one transaction each; the newest stands."""

import hashlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from types import MappingProxyType

from django.db import transaction
from django.utils import timezone

from market.calendar import IST
from market.chain import Chain
from market.errors import MarketError, OptionsError, Reason, UnknownInstrument
from market.models import ChainSnapshot, Underlying
from market.readers.rows import is_symbol
from market.rulebook.charges import ChargeRates, option_charge_rates
from market.services.capture import capturable
from market.services.instruments import current_master
from strategies.left_out import why_left_out
from strategies.models import GenerationRun, SymbolResult
from strategies.recommend import Recommended, most_frequent, recommend
from strategies.score import RiskProfile
from strategies.services.known import Known, known_of, with_known
from strategies.services.lean import lean_of
from strategies.services.storage import store_recommendations
from strategies.services.superseding import supersede, supersede_refused
from strategies.services.surroundings import Surroundings, surroundings_of

logger = logging.getLogger(__name__)

NOTHING_REFUSED: Mapping[str, Reason] = MappingProxyType({})
BLOCKS_WHOLE = ("STALE", "MIXED_TIMES")  # gates that refuse every quote of a chain

RISKS: tuple[RiskProfile, ...] = ("conservative", "moderate", "aggressive")


def start_run(
    *,
    as_of: datetime,
    risk: RiskProfile = "moderate",
    symbols: Sequence[str] | None = None,
    refused: Mapping[str, Reason] = NOTHING_REFUSED,
) -> GenerationRun:
    """Write a run with one pending work order per symbol; the rows are the queue.

    Without `symbols` the run answers for all that have listed options; those without a chain of the day are refused
    here, by one query, and never become work. Nor do the symbols in `refused`: their reason is their result.
    """
    current_master()
    chosen = generatable(as_of) if symbols is None else [_checked(symbol) for symbol in dict.fromkeys(symbols)]
    chosen = [symbol for symbol in chosen if symbol not in refused]
    absent = sorted({*capturable()} - {*chosen} - {*refused}) if symbols is None else []
    if not (chosen or refused):
        raise MarketError(
            Reason(
                "NO_CHAINS",
                f"No chain of {as_of.astimezone(IST):%Y-%m-%d} is stored up to {as_of.astimezone(IST):%H:%M}.",
                "Run import_chains or capture_chains first, or give --as-of.",
            )
        )
    with transaction.atomic():
        run = GenerationRun.objects.create(as_of=as_of, risk=risk)
        orders = [SymbolResult(run=run, symbol=symbol) for symbol in chosen]
        orders += [_without_chain(run, symbol) for symbol in absent]
        orders += [_refused(run, symbol, reason) for symbol, reason in refused.items()]
        SymbolResult.objects.bulk_create(orders)
        supersede_refused(run, refused)  # the absent ones have no chain of the day, so no rows of it either
    if absent:
        logger.warning("%d symbols with listed options have no chain of the day: %s", len(absent), ", ".join(absent))
    return run


def _without_chain(run: GenerationRun, symbol: str) -> SymbolResult:
    sentence = f"No chain of {symbol} of {run.as_of.astimezone(IST):%Y-%m-%d} is stored."
    return _refused(run, symbol, Reason("NO_CHAIN", sentence, "Import or capture one."))


def _refused(run: GenerationRun, symbol: str, reason: Reason) -> SymbolResult:
    return SymbolResult(
        run=run,
        symbol=symbol,
        status=SymbolResult.Status.FAILED,
        reason_code=reason.code,
        reason_text=_told(reason),
        seconds=0.0,
    )


def _told(reason: Reason) -> str:
    return f"{reason.sentence} {reason.remedy}".strip()


def generatable(as_of: datetime) -> list[str]:
    """Symbols with a chain of that day not later than `as_of`."""
    day = as_of.astimezone(IST).date()
    rows = ChainSnapshot.objects.all().on(day, as_of).order_by("symbol").values_list("symbol", flat=True)
    return list(rows.distinct())


def _checked(symbol: str) -> str:
    if not is_symbol(symbol):
        raise UnknownInstrument(Reason("BAD_SYMBOL", f"{symbol[:60]!r} is not a symbol.", "Write it as NSE does."))
    return symbol


def generate(run: GenerationRun, *, progress: Callable[[int], None] = lambda done: None) -> GenerationRun:
    """Work through the run in this process; a symbol that fails is reported and stops no other."""
    pending = list(run.results.filter(status="pending").values_list("pk", flat=True))
    for done, (pk, known) in enumerate(with_known(pending), start=1):
        generate_result(pk, known)
        progress(done)
    return finish_run(run)


def finish_run(run: GenerationRun) -> GenerationRun:
    """Stamp the end once no work order is open, with the hash of all that was computed and how it leans."""
    if run.finished_at is None and not run.results.filter(status__in=["pending", "working"]).exists():
        whole = {"content_hash": hash_of(run), "bias": lean_of(run), "finished_at": timezone.now()}
        GenerationRun.objects.filter(pk=run.pk, finished_at=None).update(**whole)
        run.refresh_from_db(fields=[*whole])
    return run


def hash_of(run: GenerationRun) -> str:
    """The same for the same snapshot, rules and taste, on any database: outcomes and rows of every symbol, by name."""
    digest = hashlib.sha256(run.risk.encode())
    for outcome in run.results.order_by("symbol").values_list("symbol", "status", "reason_code", "content_hash"):
        digest.update("\t".join(("", *outcome)).encode())
    return digest.hexdigest()


@transaction.atomic
def generate_result(result_id: int, known: Known | None = None) -> None:
    """Do one work order; safe to call twice: the second caller waits for the first, then finds it claimed.

    `known` is what was read of its symbol for its moment already.

    Claim and outcome are one transaction: a worker that dies in between leaves the order pending, not lost.
    """
    if not SymbolResult.objects.all().claim(result_id):
        return
    result = SymbolResult.objects.select_related("run").get(pk=result_id)
    started = time.monotonic()
    try:
        _generate_symbol(result, known)
    except OptionsError as error:
        _fail(result, error.reason)
    except Exception:  # the outermost loop: one symbol's bug must not stop the other 200
        logger.exception("generation of %s failed", result.symbol)
        _fail(result, Reason("INTERNAL_ERROR", "An unexpected error; see the log.", "Report it with the log."))
    supersede(result)
    result.seconds = time.monotonic() - started
    result.save()


@transaction.atomic  # a savepoint: a broken statement inside must not take the outcome with it
def _generate_symbol(result: SymbolResult, known: Known | None) -> None:
    run = result.run
    known = known or known_of([result.symbol], as_of=run.as_of)[result.symbol]
    chain = known.chain
    around = surroundings_of(result.symbol, known, run=run)  # the market view is kept even where there is no chain
    if isinstance(chain, OptionsError):
        _fail(result, chain.reason)
        return
    risk = next(profile for profile in RISKS if profile == run.risk)
    found = recommended(chain, around, risk=risk)
    result.candidates, result.measured, result.refusals = found.built, found.measured, found.refusals
    if not found.recommendations:
        whole = next((flag for flag in chain.flags if flag.code in BLOCKS_WHOLE), None)
        if whole is not None:  # every quote was refused for it: the structures only say that no strike is left
            _fail(result, whole)
            return
        why = why_left_out(most_frequent(found.refusals))
        sentence = f"No structure on {result.symbol} may be recommended; most often: {why.sentence}"
        _fail(result, Reason(why.code, sentence, why.remedy))
        return
    stored = store_recommendations(found.recommendations, run=run, around=around)
    result.strategy_ids, result.content_hash = list(dict.fromkeys(stored.ids)), stored.content_hash
    result.kept, result.status = len(result.strategy_ids), SymbolResult.Status.DONE
    logger.info("generated %s: %d of %d candidates kept", result.symbol, result.kept, result.candidates)


def recommended(chain: Chain, around: Surroundings, *, risk: RiskProfile) -> Recommended:
    """What may be recommended on a chain, by all that is known around it; what is not known moves no score."""
    return recommend(
        chain,
        rates=charge_rates(chain),
        risk=risk,
        past=around.past,
        regime=None if isinstance(around.regime, Reason) else around.regime,
        tested=None if isinstance(around.view, Reason) else around.view.tested_direction,
    )


def charge_rates(chain: Chain) -> ChargeRates:
    """The day's charges where this underlying is listed."""
    exchange = Underlying.objects.filter(symbol=chain.underlying).values_list("exchange", flat=True).first() or "NSE"
    day: date = chain.taken_at.astimezone(IST).date()
    return option_charge_rates(exchange=exchange, as_of=day)


def _fail(result: SymbolResult, reason: Reason) -> None:
    result.status = SymbolResult.Status.FAILED
    result.reason_code, result.reason_text = reason.code, _told(reason)
    logger.warning("generation of %s refused: %s", result.symbol, reason)
