"""Order updates to the browser: a hint to look again, never the ledger."""

from typing import Any

import orjson
from channels.generic.websocket import AsyncWebsocketConsumer

from execution.services.announce import ORDERS_GROUP

NOT_SIGNED_IN = 4401


class OrderUpdates(AsyncWebsocketConsumer):
    """Streams `{"type": "order", "order": {...}}` per order state change to signed-in users."""

    async def connect(self) -> None:
        """Accept signed-in users only; a foreign Origin was refused before (asgi.py)."""
        user = self.scope.get("user")
        if user is None or not user.is_authenticated:
            await self.close(code=NOT_SIGNED_IN)
            return
        await self.channel_layer.group_add(ORDERS_GROUP, self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        """Leave the group."""
        await self.channel_layer.group_discard(ORDERS_GROUP, self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Ignore what browsers say: this stream has one direction."""

    async def order_update(self, message: dict[str, Any]) -> None:
        """Pass one update on."""
        await self.send(text_data=orjson.dumps({"type": "order", "order": message["order"]}).decode())
