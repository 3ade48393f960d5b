"""Run one of the commands for a test, once for all tests of the session that want the same."""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def answer_of(module: str, *arguments: str, factory: pytest.TempPathFactory) -> Any:
    """What `python -m module arguments` says as JSON; whichever worker of pytest-xdist asks first runs it."""
    base = factory.getbasetemp()
    folder = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    kept = folder / f"{module}.json"
    with kept.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            done = subprocess.run(
                [sys.executable, "-m", module, "--json", *arguments],
                cwd=ROOT,
                capture_output=True,
                text=True,
                check=False,
            )
            if not done.stdout.startswith(("[", "{")):
                pytest.fail(f"{module} ended with {done.returncode}: {done.stderr[-3000:]}")
            kept.write_text(done.stdout)
    return json.loads(kept.read_text())
