"""Waits for what only a read can bring: a reply, a trade, a ping.

While the reader is away no socket is read, so their time stands still. What came meanwhile lies unread when he is
back: none of them ends before there was time to read it.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import partial

from ._timers import Call, Timers

_CATCH_BREATH_S = 10.0
_EPSILON_S = 1e-6


class Reading:
    """The time in which sockets are read.

    A wait of so many seconds ends after as much reading, and at least 10 seconds (or all of it, if it is shorter) after
    the reader's return. So a reader who sleeps costs no connection, and one who rests often does not keep a dead one
    alive for ever.

    Args:
        timers: where the deadlines are kept.
    """

    __slots__ = ("_away_s", "_back_at", "_left_at", "_timers")

    def __init__(self, timers: Timers) -> None:
        self._timers = timers
        self._away_s = 0.0
        self._left_at: float | None = None
        self._back_at = float("-inf")
        """On the clock of ``time``."""

    def leave(self, now: float) -> None:
        """Nothing is read from here on."""
        self._left_at = now

    def come_back(self, now: float) -> None:
        """Sockets are read again."""
        if self._left_at is not None:
            self._away_s += now - self._left_at
            self._left_at = None
            self._back_at = self.time(now)

    def time(self, now: float) -> float:
        """Return the time on a clock that stands still while nothing is read."""
        return (now if self._left_at is None else self._left_at) - self._away_s

    def left(self, since: float, seconds: float, now: float) -> float:
        """Return how much of a wait is left, 0 for none; ``since`` is when it began on the clock of ``time``."""
        breath = min(seconds, _CATCH_BREATH_S)

        if self._left_at is not None:
            return max(since + seconds - self.time(now), breath)

        left = max(since + seconds, self._back_at + breath) - self.time(now)
        return left if left > _EPSILON_S else 0.0

    def wait(self, key: Hashable, seconds: float, now: float, call: Call) -> None:
        """Call after so many seconds of reading; ``key`` is one of the timers'."""
        self._wait(key, self.time(now), seconds, call, now)

    def _wait(self, key: Hashable, since: float, seconds: float, call: Call, now: float) -> None:
        # As long as the reader is away the rest is never shorter than this, so no return is missed.
        when = now + self.left(since, seconds, now)
        self._timers.set(key, when, partial(self._look, key, since, seconds, call))

    def _look(self, key: Hashable, since: float, seconds: float, call: Call, now: float) -> None:
        if self.left(since, seconds, now) > 0:
            self._wait(key, since, seconds, call, now)
        else:
            call(now)


__all__ = ("Reading",)
