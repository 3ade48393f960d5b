"""The supervisor of the embedded servers, on real binaries in directories of its own; Django is not involved."""

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
import redis

from optionsv4 import embedded
from optionsv4.embedded.home import locked, sockets_of
from optionsv4.embedded.postgres import binary
from optionsv4.embedded.system import command_line

PROJECT = Path(__file__).parents[3]
START_AND_PRINT = (
    "import json, sys; from dataclasses import asdict; from pathlib import Path; from optionsv4 import embedded;"
    "print(json.dumps(asdict(embedded.start(Path(sys.argv[1])))), flush=True)"
)
START_THROWAWAY_AND_SLEEP = (
    "import sys, time; from pathlib import Path; from optionsv4 import embedded;"
    "s = embedded.start(Path(sys.argv[1]), throwaway=True);"
    "print(s.postgres_pid, s.redis_pid, flush=True); time.sleep(60)"
)


@pytest.fixture
def state_dir() -> Iterator[Path]:
    """A new directory that every user can reach; whatever was started in it is stopped."""
    parent = Path(tempfile.mkdtemp(prefix="embedded-"))
    parent.chmod(0o755)
    yield parent / "var"
    embedded.stop(parent / "var")
    shutil.rmtree(parent)


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Path, embedded.Servers]]:
    """Servers for the tests that only look."""
    parent = Path(tempfile.mkdtemp(prefix="embedded-"))
    parent.chmod(0o755)
    yield parent / "var", embedded.start(parent / "var")
    embedded.stop(parent / "var")
    shutil.rmtree(parent)


