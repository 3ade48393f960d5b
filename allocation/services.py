"""Propose a portfolio within the account's limits, and mark it where the account allows that."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, time
from decimal import Decimal

from django.db import transaction
from django.db.models import Exists, OuterRef, prefetch_related_objects

from allocation.errors import RiskError
from allocation.limits import (
    HIGHEST_PRIORITY,
    Limits,
    Proposal,
    Sized,
    Used,
    Weight,
    allocate,
    exceeded,
    excluded,
    oversized,
)
from allocation.models import Account, Allocation, AllocationRun, IndustryAllocation, SectorAllocation
from market.calendar import IST
from market.contract import Contract, Side
from market.errors import InvalidInput, Reason
from market.models import Underlying
from market.quant.ticks import to_decimal
from market.services.load import touch_depths
from strategies.catalog import BY_SLUG
from strategies.margins import HeldLeg, MarginGroup, margin_group, margin_of
from strategies.models import OptionStrategy, StrategyLeg, SymbolResult
from strategies.services.marking import lock_rows, mark, same_legs
from strategies.services.superseding import ANSWERED


@transaction.atomic
def allocate_portfolio(account: Account, *, as_of: datetime, min_score: Decimal | float = 0.5) -> AllocationRun:
    """Propose sets and priorities for the newest generation; the same account and moment give the same run again."""
    Account.objects.select_for_update(no_key=True).get(pk=account.pk)  # what refers to it goes on
    existing = AllocationRun.objects.filter(account=account, as_of=as_of).first()
    if existing is not None:
        return existing
    if not 0 <= min_score <= 1:
        raise RiskError(Reason("SCORE_RANGE", f"A score of {min_score} is outside 0-1.", "Scores go from 0 to 1."))
    fresh = _fresh(as_of, min_score)
    refused = same_legs([row.pk for row in fresh])
    pending = [row for row in fresh if row.pk not in refused]
    sizable, unsizable = _proposals(pending, as_of)
    proposals = _with_depth(pending, sizable, as_of)
    run = AllocationRun.objects.create(account=account, as_of=as_of, capital=account.capital, considered=len(fresh))
    sized = allocate(proposals, limits=limits_of(account), used=blocked_by(account, as_of))
    _record(run, sized, refused | unsizable)
    if account.lets_allocator_mark:
        mark_proposed(run)
    return run


def limits_of(account: Account) -> Limits:
    """The account's limits in rupees, with the target weights in force."""
    capital = float(account.capital)
    return Limits(
        deployable=capital * float(account.max_deployed_share),
        per_underlying=capital * float(account.max_share_per_underlying),
        per_strategy=capital * float(account.max_share_per_strategy),
        max_sets=account.max_sets,
        max_open=account.max_open_strategies,
        max_per_structure=account.max_per_structure,
        industries=_weights(IndustryAllocation.objects.values_list("industry", "weight_percentage", "position_type")),
        sectors=_weights(SectorAllocation.objects.values_list("sector", "weight_percentage", "position_type")),
        allow_naked=account.allow_naked,
    )


def blocked_by(account: Account, as_of: datetime, *, before: AllocationRun | None = None) -> Used:
    """What marked, executing and open strategies block already, or did when `before` was made.

    Whoever marked them: only what another account's allocator took, and this one's did not, is left out.
    """
    taken = Allocation.objects.filter(strategy=OuterRef("pk"), marked=True)
    busy = OptionStrategy.objects.filter(execution_status__in=["marked", "executing", "executed"])
    busy = busy.exclude(execution_detail="closed")
    busy = busy.filter(Exists(taken.filter(run__account=account)) | ~Exists(taken))
    if before is not None:
        busy = busy.filter(marked_at__lt=before.created_at).exclude(allocations__run=before)
    rows = list(busy.prefetch_related("legs"))
    used, sets = Used(), {row.pk: row.sets for row in rows}
    proposals, unsizable = _proposals(rows, as_of)
    for proposal in proposals:
        used.take(proposal, sets[proposal.strategy_id])
    if unsizable:
        why = " ".join(f"{pk}: {reason.sentence}" for pk, reason in sorted(unsizable.items()))
        sentence = f"Nobody can say what the marked or open strategies {sorted(unsizable)} block. {why}"
        raise RiskError(Reason("USED_UNKNOWN", sentence, "Unmark or close them first."))
    return used


