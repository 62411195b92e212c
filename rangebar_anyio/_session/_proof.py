"""When an id counts as missing: pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

# Whatever a server makes up, no more is remembered; what is not is proven when its turn comes.
_MOST = 1000


class Proof:
    """Two answers that went on with a higher id, to requests at least ``apart_s`` from each other.

    The first may be a jump inside a page or the answer to the id itself. The second has to be the answer to a request
    with exactly the missing id, sent ``apart_s`` seconds after the first one came. What both leave out is missing,
    which may be less than one of them left out.

    One page may be the first answer for several ids: then each has its own second request, all sent side by side.
    """

    __slots__ = ("_apart_s", "_first")

    def __init__(self, apart_s: float) -> None:
        self._apart_s = apart_s
        self._first: dict[int, tuple[int, float]] = {}
        """By the first id left out: the id that its first answer went on with, and when that came."""

    def due(self, expected: int | None) -> float | None:
        """When the second request for an id may be sent; ``None`` while there is no first answer."""
        first = None if expected is None else self._first.get(expected)
        return None if first is None else first[1] + self._apart_s

    def others(self, expected: int, now: float) -> list[int]:
        """The ids after ``expected`` whose second request may be sent by now, in order."""
        return sorted(other for other, (_, at) in self._first.items() if other > expected and at + self._apart_s <= now)

    def add(self, expected: int, next_id: int, *, asked_id: int, sent_at: float, now: float) -> int | None:
        """Take an answer that went on with a higher id; return the last missing id once proven."""
        first = self._first.get(expected)

        if first is None:
            self._first[expected] = next_id, now
            return None

        if asked_id != expected or sent_at < first[1] + self._apart_s:
            return None

        return min(first[0], next_id) - 1

    def note(self, jumps: Iterable[tuple[int, int]], served: Collection[int], now: float) -> None:
        """Take the further jumps of such an answer as first ones. What it names exists, whatever another left out."""
        for other in self._first.keys() & set(served):
            del self._first[other]

        for other, next_id in jumps:
            if len(self._first) < _MOST:
                self._first.setdefault(other, (next_id, now))

    def forget_below(self, expected: int | None) -> float | None:
        """Forget the first answers for ids that are behind us, all of them if nothing is expected; return ``due``."""
        gone = [other for other in self._first if expected is None or other < expected]

        for other in gone:
            del self._first[other]

        return self.due(expected)


__all__ = ("Proof",)
