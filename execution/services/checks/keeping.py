"""Which limits hold for an account, and what its checks answered."""

import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from django.db import connection

from allocation.models import Account
from execution.checks import LIMIT_NAMES, Answer, Limits
from execution.models import ExecutionRun, RejectionCount, RiskLimits
from strategies.models import OptionStrategy

logger = logging.getLogger(__name__)


def limits_for(account: Account, *, replayed: bool = False) -> Limits:
    """The defaults, with what the account's owner set, with what the newest row of its history says (one query).

    A recorded day that is replayed may be traded to its close: end-of-day chains know no earlier minute.
    """
    capital = Decimal(account.capital)
    own = Limits.for_account(
        capital=capital,
        strategy_share=account.max_share_per_strategy,
        underlying_share=account.max_share_per_underlying,
        open_strategies=account.max_open_strategies,
        sets=account.max_sets,
        greeks_required=account.mode == Account.Mode.LIVE,
    )
    if replayed:
        own = replace(own, entry_before_close_minutes=0, exit_before_close_minutes=0)
    with connection.cursor() as cursor:
        cursor.execute(_IN_FORCE, [account.pk])
        found = cursor.fetchone()
    return own if found is None else replace(own, **_changed(*found))


# Plain SQL, since every order asks: only which row counts, and whether it is still as it was read.
_IN_FORCE = "SELECT id, xmin::text FROM risk_limits WHERE account_id = %s ORDER BY valid_from DESC, id DESC LIMIT 1"


@lru_cache(maxsize=64)
def _changed(row_id: int, _version: str) -> dict[str, Any]:
    """What one row of the history changes; read once for each version of it."""
    row = RiskLimits.objects.get(pk=row_id)
    changed = {name: getattr(row, name) for name in LIMIT_NAMES}
    return {name: value for name, value in changed.items() if value is not None}


def keep_answers(
    answers: Iterable[Answer],
    *,
    account: Account,
    strategy: OptionStrategy | None,
    run: ExecutionRun | None,
    purpose: str,
    at: datetime,
) -> None:
    """Store the answers, passes only where a run stands behind them; one statement, one link of the audit chain."""
    rows = [_row(each) for each in answers if run is not None or not each.passed]
    for row in rows:
        if not row["passed"]:
            logger.info("check %s denied: %s %s", row["code"], row["reason_code"], row["sentence"])
    if not rows:
        return
    about = account.pk, None if strategy is None else strategy.pk, None if run is None else run.pk, str(purpose), at
    with connection.cursor() as cursor:
        cursor.execute(_KEEP, [*about, json.dumps(rows)])


# Forty rows for every basket: composing them one by one costs more than writing them.
_KEEP = """
INSERT INTO check_answers (account_id, strategy_id, run_id, purpose, at, code, reason_code, passed, sentence, numbers)
SELECT %s, %s, %s, %s, %s, code, reason_code, passed, sentence, numbers
FROM jsonb_to_recordset(%s) AS answer (code text, reason_code text, passed boolean, sentence text, numbers jsonb)
"""


def rejections(since: date) -> Sequence[RejectionCount]:
    """How often each reason of each check denied on each day, newest day and most frequent first (one query)."""
    return list(RejectionCount.objects.since(since).select_related("account"))


def _row(answer: Answer) -> dict[str, Any]:
    return {
        "code": answer.code,
        "reason_code": answer.reason_code,
        "passed": answer.passed,
        "sentence": "" if answer.reason is None else answer.reason.sentence,
        "numbers": dict(answer.numbers),
    }
