"""Every write to the broker leaves its hashes in the audit chain: what was asked, what was answered."""

import logging

from django.db import DatabaseError

from execution.brokers.dhan.transport import Exchange
from execution.services.audit import Subject, digest, record

logger = logging.getLogger(__name__)


def keep_exchange(exchange: Exchange) -> None:
    """Add one entry; what the broker answered stands, even where it cannot be written down."""
    detail = {
        "method": exchange.method,
        "endpoint": exchange.endpoint,
        "request": digest(exchange.request),
        "status": exchange.status,
        "answer": None if exchange.answer is None else digest(exchange.answer),
        "failure": exchange.failure,
    }
    try:
        record("exchange", Subject("request", exchange.correlation_id or exchange.endpoint), detail)
    except DatabaseError:
        logger.exception("the exchange about %s is missing from the audit chain", exchange.correlation_id)
