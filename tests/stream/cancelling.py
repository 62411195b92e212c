"""Cancels an awaited coroutine at its k-th suspension: by a scope, or natively on asyncio, once or twice in a row."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Generic, Literal, TypeVar

import anyio

T = TypeVar("T")
How = Literal["scope", "native", "native-twice"]


class CancelledAt(Generic[T]):
    """Awaiting it runs a coroutine, and calls `strike` while it suspends for the k-th (and the next) time.

    `suspensions` is how often it suspended; `struck` how often it was cancelled.
    """

    def __init__(self, work: Coroutine[Any, Any, T], at: int, strike: Callable[[], object], *, times: int = 1) -> None:
        self._work = work
        self._at = range(at, at + times)
        self._strike = strike
        self.suspensions = 0
        self.struck = 0

    def __await__(self) -> Generator[Any, Any, T]:
        work = self._work.__await__()
        step: Callable[[], Any] = lambda: next(work)  # noqa: E731
        while True:
            try:
                wish = step()
            except StopIteration as end:
                result: T = end.value
                return result

            self.suspensions += 1
            if self.suspensions in self._at:
                self.struck += 1
                self._strike()

            try:
                answer = yield wish
            except BaseException as error:  # noqa: BLE001 - handed on
                step = _thrower(work, error)
            else:
                step = _sender(work, answer)


def _sender(work: Generator[Any, Any, Any], value: Any) -> Callable[[], Any]:
    return lambda: work.send(value)


def _thrower(work: Generator[Any, Any, Any], error: BaseException) -> Callable[[], Any]:
    return lambda: work.throw(error)


async def run_cancelled(make: Callable[[], Coroutine[Any, Any, object]], at: int, how: How) -> bool:
    """Run a coroutine in the calling task and cancel it at its k-th suspension; True if it came to that.

    The task itself is uncancelled afterwards.
    """
    with anyio.CancelScope() as scope:
        run = CancelledAt(make(), at, scope.cancel if how == "scope" else _cancel_natively, times=_times(how))
        try:
            await run
        except asyncio.CancelledError:
            if how == "scope":
                raise

    _uncancel(run.struck if how != "scope" else 0)
    return run.struck > 0


def _times(how: How) -> int:
    return 2 if how == "native-twice" else 1


def _cancel_natively() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()


def _uncancel(times: int) -> None:
    task = asyncio.current_task() if times else None
    if task is not None:
        while task.cancelling():
            task.uncancel()


def living_tasks() -> int:
    """Tasks of the running loop."""
    if "trio" in sys.modules:
        import trio

        if trio.lowlevel.in_trio_run():
            return trio.lowlevel.current_statistics().tasks_living

    return len(asyncio.all_tasks())
