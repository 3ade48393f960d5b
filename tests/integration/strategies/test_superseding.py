"""The newest run stands: what an earlier one left pending is off the list, and no way leads from there to the queue."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.urls import reverse

from allocation.services import allocate_portfolio
from market.calendar import IST
from market.errors import Reason
from market.services.chains import store_chain
from market.sources import build_source
from strategies.models import ExecutionStatus, OptionStrategy
from strategies.services.generation import generate, start_run
from strategies.services.integrity import stored_data
from strategies.services.marking import mark, mark_top, reviewable, unmark
from tests.factories import AccountFactory, OptionStrategyFactory, list_chain, record_past

pytestmark = pytest.mark.django_db

MORNING = datetime(2026, 1, 30, 12, 0, tzinfo=IST)
NOON = MORNING + timedelta(hours=2)
SYMBOLS = ("INFY", "TCS")
REFUSED = Reason("CHAIN_REFUSED", "The source gave no chain.", "Ask again.")


@pytest.fixture(scope="session")
def captured():
    """Two shares of the simulated market, in the morning and two hours later."""
    market = build_source("simulated")
    return {(symbol, at): market.chain(symbol, as_of=at) for symbol in SYMBOLS for at in (MORNING, NOON)}


@pytest.fixture
def chains(captured):
    """Both days' chains in the database, as they come in."""
    for (symbol, at), chain in captured.items():
        if at == MORNING:
            list_chain(chain, lot_size=400)
            record_past(symbol, until=MORNING.date() - timedelta(days=1), volatility=0.12)
        store_chain(chain)
    return captured


def run(as_of, risk="aggressive", **options):
    return generate(start_run(as_of=as_of, risk=risk, **options))


def ids(found, symbol=None):
    rows = found.results.filter(symbol=symbol) if symbol else found.results.all()
    return {pk for result in rows for pk in result.strategy_ids}


def standing():
    return set(OptionStrategy.objects.all().pending().values_list("pk", flat=True))


def test_a_later_run_stands_and_the_earlier_one_stays_to_read(chains):
    morning = run(MORNING)
    before = list(OptionStrategy.objects.order_by("pk").values("pk", "content_hash", "total_score", "spot_price"))

    noon = run(NOON)

    assert ids(morning) and ids(noon) and not ids(morning) & ids(noon)
    assert standing() == ids(noon)
    assert set(reviewable().values_list("pk", flat=True)) == ids(noon)
    rows = OptionStrategy.objects.filter(pk__in=ids(morning))
    assert list(rows.order_by("pk").values("pk", "content_hash", "total_score", "spot_price")) == before
    assert set(rows.values_list("superseded_by", "execution_status")) == {(noon.pk, "pending")}
    spots = {symbol: Decimal(str(chains[symbol, NOON].spot)) for symbol in SYMBOLS}
    assert dict(OptionStrategy.objects.filter(run=noon).values_list("stock_name", "spot_price").distinct()) == spots


def test_the_same_run_again_changes_nothing_and_another_taste_replaces_nothing(chains):
    first = run(MORNING)
    before = list(OptionStrategy.objects.order_by("pk").values())

    again = run(MORNING)
    assert (ids(again), list(OptionStrategy.objects.order_by("pk").values())) == (ids(first), before)
    assert again.content_hash == first.content_hash
    other = run(MORNING, risk="conservative")

    assert standing() == ids(first) | ids(other)
    assert not ids(first) & ids(other)


def test_two_tastes_and_a_later_moment_never_put_the_same_legs_into_the_queue_twice(chains):
    run(MORNING)
    run(MORNING, risk="moderate")

    mark_top(count=1000)
    run(NOON)
    mark_top(count=1000)

    legs = list(OptionStrategy.objects.all().marked().values_list("legs_hash", flat=True))
    every = list(OptionStrategy.objects.values_list("legs_hash", flat=True))
    assert "" not in every
    assert len(every) > len(set(every))  # there was something to refuse
    assert len(legs) == len(set(legs)) > 0


