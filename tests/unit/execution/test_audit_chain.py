"""Where a chain of plain values is broken, and what is said of it."""

from collections.abc import Sequence

import pytest

from execution.audit_chain import GENESIS, Anchor, Entry, canonical, entry_hash, faults

EMPTY = Entry(0, 1_700_000_000_000_000, "cli:anna", "order", "7", "changed", "acked", "part", "{}", GENESIS, "")


def make_chain(length: int, *, actor: str = "cli:anna") -> list[Entry]:
    chain: list[Entry] = []
    for seq in range(1, length + 1):
        link = chain[-1].hash if chain else GENESIS
        chain.append(sealed(EMPTY._replace(seq=seq, at=EMPTY.at + seq, actor=actor, prev_hash=link)))
    return chain


def sealed(entry: Entry) -> Entry:
    return entry._replace(hash=entry_hash(entry))


def anchor(entry: Entry) -> Anchor:
    return Anchor(entry.seq, entry.hash, "noon")


def found(chain: Sequence[Entry], *anchors: Anchor) -> list[tuple[int, str]]:
    return [(fault.seq, fault.code) for fault in faults(chain, anchors)]


def test_the_hashed_text_holds_every_field_but_the_hash() -> None:
    entry = EMPTY._replace(seq=12, actor="ä:\n", before=None, after="", detail='{"a": 1}')

    parts = canonical(entry).split("\x1f")

    assert parts == ["12", "1700000000000000", "ä:\n", "order", "7", "changed", "\x1e", "", '{"a": 1}', GENESIS]


def test_a_forged_separator_never_gives_the_text_of_a_written_entry() -> None:
    written, forged = EMPTY._replace(actor="a", subject_kind="b"), EMPTY._replace(actor="a\x1fb", subject_kind="b")

    assert (canonical(written).count("\x1f"), canonical(forged).count("\x1f")) == (9, 10)
    assert canonical(EMPTY._replace(before=None)) != canonical(EMPTY._replace(before=""))


@pytest.mark.parametrize("length", [0, 1, 2, 50])
def test_a_sound_chain_has_no_faults(length: int) -> None:
    chain = make_chain(length)

    assert found(chain, *map(anchor, chain)) == []


@pytest.mark.parametrize("seq", [1, 3, 5])
@pytest.mark.parametrize(
    "change",
    [
        {"at": 1},
        {"actor": "cli:ben"},
        {"subject_kind": "run"},
        {"subject_id": "8"},
        {"event": "created"},
        {"before": None},
        {"after": "filled"},
        {"detail": '{"a": 1}'},
        {"prev_hash": "f" * 64},
        {"hash": "f" * 64},
    ],
    ids=lambda change: next(iter(change)),
)
def test_fm_F15_an_edited_entry_is_named_alone(seq: int, change: dict[str, object]) -> None:
    chain = make_chain(5)
    chain[seq - 1] = chain[seq - 1]._replace(**change)  # type: ignore[arg-type]

    assert found(chain) == [(seq, "EDITED")]


@pytest.mark.parametrize("seq", [1, 2, 4])
def test_fm_F15_an_edited_entry_with_a_fresh_hash_is_named_by_the_link_after_it(seq: int) -> None:
    chain = make_chain(5)
    chain[seq - 1] = sealed(chain[seq - 1]._replace(after="filled"))

    assert found(chain) == [(seq, "REPLACED")]


def test_fm_F15_a_removed_entry_is_named() -> None:
    chain = make_chain(6)

    assert found(chain[:2] + chain[3:]) == [(3, "MISSING")]
    assert [fault.sentence for fault in faults(chain[:2] + chain[4:])] == ["Entries 3 to 4 are missing."]
    assert found(chain[1:]) == [(1, "MISSING")]


def test_fm_F15_a_removed_entry_whose_gap_was_closed_is_named() -> None:
    chain = make_chain(5)
    closed = [*chain[:2], *(entry._replace(seq=entry.seq - 1) for entry in chain[3:])]

    assert found(closed) == [(3, "EDITED"), (4, "EDITED")]


def test_fm_F15_an_inserted_entry_is_named() -> None:
    chain = make_chain(5)
    stranger = sealed(EMPTY._replace(seq=3, after="filled", prev_hash=chain[1].hash))

    assert found([*chain[:3], stranger, *chain[3:]])[0] == (3, "INSERTED")


def test_fm_F15_entries_that_changed_places_are_named() -> None:
    chain = make_chain(5)
    chain[1], chain[3] = chain[3]._replace(seq=2), chain[1]._replace(seq=4)

    assert found(chain) == [(2, "EDITED"), (4, "EDITED")]


def test_fm_F15_a_cut_tail_shows_only_against_a_kept_head() -> None:
    chain = make_chain(5)

    assert found(chain[:3]) == []
    assert found(chain[:3], anchor(chain[4])) == [(4, "CUT")]
    assert found([], anchor(chain[4])) == [(1, "CUT")]


def test_fm_F15_a_history_rewritten_to_its_end_shows_only_against_a_kept_head() -> None:
    chain, rewritten = make_chain(5), make_chain(2)
    for entry in chain[2:]:
        rewritten.append(sealed(entry._replace(actor="cli:ben", prev_hash=rewritten[-1].hash)))

    told = list(faults(rewritten, [anchor(chain[1]), anchor(chain[4])]))

    assert found(rewritten) == []
    assert [(fault.seq, fault.code) for fault in told] == [(5, "REWRITTEN")]
    assert told[0].sentence == "Entry 5 is not the head known from noon; rewritten somewhere in 3 to 5."


def test_two_heads_kept_of_one_seq_must_both_hold() -> None:
    chain = make_chain(3)

    assert found(chain, anchor(chain[1]), Anchor(2, "f" * 64, "one")) == [(2, "REWRITTEN")]
    assert found(chain, Anchor(0, GENESIS, "before all")) == []
