"""Where a running stream shows itself: a status line that stays below scrolling rows, or log lines."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

import anyio
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape

from .._events import CatchingUp, StreamEvent
from .._stream import BarStream
from ._event_text import EventLines, event_style
from ._status_line import StatusLines

__all__ = ("LiveScreen", "LogScreen", "Screen", "open_screen")

_REFRESH_S = 0.125


class Screen:
    """Shows nothing: `--quiet`, and what the others have in common.

    Attributes:
        bars: how many bars were written, wherever they go.
    """

    bars = 0

    def on_event(self, event: StreamEvent) -> None:
        """Hear of an event."""

    def on_bar(self) -> None:
        """Hear of a bar that was written."""
        self.bars += 1

    def say(self, text: str, style: str = "") -> None:
        """Show a line."""

    async def run(self, stream: BarStream) -> None:  # noqa: ARG002 - for the others
        """Show how the stream is doing until cancelled."""
        await anyio.sleep_forever()


class LogScreen(Screen):
    """Writes a line for each event, with the time of day in UTC."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lines = EventLines()

    def on_event(self, event: StreamEvent) -> None:
        if (line := self._lines.line(event)) is not None:
            self.say(line)

    def say(self, text: str, style: str = "") -> None:
        self._console.print(f"{datetime.now(UTC):%H:%M:%S} {escape(text)}", style=style, soft_wrap=True)


class LiveScreen(Screen):
    """Keeps status lines at the bottom of a terminal, and everything else scrolls above them."""

    def __init__(self, console: Console, live: Live, status: StatusLines, clock: Callable[[], float]) -> None:
        self._console = console
        self._live = live
        self._status = status
        self._clock = clock
        self._lines = EventLines()

    def on_event(self, event: StreamEvent) -> None:
        self._status.on_event(event, self._clock())
        # The status line shows it.
        if not isinstance(event, CatchingUp) and (line := self._lines.line(event)) is not None:
            self.say(f"· {line}", event_style(event))

    def on_bar(self) -> None:
        super().on_bar()
        self._status.bars = self.bars

    def say(self, text: str, style: str = "") -> None:
        self._console.print(escape(text), style=f"dim {style}".strip(), soft_wrap=True)

    async def run(self, stream: BarStream) -> None:
        while True:
            self._status.tick(stream, self._clock(), time.time_ns() // 1000, self._console.height)
            lines = self._status.render(stream, self._console.width - 1)
            self._live.update(Group(*lines), refresh=True)
            await anyio.sleep(_REFRESH_S)


@contextmanager
def open_screen(console: Console, lanes: Sequence[tuple[str, int]], *, quiet: bool, live: bool) -> Iterator[Screen]:
    """Show a stream on a console for the length of a block, and send the library's own warnings there.

    Args:
        console: a terminal for status lines that stay, anything for log lines.
        lanes: symbol and threshold of each.
        quiet: show nothing.
        live: whether status lines may stay at the bottom; a terminal is needed for them.
    """
    if quiet:
        yield Screen()
        return

    # A terminal that cannot move its cursor gets the log instead of nothing.
    if not (live and console.is_terminal) or console.is_dumb_terminal:
        log = LogScreen(console)
        with _warnings_to(log):
            yield log

        return

    with Live(console=console, auto_refresh=False, transient=True) as line:
        screen = LiveScreen(console, line, StatusLines(lanes, time.monotonic()), time.monotonic)
        with _warnings_to(screen):
            yield screen


class _Handler(logging.Handler):
    def __init__(self, screen: Screen) -> None:
        super().__init__(logging.WARNING)
        self._screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        self._screen.say(f"{record.levelname.lower()}: {record.getMessage()}", "yellow")


@contextmanager
def _warnings_to(screen: Screen) -> Iterator[None]:
    handler, logger = _Handler(screen), logging.getLogger("rangebar_anyio")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
