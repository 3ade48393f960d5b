"""`make demo` after installation, and its idempotent second run, in a fresh state directory."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def run() -> list[tuple[str, float, str, float]]:
    """Run the demonstration twice from nothing: embedded servers, migrations, the day, its follow-up."""
    state = Path(tempfile.mkdtemp(prefix="optionsv4-bench-"))
    state.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    environment = kept | {"OPTIONSV4_STATE_DIR": str(state), "OPTIONSV4_EMBEDDED": ""}
    try:
        first, second = (_timed(["make", "demo"], environment) for _ in range(2))
    finally:
        subprocess.run([sys.executable, "manage.py", "embedded", "stop"], cwd=ROOT, env=environment, check=False)
        shutil.rmtree(state, ignore_errors=True)
    return [("make demo after installation", first, "s", -60.0), ("make demo again", second, "s", 0.0)]


def _timed(command: list[str], environment: dict[str, str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    return time.perf_counter() - started


if __name__ == "__main__":
    from bench.__main__ import main

    main(["day"])
