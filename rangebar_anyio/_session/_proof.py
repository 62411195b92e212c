"""When an id counts as missing: pure."""

from __future__ import annotations


class Proof:
    """Two answers that went on with a higher id, to requests at least ``apart_s`` from each other.

    The first may be a jump inside a page or the answer to the id itself. The second has to be the answer to a request
    with exactly the missing id, sent ``apart_s`` seconds after the first one came. What both leave out is missing,
    which may be less than one of them left out.
    """

    __slots__ = ("_apart_s", "_at", "_expected", "_next_id")

    def __init__(self, apart_s: float) -> None:
        self._apart_s = apart_s
        self._expected: int | None = None
        self._next_id = 0
        self._at = 0.0

    @property
    def due(self) -> float | None:
        """When the second request may be sent; ``None`` while there is no first answer."""
        return None if self._expected is None else self._at + self._apart_s

    def add(self, expected: int, next_id: int, *, asked_id: int, sent_at: float, now: float) -> int | None:
        """Take an answer that went on with a higher id; return the last missing id once proven."""
        if self._expected != expected:
            self._expected, self._next_id, self._at = expected, next_id, now
            return None

        if asked_id != expected or sent_at < self._at + self._apart_s:
            return None

        return min(self._next_id, next_id) - 1

    def forget_unless(self, expected: int | None) -> None:
        """Forget the first answer once another id is expected."""
        if self._expected != expected:
            self._expected = None


__all__ = ("Proof",)
