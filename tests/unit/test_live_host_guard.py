"""The counter of attempts to leave this machine sees what it must see, and fails the run for it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests import live_host_guard

ROOT = Path(__file__).resolve().parents[2]
SEEN = """
import socket, sys
sys.path.insert(0, {root!r})
from tests import live_host_guard
live_host_guard.install()
try:
    {attempt}
except OSError:
    pass
print(sum(live_host_guard.attempts.values()))
"""
REACHING = """
import socket
def test_nothing_wrong_to_see():
    try:
        socket.create_connection(("192.0.2.1", 443), timeout=0.01)
    except OSError:
        pass
"""


def counted(attempt: str) -> int:
    """How many attempts another process counts; 192.0.2.0/24 and .invalid lead nowhere by RFC 5737 and 2606."""
    script = SEEN.format(root=str(ROOT), attempt=attempt)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    return int(done.stdout)


@pytest.mark.parametrize(
    "attempt",
    [
        "socket.create_connection(('192.0.2.1', 443), timeout=0.01)",
        "socket.socket().connect_ex(('192.0.2.1', 9)) if socket.setdefaulttimeout(0.01) is None else None",
        "socket.getaddrinfo('api.dhan.co.invalid', 443)",
        "socket.gethostbyname('api.dhan.co.invalid')",
        "socket.socket(type=socket.SOCK_DGRAM).sendto(b'', ('192.0.2.1', 9))",
    ],
)
def test_fm_A21_the_counter_sees_every_way_out(attempt: str) -> None:
    assert counted(attempt) >= 1


@pytest.mark.parametrize(
    "attempt",
    ["socket.getaddrinfo('localhost', 443)", "socket.create_connection(('127.0.0.1', 1), timeout=0.01)", "pass"],
)
def test_this_machine_is_not_counted(attempt: str) -> None:
    assert counted(attempt) == 0


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("0.0.0.0", True),
        (b"localhost", True),
        ("LOCALHOST.", True),
        (None, True),
        ("api.dhan.co", False),
        ("localhost.dhan.co", False),
        ("10.0.0.1", False),
        ("169.254.169.254", False),
        (7, False),
    ],
)
def test_which_hosts_are_this_machine(host: object, local: bool) -> None:
    assert live_host_guard.is_local(host) is local


@pytest.mark.parametrize(
    "workers", [["-n", "0"], pytest.param(["-n", "1"], marks=pytest.mark.slow)], ids=["alone", "xdist"]
)
def test_a_run_that_reaches_out_fails_though_its_tests_pass(tmp_path: Path, workers: list[str]) -> None:
    (tmp_path / "test_reaching.py").write_text(REACHING)
    (tmp_path / "pytest.ini").write_text(f"[pytest]\npythonpath = {ROOT}\n")
    command = [sys.executable, "-m", "pytest", "-p", "tests.live_host_guard", "-p", "no:django", "-q", *workers]

    done = subprocess.run([*command, "."], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True,
                          text=True, timeout=100, check=False)  # fmt: skip

    assert "1 passed" in done.stdout, done.stdout + done.stderr
    assert "socket.connect '192.0.2.1'" in done.stdout
    assert done.returncode == live_host_guard.EXIT_CODE


def test_fm_A21_nothing_so_far_in_this_run_reached_for_another_host() -> None:
    assert live_host_guard.attempts == {}
