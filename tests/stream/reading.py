"""How tests read a stream: with a patience that no busy machine outlasts, and no moment named in advance."""

from __future__ import annotations

from collections.abc import Callable

import anyio

from rangebar_anyio import Bar, BarStream

#: Far above what anything here takes; only a hang lasts so long.
WAIT_S = 60.0


async def take(bars: BarStream, count: int) -> list[Bar]:
    """Receive so many bars."""
    with anyio.fail_after(WAIT_S):
        return [await bars.receive() for _ in range(count)]


async def until(holds: Callable[[], bool]) -> None:
    """Let others run until something holds."""
    with anyio.fail_after(WAIT_S):
        while not holds():
            await anyio.sleep(0)


async def read_until(bars: BarStream, holds: Callable[[], bool]) -> None:
    """Ask for a bar until something holds: events come to the one who reads, also when no bar does."""
    with anyio.fail_after(WAIT_S):
        while not holds():
            with anyio.move_on_after(0.05):
                await bars.receive()
