"""Whatever is proposed, no limit is exceeded after rounding to whole sets."""

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from allocation.limits import Limits, Proposal, Used, Weight, allocate

amounts = st.floats(1_000.0, 1e6)
names = st.sampled_from(["A", "B", "C"])
proposals = st.lists(
    st.builds(
        Proposal,
        strategy_id=st.integers(1, 10_000),
        underlying=st.sampled_from([f"U{n}" for n in range(8)]),
        industry=names,
        sector=names,
        outlook=st.sampled_from(["Bullish", "Bearish", "Neutral"]),
        score=st.floats(0, 1),
        margin=st.floats(0.01, 5e5),
        depth=st.none() | st.integers(0, 40),
    ),
    max_size=25,
    unique_by=lambda each: each.strategy_id,
)
weights = st.dictionaries(names, st.builds(Weight, st.floats(0, 1), st.sampled_from(["LONG", "SHORT"])))
limit_sets = st.builds(
    Limits,
    deployable=amounts,
    per_underlying=amounts,
    per_strategy=amounts,
    max_sets=st.integers(1, 30),
    max_open=st.integers(1, 10),
    industries=weights,
    sectors=weights,
)
blocked = st.floats(0, 3e5)
useds = st.builds(
    Used,
    total=blocked,
    strategies=st.integers(0, 4),
    underlyings=st.dictionaries(st.sampled_from(["U0", "U1"]), blocked),
    industries=st.dictionaries(names, blocked),
    sectors=st.dictionaries(names, blocked),
)
PAISA = 0.01


def copied(used):
    return Used(used.total, used.strategies, dict(used.underlyings), dict(used.industries), dict(used.sectors))


@given(proposals, limit_sets, useds)
def test_no_limit_is_exceeded_and_sets_are_whole(offers, limits, used):
    answers = allocate(offers, limits=limits, used=copied(used))

    taken = [answer for answer in answers if answer.sets]
    sums = {name: defaultdict(float) for name in ("underlying", "industry", "sector")}
    for answer in taken:
        amount = answer.sets * answer.proposal.margin
        for name, table in sums.items():
            table[getattr(answer.proposal, name)] += amount
        assert isinstance(answer.sets, int)
        assert answer.sets <= min(limits.max_sets, answer.proposal.depth)
        assert amount <= limits.per_strategy + PAISA
    if taken:
        total = sum(answer.sets * answer.proposal.margin for answer in taken)
        assert used.total + total <= limits.deployable + PAISA
        assert used.strategies + len(taken) <= limits.max_open
    for name, amount in sums["underlying"].items():
        assert used.underlyings.get(name, 0.0) + amount <= limits.per_underlying + PAISA
    for kind, table, before in (
        ("industry", limits.industries, used.industries),
        ("sector", limits.sectors, used.sectors),
    ):
        for name, amount in sums[kind].items() if table else ():
            assert before.get(name, 0.0) + amount <= table[name].share * limits.deployable + PAISA


@given(proposals, limit_sets, useds)
def test_every_proposal_is_answered_with_sets_or_a_reason(offers, limits, used):
    answers = allocate(offers, limits=limits, used=used)

    assert sorted(answer.proposal.strategy_id for answer in answers) == sorted(each.strategy_id for each in offers)
    assert all((answer.sets > 0) == (answer.reason is None) == (answer.priority > 0) for answer in answers)


@given(proposals, limit_sets)
def test_priorities_fall_strictly_by_rank_of_score_one_per_underlying(offers, limits):
    taken = [answer for answer in allocate(offers, limits=limits, used=Used()) if answer.sets]

    assert [answer.priority for answer in taken] == [100 - rank for rank in range(len(taken))]
    scores = [answer.proposal.score for answer in taken]
    assert scores == sorted(scores, reverse=True)
    assert len({answer.proposal.underlying for answer in taken}) == len(taken)


@given(proposals, limit_sets, useds, st.randoms(use_true_random=False))
def test_the_order_of_asking_does_not_matter(offers, limits, used, random):
    shuffled = list(offers)
    random.shuffle(shuffled)

    first = allocate(offers, limits=limits, used=copied(used))
    again = allocate(shuffled, limits=limits, used=copied(used))

    assert first == again
