"""The reader's side: a bar queue that is full, and what follows when it has room again."""

from __future__ import annotations

from collections.abc import Callable

from .._events import ReaderAway, ReaderBack
from .._feed_values import FeedSummary
from ._core import Core
from ._recovery import Recovery


class Reader:
    """Knows since when nobody takes bars.

    Args:
        core: the session's surroundings.
        recovery: whose answers wait for room, too.
        on_back: called when there is room again.
    """

    def __init__(self, core: Core, recovery: Recovery, on_back: Callable[[float], None]) -> None:
        self._core = core
        self._recovery = recovery
        self._on_back = on_back
        self._since = 0.0
        self._is_told = False

    def look(self, summary: FeedSummary, now: float) -> None:
        """Take in how the feed stands.

        A pause begins when something waits for room. It ends when there is room again, and not when what waited is gone
        with its connection.
        """
        is_paused = summary.is_paused or self._recovery.is_blocked
        is_paused |= self._core.is_paused and not self._core.has_room_beside(summary.bars_queued)

        if is_paused != self._core.is_paused:
            self._core.is_paused = is_paused

            if is_paused:
                self._leave(now)
            else:
                self._return(now)

    def away_s(self, now: float) -> float:
        """Seconds since the room was last full, 0 while there is some."""
        return now - self._since if self._core.is_paused else 0.0

    def _leave(self, now: float) -> None:
        self._since = now
        self._core.reading.leave(now)
        self._core.counters.pauses += 1
        self._core.timers.set("away", now + self._core.config.reader_away_after_s, self._tell)

    def _tell(self, now: float) -> None:
        self._is_told = True
        self._core.tell(ReaderAway(now - self._since))

    def _return(self, now: float) -> None:
        self._core.reading.come_back(now)
        self._core.counters.away_s += now - self._since
        self._core.timers.cancel("away")

        if self._is_told:
            self._is_told = False
            self._core.tell(ReaderBack(now - self._since))

        self._on_back(now)


__all__ = ("Reader",)