def test_the_key_of_the_legs_is_that_of_the_terms_alone(chains):
    run(MORNING)

    found = {}
    for row in OptionStrategy.objects.prefetch_related("legs"):
        terms = sorted((leg.setup_type, leg.option_type or "", str(leg.strike), str(leg.expiry), leg.lots)
                       for leg in row.legs.all())  # fmt: skip
        found.setdefault(row.legs_hash, set()).add((row.stock_name, tuple(terms)))

    assert {len(terms) for terms in found.values()} == {1}
    assert len(set().union(*found.values())) == len(found) > 10


def test_the_moment_decides_and_not_the_order_in_which_runs_come(chains):
    noon = run(NOON)
    morning = run(MORNING)

    assert standing() == ids(noon)
    assert set(OptionStrategy.objects.filter(pk__in=ids(morning)).values_list("superseded_by", flat=True)) == {noon.pk}


def test_what_the_newest_run_says_again_stands_again(chains, captured):
    first = run(MORNING)
    dearer = [
        replace(quote, ask=quote.ask + 0.05) if quote.ask else quote for quote in captured["INFY", MORNING].quotes
    ]
    store_chain(replace(captured["INFY", MORNING], quotes=tuple(dearer)), replace=True)
    second = run(MORNING)
    assert standing() == ids(second) != ids(first)

    store_chain(captured["INFY", MORNING], replace=True)
    third = run(MORNING)

    assert ids(third) == ids(first)
    assert standing() == ids(first)


def test_a_symbol_that_ends_with_a_reason_leaves_nothing_standing(chains):
    run(MORNING)

    noon = run(NOON, symbols=["TCS"], refused={"INFY": REFUSED})

    result = noon.results.get(symbol="INFY")
    assert (result.status, result.reason_code) == ("failed", "CHAIN_REFUSED")
    assert result.reason_text == "The source gave no chain. Ask again."
    assert standing() == ids(noon, "TCS")
    assert (
        OptionStrategy.objects.filter(stock_name="INFY").values_list("superseded_by", flat=True).distinct().get()
        == noon.pk
    )


def test_a_run_that_may_recommend_nothing_any_more_retires_what_was(chains, captured):
    run(MORNING)
    wide = [replace(quote, ask=3 * quote.ask) if quote.ask else quote for quote in captured["INFY", NOON].quotes]
    store_chain(replace(captured["INFY", NOON], quotes=tuple(wide)), replace=True)

    noon = run(NOON, symbols=["INFY"])

    assert noon.results.get().status == "failed"
    assert not OptionStrategy.objects.all().pending().filter(stock_name="INFY").exists()
    assert OptionStrategy.objects.all().pending().filter(stock_name="TCS").exists()


def test_another_day_and_a_row_typed_in_by_hand_are_nobodys_business(chains):
    typed = OptionStrategyFactory(stock_name="INFY", content_hash="", generated_on=MORNING, risk_profile="aggressive")
    yesterday = OptionStrategyFactory(
        stock_name="INFY",
        generated_on=MORNING - timedelta(days=1),
        risk_profile="aggressive",
        run=start_run(as_of=NOON),
    )

    run(NOON)

    assert {typed.pk, yesterday.pk} <= standing()


# --- no way into the queue -------------------------------------------------------------------------------------------


@pytest.fixture
def old(chains):
    """A superseded strategy, and the run that replaced it."""
    morning, noon = run(MORNING), run(NOON)
    return OptionStrategy.objects.filter(pk__in=ids(morning)).order_by("pk").first(), noon


def test_marking_says_why_not_and_what_to_do(old):
    row, noon = old

    report = mark([row.pk])

    why = report.refused[row.pk]
    assert (report.done, why.code) == ([], "SUPERSEDED")
    assert why.sentence == (
        f"Strategy {row.pk} was superseded by generation run {noon.pk} of 14:00: its numbers are old."
    )
    assert "mark_for_execution list" in why.remedy
    row.refresh_from_db()
    assert row.execution_status == "pending"


