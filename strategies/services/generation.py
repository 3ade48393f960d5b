"""Generate: one work order per symbol, claimed, computed and stored in one transaction each."""

import logging
import time
from collections.abc import Callable, Sequence
from datetime import date, datetime

from django.db import transaction
from django.utils import timezone

from market.calendar import IST
from market.chain import Chain
from market.errors import MarketError, OptionsError, Reason, UnknownInstrument
from market.models import ChainSnapshot, Underlying
from market.readers.rows import is_symbol
from market.rulebook.charges import ChargeRates, option_charge_rates
from market.services.instruments import current_master
from market.services.load import load_chain
from market.services.past import past_sessions
from strategies.errors import StrategyError
from strategies.models import GenerationRun, SymbolResult
from strategies.recommend import most_frequent, recommend
from strategies.score import RiskProfile
from strategies.services.storage import store_recommendations

logger = logging.getLogger(__name__)

RISKS: tuple[RiskProfile, ...] = ("conservative", "moderate", "aggressive")


def start_run(
    *, as_of: datetime, risk: RiskProfile = "moderate", symbols: Sequence[str] | None = None
) -> GenerationRun:
    """Write a run with one pending work order per symbol; the rows are the queue."""
    current_master()
    chosen = generatable(as_of) if symbols is None else [_checked(symbol) for symbol in dict.fromkeys(symbols)]
    if not chosen:
        raise MarketError(
            Reason(
                "NO_CHAINS",
                f"No chain of {as_of.astimezone(IST):%Y-%m-%d} is stored up to {as_of.astimezone(IST):%H:%M}.",
                "Run import_chains or capture_chains first, or give --as-of.",
            )
        )
    with transaction.atomic():
        run = GenerationRun.objects.create(as_of=as_of, risk=risk)
        SymbolResult.objects.bulk_create(SymbolResult(run=run, symbol=symbol) for symbol in chosen)
    return run


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
    for done, pk in enumerate(run.results.filter(status="pending").values_list("pk", flat=True), start=1):
        generate_result(pk)
        progress(done)
    return finish_run(run)


def finish_run(run: GenerationRun) -> GenerationRun:
    """Stamp the end once no work order is open."""
    if run.finished_at is None and not run.results.filter(status__in=["pending", "working"]).exists():
        GenerationRun.objects.filter(pk=run.pk, finished_at=None).update(finished_at=timezone.now())
        run.refresh_from_db(fields=["finished_at"])
    return run


@transaction.atomic
def generate_result(result_id: int) -> None:
    """Do one work order; safe to call twice: the second caller waits for the first, then finds it claimed.

    Claim and outcome are one transaction: a worker that dies in between leaves the order pending, not lost.
    """
    if not SymbolResult.objects.all().claim(result_id):
        return
    result = SymbolResult.objects.select_related("run").get(pk=result_id)
    started = time.monotonic()
    try:
        _generate_symbol(result)
    except OptionsError as error:
        _fail(result, error.reason)
    except Exception:  # the outermost loop: one symbol's bug must not stop the other 200
        logger.exception("generation of %s failed", result.symbol)
        _fail(result, Reason("INTERNAL_ERROR", "An unexpected error; see the log.", "Report it with the log."))
    result.seconds = time.monotonic() - started
    result.save()


@transaction.atomic  # a savepoint: a broken statement inside must not take the outcome with it
def _generate_symbol(result: SymbolResult) -> None:
    run = result.run
    chain = load_chain(result.symbol, as_of=run.as_of)
    risk = next(profile for profile in RISKS if profile == run.risk)
    past = past_sessions([result.symbol], as_of=run.as_of).get(result.symbol)
    found = recommend(chain, rates=charge_rates(chain), risk=risk, past=past)
    result.candidates, result.measured, result.refusals = found.built, found.measured, found.refusals
    if not found.recommendations:
        code = most_frequent(found.refusals)
        raise StrategyError(Reason(code, f"No structure on {result.symbol} may be recommended; most often: {code}."))
    stored = store_recommendations(found.recommendations, run=run)
    result.kept, result.status = len(set(stored)), SymbolResult.Status.DONE
    logger.info("generated %s: %d of %d candidates kept", result.symbol, result.kept, result.candidates)


def charge_rates(chain: Chain) -> ChargeRates:
    """The day's charges where this underlying is listed."""
    exchange = Underlying.objects.filter(symbol=chain.underlying).values_list("exchange", flat=True).first() or "NSE"
    day: date = chain.taken_at.astimezone(IST).date()
    return option_charge_rates(exchange=exchange, as_of=day)


def _fail(result: SymbolResult, reason: Reason) -> None:
    result.status = SymbolResult.Status.FAILED
    result.reason_code, result.reason_text = reason.code, reason.sentence
    logger.warning("generation of %s refused: %s", result.symbol, reason)
