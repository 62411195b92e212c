"""The bridge between an event loop and a daemon thread.

A :class:`Call` is carried out by the thread whether or not anybody still waits for it: cancelling the waiter leaves the
thread alone. The thread never waits for an event loop (a loop that is busy, stopped or gone cannot hold up a write),
and the interpreter never waits for the thread, since it is a daemon thread that no exit handler joins.
"""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any, Generic, TypeVar

import anyio
from anyio.lowlevel import current_token

T = TypeVar("T")


class Call(Generic[T]):
    """One thing for the thread to do, made by the task that waits for it."""

    __slots__ = ("_error", "_event", "_soon", "_value", "done", "run")

    def __init__(self, run: Callable[..., T]) -> None:
        native: Any = current_token().native_token
        # Both return at once, unlike anyio.from_thread.run_sync, which waits for the loop to run the call.
        self._soon = native.run_sync_soon if hasattr(native, "run_sync_soon") else native.call_soon_threadsafe
        self._event = anyio.Event()
        self._value: T
        self._error: BaseException | None = None
        self.run = run
        self.done = False

    def succeed(self, value: T) -> None:
        """Hand the result over, from the thread."""
        self._value = value
        self._finish()

    def fail(self, error: BaseException) -> None:
        """Hand an error over, from the thread."""
        self._error = error
        self._finish()

    def _finish(self) -> None:
        self.done = True
        try:
            self._soon(self._event.set)
        except RuntimeError:  # the event loop is gone, and the waiter with it
            pass

    async def wait(self) -> T:
        """Wait for the result; being cancelled abandons the waiting, not the call."""
        await self._event.wait()
        if self._error is not None:
            try:
                raise self._error
            finally:
                self._error = None  # the traceback holds this frame

        return self._value


def start_daemon(name: str, target: Callable[[], None]) -> None:
    """Start a daemon thread."""
    Thread(target=target, name=name, daemon=True).start()


class Helper:
    """A daemon thread that carries out calls one after another, started by the first one."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls: SimpleQueue[Call[Any] | None] = SimpleQueue()
        self._started = False

    async def call(self, run: Callable[[], T]) -> T:
        """Carry ``run()`` out on the thread and return what it returns, or raise what it raises."""
        call = Call(run)
        self._calls.put(call)
        if not self._started:
            self._started = True
            start_daemon(self._name, self._serve)

        return await call.wait()

    def stop(self) -> None:
        """End the thread after the calls asked for so far, without waiting for it."""
        self._calls.put(None)

    def _serve(self) -> None:
        while (call := self._calls.get()) is not None:
            try:
                value = call.run()
            except BaseException as error:  # noqa: BLE001 - it is the waiter's
                call.fail(error)
            else:
                call.succeed(value)


__all__ = ("Call", "Helper", "start_daemon")