def violations(run: AllocationRun) -> list[Reason]:
    """Every limit the run exceeds, with what was open before it; margins are computed anew from the rows."""
    limits, used = limits_of(run.account), blocked_by(run.account, run.as_of, before=run)
    sets = dict(run.allocations.filter(sets__gt=0).order_by("-priority", "id").values_list("strategy_id", "sets"))
    rows = OptionStrategy.objects.filter(pk__in=sets).prefetch_related("legs")
    sizable, unsizable = _proposals(list(rows), run.as_of)
    found = [Reason(why.code, f"Strategy {pk}: {why.sentence}", why.remedy) for pk, why in unsizable.items()]
    proposals = {proposal.strategy_id: proposal for proposal in sizable}
    taken: set[str] = set()
    for strategy_id in [pk for pk in sets if pk in proposals]:
        proposal, count = proposals[strategy_id], sets[strategy_id]
        used.take(proposal, count)
        found += [_of(proposal, reason) for reason in oversized(Sized(proposal, count), limits)]
        if reason := excluded(proposal, limits, taken):
            found.append(_of(proposal, reason))
        taken.add(proposal.underlying)
    return found + exceeded(used, limits)


def _of(proposal: Proposal, reason: Reason) -> Reason:
    sentence = f"Strategy {proposal.strategy_id} on {proposal.underlying}: {reason.sentence}"
    return Reason(reason.code, sentence, reason.remedy)


def credit_per_set(legs: Iterable[StrategyLeg], lot_size: int) -> Decimal:
    """Rupees that the options of one set bring in, zero where they cost: blocked too, though not one's own money."""
    options = [leg for leg in legs if leg.option_type is not None]
    return max(-sum((leg.side.sign * leg.lots * leg.premium for leg in options), Decimal(0)), Decimal(0)) * lot_size


def account_named(name: str) -> Account:
    """The active account of that name."""
    account = Account.objects.filter(name=name, active=True).first()
    if account is None:
        known = ", ".join(Account.objects.filter(active=True).values_list("name", flat=True)) or "none"
        raise RiskError(
            Reason("UNKNOWN_ACCOUNT", f"There is no active account {name!r}.", f"Active accounts: {known}.")
        )
    return account


def _fresh(as_of: datetime, min_score: Decimal | float) -> list[OptionStrategy]:
    """Pending strategies of the day of `as_of`, not later: typed by hand, or of the symbol's newest answering run.

    One account has one taste at a time: what an earlier run with another risk profile left pending is not sized.
    """
    day = as_of.astimezone(IST).date()
    rows = OptionStrategy.objects.all().pending().known_by(as_of).filter(trade_date=day, total_score__gte=min_score)
    midnight = datetime.combine(day, time(), IST)
    answers = SymbolResult.objects.filter(run__as_of__range=(midnight, as_of), status__in=ANSWERED)
    newest = answers.order_by("symbol", "-run__as_of", "-run_id").distinct("symbol")
    said = {symbol: frozenset(ids) for symbol, ids in newest.values_list("symbol", "strategy_ids")}
    kept = [row for row in rows if row.run_id is None or row.pk in said.get(row.stock_name, (row.pk,))]
    prefetch_related_objects(kept, "legs")
    return kept


def _proposals(rows: Sequence[OptionStrategy], as_of: datetime) -> tuple[list[Proposal], dict[int, Reason]]:
    """Proposals of the rows that say enough to size them, and why the others do not (one query, legs prefetched)."""
    facts = {fact.symbol: fact for fact in Underlying.objects.filter(symbol__in={row.stock_name for row in rows})}
    proposals, unsizable = list[Proposal](), dict[int, Reason]()
    for row in rows:
        try:
            proposals.append(_proposal(row, facts.get(row.stock_name), as_of))
        except InvalidInput as error:
            unsizable[row.pk] = error.reason
    return proposals, unsizable


def _held(leg: StrategyLeg, lot_size: int) -> HeldLeg:
    volatility = None if leg.implied_volatility is None else float(leg.implied_volatility)
    return HeldLeg(leg.contract, leg.side.sign * leg.lots * lot_size, float(leg.premium), volatility)


def _require(row: OptionStrategy) -> None:
    needed = {"spot price": row.spot_price, "lot size": row.lot_size, "legs": row.legs.all()}
    missing = [name for name, value in needed.items() if not value]
    if missing:
        sentence = f"It has no {' and no '.join(missing)}, so nobody can say what a set blocks."
        raise InvalidInput(Reason("NOT_SIZABLE", sentence, "Complete the row, or generate it again."))