def rows(servers: embedded.Servers, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def redis_client(servers: embedded.Servers) -> "redis.Redis[str]":
    return redis.Redis(unix_socket_path=servers.redis_socket, decode_responses=True)


def fails(*arguments: str, **options: str) -> bool:
    return subprocess.run(arguments, check=False, capture_output=True, cwd="/", **options).returncode != 0


def kill_outright(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    while command_line(pid):
        time.sleep(0.01)


def test_first_start_gives_the_database_in_utf8_with_the_builtin_locale(running):
    _, servers = running

    found = rows(
        servers,
        "SELECT datname, pg_encoding_to_char(encoding), datlocprovider, datlocale, current_setting('TimeZone')"
        " FROM pg_database WHERE datname = current_database()",
    )

    assert found == [("optionsv4", "UTF8", "b", "C.UTF-8", "UTC")]


def test_postgres_listens_on_no_tcp_port_and_keeps_its_socket_private(running):
    state_dir, servers = running

    assert rows(servers, "SHOW listen_addresses") == [("",)]
    assert (state_dir / "embedded").stat().st_mode & 0o777 == 0o700
    assert (state_dir / "embedded/run").stat().st_mode & 0o777 == 0o700
    assert Path(servers.redis_socket).stat().st_mode & 0o777 == 0o700


def test_fm_C10_redis_has_no_port_keeps_an_append_only_file_and_evicts_nothing(running):
    _, servers = running

    with redis_client(servers) as client:
        names = ("port", "appendonly", "appendfsync", "maxmemory-policy", "save")
        settings = {name: client.config_get(name)[name] for name in names}

    assert settings == {
        "port": "0",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory-policy": "noeviction",
        "save": "",
    }


def test_durable_postgres_does_not_trade_safety_for_speed(running):
    _, servers = running

    assert rows(servers, "SELECT current_setting('fsync'), current_setting('full_page_writes')") == [("on", "on")]


def test_second_start_finds_the_same_processes(running):
    state_dir, servers = running

    assert embedded.start(state_dir) == servers


def test_environment_of_the_caller_does_not_reach_the_servers(running, state_dir, monkeypatch):
    for name, value in {
        "PGPORT": "1",
        "PGDATA": "/nowhere",
        "PGDATABASE": "x",
        "LC_ALL": "xx_XX",
        "TZ": "Asia/Tokyo",
    }.items():
        monkeypatch.setenv(name, value)

    servers = embedded.start(state_dir, redis=False)

    monkeypatch.undo()
    assert rows(servers, "SELECT current_setting('TimeZone'), current_setting('port')") == [("UTC", "5432")]


def test_status_names_pid_version_and_address_of_both(running):
    state_dir, servers = running

    status = embedded.status(state_dir)

    assert status.running
    assert (status.postgres.pid, status.postgres.url) == (servers.postgres_pid, servers.database_url)
    assert (status.redis.pid, status.redis.url) == (servers.redis_pid, servers.redis_url)
    assert (status.postgres.version.split(".")[0], status.redis.version) == ("18", "6.2.14")


def test_status_of_a_new_directory_creates_nothing(state_dir):
    status = embedded.status(state_dir)

    assert not status.running
    assert (status.postgres.pid, status.redis.pid) == (None, None)
    assert not state_dir.exists()


def test_stop_ends_both_and_may_be_repeated(state_dir):
    servers = embedded.start(state_dir)

    embedded.stop(state_dir)
    embedded.stop(state_dir)

    assert command_line(servers.postgres_pid) == command_line(servers.redis_pid) == ""
    assert not embedded.status(state_dir).running


def test_one_server_alone_where_the_other_is_given(state_dir):
    servers = embedded.start(state_dir, postgres=False)

    assert servers.postgres_pid is None
    assert servers.redis_pid is not None
    assert not (state_dir / "embedded/postgres").exists()


def test_four_processes_racing_the_first_start_share_one_pair(state_dir):
    starters = [
        subprocess.Popen(
            [sys.executable, "-c", START_AND_PRINT, str(state_dir)], cwd=PROJECT, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]

    answers = [json.loads(starter.communicate(timeout=60)[0]) for starter in starters]

    assert len({(answer["postgres_pid"], answer["redis_pid"]) for answer in answers}) == 1
    assert all(starter.returncode == 0 for starter in starters)


def test_killed_servers_come_back_with_everything_committed(state_dir):
    before = embedded.start(state_dir)
    rows(before, "CREATE TABLE kept AS SELECT generate_series(1, 2000) AS n")
    with redis_client(before) as client:
        client.mset({f"key{n}": str(n) for n in range(500)})
    kill_outright(before.postgres_pid)
    kill_outright(before.redis_pid)

    after = embedded.start(state_dir)

    assert (after.postgres_pid != before.postgres_pid, after.redis_pid != before.redis_pid) == (True, True)
    assert rows(after, "SELECT count(*), sum(n) FROM kept") == [(2000, 2001000)]
    with redis_client(after) as client:
        assert (client.dbsize(), client.get("key499")) == (500, "499")


def test_postgres_killed_under_a_busy_backend_waits_for_it_instead_of_starting_beside_it(state_dir):
    before = embedded.start(state_dir, redis=False)
    busy = psycopg.connect(before.database_url)
    backend = busy.info.backend_pid
    os.kill(backend, signal.SIGSTOP)
    kill_outright(before.postgres_pid)
    waker = subprocess.Popen(["/bin/sh", "-c", f"sleep 0.6; kill -CONT {backend}"])

    started = time.monotonic()
    after = embedded.start(state_dir, redis=False)

    assert time.monotonic() - started > 0.5
    assert rows(after, "SELECT 1") == [(1,)]
    waker.wait()
    busy.close()


def test_a_server_whose_socket_was_removed_is_started_anew_without_loss(state_dir):
    first = embedded.start(state_dir)
    rows(first, "CREATE TABLE kept AS SELECT 1 AS n")
    for socket in sockets_of(state_dir / "embedded").glob(".s.PGSQL.*"):
        socket.unlink()

    again = embedded.start(state_dir)

    assert again.postgres_pid != first.postgres_pid
    assert rows(again, "SELECT n FROM kept") == [(1,)]


def test_stale_pid_files_that_name_a_stranger_are_not_believed(state_dir):
    embedded.start(state_dir)
    embedded.stop(state_dir)
    home = state_dir / "embedded"
    data = home / "postgres"
    # PostgreSQL believes only processes it may signal, so the stranger is of the servers' own user.
    same_user = {"user": home.stat().st_uid} if os.geteuid() == 0 else {}
    stranger = subprocess.Popen(["/bin/sleep", "60"], **same_user)
    lines = [str(stranger.pid), str(data), "0", "5432", str(sockets_of(home)), "", "1 1", "ready"]
    (data / "postmaster.pid").write_text("\n".join(lines) + "\n")
    (sockets_of(home) / ".s.PGSQL.5432.lock").write_text(f"{stranger.pid}\n{data}\n0\n5432\n{sockets_of(home)}\n")
    (home / "redis.pid").write_text(f"{stranger.pid}\n")

    assert not embedded.status(state_dir).running
    servers = embedded.start(state_dir)

    assert stranger.pid not in (servers.postgres_pid, servers.redis_pid)
    assert rows(servers, "SELECT 1") == [(1,)]
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_interrupted_initdb_is_begun_again(state_dir):
    unfinished = state_dir / "embedded/postgres.new"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")

    servers = embedded.start(state_dir, redis=False)

    assert rows(servers, "SELECT 1") == [(1,)]
    assert not unfinished.exists()


def test_dropped_database_is_made_again_by_the_next_start(state_dir):
    servers = embedded.start(state_dir, redis=False)
    with psycopg.connect(servers.database_url.replace("/optionsv4?", "/postgres?"), autocommit=True) as connection:
        connection.execute("DROP DATABASE optionsv4")

    again = embedded.start(state_dir, redis=False)

    assert rows(again, "SELECT current_database()") == [("optionsv4",)]


@pytest.mark.parametrize("name", ["d" * 130, "with space, comma & ünïcode"], ids=["long", "odd"])
def test_unsuitable_path_puts_the_sockets_into_a_private_short_directory(state_dir, name):
    place = state_dir / name

    servers = embedded.start(place)

    sockets = Path(servers.redis_socket).parent
    assert sockets.parent == Path("/tmp")
    assert sockets.stat().st_mode & 0o777 == 0o700
    assert rows(servers, "SELECT current_database()") == [("optionsv4",)]
    embedded.stop(place)
    assert not sockets.exists()


@pytest.mark.parametrize("throwaway", [False, True])
def test_short_socket_directory_of_a_stranger_is_refused(state_dir, throwaway):
    place = state_dir / ("d" * 130)
    digest = sockets_of(place / "embedded").name.rpartition("-")[2]
    planted = [Path(f"/tmp/optionsv4-{entry.pw_uid}-{digest}") for entry in pwd.getpwall()]
    for link in planted:
        link.symlink_to("/var/tmp")

    try:
        with pytest.raises(embedded.EmbeddedError, match="belongs to somebody else"):
            embedded.start(place, throwaway=throwaway)
    finally:
        for link in planted:
            link.unlink()


def test_data_of_another_major_version_are_refused_in_a_sentence(state_dir):
    data = state_dir / "embedded/postgres"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("16\n")

    with pytest.raises(embedded.EmbeddedError, match=r"written by PostgreSQL 16, but .* PostgreSQL 18\. Dump it"):
        embedded.start(state_dir)

    assert (data / "PG_VERSION").read_text() == "16\n"


def test_lock_held_by_another_process_is_named_after_a_while(state_dir):
    home = state_dir / "embedded"
    home.mkdir(parents=True)

    with (
        locked(home),
        pytest.raises(embedded.EmbeddedError, match=r"Another process .*fuser"),
        locked(home, seconds=0.05),
    ):
        pass


def test_missing_wheels_are_named_with_the_remedy(state_dir):
    bare = [sys.executable, "-S", "-c", START_AND_PRINT.replace("print(", "embedded.start(Path(sys.argv[1])); print(")]

    done = subprocess.run([*bare, str(state_dir)], cwd=PROJECT, capture_output=True, text=True, check=False)

    assert "is not installed. Install requirements/base.txt, or set DATABASE_URL" in done.stderr


def test_server_that_cannot_start_says_its_last_words(state_dir):
    embedded.start(state_dir, redis=False)
    embedded.stop(state_dir)
    with (state_dir / "embedded/postgres/postgresql.conf").open("a") as settings:
        settings.write("no_such_setting = 1\n")

    with pytest.raises(embedded.EmbeddedError, match="no_such_setting"):
        embedded.start(state_dir, redis=False)


@pytest.mark.skipif(not Path("/dev/shm").is_dir() or os.geteuid() != 0, reason="needs to mount a small file system")
def test_full_disk_is_called_a_full_disk(state_dir):
    state_dir.mkdir()
    if fails("mount", "-t", "tmpfs", "-o", "size=2m", "none", str(state_dir)):
        pytest.skip("mounting is not allowed here")
    try:
        with pytest.raises(embedded.EmbeddedError, match="the disk is full"):
            embedded.start(state_dir, redis=False)
    finally:
        subprocess.run(["umount", state_dir], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has privileges to drop")
def test_root_drops_its_privileges_where_another_user_can_work(state_dir):
    servers = embedded.start(state_dir)

    reachable = not fails(binary("postgres"), "--version", user="nobody")
    owner = Path(f"/proc/{servers.postgres_pid}").stat().st_uid
    assert (owner != 0) == reachable
    assert (state_dir / "embedded").stat().st_uid == owner


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has privileges to drop")
def test_root_inside_a_closed_directory_uses_a_user_namespace(state_dir):
    if fails("unshare", "--user", "true"):
        pytest.skip("user namespaces are not allowed here")
    state_dir.parent.chmod(0o700)

    servers = embedded.start(state_dir)

    assert (state_dir / "embedded").stat().st_uid == 0
    assert rows(servers, "SELECT 1") == [(1,)]


@pytest.mark.skipif(os.geteuid() != 0, reason="this is the test run itself for an ordinary user")
def test_ordinary_user_has_servers_of_his_own(state_dir):
    python = next((p for p in (sys.executable, "/usr/bin/python3") if may_run(p)), None)
    if python is None:
        pytest.skip("no Python here that user nobody may run")
    state_dir.parent.chmod(0o777)
    packages = str(Path(psycopg.__file__).parents[1])

    done = subprocess.run(
        [python, "-c", START_AND_PRINT, str(state_dir)],
        cwd="/",
        env={"PYTHONPATH": f"{PROJECT}:{packages}", "PYTHONDONTWRITEBYTECODE": "1"},
        user="nobody",
        group=pwd.getpwnam("nobody").pw_gid,
        extra_groups=[],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr == ""
    servers = embedded.Servers(**json.loads(done.stdout))
    assert Path(f"/proc/{servers.postgres_pid}").stat().st_uid == pwd.getpwnam("nobody").pw_uid
    assert rows(servers, "SELECT current_database()") == [("optionsv4",)]
    # Root joins the servers of the ordinary user instead of taking them over.
    assert embedded.start(state_dir) == servers


def may_run(python: str) -> bool:
    try:
        probe = [
            python,
            "-c",
            "import sys; sys.exit(sys.version_info < (3, 11) or not __import__('os').access(sys.argv[1], 1))",
        ]
        return not fails(*probe, binary("postgres"), user="nobody")
    except PermissionError:
        return False


def test_throwaway_servers_are_fast_and_leave_nothing(state_dir):
    servers = embedded.start(state_dir, throwaway=True)
    settings = rows(servers, "SELECT current_setting('fsync'), current_setting('synchronous_commit')")

    embedded.stop(state_dir)

    assert settings == [("off", "off")]
    assert command_line(servers.postgres_pid) == command_line(servers.redis_pid) == ""
    assert not state_dir.exists()


def test_throwaway_servers_refuse_a_directory_with_something_in_it(state_dir):
    (state_dir / "precious").mkdir(parents=True)

    with pytest.raises(embedded.EmbeddedError, match="is not empty"):
        embedded.start(state_dir, throwaway=True)

    assert (state_dir / "precious").exists()


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_orphan_survives_the_owner_of_throwaway_servers(state_dir, blow, comes_true):
    owner = subprocess.Popen(
        [sys.executable, "-c", START_THROWAWAY_AND_SLEEP, str(state_dir)],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    with owner:
        pids = [int(word) for word in owner.stdout.readline().split()]
        # The whole group, as a terminal does on Ctrl-C.
        os.killpg(owner.pid, blow)

    assert len(pids) == 2
    assert comes_true(lambda: not any(map(command_line, pids)))
    assert comes_true(lambda: not state_dir.exists())


def test_owner_killed_in_the_middle_of_the_start_leaves_nothing(state_dir, comes_true):
    owner = subprocess.Popen(
        [sys.executable, "-c", START_THROWAWAY_AND_SLEEP, str(state_dir)], cwd=PROJECT, stdout=subprocess.DEVNULL
    )
    assert comes_true((state_dir / "embedded").exists)

    owner.kill()
    owner.wait()

    assert comes_true(lambda: not state_dir.exists())
    assert not servers_of(state_dir)


def servers_of(state_dir: Path) -> list[bytes]:
    found = []
    for words in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(FileNotFoundError, ProcessLookupError):
            found.append(words.read_bytes())
    return [line for line in found if f"{state_dir}/embedded".encode() in line]
