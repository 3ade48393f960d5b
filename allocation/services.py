"""Propose a portfolio within the account's limits, and mark it where the account allows that."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import Exists, OuterRef

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
from market.errors import Reason
from market.models import Underlying
from market.quant.ticks import to_decimal
from market.services.load import touch_depths
from strategies.catalog import BY_SLUG
from strategies.margins import HeldLeg, margin_group, margin_of
from strategies.models import OptionStrategy, StrategyLeg
from strategies.querysets import StrategyQuerySet
from strategies.services.marking import mark


@transaction.atomic
def allocate_portfolio(account: Account, *, as_of: datetime, min_score: Decimal | float = 0.5) -> AllocationRun:
    """Propose sets and priorities for the newest generation; the same account and moment give the same run again."""
    Account.objects.select_for_update().get(pk=account.pk)
    existing = AllocationRun.objects.filter(account=account, as_of=as_of).first()
    if existing is not None:
        return existing
    if not 0 <= min_score <= 1:
        raise RiskError(Reason("SCORE_RANGE", f"A score of {min_score} is outside 0-1.", "Scores go from 0 to 1."))
    pending = list(_fresh(as_of).filter(total_score__gte=min_score).prefetch_related("legs"))
    proposals = _with_depth(pending, _proposals(pending, as_of), as_of)
    run = AllocationRun.objects.create(account=account, as_of=as_of, capital=account.capital, considered=len(proposals))
    sized = allocate(proposals, limits=limits_of(account), used=blocked_by(account, as_of))
    _record(run, sized)
    if account.lets_allocator_mark:
        _mark(run)
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
    for proposal in _proposals(rows, as_of):
        used.take(proposal, sets.pop(proposal.strategy_id))
    if sets:
        sentence = f"Nobody can say what the marked or open strategies {sorted(sets)} block: no price, lot or legs."
        raise RiskError(Reason("USED_UNKNOWN", sentence, "Unmark or close them first."))
    return used


def violations(run: AllocationRun) -> list[Reason]:
    """Every limit the run exceeds, with what was open before it; margins are computed anew from the rows."""
    limits, used = limits_of(run.account), blocked_by(run.account, run.as_of, before=run)
    sets = dict(run.allocations.filter(sets__gt=0).order_by("-priority", "id").values_list("strategy_id", "sets"))
    rows = OptionStrategy.objects.filter(pk__in=sets).prefetch_related("legs")
    proposals = {proposal.strategy_id: proposal for proposal in _proposals(list(rows), run.as_of)}
    found: list[Reason] = []
    taken: set[str] = set()
    for strategy_id, count in sets.items():
        proposal = proposals[strategy_id]
        used.take(proposal, count)
        found += [_of(proposal, reason) for reason in oversized(Sized(proposal, count), limits)]
        if reason := excluded(proposal, limits, taken):
            found.append(_of(proposal, reason))
        taken.add(proposal.underlying)
    return found + exceeded(used, limits)


def _of(proposal: Proposal, reason: Reason) -> Reason:
    return Reason(reason.code, f"Strategy {proposal.strategy_id} on {proposal.underlying}: {reason.sentence}")


def account_named(name: str) -> Account:
    """The active account of that name."""
    account = Account.objects.filter(name=name, active=True).first()
    if account is None:
        known = ", ".join(Account.objects.filter(active=True).values_list("name", flat=True)) or "none"
        raise RiskError(
            Reason("UNKNOWN_ACCOUNT", f"There is no active account {name!r}.", f"Active accounts: {known}.")
        )
    return account


def _fresh(as_of: datetime) -> StrategyQuerySet:
    """Pending strategies generated on the day of `as_of`, not later than it."""
    day = as_of.astimezone(IST).date()
    return OptionStrategy.objects.all().pending().known_by(as_of).filter(trade_date=day)


def _proposals(rows: Sequence[OptionStrategy], as_of: datetime) -> list[Proposal]:
    """Proposals of the rows that say enough to size them: spot, lot and legs (one query, legs prefetched)."""
    facts = {fact.symbol: fact for fact in Underlying.objects.filter(symbol__in={row.stock_name for row in rows})}
    complete = (row for row in rows if row.spot_price and row.lot_size and _says_enough(row))
    return [_proposal(row, facts.get(row.stock_name), as_of) for row in complete]


def _held(leg: StrategyLeg, lot_size: int) -> HeldLeg:
    volatility = None if leg.implied_volatility is None else float(leg.implied_volatility)
    return HeldLeg(leg.contract, leg.side.sign * leg.lots * lot_size, float(leg.premium), volatility)


def _says_enough(row: OptionStrategy) -> bool:
    """Whether there are legs, and a volatility of every option among them."""
    legs = row.legs.all()
    return bool(legs) and all(leg.implied_volatility or leg.option_type is None for leg in legs)


def _proposal(row: OptionStrategy, fact: Underlying | None, as_of: datetime) -> Proposal:
    lot = row.lot_size or 0
    legs = [_held(leg, lot) for leg in row.legs.all()]
    structure = BY_SLUG.get(row.structure)
    margin = margin_of(
        legs,
        group="cash" if structure is not None and structure.margin_group == "cash" else margin_group(legs),
        spot=float(row.spot_price or 0),
        is_index=fact is not None and fact.kind == Underlying.Kind.INDEX,
        as_of=as_of.astimezone(IST).date(),
    )
    return Proposal(
        strategy_id=row.pk,
        underlying=row.stock_name,
        industry=fact.industry if fact else "",
        sector=fact.sector if fact else "",
        outlook=row.market_outlook,
        score=float(row.total_score),
        margin=margin,
        structure=row.structure,
    )


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


def _record(run: AllocationRun, sized: list[Sized]) -> None:
    Allocation.objects.bulk_create(
        Allocation(
            run=run,
            strategy_id=answer.proposal.strategy_id,
            sets=answer.sets,
            margin=to_decimal(answer.proposal.margin * answer.sets, places=2),
            priority=answer.priority,
            reason_code=answer.reason.code if answer.reason else "",
            reason_text=str(answer.reason.sentence) if answer.reason else "",
        )
        for answer in sized
    )


def _mark(run: AllocationRun) -> None:
    """Set the size while the row is pending, then mark it by the same service people use."""
    for allocation in run.allocations.filter(sets__gt=0):
        rows = OptionStrategy.objects.filter(pk=allocation.strategy_id, execution_status="pending")
        rows.update(sets=allocation.sets)
        notes = f"Allocated {allocation.sets} sets by run {run.pk}"
        report = mark(
            [allocation.strategy_id], priority=allocation.priority, notes=notes, highest_priority=HIGHEST_PRIORITY
        )
        allocation.marked = bool(report.done)
        allocation.save(update_fields=["marked"])
