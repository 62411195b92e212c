"""A stream is cancelled at each of its suspensions in turn: no bar is lost or given twice, nothing stays behind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import pytest

from rangebar_anyio import Bar, BarStream, CheckpointStore, MemoryStore, SqliteStore, open_stream
from tests.stream.cancelling import How, living_tasks, run_cancelled
from tests.stream.fake_source import QUICK, FakeExchange, bars_of, make_tape

pytestmark = pytest.mark.anyio

TAPE = make_tape(40)
WANTED = bars_of(TAPE, 250)
MOST = 400


@pytest.fixture(params=["scope", "native", "native-twice"])
def how(request: pytest.FixtureRequest) -> How:
    way: How = request.param
    return way


def make_exchange() -> FakeExchange:
    """Something of everything: a gap before the live trades, a lost connection, a lost trade."""
    return FakeExchange([TAPE], history=12, batch=5, page_rows=4, faults={(0, 3): "drop", (1, 2): "lose"})


def opened(exchange: FakeExchange, store: CheckpointStore | Path | None, start: Any = 1000, **options: Any) -> Any:
    return open_stream("BTCUSDT", source=exchange, start=start, store=store, config=QUICK, **options)


async def assert_nothing_left(exchange: FakeExchange, tasks: int) -> None:
    assert not exchange.sockets
    assert exchange.open_transports == 0
    for _ in range(5):
        # A task that ended is forgotten one turn later.
        if living_tasks() <= tasks:
            break

        await anyio.sleep(0)

    assert living_tasks() <= tasks


# Inside one stream.


async def receive_all(exchange: FakeExchange, bars: BarStream, how: How, at: int) -> tuple[list[Bar], int]:
    """Receive the tape, each `receive` cancelled at the k-th suspension and then asked again."""
    got: list[Bar] = []
    strikes = 0

    async def receive() -> None:
        got.append(await bars.receive())

    while len(got) < len(WANTED):
        if await run_cancelled(receive, at, how):
            strikes += 1
            # What raised gave nothing; what gave something was not told of the cancellation.
            before = len(got)
            if before < len(WANTED):
                await receive()
                assert len(got) == before + 1

    return got, strikes


@pytest.mark.parametrize("save_every", [1, 3])
async def test_receive_goes_on_after_a_cancellation(how: How, save_every: int) -> None:
    tasks = living_tasks()
    for at in range(1, MOST):
        exchange, store = make_exchange(), MemoryStore()
        async with opened(exchange, store, save_every=save_every) as bars:
            got, strikes = await receive_all(exchange, bars, how, at)
            assert got == WANTED

        await assert_nothing_left(exchange, tasks)
        if not strikes:
            break
    else:
        pytest.fail("receive never ran through")

    assert at > 3


# A whole run, and the one after it.


async def run(exchange: FakeExchange, store: CheckpointStore | Path, got: list[Bar], ack: str = "auto") -> None:
    """Read what is left of the tape."""
    async with opened(exchange, store, ack=ack) as bars:
        while not got or got[-1].last_agg_trade_id < WANTED[-1].last_agg_trade_id:
            bar = await bars.receive()
            got.append(bar)
            if ack == "manual":
                await bars.ack(bar)

        await bars.aclose()
        with pytest.raises(anyio.EndOfStream):
            await bars.receive()


def assert_joined(first: list[Bar], second: list[Bar]) -> None:
    """Exactly the tape's bars; at the joint the last one may come again."""
    if first and second and second[0] == first[-1]:
        first = first[:-1]

    assert first + second == WANTED


@pytest.fixture(params=["memory", "sqlite", "path"])
def next_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[CheckpointStore | Path | None], Any]:
    """Give a new store, or what the last one left for the program that starts next."""
    numbers = iter(range(10**6))

    def make(last: Any) -> Any:
        if request.param == "memory":
            return MemoryStore(continues=last)

        if request.param == "path":
            return last or tmp_path / f"{next(numbers)}.db"

        return SqliteStore(last._given if last else tmp_path / f"{next(numbers)}.db")

    return make


@pytest.mark.parametrize("ack", ["auto", "manual"])
async def test_a_run_cancelled_anywhere_is_gone_on_with(how: How, ack: str, next_store: Any) -> None:
    """At entering, receiving, acknowledging, closing, leaving: the next run gives exactly the rest."""
    # The stores' own tests cancel every call of a file at every suspension; here one in four is enough for them.
    in_memory = isinstance(next_store(None), MemoryStore)
    for at in range(1, MOST, 1 if in_memory else 4):
        if not await cancel_and_go_on(at, how, ack, next_store):
            break
    else:
        pytest.fail("it never ran through")

    assert at > 20


async def cancel_and_go_on(at: int, how: How, ack: str, next_store: Any) -> bool:
    """Cancel a run, look around, and run again; False if the first run came to its end before."""
    threads, tasks, exchange, store = threading.enumerate(), living_tasks(), make_exchange(), next_store(None)
    first: list[Bar] = []
    second: list[Bar] = []
    was_cancelled = await run_cancelled(lambda: run(exchange, store, first, ack), at, how)
    await assert_nothing_left(exchange, tasks)
    await close(store, threads)

    again, left = next_store(store), FakeExchange([TAPE], history=len(TAPE))
    left.venue = exchange.venue
    if not first or first[-1] != WANTED[-1]:
        await run(left, again, second, ack)

    await close(again, threads)
    assert_joined(first, second)
    return was_cancelled


async def close(store: Any, threads: list[threading.Thread]) -> None:
    """Close a store, and see that nothing is left of its threads; `threads` were there before."""
    if isinstance(store, CheckpointStore):
        await store.aclose()

    for thread in threading.enumerate():
        if thread.name.startswith("store ") and thread not in threads:
            await anyio.to_thread.run_sync(thread.join, 5)
            assert not thread.is_alive()


@pytest.mark.parametrize(
    "anyio_backend",
    [pytest.param(("asyncio", {}), id="asyncio"), pytest.param(("asyncio", {"use_uvloop": True}), id="asyncio+uvloop")],
)
async def test_wait_for_of_asyncio_loses_nothing() -> None:
    """It runs `receive` in a task of its own and cancels that one; every bar comes in the end."""
    for turns in range(1, 12):
        exchange, got = FakeExchange([TAPE], batch=1), list[Bar]()
        async with opened(exchange, MemoryStore(), start="live") as bars:
            while len(got) < len(WANTED):
                waiting = asyncio.ensure_future(asyncio.wait_for(bars.receive(), 10))
                for _ in range(turns):
                    await asyncio.sleep(0)

                waiting.cancel()
                with suppress(asyncio.CancelledError):
                    got.append(await waiting)

                # Impatience for ever would never see a bar.
                got += [await bars.receive()] if len(got) < len(WANTED) else []

        assert got == WANTED
