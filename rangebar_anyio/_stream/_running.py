"""The life of a stream's tasks: they start with the block, end with it, and never show as an exception group."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
from anyio.abc import TaskGroup

from .._session import Session
from .._sources._transport import Transport
from ._closing import Closing
from ._links import Links
from ._stream import BarStream

__all__ = ("run_stream",)

_Make = Callable[[Callable[[], None], Callable[..., None]], BarStream]


@asynccontextmanager
async def run_stream(
    session: Session, transport: Transport, make: _Make, wall_us: int, closing: Closing
) -> AsyncGenerator[BarStream, None]:
    """Run a session for the length of a block."""
    stream: BarStream | None = None
    error: BaseException | None = None
    try:
        try:
            async with anyio.create_task_group() as tasks:
                running = _Running(session, transport, tasks)
                stream = running.start(make, wall_us)
                try:
                    yield stream
                except BaseException as raised:  # noqa: BLE001 - raised again below, outside the group that would wrap it
                    error = raised
                finally:
                    closing.begin(has_waited=stream._is_late)
                    session.stop()
                    stream._end()
                    tasks.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            # Only what no task may swallow comes here: an interrupt that arrived while one of them ran.
            error = _innermost(group)
            raise error from None

        if error is not None:
            raise error
    except BaseException as leaving:
        await _end(stream, transport, closing, acknowledge=error is None, leaving=leaving)
        raise
    else:
        await _end(stream, transport, closing, acknowledge=True, leaving=None)


async def _end(
    stream: BarStream | None,
    transport: Transport,
    closing: Closing,
    *,
    acknowledge: bool,
    leaving: BaseException | None,
) -> None:
    try:
        if stream is not None:
            await closing.finish(stream, acknowledge=acknowledge, leaving=leaving)
    finally:
        # Whatever became of the store, no socket stays open.
        await closing.drop(transport)


class _Running:
    """A session, its tasks and the stream in front of them."""

    def __init__(self, session: Session, transport: Transport, tasks: TaskGroup) -> None:
        self._session = session
        self._transport = transport
        self._tasks = tasks

    def start(self, make: _Make, wall_us: int) -> BarStream:
        stream = self._stream = make(self._settle, self._start_soon)
        self._links = Links(self._session, self._transport, self._start_soon, stream)
        self._session.start(anyio.current_time(), wall_us)
        self._links.settle()
        self._start_soon(self._links.run_clock)
        return stream

    def _settle(self) -> None:
        """Settle for the reader, whose stream is there before the links are."""
        self._links.settle()

    def _start_soon(self, work: Callable[..., Awaitable[None]], *args: object) -> None:
        self._tasks.start_soon(self._guarded, work, args)

    async def _guarded(self, work: Callable[..., Awaitable[None]], args: tuple[object, ...]) -> None:
        """Run one task; what it raises ends the stream and reaches the reader, not the group."""
        try:
            await work(*args)
        except Exception as error:  # noqa: BLE001 - raised from receive()
            self._stream._on_fail(error)


def _innermost(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]

    return error
