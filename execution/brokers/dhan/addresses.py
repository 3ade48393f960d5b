"""Where the adapter may talk to: Dhan's own hosts over TLS when live, this machine when practising. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from execution.brokers.dhan.token import Credential
from execution.errors import ExecutionDenied
from market.errors import Reason

OWN_HOSTS = frozenset({"api.dhan.co", "auth.dhan.co", "api-feed.dhan.co", "api-order-update.dhan.co"})
_PLAIN, _SECURE = frozenset({"http", "ws"}), frozenset({"https", "wss"})

CredentialReader = Callable[[], Credential]


def is_own(url: str) -> bool:
    """Whether this is one of Dhan's hosts, over TLS, on its usual port, with nothing hidden in the address."""
    parts = urlsplit(url)
    plain = parts.username is None and parts.password is None and _port(url) in {None, 443}
    return parts.scheme in _SECURE and parts.hostname in OWN_HOSTS and plain


def is_loopback(url: str) -> bool:
    """Whether this address cannot leave the machine."""
    parts = urlsplit(url)
    return parts.scheme in _PLAIN and _is_local(parts.hostname or "") and _port(url) != -1


def require_reachable(url: str) -> None:
    """Refuse every address but the two kinds above; each client calls it before its first connection."""
    if not (is_own(url) or is_loopback(url)):
        raise ExecutionDenied(_wrong(url, "neither Dhan's own over TLS nor on this machine"))


@dataclass(frozen=True, slots=True)
class LiveAccess:
    """The right to send real orders; it cannot be built unless the process was started for live trading."""

    trading_mode: str
    base_url: str
    credential: CredentialReader

    def __post_init__(self) -> None:
        """Refuse paper processes and strange hosts."""
        if self.trading_mode != "live":
            sentence = "This process runs with TRADING_MODE=paper; it cannot build a live broker."
            raise ExecutionDenied(Reason("NOT_ARMED", sentence, "Use BROKER=paper or BROKER=simulator."))
        if not is_own(self.base_url):
            raise ExecutionDenied(_wrong(self.base_url, "not Dhan's own"))


@dataclass(frozen=True, slots=True)
class PracticeAccess:
    """The right to talk to a simulated exchange on this machine, and to nothing else."""

    base_url: str
    credential: CredentialReader

    def __post_init__(self) -> None:
        """Refuse everything that could leave the machine."""
        if not is_loopback(self.base_url):
            raise ExecutionDenied(_wrong(self.base_url, "not on this machine"))


def _wrong(url: str, why: str) -> Reason:
    host = urlsplit(url).hostname or "the address"
    return Reason("WRONG_ADDRESS", f"{host} is {why}.", "Correct the DHAN_..._URL settings.")


def _is_local(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _port(url: str) -> int | None:
    """The port, None when none is named, -1 when it is no number."""
    try:
        return urlsplit(url).port
    except ValueError:
        return -1
