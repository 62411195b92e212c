"""Ctrl-C: the first one ends a command in order, the second one at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from anyio.lowlevel import current_token

from ._interrupts import ending_signals, name_of

__all__ = ("stopped_by_signals",)

_SHOW_CURSOR = b"\x1b[?25h\n"


@contextmanager
def stopped_by_signals(stop: Callable[[str], object]) -> Iterator[None]:
    """Have the event loop call `stop` with the name of a signal that ends commands; another one ends the process.

    The handlers are Python's own and not the event loop's, so that the second signal also ends a program whose loop is
    stuck in a write to a full pipe.
    """
    soon = _call_soon()
    seen: list[int] = []

    def handle(number: int, _frame: FrameType | None) -> None:
        if seen:
            _end_at_once(number)

        seen.append(number)
        soon(stop, name_of(number))

    before = {number: signal.signal(number, handle) for number in ending_signals()}
    try:
        yield
    finally:
        for number, handler in before.items():
            # Once a signal has come, what is left of the program is not worth waiting for either.
            signal.signal(number, handle if seen else handler)


def _call_soon() -> Callable[..., Any]:
    """Give what both event loops have for calls out of a signal handler."""
    loop: Any = current_token().native_token
    soon: Callable[..., Any] = getattr(loop, "call_soon_threadsafe", None) or loop.run_sync_soon
    return soon


def _end_at_once(number: int) -> None:
    for fd in (1, 2):
        if os.isatty(fd):
            os.write(fd, _SHOW_CURSOR)
            break

    os._exit(128 + number)
