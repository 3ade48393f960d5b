"""Who gets which servers: bootstrap for commands and processes, the pytest plugin for tests."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from optionsv4 import embedded
from optionsv4.bootstrap import needs_database
from optionsv4.embedded.system import command_line

PROJECT = Path(__file__).parents[3]
NAMES = ("DATABASE_URL", "REDIS_URL", "OPTIONSV4_STATE_DIR", "OPTIONSV4_EMBEDDED")
BOOTSTRAP = (
    "import json, os, sys; from pathlib import Path; from optionsv4.bootstrap import bootstrap;"
    "bootstrap(Path(sys.argv[1])); print(json.dumps({n: os.environ.get(n, '') for n in sys.argv[2:]}))"
)
TEST_FILE = """
import os, time
def test_servers():
    with open("seen", "a") as seen:
        seen.write(os.environ["DATABASE_URL"] + " " + os.environ["REDIS_URL"] + "\\n")
    time.sleep(float(os.environ.get("NAP", "0")))
def test_again():
    test_servers()
"""


@pytest.fixture
def base_dir() -> Iterator[Path]:
    """An empty project directory; embedded servers started in it are stopped."""
    with tempfile.TemporaryDirectory(prefix="bootstrap-") as name:
        Path(name).chmod(0o755)
        yield Path(name)
        for state_dir in (Path(name) / "var", Path(name) / "elsewhere"):
            embedded.stop(state_dir)


def environment(**given: str) -> dict[str, str]:
    ours = (*NAMES, "TEST_DATABASE_URL", "TEST_REDIS_URL")
    inherited = {name: value for name, value in os.environ.items() if name not in ours and "XDIST" not in name}
    return inherited | {"PYTHONPATH": str(PROJECT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"} | given


def bootstrapped(base_dir: Path, **given: str) -> dict[str, str]:
    arguments = [sys.executable, "-c", BOOTSTRAP, str(base_dir), *NAMES]
    done = subprocess.run(arguments, env=environment(**given), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def pytest_command(*arguments: str) -> list[str]:
    plugins = ["-p", "optionsv4.testservers", "-p", "xdist", "-p", "no:cacheprovider"]
    return [sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir=.", *plugins, *arguments, "test_inner.py"]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "help",
        "--help",
        "--version",
        "version",
        "migrate --help",
        "check",
        "check --deploy",
        "embedded status",
        "collectstatic --no-input",
        "compilemessages",
        "startapp x",
        "spectacular",
    ],
)
def test_command_without_need_starts_no_database(line):
    assert not needs_database(["manage.py", *line.split()])


@pytest.mark.parametrize(
    "line",
    ["migrate", "makemigrations --check", "check --database default", "runserver", "serve", "generate_strategies"],
)
def test_command_with_need_gets_a_database(line):
    assert needs_database(["manage.py", *line.split()])


def test_with_nothing_given_both_servers_start_under_var(base_dir):
    found = bootstrapped(base_dir)

    status = embedded.status(base_dir / "var")
    assert status.running
    assert found["DATABASE_URL"] == status.postgres.url
    assert found["REDIS_URL"] == status.redis.url
    assert found["OPTIONSV4_EMBEDDED"] == "1"


def test_given_addresses_are_left_alone_and_start_nothing(base_dir):
    given = {"DATABASE_URL": "postgres://u:p%40@db.example/x?sslmode=require", "REDIS_URL": "redis://r.example:6379"}

    found = bootstrapped(base_dir, **given)

    assert found == {**given, "OPTIONSV4_STATE_DIR": "", "OPTIONSV4_EMBEDDED": ""}
    assert list(base_dir.iterdir()) == []


def test_only_the_missing_server_starts_in_the_directory_the_environment_names(base_dir):
    given = {"DATABASE_URL": "postgres://db.example/x", "OPTIONSV4_STATE_DIR": str(base_dir / "elsewhere")}

    found = bootstrapped(base_dir, **given)

    status = embedded.status(base_dir / "elsewhere")
    assert (status.postgres.running, status.redis.running) == (False, True)
    assert (found["DATABASE_URL"], found["REDIS_URL"]) == (given["DATABASE_URL"], status.redis.url)


def test_env_file_and_secret_files_count_as_given(base_dir):
    (base_dir / ".env").write_text("DATABASE_URL=postgres://from.file/x\n")

    found = bootstrapped(base_dir, REDIS_URL_FILE="/run/secrets/redis")

    assert (found["DATABASE_URL"], found["REDIS_URL"]) == ("postgres://from.file/x", "")
    assert [path.name for path in base_dir.iterdir()] == [".env"]


def test_trouble_ends_the_process_with_a_sentence_instead_of_a_traceback(base_dir):
    (base_dir / "var/embedded/postgres").mkdir(parents=True)
    (base_dir / "var/embedded/postgres/PG_VERSION").write_text("15\n")

    done = subprocess.run(
        [sys.executable, "-c", BOOTSTRAP, str(base_dir)], env=environment(), capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert done.stderr.startswith(f"The data in {base_dir}/var/embedded/postgres was written by PostgreSQL 15")


@pytest.mark.parametrize("spread", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_plugin_gives_one_pair_of_servers_to_the_session_and_removes_it(base_dir, spread):
    (base_dir / "test_inner.py").write_text(TEST_FILE)

    done = subprocess.run(
        pytest_command(*spread), cwd=base_dir, env=environment(DATABASE_URL="postgres://precious/x"), check=False
    )

    seen = set((base_dir / "seen").read_text().splitlines())
    directory = Path(seen.pop().partition("host=")[2].split("/embedded/run")[0])
    assert (done.returncode, seen) == (0, set())
    assert not directory.exists()


def test_plugin_uses_the_test_servers_it_is_given(base_dir):
    (base_dir / "test_inner.py").write_text(TEST_FILE)
    given = {"TEST_DATABASE_URL": "postgres://db.example/x", "TEST_REDIS_URL": "redis://r.example"}

    subprocess.run(pytest_command(), cwd=base_dir, env=environment(**given), check=True)

    assert set((base_dir / "seen").read_text().splitlines()) == {"postgres://db.example/x redis://r.example"}


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGINT])
def test_plugin_leaves_no_orphans_when_pytest_is_struck(base_dir, blow, comes_true):
    (base_dir / "test_inner.py").write_text(TEST_FILE)
    runner = subprocess.Popen(pytest_command(), cwd=base_dir, env=environment(NAP="30"))
    assert comes_true((base_dir / "seen").exists)
    directory = Path((base_dir / "seen").read_text().partition("host=")[2].split("/embedded/run")[0])
    pids = [int((directory / "embedded" / name).read_text()) for name in ("postgres.pid", "redis.pid")]
    assert all(map(command_line, pids))

    runner.send_signal(blow)
    runner.wait()

    assert comes_true(lambda: not any(map(command_line, pids)))
    assert comes_true(lambda: not (directory / "embedded").exists())