def test_the_database_refuses_the_mark_too(old):
    row, noon = old
    marked = (
        "UPDATE strategies SET marked_for_execution = true, execution_status = 'marked', execution_priority = 5"
        " WHERE id = %s"
    )

    words = f"superseded by generation run {noon.pk}"
    with pytest.raises(IntegrityError, match=words) as refusal, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(marked, [row.pk])

    assert refusal.value.__cause__.diag.constraint_name == "strategies_superseded"
    assert "newest run" in refusal.value.__cause__.diag.message_hint


def test_the_best_and_the_allocator_see_only_what_stands(old):
    row, noon = old
    OptionStrategy.objects.filter(pk=row.pk).update(total_score="0.999999", component_scores={"probability": 0.999999})

    allocated = allocate_portfolio(AccountFactory(name="paper"), as_of=NOON, min_score=0)
    best = mark_top(count=3)

    assert set(allocated.allocations.values_list("strategy_id", flat=True)) == ids(noon)
    assert set(best.done) <= ids(noon) and best.done


def test_a_marked_row_trades_as_it_was_approved_and_unmarked_it_is_off_the_list(chains):
    morning = run(MORNING)
    chosen = min(ids(morning))
    call_command("mark_for_execution", "mark", str(chosen), verbosity=0)
    before = OptionStrategy.objects.filter(pk=chosen).values().get()

    noon = run(NOON)

    row = OptionStrategy.objects.get(pk=chosen)
    assert OptionStrategy.objects.filter(pk=chosen).values().get() == before | {"superseded_by_id": noon.pk}
    assert (row.execution_status, row.approved_hash) == (ExecutionStatus.MARKED, row.content_hash)
    assert row.changed_by.startswith("cli:")
    assert OptionStrategy.objects.all().queued().get() == row
    assert OptionStrategy.objects.all().claim(chosen) is True
    OptionStrategy.objects.filter(pk=chosen).update(execution_status="failed")
    assert standing() == ids(noon)


def test_unmarked_it_is_not_offered_again(chains):
    morning = run(MORNING)
    chosen = min(ids(morning))
    mark([chosen])
    run(NOON)

    unmark([chosen])

    assert chosen not in standing()
    assert mark([chosen]).refused[chosen].code == "SUPERSEDED"


# --- where people look -----------------------------------------------------------------------------------------------


def test_the_review_list_shows_what_stands_unless_asked(old, admin_client):
    row, noon = old
    page = reverse("admin:strategies_optionstrategy_changelist")

    def listed(query=""):
        return {each.pk for each in admin_client.get(f"{page}?all=&{query}").context["cl"].queryset}

    assert listed() == ids(noon)
    assert listed("superseded=only") == set(OptionStrategy.objects.values_list("pk", flat=True)) - ids(noon)
    assert listed("superseded=with") == set(OptionStrategy.objects.values_list("pk", flat=True))
    shown = admin_client.get(reverse("admin:strategies_optionstrategy_change", args=[row.pk])).content.decode()
    assert f"was superseded by generation run {noon.pk} of 14:00" in shown


def test_the_api_lists_what_stands(old, admin_client):
    row, noon = old

    found = admin_client.get("/api/option-strategies?limit=500").json()

    assert {each["id"] for each in found} == ids(noon)
    assert admin_client.get(f"/api/option-strategies/{row.pk}").json()["superseded_by_id"] == noon.pk


def test_sums_are_of_what_stands_and_no_row_lacks_anything(old):
    _, noon = old

    data = stored_data(day=NOON.date())

    assert data.faults == {}
    assert data.sums["strategies"] == len(ids(noon))
    assert data.sums["superseded"] == OptionStrategy.objects.count() - len(ids(noon)) > 0


def test_history_tells_when_it_was_superseded(old):
    row, noon = old

    events = list(row.events.order_by("pgh_id").values_list("pgh_label", "superseded_by"))

    assert events == [("insert", None), ("update", noon.pk)]
