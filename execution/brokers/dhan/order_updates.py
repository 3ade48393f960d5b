"""The order-update socket: it only says "look now"; what happened stands in the order book."""

import json
import logging
from collections.abc import Callable

from execution.brokers.dhan.mapping import OrderHint, order_hint
from execution.brokers.dhan.supervision import (
    AsyncCredentialReader,
    Pauses,
    Send,
    SupervisedSocket,
    Surroundings,
)
from execution.brokers.dhan.token import Credential

log = logging.getLogger(__name__)

# A quiet account has a quiet socket, so silence proves little; a new connection now and then costs less than doubt.
SILENCE_SECONDS = 300.0


class OrderUpdates:
    """Hears of every order of the account; the two callbacks run in the event loop and must be quick."""

    name = "order updates"

    def __init__(
        self,
        url: str,
        *,
        on_hint: Callable[[OrderHint], None],
        on_connected: Callable[[], None],
        silence_seconds: float = SILENCE_SECONDS,
    ) -> None:
        self._url, self._on_hint, self._on_connected = url, on_hint, on_connected
        self.silence_seconds = silence_seconds
        self.unreadable = 0

    def address(self, who: Credential) -> str:
        """The same for everyone; the login goes in the first message."""
        return self._url

    async def opened(self, send: Send, who: Credential) -> None:
        """Log in. Nothing is replayed, so whoever listens has to read the book now."""
        login = {"MsgCode": 42, "ClientId": who.client_id, "Token": who.access_token}
        await send(json.dumps({"LoginReq": login, "UserType": "SELF"}))
        self._on_connected()

    def received(self, message: str | bytes) -> bool:
        """Pass a hint on; count and forget what cannot be read."""
        hint = order_hint(message)
        if hint is None:
            self.unreadable += 1
            log.debug("an order update of %s characters could not be read", len(message))
        else:
            self._on_hint(hint)
        return True

    async def beat(self, send: Send) -> bool:
        """Nothing to say."""
        return True


def supervised_order_updates(
    url: str,
    credential: AsyncCredentialReader,
    *,
    on_hint: Callable[[OrderHint], None],
    on_connected: Callable[[], None],
    silence_seconds: float = SILENCE_SECONDS,
    pauses: Pauses | None = None,
    around: Surroundings | None = None,
) -> SupervisedSocket:
    """The socket, ready to `run()` as a task."""
    updates = OrderUpdates(url, on_hint=on_hint, on_connected=on_connected, silence_seconds=silence_seconds)
    return SupervisedSocket(updates, credential, pauses=pauses, around=around)
