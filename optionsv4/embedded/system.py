"""What the supervisor asks of the operating system: programs, processes, and its two ordinary refusals in words."""

import errno
import importlib.util
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

# PostgreSQL reads PG* and LC_*, Redis and the loader read others: the servers get none of the caller's.
_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


class EmbeddedError(Exception):
    """An embedded server that cannot be had: what is wrong, and what to do."""

    def __init__(self, sentence: str, remedy: str) -> None:
        super().__init__(f"{sentence} {remedy}")
        self.sentence = sentence
        self.remedy = remedy


def run(arguments: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a program to its end in an environment of our own."""
    return subprocess.run(
        arguments,
        check=False,
        capture_output=True,
        text=True,
        errors="replace",
        cwd="/",
        env=_ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        **options,
    )


def wheel_file(module: str, name: str, *, package: str) -> str:
    """Find a file of an installed wheel without importing it."""
    spec = importlib.util.find_spec(module)
    for folder in (spec and spec.submodule_search_locations) or ():
        if (path := Path(folder) / name).exists():
            return str(path)
    raise EmbeddedError(
        f"{name} of the wheel {package} is not installed.",
        "Install requirements/base.txt, or set DATABASE_URL and REDIS_URL to servers of your own.",
    )


def recorded_pid(pid_file: Path) -> int | None:
    """The number in a pid file; it may be anybody's by now."""
    try:
        return int(pid_file.read_text().split()[0])
    except (FileNotFoundError, ValueError, IndexError):
        return None


def command_line(pid: int) -> str:
    """The words a process was started with; empty for a dead one and for a zombie."""
    if not Path("/proc/self").exists():
        return run(["ps", "-ww", "-o", "command=", "-p", str(pid)]).stdout.strip()
    for _ in range(20):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
            state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return ""
        if words or state in b"ZX":
            return words.replace(b"\0", b" ").decode(errors="surrogateescape")
        # In the middle of exec a live process has no words for a moment; a kernel thread never has any.
        time.sleep(0.002)
    return ""


@contextmanager
def in_words(home: Path) -> Iterator[None]:
    """Say the two ordinary troubles of a file system as sentences."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            fail("The embedded servers cannot write", "No space left on device")
        if error.errno in (errno.EACCES, errno.EPERM):
            raise EmbeddedError(
                f"{error.filename or home} may not be used by this user.",
                "Work as the user who owns it, or choose another OPTIONSV4_STATE_DIR.",
            ) from error
        raise


def fail(sentence: str, said: str, *, log: Path | None = None) -> NoReturn:
    """Refuse with the last words of the program that failed."""
    if "No space left on device" in said:
        raise EmbeddedError(f"{sentence}: the disk is full.", "Free some space and try again; nothing stored is lost.")
    words = " / ".join(line.strip() for line in said.splitlines()[-6:] if line.strip())
    remedy = f"The whole log is {log}." if log else "Correct this and try again."
    raise EmbeddedError(f"{sentence}: {words or 'no reason given'}.", remedy)
