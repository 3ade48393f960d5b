"""Python and PostgreSQL hash the same text, whatever an entry holds."""

from datetime import UTC, datetime

import orjson
from django.db import connection
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from execution.audit_chain import GENESIS, Entry, canonical, entry_hash

words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
values = st.none() | st.booleans() | numbers | words
details = st.dictionaries(words, values | st.lists(values, max_size=3) | st.dictionaries(words, values, max_size=2))
moments = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))

WRITTEN = """
    WITH given AS (
        SELECT %s::bigint AS seq, %s::timestamptz AS at, %s::text AS actor, %s::text AS kind, %s::text AS id,
               %s::text AS event, %s::text AS before, %s::text AS after, %s::jsonb AS detail, %s::text AS link
    ), written AS (
        SELECT *, audit_canonical(seq, at, actor, kind, id, event, before, after, detail, link) AS text FROM given
    )
    SELECT seq, (extract(epoch FROM at) * 1000000)::bigint, actor, kind, id, event, before, after, detail::text, link,
           audit_hash(text), text
    FROM written
"""


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    seq=st.integers(1, 2**62),
    at=moments,
    texts=st.tuples(words, words, words, words),
    before=st.none() | words,
    after=st.none() | words,
    detail=details,
)
@example(1, datetime(2026, 1, 30, tzinfo=UTC), ("a\nb", "o:1,", "-,", "🂡é"), None, "", {"b\\u": 1.10, "a": None})
def test_both_write_the_same_text(
    db: None,
    seq: int,
    at: datetime,
    texts: tuple[str, str, str, str],
    before: str | None,
    after: str | None,
    detail: dict[str, object],
) -> None:
    given_detail = orjson.dumps(detail, default=str).decode()
    with connection.cursor() as cursor:
        cursor.execute(WRITTEN, [seq, at, *texts, before, after, given_detail, GENESIS])
        *row, text = cursor.fetchone()

    entry = Entry._make(row)

    assert entry[:8] == (seq, round(at.timestamp() * 1_000_000), *texts, before, after)
    assert canonical(entry) == text
    assert entry_hash(entry) == entry.hash
