"""Runs a stream for a command: until it ends by itself, by a limit, by a signal, or because nobody reads the output."""

from __future__ import annotations

import select
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import anyio
from anyio.abc import TaskGroup

from .._bar import Bar
from .._session import StreamStats
from .._stream import BarStream
from .._stream._closing import CLOSE_SECONDS
from ._screen import Screen
from ._signals import stopped_by_signals

__all__ = ("Ended", "follow")

_LOOK_S = 0.25

Consume = Callable[[BarStream], Awaitable[None]]
Watch = Callable[[BarStream], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended: why, after how many seconds, and what the stream had counted."""

    why: str
    seconds: float
    stats: StreamStats | None


class _Stop:
    """What ends a run; the first reason counts."""

    def __init__(self) -> None:
        self.scope = anyio.CancelScope()
        self.wanted = anyio.Event()
        self.why = ""
        self.is_open = False

    def __call__(self, why: str) -> None:
        self.why = self.why or why
        self.wanted.set()
        if not self.is_open:
            # Nothing was received yet, so there is nothing to finish.
            self.scope.cancel()


async def follow(
    opening: AbstractAsyncContextManager[BarStream],
    consume: Consume,
    screen: Screen,
    *,
    seconds: float | None = None,
    beside: Sequence[Watch] = (),
    onto_stdout: bool = True,
) -> Ended:
    """Open a stream and consume it, beside everything that may end it in order.

    `consume` receives from the stream until it ends; each of `beside` watches it meanwhile and returns the reason when
    it is to end. An exception of any of them leaves as itself. What goes `onto_stdout` ends when nobody reads that.
    """
    stop, began_at = _Stop(), time.monotonic()
    stats: StreamStats | None = None
    async with _beside() as tasks:
        if onto_stdout:
            tasks.start_soon(_watch_reader, stop)

        if seconds is not None:
            tasks.start_soon(_after, seconds, stop)

        with stopped_by_signals(stop), stop.scope:
            async with opening as bars:
                stop.is_open = True
                async with _beside() as inner:
                    inner.start_soon(_close, bars, stop)
                    inner.start_soon(screen.run, bars)
                    for watch in beside:
                        inner.start_soon(_ends, watch, bars, stop)

                    await consume(bars)

            stats = bars.stats

    return Ended(stop.why, time.monotonic() - began_at, stats)


@asynccontextmanager
async def _beside() -> AsyncGenerator[TaskGroup, None]:
    """Run tasks beside a block and end them with it; no exception is wrapped in a group."""
    error: BaseException | None = None
    try:
        async with anyio.create_task_group() as tasks:
            try:
                yield tasks
            except BaseException as raised:  # noqa: BLE001 - raised again below, outside the group that would wrap it
                error = raised
            finally:
                tasks.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        # A task failed, which is why the block was cancelled.
        error = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]

    if error is not None:
        raise error


async def _close(bars: BarStream, stop: _Stop) -> None:
    await stop.wanted.wait()
    await bars.aclose()
    # What waits for a disk that never answers ends as late as leaving a block may.
    await anyio.sleep(CLOSE_SECONDS)
    stop.scope.cancel()


async def _ends(watch: Watch, bars: BarStream, stop: _Stop) -> None:
    stop(await watch(bars))


async def _after(seconds: float, stop: _Stop) -> None:
    await anyio.sleep(seconds)
    stop(f"--seconds {seconds:g}")


async def _watch_reader(stop: _Stop) -> None:
    """Notice that the reader of our output is gone, which otherwise only the next bar would show."""
    if sys.platform == "win32":
        return

    try:
        fd = sys.stdout.fileno()
    except (OSError, ValueError):
        return

    poll = select.poll()
    # Errors are always reported: on a pipe without a reader at once.
    poll.register(fd, 0)
    while not any(happened & select.POLLERR for _, happened in poll.poll(0)):  # noqa: ASYNC110 - no event tells
        await anyio.sleep(_LOOK_S)

    stop("nobody reads the output any more")


def each_bar(write: Callable[[Bar], None], max_bars: int | None) -> Consume:
    """Consume a stream bar by bar; a bar is finished when `write` has returned and the next one is asked for."""

    async def consume(bars: BarStream) -> None:
        count = 0
        async for bar in bars:
            write(bar)
            count += 1
            if count == max_bars:
                return

    return consume
