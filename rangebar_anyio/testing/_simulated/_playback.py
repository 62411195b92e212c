"""Plays tapes: merges them by time, says what is due, and remembers since when REST could know it."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from math import inf

from .._tape import Tape

__all__ = ("Pace", "Playback", "Published")

# Moments closer together than this are one in the memory of what was public when.
_MOMENT_S = 0.001


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a tape is played. With neither number: as fast as the slowest client reads.

    Attributes:
        trades_per_s: so many trades a second, over all symbols.
        times_tape: so many times as fast as the tape's own time stamps; 1 is real time.
        unread: at an unbounded pace, so many trades go by while nobody reads, then the tape waits: an outage costs
            something, and not the whole rest of the tape.
    """

    trades_per_s: float | None = None
    times_tape: float | None = None
    unread: int = 50

    def __post_init__(self) -> None:
        if self.trades_per_s is not None and self.times_tape is not None:
            raise ValueError("a pace is either trades a second or a multiple of the tape's time, not both")

        if not all(number is None or number > 0 for number in (self.trades_per_s, self.times_tape)):
            raise ValueError("a pace must be positive")

    @property
    def unbounded(self) -> bool:
        """Whether the clients alone set the pace."""
        return self.trades_per_s is None and self.times_tape is None


class Published:
    """How many trades of one tape are public, and since when."""

    __slots__ = ("_counts", "_history", "_times", "count", "tape")

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self.count = 0
        self._history = 0
        self._times = array("d")
        self._counts = array("q")

    def begin(self) -> None:
        """Everything published so far is history, which every database knows."""
        self._history = self.count

    def publish(self, now: float) -> None:
        """Publish the next trade."""
        self.count += 1

        if self._times and now - self._times[-1] < _MOMENT_S:
            self._counts[-1] = self.count
        else:
            self._times.append(now)
            self._counts.append(self.count)

    def known(self, now: float, lag_s: float) -> int:
        """How many trades a database knows that is ``lag_s`` seconds behind."""
        if lag_s <= 0:
            return self.count

        index = bisect_right(self._times, now - lag_s)
        return self._counts[index - 1] if index else self._history


class Playback:
    """All tapes of an exchange as one, merged by time, with a position that only goes forward.

    Args:
        tapes: the tapes; of trades with equal times, those of the earlier tape come first.
        pace: how fast to play.
        history: how many trades, counted over all tapes, are in the past when it starts.
    """

    def __init__(self, tapes: Sequence[Tape], pace: Pace, history: int) -> None:
        self.published = {tape.symbol: Published(tape) for tape in tapes}
        self.pace = pace
        self.position = 0
        self.total = sum(len(tape) for tape in tapes)
        self._order = _merged(list(self.published.values()))
        self._head: tuple[int, Published] | None = next(self._order, None)
        self._anchor: tuple[float, float] | None = None

        while self.position < min(history, self.total):
            self.take().count += 1

        for published in self.published.values():
            published.begin()

    @property
    def playing(self) -> bool:
        """Whether time moves the tape on."""
        return self._anchor is not None

    @property
    def finished(self) -> bool:
        """Whether the last trade has been published."""
        return self._head is None

    def start(self, now: float) -> None:
        """Let time move the tape on from here."""
        at = float(self.position) if self.pace.times_tape is None else float(self._head[0] if self._head else 0)
        self._anchor = (now, at)

    def stop(self) -> None:
        """Hold the tape where it is."""
        self._anchor = None

    def due(self, now: float) -> int:
        """How many trades at least are due by now; `Pace.unbounded` never has any due."""
        if self._anchor is None or self._head is None:
            return 0

        since, at = self._anchor

        if self.pace.trades_per_s is not None:
            target = int(at + (now - since) * self.pace.trades_per_s + 1e-6)
            return max(0, min(self.total, target) - self.position)

        # By tape time it is known of the next trade only.
        return int(now + 1e-9 >= self.next_at())

    def next_at(self) -> float:
        """When the next trade is due."""
        if self._anchor is None or self._head is None:
            return inf

        since, at = self._anchor

        if self.pace.trades_per_s is not None:
            return since + (self.position + 1 - at) / self.pace.trades_per_s

        if self.pace.times_tape is not None:
            return since + (self._head[0] - at) / 1e6 / self.pace.times_tape

        return since

    def take(self) -> Published:
        """Move past the next trade and say whose it is; only to be called while not `finished`."""
        assert self._head is not None
        published = self._head[1]
        self.position += 1
        self._head = next(self._order, None)
        return published


def _merged(sources: list[Published]) -> Iterator[tuple[int, Published]]:
    if len(sources) == 1:
        return ((time_us, sources[0]) for time_us in sources[0].tape.timestamps_us)

    def numbered(number: int, source: Published) -> Iterator[tuple[int, int, Published]]:
        return ((time_us, number, source) for time_us in source.tape.timestamps_us)

    ordered = merge(*(numbered(n, source) for n, source in enumerate(sources)), key=lambda item: item[:2])
    return ((time_us, source) for time_us, _, source in ordered)
