"""The callback interface: for programs that rather say what to do with a bar than loop over bars."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Iterable
from inspect import isawaitable
from typing import Any

from ._bar import Bar
from ._events import StreamEvent
from ._stream import BarStream, open_stream

__all__ = ("BarHandler", "run_handler")


class BarHandler(ABC):
    """What to do with the bars of a stream; only `on_bar` has to be written, and each method may keep state in `self`.

    `on_open` and `on_bar` may be plain or `async def`; `on_event` is plain. All are called in one task, one after
    another.

    Example:
        ```python
        class Printer(BarHandler):
            async def on_bar(self, bar):
                print(bar.close_time, bar.close)

        await run_handler(Printer(), "BTCUSDT", threshold_dbps=250, store="bars.db")
        ```
    """

    def on_open(self, bars: BarStream) -> Awaitable[None] | None:  # noqa: B027 - not every handler wants it
        """Take the stream, before its first bar: for `bars.stats`, `bars.forming()` and `await bars.aclose()`."""

    @abstractmethod
    def on_bar(self, bar: Bar) -> Awaitable[None] | None:
        """Take one closed bar; it is finished when this has returned, and comes again if this raises."""

    def on_event(self, event: StreamEvent) -> None:  # noqa: B027 - not every handler wants it
        """Hear of what happens besides bars; what it raises is logged and stops nothing."""


async def run_handler(handler: BarHandler, symbols: str | Iterable[str], **options: Any) -> None:
    """Give every bar of a stream to a handler, until the stream is closed.

    Guaranteed: the bars are those that `open_stream` gives, in the same order and each once. The next one waits until
    the handler is done with this one, so a slow handler pauses the feed and loses nothing. An exception of the handler
    ends the stream and leaves as itself; the bar it was raised for is not finished, so with a store it comes again.

    Args:
        handler: what to do with bars.
        symbols: one or many, as for `open_stream`.
        options: all others of `open_stream` but `on_event`.

    Raises:
        TypeError: the handler is no `BarHandler`, or an option is none of `open_stream`, or is `on_event`.
        RangeBarError: the stream failed, after its last bar.

    Example:
        ```python
        anyio.run(run_handler, Printer(), "BTCUSDT")
        ```
    """
    if not isinstance(handler, BarHandler):
        raise TypeError(f"handler must be an instance of a BarHandler, not {handler!r}; write a class with on_bar()")

    if "on_event" in options:
        raise TypeError("events go to the handler: write on_event() in its class instead of giving on_event=")

    async with open_stream(symbols, on_event=handler.on_event, **options) as bars:
        await _done(handler.on_open(bars))
        async for bar in bars:
            await _done(handler.on_bar(bar))


async def _done(result: Awaitable[None] | None) -> None:
    if isawaitable(result):
        await result
