"""The life of a stream's tasks: they start with the block, end with it, and never show as an exception group."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import anyio
from anyio.abc import TaskGroup

from .._errors import StoreError
from .._session import Session
from .._sources._transport import Transport
from .._stores import CheckpointStore
from ._links import Links
from ._stream import BarStream

__all__ = ("CLOSE_SECONDS", "Closing", "run_stream")

#: The longest that leaving a block may take.
CLOSE_SECONDS = 5.0
#: What closing gets even when the deadline has passed: enough for what does not hang.
_LEAST_SECONDS = 0.1

_log = logging.getLogger("rangebar_anyio")

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
                    closing.begin()
                    session.stop()
                    stream.end()
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
            self._stream.on_fail(error)


def _innermost(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]

    return error


class Closing:
    """The end of a stream: one deadline for everything that is still to be written and closed."""

    def __init__(self) -> None:
        self._until: float | None = None

    def begin(self) -> None:
        """Count from now."""
        if self._until is None:
            self._until = anyio.current_time() + CLOSE_SECONDS

    def _scope(self, at_least_s: float = 0.0) -> anyio.CancelScope:
        self.begin()
        assert self._until is not None
        return anyio.CancelScope(deadline=max(self._until, anyio.current_time() + at_least_s), shield=True)

    async def finish(self, stream: BarStream, *, acknowledge: bool, leaving: BaseException | None) -> None:
        """Write what is finished, also while being cancelled; `leaving` is what the block is left with."""
        try:
            with self._scope() as scope:
                await stream.finish(acknowledge=acknowledge)
        except Exception as unsaved:  # noqa: BLE001 - a store may raise what it likes, and the body's exception comes first
            _report(unsaved, leaving)
        else:
            if scope.cancelled_caught and stream.is_saved:
                _log.warning("forming bars were not saved within %g s; a restart fetches their trades", CLOSE_SECONDS)
            elif scope.cancelled_caught:
                _report(_late(), leaving)

    async def drop(self, transport: Transport) -> None:
        """Close what sockets are left."""
        with self._scope(_LEAST_SECONDS), suppress(Exception):
            await transport.aclose()

    async def aclose(self, store: CheckpointStore, leaving: BaseException | None) -> None:
        """Close a store that the stream opened itself."""
        try:
            with self._scope(_LEAST_SECONDS) as scope:
                await store.aclose(deadline_s=scope.deadline - anyio.current_time())
        except StoreError as unsaved:
            _report(unsaved, leaving)


def _report(unsaved: Exception, leaving: BaseException | None) -> None:
    if leaving is None:
        raise unsaved

    text = f"what was finished could not be saved: {unsaved}"
    leaving.add_note(text)
    if not isinstance(leaving, Exception):
        # A cancellation is shown to nobody.
        _log.warning("%s", text)


def _late() -> StoreError:
    return StoreError(
        f"the store did not answer within {CLOSE_SECONDS:g} s, so the last bars may come again",
        remedy="look at its disk",
    )
