"""The access token in the database, its refresh, and the brokers that are built with it."""

from collections.abc import Callable
from datetime import datetime

from asgiref.sync import sync_to_async
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import DatabaseError, transaction
from django.db.models import F, Q
from django.utils import timezone

from allocation.models import Account
from execution.brokers.dhan.addresses import LiveAccess, PracticeAccess
from execution.brokers.dhan.broker import DhanBroker, DhanOrders, SimulatorBroker
from execution.brokers.dhan.mapping import OrderHint
from execution.brokers.dhan.order_updates import supervised_order_updates
from execution.brokers.dhan.protective import DhanStops
from execution.brokers.dhan.supervision import SupervisedSocket
from execution.brokers.dhan.token import (
    BETWEEN_REFRESHES,
    REFRESH_REMEDY,
    Credential,
    expiry_of,
    last_four,
    one_time_code,
    read_refresh,
    refresh_endpoint,
)
from execution.brokers.dhan.transport import Cut, Unsent, Wire
from execution.errors import AuthExpired, NotSent, RateLimited, ReadFailed
from execution.models import BrokerAccess
from execution.ports import Broker, Clock
from execution.resting import Stops
from execution.services.exchanges import keep_exchange
from execution.services.prepared import prepared_cursor
from market.errors import Reason
from market.ports import MarketSource

_REFRESH_SECONDS = 8.0
_NEW_KEY = 'Make one: python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'


def build_dhan_broker(*, account: Account, market: MarketSource, clock: Clock) -> DhanBroker:
    """The real account; refused unless this process trades live and talks to Dhan's own host."""
    access = LiveAccess(settings.TRADING_MODE, settings.DHAN_BASE_URL, current_credential)
    return DhanBroker(access, clock=clock, recorded=keep_exchange)


def build_simulator_broker(*, account: Account, market: MarketSource, clock: Clock) -> SimulatorBroker:
    """The simulated exchange on this machine."""
    access = PracticeAccess(settings.DHAN_BASE_URL, current_credential)
    return SimulatorBroker(access, clock=clock, recorded=keep_exchange)


def stops_at(broker: Broker) -> Stops | None:
    """The stops that rest at this broker; None where it holds none."""
    return DhanStops(broker) if isinstance(broker, DhanOrders) else None


def build_order_updates(*, on_hint: Callable[[OrderHint], None], on_connected: Callable[[], None]) -> SupervisedSocket:
    """The order-update socket of the configured client; `await run()` it as a task of the trader's loop."""
    return supervised_order_updates(
        settings.DHAN_ORDER_UPDATE_URL, async_credential, on_hint=on_hint, on_connected=on_connected
    )


async def async_credential() -> Credential:
    """The same for the event loop."""
    return await sync_to_async(current_credential)()


def current_credential() -> Credential:
    """The token to use now: the stored one, unless the settings hold one that lives longer; one indexed read.

    Read anew for every request: an old token sent after a refresh would be refused, and stop trading.
    """
    try:
        with prepared_cursor() as cursor:
            cursor.execute(_STORED, [settings.DHAN_CLIENT_ID])
            stored = cursor.fetchone()
    except DatabaseError as error:
        raise NotSent(Reason("TOKEN_UNREADABLE", "The access token cannot be read from the database.")) from error
    given = _given()
    if stored is None or (given is not None and _lives_longer(given, stored[1])):
        return given or Credential(settings.DHAN_CLIENT_ID, "")  # which refuses, saying what is missing
    encrypted, expires_at, generation = stored
    return Credential(settings.DHAN_CLIENT_ID, _decrypted(encrypted), expires_at, generation)


# Plain SQL, since every request asks.
_STORED = (
    "SELECT token_encrypted, expires_at, generation FROM broker_access WHERE client_id = %s AND token_encrypted <> ''"
)


def _given() -> Credential | None:
    token = settings.DHAN_ACCESS_TOKEN.strip()
    return Credential(settings.DHAN_CLIENT_ID, token, expiry_of(token)) if token else None


def _lives_longer(given: Credential, stored: datetime | None) -> bool:
    return given.expires_at is not None and (stored is None or given.expires_at > stored)


