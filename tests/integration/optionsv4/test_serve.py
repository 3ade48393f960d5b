"""`manage.py serve`: processes that live and end together."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from optionsv4.embedded.system import command_line
from optionsv4.management.commands.serve import process_commands

PROJECT = Path(__file__).parents[3]
RUN = """
import sys
from pathlib import Path
from optionsv4.together import run_together
commands = {name: [sys.executable, "-c", code] for name, code in zip(sys.argv[2::2], sys.argv[3::2])}
print(run_together(commands, directory=Path(sys.argv[1]), stop_seconds=1.0))
"""
SLEEPER = "import os, time; open('{0}', 'w').write(str(os.getpid())); time.sleep(60)"
STUBBORN_WITH_A_CHILD = (
    "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); child = os.fork();"
    "open('{0}-child' if child == 0 else '{0}', 'w').write(str(os.getpid())); time.sleep(60)"
)


def start(directory: Path, **codes: str) -> "subprocess.Popen[str]":
    words = [word for name, code in codes.items() for word in (name, code.format(name))]
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(directory), *words], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    )


def pid_in(directory: Path, name: str) -> int:
    return int((directory / name).read_text() or 0) if (directory / name).exists() else 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_signal_stops_every_process(tmp_path, comes_true, number):
    served = start(tmp_path, web=SLEEPER, worker=SLEEPER)
    assert comes_true(lambda: pid_in(tmp_path, "web") and pid_in(tmp_path, "worker"), seconds=30)

    served.send_signal(number)
    said, _ = served.communicate(timeout=30)

    if number != signal.SIGKILL:
        assert (served.returncode, said) == (0, "None\n")
    assert comes_true(lambda: not command_line(pid_in(tmp_path, "web")))
    assert comes_true(lambda: not command_line(pid_in(tmp_path, "worker")))


def test_death_of_one_is_told_with_its_code_and_ends_the_rest(tmp_path, comes_true):
    served = start(tmp_path, web=SLEEPER, trader="import time; time.sleep(0.5); raise SystemExit(7)")

    said, _ = served.communicate(timeout=30)

    assert said == "('trader', 7)\n"
    assert not command_line(pid_in(tmp_path, "web"))


def test_process_that_ignores_the_request_is_ended_with_its_children_in_time(tmp_path, comes_true):
    served = start(tmp_path, worker=STUBBORN_WITH_A_CHILD)
    assert comes_true(lambda: pid_in(tmp_path, "worker") and pid_in(tmp_path, "worker-child"), seconds=30)

    served.terminate()
    served.communicate(timeout=30)

    assert served.returncode == 0
    assert comes_true(lambda: not command_line(pid_in(tmp_path, "worker-child")))


def test_the_four_processes_of_the_product_run_together():
    commands = process_commands("127.0.0.1", 8123)

    assert list(commands) == ["web", "worker", "beat", "trader"]
    assert commands["web"][2:8] == ["uvicorn", "optionsv4.asgi:application", "--host", "127.0.0.1", "--port", "8123"]
    assert commands["beat"][-1] == "django_celery_beat.schedulers:DatabaseScheduler"
    assert commands["trader"][1:] == ["manage.py", "run_trader"]
