"""A live process names Dhan's own addresses or does not start."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]


def start(tmp_path, **environment):
    bare = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", "import optionsv4.settings"],
        env=bare | environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "name", ["DHAN_BASE_URL", "DHAN_AUTH_URL", "DHAN_MASTER_URL", "DHAN_MARKET_FEED_URL", "DHAN_ORDER_UPDATE_URL"]
)
def test_fm_A21_a_live_process_with_another_address_does_not_start(tmp_path, name):
    started = start(tmp_path, TRADING_MODE="live", **{name: "http://127.0.0.1:8001"})

    assert started.returncode != 0
    assert "nothing but Dhan's own addresses" in started.stderr


def test_a_live_process_with_dhan_s_own_addresses_and_a_paper_one_with_others_start(tmp_path):
    assert start(tmp_path, TRADING_MODE="live").returncode == 0
    assert start(tmp_path, DHAN_BASE_URL="http://127.0.0.1:8001/v2").returncode == 0
