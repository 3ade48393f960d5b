"""One name for exactly what a preview shows: every order with its contract, side, quantity, limit and place in line."""

import hashlib
import json

from execution.services.preparation import BasketPreview


def plan_hash(plan: BasketPreview) -> str:
    """SHA-256 of the orders in the order of sending, with the strategy and its approved content."""
    orders = [
        [
            order.piece.leg.number,
            order.piece.number,
            order.piece.side.value,
            order.piece.quantity,
            order.listed.segment,
            order.listed.security_id,
            str(order.limit.normalize()),
        ]
        for order in plan.orders
    ]
    strategy = plan.strategy
    content = [strategy.pk, plan.purpose, strategy.approved_hash, strategy.sets, orders]
    return hashlib.sha256(json.dumps(content, separators=(",", ":")).encode()).hexdigest()
