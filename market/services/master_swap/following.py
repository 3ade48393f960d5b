"""What follows from the rows: lot history, underlyings, the watchlist."""

# ruff: noqa: S608 -- every name put into SQL here is a constant of this package, of master.py or of the model.

from datetime import date

from django.db import connection

from market.services.master_swap.staging import FNO, count_rows


def keep_lots(*, published_on: date, attempt_id: int) -> int:
    """Append the lots that differ from the last one known for the same expiry."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO lot_size_history (exchange, underlying, expiry, lot_size, effective_from, source_id)
            SELECT n.exchange, n.underlying, n.expiry, n.lot_size, %(day)s, %(attempt)s
            FROM (SELECT exchange, underlying, expiry, mode() WITHIN GROUP (ORDER BY lot_size) AS lot_size
                  FROM master_rows WHERE reason = '' AND segment IN {FNO} GROUP BY 1, 2, 3) n
            LEFT JOIN (SELECT DISTINCT ON (exchange, underlying, expiry) exchange, underlying, expiry, lot_size
                  FROM lot_size_history WHERE effective_from <= %(day)s
                  ORDER BY exchange, underlying, expiry, effective_from DESC, id DESC) h
                  USING (exchange, underlying, expiry)
            WHERE h.lot_size IS DISTINCT FROM n.lot_size
            ON CONFLICT DO NOTHING
            """,
            {"day": published_on, "attempt": attempt_id},
        )
        return int(cursor.rowcount)


def keep_underlyings() -> int:
    """Upsert what has listed options now; what no longer has is marked, never deleted."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH listed AS (
                SELECT underlying, sem_instrument_name AS instrument_name, sem_exm_exch_id AS exchange,
                       sem_expiry_date AS expiry,
                       mode() WITHIN GROUP (ORDER BY sem_lot_units) AS lot_size
                FROM api_scrip_master
                WHERE active AND segment IN {FNO} AND sem_instrument_name IN ('OPTIDX', 'OPTSTK')
                GROUP BY 1, 2, 3, 4
            ), nearest AS (
                SELECT DISTINCT ON (underlying) * FROM listed ORDER BY underlying, exchange = 'NSE' DESC, expiry
            ), named AS (
                SELECT DISTINCT ON (n.underlying) n.*,
                       CASE i.sem_instrument_name WHEN 'INDEX' THEN i.sem_custom_symbol ELSE i.sm_symbol_name END
                            AS name
                FROM nearest n LEFT JOIN api_scrip_master i
                  ON i.active AND i.sem_exm_exch_id = n.exchange AND i.sem_trading_symbol = n.underlying
                 AND i.sem_instrument_name = CASE n.instrument_name WHEN 'OPTIDX' THEN 'INDEX' ELSE 'EQUITY' END
                ORDER BY n.underlying, i.sem_series = 'EQ' DESC NULLS LAST
            )
            INSERT INTO stock_data AS s
                (symbol, name, kind, exchange, industry, sector, fno_stock, lot_size, updated_at)
            SELECT underlying, coalesce(name, ''), CASE instrument_name WHEN 'OPTIDX' THEN 'index' ELSE 'stock' END,
                   exchange, '', '', 'yes', lot_size, now()
            FROM named
            ON CONFLICT (symbol) DO UPDATE SET kind = excluded.kind, exchange = excluded.exchange, fno_stock = 'yes',
                lot_size = excluded.lot_size, updated_at = now(),
                name = CASE WHEN s.name = '' THEN excluded.name ELSE s.name END
            WHERE (s.kind, s.exchange, s.fno_stock, s.lot_size) IS DISTINCT FROM
                  (excluded.kind, excluded.exchange, 'yes', excluded.lot_size)
               OR (s.name = '' AND excluded.name <> '')
            """
        )
        upserted: int = cursor.rowcount
        cursor.execute(
            f"""
            UPDATE stock_data SET fno_stock = 'no', lot_size = NULL, updated_at = now()
            WHERE fno_stock = 'yes'
              AND CASE kind WHEN 'index' THEN 'OPTIDX' ELSE 'OPTSTK' END IN
                  (SELECT instrument_name FROM master_rows WHERE reason = '' AND segment IN {FNO})
              AND symbol NOT IN (SELECT underlying FROM api_scrip_master WHERE active AND segment IN {FNO}
                                 AND sem_instrument_name IN ('OPTIDX', 'OPTSTK'))
            """
        )
        return upserted + int(cursor.rowcount)


def link_watchlist() -> int:
    """Point every watchlist item at the active instrument of its segment and id, or at none."""
    return count_rows(
        """
        WITH linked AS (
            UPDATE watchlist_items w SET watchable_id = i.id
            FROM watchlist_items o LEFT JOIN api_scrip_master i
              ON i.active AND i.segment = o.segment AND i.sem_smst_security_id = o.security_id
            WHERE o.id = w.id AND w.watchable_id IS DISTINCT FROM i.id
            RETURNING 1
        ) SELECT count(*) FROM linked
        """
    )
