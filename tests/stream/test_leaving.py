"""Every way out of the block: what it raises, what it leaves behind, and that it says nothing."""

from __future__ import annotations

import asyncio
import gc
import traceback
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from rangebar_anyio import Bar, BarStream, MemoryStore, StoreError, open_stream
from tests.stream.fake_source import QUICK, FakeExchange, bars_of, make_tape

pytestmark = pytest.mark.anyio

TAPE = make_tape(150)
WANTED = bars_of(TAPE, 250)


class Interrupted(BaseException):
    """As much an `Exception` as `KeyboardInterrupt` is."""


def stream(exchange: FakeExchange, **options: Any) -> Any:
    options.setdefault("config", QUICK)
    return open_stream("BTCUSDT", source=exchange, **options)


def assert_nothing_left(exchange: FakeExchange) -> None:
    assert not exchange.sockets
    assert exchange.open_transports == 0


# Exceptions of the body.


@pytest.mark.parametrize(
    "make",
    [
        lambda: ValueError("mine"),
        lambda: Interrupted("mine"),
        lambda: StopIteration("mine"),
        lambda: StopAsyncIteration("mine"),
        lambda: GeneratorExit("mine"),
        lambda: ExceptionGroup("mine", [ValueError("first"), TypeError("second")]),
        lambda: StoreError("mine"),
        lambda: anyio.ClosedResourceError("mine"),
    ],
    ids=lambda make: type(make()).__name__,
)
async def test_an_exception_of_the_body_leaves_as_itself(make: Callable[[], BaseException]) -> None:
    """The same object, with the line that raised it, no group around it and no other exception behind it."""
    exchange, error = FakeExchange([TAPE]), make()
    with pytest.raises(type(error)) as raised:
        async with stream(exchange) as bars:
            await bars.receive()
            raise error

    assert raised.value is error
    assert error.__cause__ is None
    assert "raise error" in "".join(traceback.format_exception(error))
    assert_nothing_left(exchange)


async def test_exceptions_leave_a_larger_task_group_once_wrapped() -> None:
    """The group around it is the program's own; there is none of ours inside."""
    exchange = FakeExchange([TAPE])
    with pytest.raises(BaseExceptionGroup) as raised:
        async with anyio.create_task_group() as tasks, stream(exchange) as bars:
            tasks.start_soon(anyio.sleep_forever)
            await bars.receive()
            raise KeyError("mine")

    assert [type(error) for error in raised.value.exceptions] == [KeyError]
    assert_nothing_left(exchange)


async def test_break_leaves_quietly() -> None:
    exchange = FakeExchange([TAPE])
    async with stream(exchange) as bars:
        async for bar in bars:
            assert bar == WANTED[0]
            break

    assert_nothing_left(exchange)


async def test_leaving_before_anything_came() -> None:
    for turns in range(12):
        exchange = FakeExchange([TAPE])
        async with stream(exchange):
            for _ in range(turns):
                await anyio.sleep(0)

        assert_nothing_left(exchange)


async def test_a_time_limit_around_the_block() -> None:
    exchange = FakeExchange([TAPE], is_playing=False)
    with pytest.raises(TimeoutError):
        with anyio.fail_after(0.05):
            async with stream(exchange) as bars:
                await bars.receive()

    assert_nothing_left(exchange)


async def test_a_bodys_exception_is_not_lost_to_a_cancellation_at_the_same_time() -> None:
    exchange = FakeExchange([TAPE])
    with anyio.CancelScope() as scope:
        with pytest.raises(ValueError, match="mine"):
            async with stream(exchange) as bars:
                await bars.receive()
                scope.cancel()
                raise ValueError("mine")

    assert_nothing_left(exchange)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_native_time_limits_and_groups_of_asyncio() -> None:
    """`asyncio.timeout` and `asyncio.TaskGroup` see their cancellation come back, and the task ends uncancelled."""
    exchange = FakeExchange([TAPE], is_playing=False)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05), stream(exchange) as bars:
            await bars.receive()

    assert_nothing_left(exchange)

    async def fail() -> None:
        raise KeyError("theirs")

    with pytest.raises(ExceptionGroup) as raised:
        async with asyncio.TaskGroup() as tasks, stream(exchange) as bars:
            tasks.create_task(fail())
            await bars.receive()

    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    assert [type(error) for error in raised.value.exceptions] == [KeyError]
    assert_nothing_left(exchange)


