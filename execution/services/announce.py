"""One hint to every open page per state change; losing one loses nothing, the rows are the truth."""

import logging
from functools import partial

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import transaction
from redis.exceptions import RedisError

from execution.models import LegOrder

ORDERS_GROUP = "orders"

logger = logging.getLogger(__name__)


def order_changed(order: LegOrder) -> None:
    """Tell the pages after the change is committed."""
    update = {
        "id": order.pk,
        "run": order.run_id,
        "symbol": order.symbol,
        "side": order.side,
        "quantity": order.quantity,
        "filled_quantity": order.filled_quantity,
        "state": str(order.state),
    }
    transaction.on_commit(partial(_send, update))


def _send(update: dict[str, object]) -> None:
    layer = get_channel_layer()
    if layer is None:
        return
    try:
        async_to_sync(layer.group_send)(ORDERS_GROUP, {"type": "order_update", "order": update})
    except (RedisError, OSError) as error:
        logger.warning("order update not announced: %s", error)
