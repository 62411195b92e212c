"""Opening and closing over and over, without an exchange, and with Ctrl-C: nothing is left and nothing is said."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import threading
import tracemalloc
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
import trio

from rangebar_anyio import BinanceSpot, open_stream
from rangebar_anyio.events import Disconnected, StreamEvent, Waiting
from rangebar_anyio.testing import Fault, FaultKind, Limits, Pace, SimulatedExchange
from tests.cli.conftest import HISTORY, Exchange
from tests.cli.conftest import exchange as exchange
from tests.stream.chaos import HASTY
from tests.stream.fake_source import bars_of, make_tape

pytestmark = pytest.mark.anyio

TAPE = make_tape(200)
WANTED = bars_of(TAPE, 250)
#: From here on a bar is in the exchange's history, so that nobody waits for the tape to be played.
EARLY_ID = HISTORY // 2 - 2000
FOLDER = "/proc/self/fd"
needs_proc = pytest.mark.skipif(not os.path.isdir(FOLDER), reason="descriptors are counted as Linux shows them")


def left() -> tuple[int, int, int]:
    """Descriptors, threads and tasks."""
    gc.collect()
    is_asyncio = isinstance(anyio.lowlevel.current_token().native_token, asyncio.AbstractEventLoop)
    living = len(asyncio.all_tasks()) if is_asyncio else trio.lowlevel.current_statistics().tasks_living
    return len(os.listdir(FOLDER)), threading.active_count(), living


@needs_proc
@pytest.mark.parametrize("way", ["at-once", "after-a-bar"])
async def test_fifty_streams_one_after_the_other_leave_nothing(way: str, exchange: Exchange, tmp_path: Path) -> None:
    """Descriptors, threads, tasks and memory are those of before, with a database too."""
    source = BinanceSpot(exchange.ws_url, exchange.rest_url)

    async def open_and_close(times: int) -> None:
        for number in range(times):
            store = tmp_path / "bars.db" if number % 5 == 0 else None
            async with open_stream(
                "BTCUSDT", source=source, start=EARLY_ID, config=HASTY, store=store, reader=str(number)
            ) as bars:
                if way == "after-a-bar":
                    await bars.receive()

    await open_and_close(10)
    before = left()
    tracemalloc.start()
    try:
        await open_and_close(50)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()

    # Fewer is no leak: anyio lets go of a helper thread that had nothing to do for ten seconds. More may be a thread of
    # a store that has been told to end and was not waited for.
    with anyio.move_on_after(10):
        while any(now > then for now, then in zip(left(), before, strict=True)):
            await anyio.sleep(0.05)

    assert all(now <= then for now, then in zip(left(), before, strict=True)), (before, left())
    assert grown < 500_000


async def test_an_exchange_that_is_down_is_waited_for(capfd: pytest.CaptureFixture[str]) -> None:
    """Entering does not wait for it; when it is there the bars come."""
    down = Fault(FaultKind.REFUSE, at_trade=150, lasts_trades=1)
    events: list[StreamEvent] = []
    async with SimulatedExchange(
        TAPE, history=150, limits=Limits.none(), starts="by-hand", pace=Pace(trades_per_s=200), faults=[down]
    ) as exchange:

        def on_event(event: StreamEvent) -> None:
            events.append(event)
            # The first trade ends the outage, and that not before somebody has met it.
            if isinstance(event, Disconnected):
                exchange.start()

        await exchange.wait_until(lambda counters: counters.faults["refuse"] == 1)
        source = BinanceSpot(exchange.ws_url, exchange.rest_url)
        with anyio.fail_after(100):
            async with open_stream("BTCUSDT", source=source, start=1000, config=HASTY, on_event=on_event) as bars:
                assert bars.stats.bars == 0
                assert [await bars.receive() for _ in WANTED] == WANTED

    assert any(isinstance(event, Disconnected) and not event.was_open for event in events)
    assert any(isinstance(event, Waiting) for event in events)
    assert capfd.readouterr() == ("", "")


async def test_an_exchange_that_never_comes_can_be_left() -> None:
    source = BinanceSpot("ws://127.0.0.1:9", "http://127.0.0.1:9")
    with anyio.fail_after(10):
        async with open_stream("BTCUSDT", source=source, config=HASTY):
            pass

        with anyio.move_on_after(0.1):
            async with open_stream("BTCUSDT", source=source, config=HASTY) as bars:
                await bars.receive()


PROGRAM = """
import sys
import anyio
from rangebar_anyio import BinanceSpot, open_stream

async def main():
    async with open_stream("BTCUSDT", source=BinanceSpot(*sys.argv[2:4]), store=sys.argv[4]) as bars:
        async for bar in bars:
            print(bar.last_agg_trade_id, flush=True)

name = sys.argv[1]
options = {"use_uvloop": True} if name == "uvloop" else {}
anyio.run(main, backend=name.replace("uvloop", "asyncio"), backend_options=options)
"""


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("name", ["asyncio", "uvloop", "trio"])
async def test_control_c_is_one_traceback_and_nothing_after_it(name: str, tmp_path: Path) -> None:
    """In development mode too, with every warning an error; and the next run goes on with the bar that was not done."""
    async with SimulatedExchange(TAPE, limits=Limits.none(), pace=Pace(trades_per_s=100)) as exchange:
        command = [sys.executable, "-X", "dev", "-W", "error", "-c", PROGRAM, name]
        async with await anyio.open_process(
            [*command, exchange.ws_url, exchange.rest_url, str(tmp_path / "bars.db")]
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            with anyio.fail_after(150):
                shown = await process.stdout.receive()
                process.send_signal(signal.SIGINT)
                said = b"".join([part async for part in process.stderr]).decode()
                code = await process.wait()

        await exchange.wait_until(lambda counters: counters.open_connections == 0)

    assert int(shown.split()[0]) in {bar.last_agg_trade_id for bar in WANTED}
    assert code in (-signal.SIGINT, 130)
    assert said.rstrip().endswith("KeyboardInterrupt")
    # One is the interrupt's; on asyncio Python itself shows the cancellation that it became on its way.
    assert "Group" not in said
    assert "Warning" not in said
    assert "never" not in said
