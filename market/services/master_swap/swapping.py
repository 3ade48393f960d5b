"""The comparison with what is stored, and the swap: only what differs is touched."""

# ruff: noqa: S608 -- every name put into SQL here is a constant of this package, of master.py or of the model.

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from django.db import connection

from market.master import Layout
from market.models import Instrument

_KEY = ("exchange", "segment_letter", "security_id")
# What a contract is. A row that keeps its id but differs here is another contract: it never changes in place.
_IDENTITY = ("instrument_name", "underlying", "expiry", "strike", "option_type")
_FACTS = (
    "trading_symbol",
    "lot_size",
    "custom_symbol",
    "tick_paise",
    "expiry_flag",
    "series",
    "symbol_name",
    "segment",
)
# A form of the file that lacks one of these says nothing about it, so what is stored stays.
_SOMETIMES = ("expiry_code", "exchange_instrument_type", "isin", "freeze_quantity", "lower_limit", "upper_limit")


@dataclass(frozen=True, slots=True)
class Swap:
    """What a swap changed."""

    inserted: int
    updated: int
    deactivated: int

    @property
    def nothing(self) -> bool:
        """True if the stored rows already said all this."""
        return not (self.inserted or self.updated or self.deactivated)


def _columns() -> dict[str, str]:
    """Our names and the table's."""
    return {field.name: str(field.column) for field in Instrument._meta.concrete_fields}


def swap(layout: Layout, *, published_on: date | None, attempt_id: int) -> Swap:
    """Make the active rows those of the file, within what the file covers; identities never change in place."""
    column = _columns()
    facts = [*_FACTS, *(name for name in _SOMETIMES if layout.has(name))]
    given = {"attempt": attempt_id, "published_on": published_on}
    with connection.cursor() as cursor:
        cursor.execute(_difference(column, facts), given)
        cursor.execute(
            "UPDATE api_scrip_master t SET active = false, inactive_reason = d.verdict, last_import_id = %(attempt)s"
            " FROM master_diff d WHERE d.id = t.id AND d.verdict IN ('reused', 'missing', 'expired', 'rejected')",
            given,
        )
        deactivated = cursor.rowcount
        changes = ", ".join(f"{column[name]} = n.{name}" for name in facts)
        cursor.execute(
            f"UPDATE api_scrip_master t SET {changes}, active = true, inactive_reason = '',"
            " last_import_id = %(attempt)s FROM master_diff d JOIN master_rows n USING (number)"
            " WHERE d.id = t.id AND d.verdict IN ('changed', 'back')",
            given,
        )
        updated = cursor.rowcount
        cursor.execute(_insertion(column), given)
        return Swap(inserted=cursor.rowcount, updated=updated, deactivated=deactivated)


def _difference(column: Mapping[str, str], facts: Iterable[str]) -> str:
    """Only the rows something has to be done about; a file that says nothing new gives none."""

    def differs(names: Iterable[str]) -> str:
        pairs = [(f"t.{column[name]}", f"n.{name}") for name in names]
        stored, read = (", ".join(pair[side] for pair in pairs) for side in (0, 1))
        return f"({stored}) IS DISTINCT FROM ({read})"

    key = " AND ".join(f"t.{column[name]} = n.{name}" for name in _KEY)
    kind = "exchange, segment_letter, instrument_name"
    return f"""
        CREATE TEMP TABLE master_diff ON COMMIT DROP AS
        WITH covered AS (SELECT DISTINCT {kind} FROM master_rows),
        compared AS (
            SELECT t.id, n.number,
                CASE WHEN t.id IS NULL THEN 'new'
                     WHEN n.number IS NULL THEN
                        CASE WHEN t.{column["expiry"]} < %(published_on)s::date THEN 'expired'
                             WHEN (t.{column["exchange"]}, t.{column["segment_letter"]}, t.{column["instrument_name"]})
                                  IN (SELECT {kind} FROM covered) THEN 'missing'
                             ELSE 'same' END
                     WHEN {differs(_IDENTITY)} THEN 'reused'
                     WHEN {differs(facts)} THEN 'changed'
                     ELSE 'same' END AS verdict
            FROM (SELECT * FROM api_scrip_master WHERE active) t
            FULL JOIN (SELECT * FROM master_rows WHERE reason = '') n ON {key}
        ), stirred AS (SELECT * FROM compared WHERE verdict <> 'same'),
        refused AS (
            SELECT t.id FROM stirred s JOIN api_scrip_master t ON t.id = s.id AND s.verdict = 'missing'
            JOIN master_rows n ON {key}
        ), reborn AS (
            SELECT n.number, max(t.id) AS id FROM stirred s JOIN master_rows n ON n.number = s.number
            JOIN api_scrip_master t ON NOT t.active AND {key} AND NOT {differs(_IDENTITY)}
            WHERE s.verdict IN ('new', 'reused') GROUP BY 1
        )
        SELECT id, NULL::bigint AS number,
            CASE WHEN id IN (SELECT id FROM refused) THEN 'rejected' ELSE verdict END AS verdict
        FROM stirred WHERE verdict IN ('missing', 'expired', 'reused')
        UNION ALL SELECT id, number, 'changed' FROM stirred WHERE verdict = 'changed'
        UNION ALL SELECT id, number, 'back' FROM reborn
        UNION ALL SELECT NULL, s.number, 'new' FROM stirred s
            WHERE s.verdict IN ('new', 'reused') AND s.number NOT IN (SELECT number FROM reborn)
    """


def _insertion(column: Mapping[str, str]) -> str:
    names = [*_KEY, *_IDENTITY, *_FACTS, *_SOMETIMES]
    return f"""
        INSERT INTO api_scrip_master ({", ".join(column[name] for name in names)},
            active, inactive_reason, first_import_id, last_import_id)
        SELECT {", ".join(f"n.{name}" for name in names)}, true, '', %(attempt)s, %(attempt)s
        FROM master_diff d JOIN master_rows n USING (number) WHERE d.verdict = 'new'
    """