# Ending it from elsewhere.


async def test_aclose_from_elsewhere_ends_a_loop_normally() -> None:
    """A reader that waits is woken, the bar given last is finished, and `async for` ends."""
    exchange = FakeExchange([TAPE], batch=1)
    store = MemoryStore()
    got: list[Bar] = []

    async def close(bars: BarStream) -> None:
        while len(got) < 3:
            await anyio.sleep(0)

        exchange.is_playing = False
        await bars.aclose()

    async with anyio.create_task_group() as tasks, stream(exchange, store=store) as bars:
        tasks.start_soon(close, bars)
        async for bar in bars:
            got.append(bar)  # noqa: PERF401 - the other task looks at it

        with pytest.raises(anyio.EndOfStream):
            await bars.receive()

    (lane,) = await store.lanes()
    assert got == WANTED[: len(got)]
    assert lane.checkpoint is not None
    assert lane.checkpoint.position.order == got[-1].last_agg_trade_id
    assert_nothing_left(exchange)


async def test_a_second_reader_is_told_so() -> None:
    exchange = FakeExchange([TAPE], is_playing=False)

    async def read(bars: BarStream) -> None:
        with pytest.raises(anyio.EndOfStream):
            await bars.receive()

    async with anyio.create_task_group() as tasks, stream(exchange) as bars:
        tasks.start_soon(read, bars)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(anyio.BusyResourceError, match="receiving bars from"):
            await bars.receive()

        await bars.aclose()
        await anyio.wait_all_tasks_blocked()


async def test_a_reader_in_another_task_learns_that_the_block_was_left() -> None:
    exchange = FakeExchange([TAPE], is_playing=False)

    async def read(bars: BarStream) -> None:
        with pytest.raises(anyio.ClosedResourceError):
            await bars.receive()

    async with anyio.create_task_group() as tasks:
        async with stream(exchange) as bars:
            tasks.start_soon(read, bars)
            await anyio.wait_all_tasks_blocked()

    assert_nothing_left(exchange)


async def test_after_the_block_nothing_can_be_received() -> None:
    exchange = FakeExchange([TAPE])
    async with stream(exchange) as bars:
        bar = await bars.receive()

    with pytest.raises(anyio.ClosedResourceError):
        await bars.receive()

    with pytest.raises(anyio.ClosedResourceError):
        await bars.ack(bar)

    with pytest.raises(anyio.ClosedResourceError):
        bars.forming("BTCUSDT", 250)

    await bars.aclose()
    assert bars.stats.bars >= 1


async def test_a_stream_opens_once() -> None:
    opening = stream(FakeExchange([TAPE]))
    async with opening as bars:
        await bars.receive()

    with pytest.raises((RuntimeError, AttributeError)):
        async with opening:
            pytest.fail("opened twice")


# Silence.


@pytest.mark.parametrize(
    "anyio_backend",
    [
        pytest.param(("asyncio", {"debug": True}), id="asyncio-debug"),
        pytest.param(("asyncio", {"debug": True, "use_uvloop": True}), id="uvloop-debug"),
        pytest.param(("trio", {}), id="trio"),
    ],
)
@pytest.mark.parametrize("way", ["normally", "break", "exception", "cancelled", "closed"])
async def test_nothing_is_printed_at_the_end(
    way: str, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """In asyncio's debug mode too: no task destroyed or never awaited, no resource that nobody closed."""
    exchange = FakeExchange([TAPE], history=60, faults={(0, 3): "drop"})
    with anyio.CancelScope() as scope:
        try:
            async with stream(exchange, start=1000, store=MemoryStore()) as bars:
                async for _ in bars:
                    if way == "break":
                        break

                    if way == "exception":
                        raise KeyError

                    if way == "cancelled":
                        scope.cancel()

                    if way == "closed":
                        await bars.aclose()

                    if bars.stats.bars == len(WANTED):
                        await bars.aclose()
        except KeyError:
            assert way == "exception"

    gc.collect()
    said = [record.getMessage() for record in caplog.records]
    assert not [text for text in said if not text.startswith("Executing ")]
    assert capsys.readouterr() == ("", "")
    assert_nothing_left(exchange)
