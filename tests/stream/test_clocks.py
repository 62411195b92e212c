"""RECOVERY.md, "Connections and limits": waits, rotations and intervals run on the monotonic clock only."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import cycle

import anyio
import pytest

from rangebar_anyio import Bar, MemoryStore, SessionConfig, open_stream
from tests.stream.fake_source import START_US, FakeExchange, bars_of, make_tape

pytestmark = pytest.mark.anyio

TAPE = make_tape(150)
WANTED = bars_of(TAPE, 250)
DAY_S = 86_400
PING = b"\x89\x02hi"


@pytest.fixture
def anyio_backend(virtual_backend: object) -> object:
    return virtual_backend


@pytest.fixture(params=[(0,), (0, 400 * DAY_S), (0, -400 * DAY_S)], ids=["right", "ahead", "back"])
def wall_clock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A time of day that somebody sets to another year with every look at it."""
    shifts = cycle(request.param)
    real_s = START_US / 1e6 + DAY_S
    monkeypatch.setattr(time, "time", lambda: real_s + next(shifts))
    monkeypatch.setattr(time, "time_ns", lambda: int((real_s + next(shifts)) * 1e9))
    yield
    monkeypatch.undo()


async def ping(exchange: FakeExchange) -> None:
    """Be a server that is alive; one that never pings is half open and is given up."""
    while True:
        await anyio.sleep(20)
        for socket in exchange.sockets:
            socket._buffer += PING

        exchange.wake()


@pytest.mark.usefixtures("wall_clock")
async def test_a_wall_clock_that_is_set_changes_nothing() -> None:
    """Three hours: as many connections and about as many requests as there are reasons for, and every bar."""
    exchange, got = FakeExchange([TAPE], history=10, is_playing=False), list[Bar]()
    opening = open_stream("BTCUSDT", source=exchange, start=1000, store=MemoryStore(), config=SessionConfig())
    async with anyio.create_task_group() as tasks, opening as bars:
        tasks.start_soon(ping, exchange)
        for _ in range(3):
            exchange.publish("BTCUSDT", 40)
            with anyio.move_on_after(3600):
                while True:
                    got.append(await bars.receive())

        exchange.publish("BTCUSDT", 40)
        with anyio.fail_after(60):
            while len(got) < len(WANTED):
                got.append(await bars.receive())

        tasks.cancel_scope.cancel()

    assert got == WANTED
    assert exchange.connects == 1
    # At the start, after the connection, and in each quiet hour after 30 s, 1.5, 3.5, 7.5, 15.5, 30.5 and 45.5 minutes,
    # once for the symbol and once for the connection.
    assert 2 + 3 * 7 <= exchange.requests.total() <= 4 + 2 * 3 * 8
