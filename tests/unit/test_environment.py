"""`.env.example` and settings.py name the same things; a copied example changes nothing."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = (ROOT / ".env.example").read_text()
SETTINGS = (ROOT / "optionsv4" / "settings.py").read_text()


def test_example_and_settings_name_the_same_variables():
    documented = set(re.findall(r"^([A-Z0-9_]+)=", EXAMPLE, re.MULTILINE))
    read = set(re.findall(r'env\.\w+\(\s*"([A-Z0-9_]+)"', SETTINGS))

    assert documented == read


def test_only_settings_and_the_bootstrap_read_the_environment():
    readers = {
        str(path.relative_to(ROOT))
        for package in ("optionsv4", "market", "strategies", "allocation", "execution")
        for path in (ROOT / package).rglob("*.py")
        if re.search(r"os\.(environ|getenv)", path.read_text())
    }

    wiring = {f"optionsv4/{name}.py" for name in ("settings", "bootstrap", "testservers", "asgi", "wsgi", "celery")}
    assert {path for path in readers - wiring if not path.startswith("optionsv4/embedded/")} == set()


def test_a_copied_example_leaves_every_default_alone(tmp_path):
    code = "import optionsv4.settings as s; print(s.DEBUG, s.BROKER, s.DATABASE_URL == '', s.STATE_DIR)"
    bare = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    copied = bare | dict(re.findall(r"^([A-Z0-9_]+)=(.*)$", EXAMPLE, re.MULTILINE))

    outputs = [
        subprocess.run([sys.executable, "-c", code], env=env, cwd=tmp_path, capture_output=True, text=True, check=True)
        for env in (bare, copied)
    ]

    assert outputs[0].stdout == outputs[1].stdout
    assert outputs[0].stdout.startswith("True paper True")
