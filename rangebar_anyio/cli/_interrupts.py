"""Signals that end a command: which they are, and how they reach one that has no event loop."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType

__all__ = ("StoppedBySignal", "ending_signals", "name_of", "signals_raise")


class StoppedBySignal(KeyboardInterrupt):
    """A signal that ends a command in order, as Ctrl-C does; ``number`` says which."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(number)


def name_of(number: int) -> str:
    """Name a signal as people know it."""
    return "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name


def ending_signals() -> tuple[signal.Signals, ...]:
    """Give the signals that end a command; a hang-up does not where it is ignored, which is what `nohup` is for."""
    hang_up = getattr(signal, "SIGHUP", None)
    both = (signal.SIGINT, signal.SIGTERM)
    return both if hang_up is None or signal.getsignal(hang_up) == signal.SIG_IGN else (*both, hang_up)


@contextmanager
def signals_raise() -> Iterator[None]:
    """Have the signals that would end the process on the spot raise `StoppedBySignal` for the length of a block."""
    if current_thread() is not main_thread():
        yield
        return

    def handle(number: int, _frame: FrameType | None) -> None:
        raise StoppedBySignal(number)

    # SIGINT raises by itself.
    before = {number: signal.signal(number, handle) for number in ending_signals() if number != signal.SIGINT}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
