"""Stores recommendations: one row per content per day, written by COPY, and known by the hash of all it says."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import orjson
from django.db import connection, transaction
from django.db.models import Model

from market.calendar import IST
from strategies.build import legs_key
from strategies.models import (
    GenerationRun,
    OptionStrategy,
    StrategyExitLevels,
    StrategyExitRow,
    StrategyLeg,
    StrategyParameters,
)
from strategies.recommend import Recommendation
from strategies.services.rows import (
    exit_row_values,
    exit_values,
    leg_values,
    parameter_values,
    strategy_values,
)
from strategies.services.superseding import take_turn
from strategies.services.surroundings import Surroundings

# What differs from one database to the next stands before the content and is not hashed.
PLACE: Mapping[type[Model], tuple[str, ...]] = {
    OptionStrategy: ("id", "run_id", "generated_on"),
    StrategyLeg: ("strategy_id",),
    StrategyParameters: ("strategy_id", "market_view_id"),
    StrategyExitLevels: ("strategy_id",),
    StrategyExitRow: ("strategy_id",),
}
Row = tuple[type[Model], tuple[str, ...], str]  # table, columns, and the values as COPY reads them
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


@dataclass(frozen=True, slots=True)
class Stored:
    """Ids of all recommendations in order, and the hash of their contents: the same for the same, on any database."""

    ids: list[int]
    content_hash: str


@dataclass(frozen=True, slots=True)
class Packed:
    """What one strategy is known by, and its rows."""

    key: str
    rows: tuple[Row, ...]


def store_recommendations(
    recommendations: Sequence[Recommendation], *, run: GenerationRun, around: Surroundings
) -> Stored:
    """Store what is new: one row per content per day, the old one wins (eight statements).

    The content is every value that is written, prices, profile and score among them: an old row stands for a new result
    only where both say the same.
    """
    if not recommendations:
        return Stored([], "")
    found = [_packed(each, run, around) for each in recommendations]
    keys = [each.key for each in found]
    packed = dict(zip(keys, found, strict=True))
    with transaction.atomic(savepoint=False):
        take_turn(recommendations[0].candidate.underlying)
        known = OptionStrategy.objects.filter(trade_date=run.as_of.astimezone(IST).date(), content_hash__in=keys)
        ids = dict(known.order_by().values_list("content_hash", "pk"))
        fresh = {key: rows for key, rows in packed.items() if key not in ids}
        ids |= dict(zip(fresh, _write(list(fresh.values()), run, around), strict=True))
    return Stored([ids[key] for key in keys], hashlib.sha256("".join(packed).encode()).hexdigest())


def _packed(each: Recommendation, run: GenerationRun, around: Surroundings) -> Packed:
    """The rows, and what they are known by: the moment of the snapshot and every value."""
    parts: list[tuple[type[Model], Mapping[str, Any]]] = [(StrategyLeg, leg_values(leg)) for leg in each.candidate.legs]
    parts.append((StrategyParameters, parameter_values(each, around)))
    parts.append((StrategyExitLevels, exit_values(each)))
    parts += [(StrategyExitRow, values) for values in exit_row_values(each)]
    head = _row(OptionStrategy, strategy_values(each, run))
    rows = (head, *(_row(model, values) for model, values in parts))
    key = hashlib.sha256(each.candidate.taken_at.astimezone(UTC).isoformat().encode())
    for model, _, text in rows:
        key.update(f"{model._meta.db_table}\t{text}\n".encode())
    model, columns, text = head
    known = (model, (*columns, "content_hash", "legs_hash"), f"{text}\t{key.hexdigest()}\t{legs_key(each.candidate)}")
    return Packed(key.hexdigest(), (known, *rows[1:]))


def _row(model: type[Model], values: Mapping[str, Any]) -> Row:
    return model, tuple(values), "\t".join(map(_text, values.values()))


def _text(value: Any) -> str:
    """A value as COPY reads it."""
    return _TEXTS.get(type(value), str)(value)


@lru_cache(maxsize=4096)  # the reasons of exit levels, which are most of the texts, are few
def _escaped(text: str) -> str:
    """Nearly no text needs it, and looking is a tenth of the time of translating."""
    return text if text.isprintable() and "\\" not in text else text.translate(_ESCAPES)


def _json(value: Any) -> str:
    text = orjson.dumps(value).decode()  # it escapes every control character itself
    return text.replace("\\", "\\\\") if "\\" in text else text


_TEXTS: Mapping[type, Callable[[Any], str]] = MappingProxyType(
    {type(None): lambda _: "\\N", str: _escaped, list: _json, dict: _json}
)


def _write(fresh: Sequence[Packed], run: GenerationRun, around: Surroundings) -> list[int]:
    """COPY is a third of the time of INSERT; constraints and triggers see every row all the same."""
    if not fresh:
        return []
    ids = _next_ids(len(fresh))
    tables: dict[tuple[type[Model], tuple[str, ...]], list[str]] = defaultdict(list)
    for pk, each in zip(ids, fresh, strict=True):
        places = {
            "id": pk,
            "strategy_id": pk,
            "run_id": run.pk,
            "generated_on": run.as_of.isoformat(),
            "market_view_id": around.view_id,
        }
        for model, columns, text in each.rows:
            place = "\t".join(_text(places[name]) for name in PLACE[model])
            tables[model, columns].append(f"{place}\t{text}\n")
    with connection.cursor() as cursor:
        for (model, columns), lines in tables.items():
            named = {field.attname: field.column for field in model._meta.concrete_fields}
            quoted = ", ".join(f'"{named[name]}"' for name in (*PLACE[model], *columns))
            with cursor.copy(f"COPY {model._meta.db_table} ({quoted}) FROM STDIN") as copy:
                copy.write("".join(lines))
    return ids


def _next_ids(count: int) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence('strategies', 'id')) FROM generate_series(1, %s)", [count]
        )
        return [pk for (pk,) in cursor.fetchall()]