def _proposal(row: OptionStrategy, fact: Underlying | None, as_of: datetime) -> Proposal:
    _require(row)
    lot = row.lot_size or 0
    legs = [_held(leg, lot) for leg in row.legs.all()]
    structure = BY_SLUG.get(row.structure)
    group = "cash" if structure is not None and structure.margin_group == "cash" else margin_group(legs)
    margin = margin_of(
        legs,
        group=group,
        spot=float(row.spot_price or 0),
        is_index=fact is not None and fact.kind == Underlying.Kind.INDEX,
        as_of=as_of.astimezone(IST).date(),
    )
    credit = float(credit_per_set(row.legs.all(), lot)) if row.unlimited_loss else 0.0
    return Proposal(
        strategy_id=row.pk,
        underlying=row.stock_name,
        industry=fact.industry if fact else "",
        sector=fact.sector if fact else "",
        outlook=row.market_outlook,
        score=float(row.total_score),
        margin=margin + credit if row.unlimited_loss else max(margin, _most_lost(row, group)),
        structure=row.structure,
        undefined_risk=row.unlimited_loss or group == "naked",
        credit=credit,
    )


def _most_lost(row: OptionStrategy, group: MarginGroup) -> float:
    """The stored maximum loss; without one the margin of what is covered is enough, that of what is not is less."""
    if row.max_loss is None and group == "naked":
        sentence = "It sells what nothing covers, and the most it may lose is not known."
        raise InvalidInput(Reason("NOT_SIZABLE", sentence, "Complete the row, or generate it again."))
    return float(row.max_loss or 0)


def _with_depth(rows: Sequence[OptionStrategy], proposals: Sequence[Proposal], as_of: datetime) -> list[Proposal]:
    """How many sets every leg's touch can take; a share, or a leg nobody quotes, is taken as one set or none."""
    depths = touch_depths(sorted({proposal.underlying for proposal in proposals}), as_of=as_of)
    by_strategy = {
        row.pk: min((_leg_depth(leg, row.lot_size or 0, depths) for leg in row.legs.all()), default=0) for row in rows
    }
    return [replace(proposal, depth=by_strategy[proposal.strategy_id]) for proposal in proposals]


def _leg_depth(leg: StrategyLeg, lot_size: int, depths: Mapping[tuple[Contract, Side], int]) -> int:
    if not leg.contract.is_option:
        return 1
    needed = leg.lots * lot_size
    return depths.get((leg.contract, leg.side), 0) // needed if needed else 0


def _weights(rows: Iterable[tuple[str, Decimal, str]]) -> dict[str, Weight]:
    return {name: Weight(float(share) / 100, "SHORT" if way == "SHORT" else "LONG") for name, share, way in rows}


def _record(run: AllocationRun, sized: list[Sized], refused: Mapping[int, Reason]) -> None:
    Allocation.objects.bulk_create(
        Allocation(
            run=run,
            strategy_id=answer.proposal.strategy_id,
            sets=answer.sets,
            margin=to_decimal((answer.proposal.margin - answer.proposal.credit) * answer.sets, places=2),
            priority=answer.priority,
            reason_code=answer.reason.code if answer.reason else "",
            reason_text=_said(answer.reason) if answer.reason else "",
        )
        for answer in sized
    )
    Allocation.objects.bulk_create(
        Allocation(run=run, strategy_id=pk, reason_code=reason.code, reason_text=_said(reason))
        for pk, reason in refused.items()
    )


def _said(reason: Reason) -> str:
    return f"{reason.sentence} {reason.remedy}".strip()


@transaction.atomic
def mark_proposed(run: AllocationRun) -> None:
    """Set the size while the row is pending, then mark it by the same service people use; a refusal is kept."""
    proposed = run.allocations.filter(sets__gt=0).select_related("strategy")
    lock_rows(list(proposed.values_list("strategy_id", flat=True)))  # at once: the loop has another order than people
    for allocation in proposed:
        rows = OptionStrategy.objects.all().pending().filter(pk=allocation.strategy_id)
        rows.update(sets=allocation.sets)
        notes = f"Allocated {allocation.sets} sets by run {run.pk}"
        report = mark(
            [allocation.strategy_id], priority=allocation.priority, notes=notes, highest_priority=HIGHEST_PRIORITY
        )
        if report.done:
            allocation.marked = True
            allocation.save(update_fields=["marked"])
        else:
            rows.update(sets=allocation.strategy.sets)  # as it was before
            _cut(allocation, report.refused[allocation.strategy_id])


def _cut(allocation: Allocation, reason: Reason) -> None:
    """What was not marked blocks nothing, and says why."""
    allocation.sets, allocation.margin, allocation.priority = 0, Decimal(0), 0
    allocation.reason_code, allocation.reason_text = reason.code, _said(reason)
    allocation.save(update_fields=["sets", "margin", "priority", "reason_code", "reason_text"])
