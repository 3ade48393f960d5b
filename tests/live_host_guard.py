"""Count every attempt of this process to find or reach a host that is not this machine; none is allowed (R26).

An audit hook sees what Python's own socket module does, below every client library and every patch. It cannot be taken
away again, so it counts into whatever tally is installed. Each pytest-xdist worker counts its own attempts.
"""

import ipaddress
import sys
from collections import Counter

import pytest

EVENTS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname"})
LOCAL_NAMES = frozenset({"", "localhost", "ip6-localhost", "localhost.localdomain"})
# Given out of a pytest-xdist worker to the process that started it.
WORKER_KEY = "live_host_attempts"
EXIT_CODE = 3  # like an internal error: a run that reached out is worth nothing

attempts: Counter[str] = Counter()


def install() -> None:
    """Start to count; a second call changes nothing."""
    if not _installed:
        _installed.append(True)
        sys.addaudithook(_hook)


def is_local(host: object) -> bool:
    """Whether a host as the socket module got it is this machine; what cannot be read is not."""
    if host is None:
        return True
    if isinstance(host, bytes | bytearray):
        host = bytes(host).decode("ascii", "replace")
    if not isinstance(host, str):
        return False
    name = host.strip().rstrip(".").lower().partition("%")[0]
    return name in LOCAL_NAMES or name.endswith(".localhost") or _is_own_address(name)


def pytest_configure(config: pytest.Config) -> None:
    """Start to count before the first test module is imported."""
    install()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand a worker's tally to its master; fail a run that reached out."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output[WORKER_KEY] = dict(attempts)
    if attempts:
        session.exitstatus = EXIT_CODE


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object, error: object) -> None:
    """Take a finished worker's tally over."""
    attempts.update(getattr(node, "workeroutput", {}).get(WORKER_KEY, {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was reached for; silence means zero."""
    if attempts:
        terminalreporter.section("hosts beyond this machine", red=True)
        for what, times in sorted(attempts.items()):
            terminalreporter.write_line(f"{times} x {what}")


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if event not in EVENTS:
        return
    host = _host(event, arguments)
    if not is_local(host):
        attempts[f"{event} {host!r}"] += 1


def _host(event: str, arguments: tuple[object, ...]) -> object:
    """The host of a call; None where there is none, as for a socket of the file system."""
    if event in {"socket.getaddrinfo", "socket.gethostbyname"}:
        return arguments[0]
    address = arguments[1] if len(arguments) > 1 else None
    return address[0] if isinstance(address, tuple) and address else None


def _is_own_address(name: str) -> bool:
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


_installed: list[bool] = []