def store_token(access_token: str) -> BrokerAccess:
    """Encrypt and keep a token for the configured client; its generation grows, so sockets reconnect."""
    credential = Credential(settings.DHAN_CLIENT_ID, access_token.strip(), expiry_of(access_token.strip()))
    encrypted = _box().encrypt(credential.access_token.encode())
    BrokerAccess.objects.get_or_create(client_id=credential.client_id)
    BrokerAccess.objects.filter(client_id=credential.client_id).update(
        token_encrypted=encrypted,
        last_four=last_four(credential.access_token),
        expires_at=credential.expires_at,
        generation=F("generation") + 1,
        stored_at=timezone.now(),
    )
    return BrokerAccess.objects.get(client_id=credential.client_id)


def refresh_token(*, now: datetime) -> BrokerAccess:
    """Fetch a new token with PIN and one-time code; at most once in two minutes, whoever asks, whatever came of it."""
    client_id, pin, secret = settings.DHAN_CLIENT_ID, settings.DHAN_PIN, settings.DHAN_TOTP_SECRET
    if not (client_id and pin and secret):
        sentence = "A refresh needs DHAN_CLIENT_ID, DHAN_PIN and DHAN_TOTP_SECRET."
        raise AuthExpired(Reason("NO_REFRESH", sentence, "Or set a token by hand: manage.py dhan_token set."))
    _box()  # a token that could not be kept must not be fetched: fetching kills the old one
    code = one_time_code(secret, at=now)
    _claim_refresh(client_id, now)
    return store_token(_fetched_token(refresh_endpoint(client_id, pin=pin, code=code)))


def _claim_refresh(client_id: str, now: datetime) -> None:
    """Take the one attempt of these two minutes; of several processes exactly one gets it."""
    BrokerAccess.objects.get_or_create(client_id=client_id)
    free = Q(refresh_tried_at__isnull=True) | Q(refresh_tried_at__lte=now - BETWEEN_REFRESHES)
    if not BrokerAccess.objects.filter(free, client_id=client_id).update(refresh_tried_at=now):
        sentence = "A refresh was tried less than two minutes ago."
        raise RateLimited(Reason("REFRESH_TOO_SOON", sentence, "Wait; another process may have brought a new token."))


def _fetched_token(endpoint: str) -> str:
    """One exchange with the login host; its address holds the PIN, so no error repeats it."""
    wire = Wire(settings.DHAN_AUTH_URL)
    try:
        answer = wire.send(
            "POST", endpoint, headers={"Accept": "application/json"}, body=b"", seconds=_REFRESH_SECONDS, gate=_open
        )
    except (Unsent, Cut) as error:
        raise ReadFailed(Reason("REFRESH_FAILED", f"Dhan's login did not answer: {error}.")) from error
    finally:
        wire.close()
    return read_refresh(answer.status, answer.body)


def _open() -> None:
    """A login needs no clearance."""


def rotate_keys() -> int:
    """Re-encrypt every stored token with the first key; returns how many."""
    box, rows = _box(), 0
    with transaction.atomic():
        for row in BrokerAccess.objects.select_for_update().exclude(token_encrypted=b""):
            try:
                fresh = box.rotate(bytes(row.token_encrypted))
            except InvalidToken as error:
                raise _unreadable() from error
            rows += BrokerAccess.objects.filter(pk=row.pk).update(token_encrypted=fresh)
    return rows


def stored_access() -> BrokerAccess | None:
    """The stored token's row of the configured client, for those who show it."""
    return BrokerAccess.objects.filter(client_id=settings.DHAN_CLIENT_ID).first()


def _decrypted(encrypted: bytes) -> str:
    try:
        return _box().decrypt(bytes(encrypted)).decode()
    except InvalidToken as error:
        raise _unreadable() from error


def _unreadable() -> AuthExpired:
    sentence = "The stored access token was encrypted with a key that ENCRYPTION_KEYS does not have."
    return AuthExpired(
        Reason("TOKEN_UNREADABLE", sentence, f"Add the old key at the end of the list. {REFRESH_REMEDY}")
    )


def _box() -> MultiFernet:
    """Encrypts with the first key, decrypts with any."""
    try:
        keys = [Fernet(key) for key in settings.ENCRYPTION_KEYS]
    except ValueError as error:
        raise AuthExpired(
            Reason("BAD_KEY", "ENCRYPTION_KEYS holds something that is no Fernet key.", _NEW_KEY)
        ) from error
    if not keys:
        raise AuthExpired(Reason("NO_KEY", "ENCRYPTION_KEYS is empty, so no token can be stored.", _NEW_KEY))
    return MultiFernet(keys)
