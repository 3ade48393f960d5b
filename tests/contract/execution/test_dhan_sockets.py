"""Our two socket clients against the simulator's sockets."""

import asyncio

import pytest

from execution.brokers.dhan.order_updates import supervised_order_updates
from execution.brokers.dhan.supervision import Pauses
from execution.brokers.dhan.token import Credential
from execution.ports import OrderStatus
from execution.simulator.faults import Call, Fault, Scripted
from tests.contract.execution.desks import simulator_desk
from tests.unit.execution.dhan.sockets import running, until

FAST = Pauses(first=0.02, longest=0.05, cool_off=0.2, token=2.0, look=0.1, beat=0.02)


@pytest.fixture
def desk():
    """The simulator with its REST client."""
    with simulator_desk(None) as made:
        made.market.quote("99.90", "100.10")
        yield made


def reader(desk, generation=lambda: 1):
    venue = desk.simulator.venue

    async def read():
        return Credential(venue.client_id, venue.access.token, None, generation())

    return read


def listen(desk, hints, connected, generation=lambda: 1):
    return supervised_order_updates(
        desk.simulator.addresses.updates,
        reader(desk, generation),
        on_hint=hints.append,
        on_connected=lambda: connected.append(True),
        pauses=FAST,
    )


@pytest.mark.parametrize("pascal", [False, True], ids=["camelCase", "PascalCase"])
def test_fm_A19_an_order_is_hinted_at_until_it_has_traded(desk, pascal):
    desk.simulator.venue.switches.pascal_updates = pascal
    hints, connected = [], []

    async def play():
        async with running(listen(desk, hints, connected)):
            await until(lambda: connected)
            await asyncio.sleep(0.2)
            placed = await asyncio.to_thread(desk.place, "P1-hint")
            await until(lambda: hints and hints[-1].status is OrderStatus.TRADED)
        return placed

    placed = asyncio.run(play())
    assert {hint.order_id for hint in hints} == {placed.order_id}
    assert {hint.correlation_id for hint in hints} == {"P1-hint"}
    assert hints[-1].filled_quantity == 65


def test_fm_B4_B8_missing_doubled_malformed_and_closed_cost_no_order(desk):
    hints, connected = [], []
    faults = [Fault.UPDATE_DUPLICATE, Fault.UPDATE_FOREIGN_MESSAGE, Fault.MALFORMED_FRAME, Fault.SOCKET_CLOSED]
    for number, fault in enumerate(faults, 1):
        desk.simulator.plan.add(Scripted(fault, Call.UPDATE, nth=number))

    async def play():
        async with running(listen(desk, hints, connected)) as task:
            await until(lambda: connected)
            await asyncio.sleep(0.2)
            for number in range(4):
                await asyncio.to_thread(desk.place, f"P1-storm{number}")
                await asyncio.sleep(0.2)
            await until(lambda: len(connected) >= 2)
            assert not task.done()

    asyncio.run(play())
    assert len(list(desk.broker.orders())) == 4


def test_fm_A14_after_a_refresh_the_socket_lives_on_the_new_token(desk):
    hints, connected, generation = [], [], [1]

    async def play():
        async with running(listen(desk, hints, connected, lambda: generation[0])):
            await until(lambda: len(connected) == 1)
            desk.simulator.venue.access.issue(desk.clock.now())
            generation[0] = 2
            await until(lambda: len(connected) == 2)

    asyncio.run(play())
    assert connected == [True, True]
