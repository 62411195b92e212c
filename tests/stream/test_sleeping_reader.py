"""A reader that sleeps for ten minutes while the market goes on: nothing grows, and nothing is lost.

In virtual time, and a hundredth of what benchmarks/bench_memory.py does on real sockets: 50 trades a second, and
buffers of that size.
"""

from __future__ import annotations

from collections.abc import Callable

import anyio
import pytest

from rangebar_anyio import Bar, BarStream, open_stream
from tests.stream.fake_source import FakeExchange, bars_of, make_tape

pytestmark = pytest.mark.anyio

RATE = 50
AWAKE_S, ASLEEP_S = 2, 600
TAPE = make_tape((AWAKE_S + ASLEEP_S + AWAKE_S) * RATE)
WANTED = bars_of(TAPE, 250)
BAR_BUFFER, TRADE_BUFFER = 5, 50


@pytest.fixture
def anyio_backend(virtual_backend: object) -> object:
    return virtual_backend


async def play(exchange: FakeExchange) -> None:
    while not exchange.is_played_out:
        exchange.publish("BTCUSDT", RATE)
        await anyio.sleep(1)


def cut(exchange: FakeExchange) -> None:
    """Have the exchange give up its slow readers: what it had not sent is gone, and their next read finds the end."""
    for socket in exchange.sockets:
        socket._buffer.clear()
        exchange.faults[socket._number, socket._reads] = "drop"


def leave(_exchange: FakeExchange) -> None:
    """Have everything wait in the network."""


async def take_until(bars: BarStream, got: list[Bar], deadline: float) -> None:
    with anyio.move_on_after(deadline):
        while True:
            got.append(await bars.receive())


@pytest.mark.parametrize(("meanwhile", "reconnects"), [(leave, 0), (cut, 1)])
async def test_memory_stays_flat_and_the_bars_are_those_of_the_tape(
    meanwhile: Callable[[FakeExchange], None], reconnects: int
) -> None:
    exchange = FakeExchange([TAPE], is_playing=False)
    got: list[Bar] = []
    async with anyio.create_task_group() as tasks:
        async with open_stream(
            "BTCUSDT", source=exchange, start=1000, bar_buffer=BAR_BUFFER, trade_buffer=TRADE_BUFFER
        ) as bars:
            exchange.publish("BTCUSDT", RATE)
            tasks.start_soon(play, exchange)
            await take_until(bars, got, AWAKE_S)
            assert got

            connects = bars.stats.connects
            await anyio.sleep(30)
            early = bars.stats
            await anyio.sleep(ASLEEP_S / 2)
            meanwhile(exchange)
            await anyio.sleep(ASLEEP_S / 2 - 30)
            late = bars.stats

            assert early.reader_away_s > 20
            assert late.reader_away_s > ASLEEP_S - 20
            assert (late.heap_bytes, late.bytes_received) == (early.heap_bytes, early.bytes_received)
            assert late.bars_waiting <= BAR_BUFFER
            assert late.trades_held <= TRADE_BUFFER
            assert (late.connects, late.requests) == (connects, early.requests)

            with anyio.fail_after(600):
                while len(got) < len(WANTED):
                    got.append(await bars.receive())

            awake = bars.stats

    assert got == WANTED
    assert awake.connects - connects == reconnects
    # The first trade of all came by REST, as did everything that was cut away.
    assert (awake.fetched_trades > ASLEEP_S * RATE / 4) == bool(reconnects)
