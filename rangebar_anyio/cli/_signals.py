"""Ctrl-C: the first one ends a command in order, the second one at once."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

import anyio

__all__ = ("stop_on_signal",)

_SHOW_CURSOR = b"\x1b[?25h\n"


async def stop_on_signal(stop: Callable[[str], object]) -> None:
    """Wait for SIGINT or SIGTERM and call `stop` with its name; another one then ends the process."""
    if sys.platform == "win32":
        # Signals cannot be received there; the interrupt ends the event loop as a KeyboardInterrupt.
        return

    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for number in signals:
            name = number.name
            break
        else:
            return

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end_at_once)

    stop("Ctrl-C" if name == "SIGINT" else name)


def _end_at_once(number: int, _frame: FrameType | None) -> None:
    for fd in (1, 2):
        if os.isatty(fd):
            os.write(fd, _SHOW_CURSOR)
            break

    os._exit(128 + number)
