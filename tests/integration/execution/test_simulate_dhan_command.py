"""`simulate_dhan` before it serves: where it listens and what it says."""

import gc
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from execution.simulator.serving import bind

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::"])
def test_it_listens_on_loopback_only(host: str) -> None:
    with pytest.raises(CommandError, match="never listens on") as refused:
        call_command("simulate_dhan", "--host", host, stdout=StringIO())

    assert refused.value.returncode == 3


def test_a_taken_port_is_a_sentence() -> None:
    with bind() as taken:
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(CommandError, match=r"cannot be opened.*--port") as failed:
            call_command("simulate_dhan", "--port", str(port), "--market", "simulated", stdout=StringIO())

    assert failed.value.returncode == 1


def test_a_socket_that_cannot_be_bound_is_not_left_open(recwarn: pytest.WarningsRecorder) -> None:
    with bind() as taken:
        taken.listen()
        with pytest.raises(OSError, match="in use"):
            bind(taken.getsockname()[1])

    gc.collect()
    assert not [str(one.message) for one in recwarn if issubclass(one.category, ResourceWarning)]
