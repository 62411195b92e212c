"""What a program is told about one catch-up."""

from __future__ import annotations

from .._events import CatchingUp, GapFilled, GapFound, GapUnfillable
from ._core import Core, Symbol

_PROGRESS_S = 1.0


class Story:
    """Remembers what was told, so that a gap is told of once and progress once a second."""

    __slots__ = ("_core", "_first_id", "_gap", "_symbol", "_told_at")

    def __init__(self, core: Core, symbol: Symbol) -> None:
        self._core = core
        self._symbol = symbol
        self._gap: tuple[int, int, float] | None = None
        self._first_id: int | None = None
        self._told_at = 0.0

    def found(self, first_id: int, last_id: int, now: float) -> None:
        """A gap stays."""
        last_id = max(first_id, last_id)
        self._gap = (first_id, last_id, now)
        self._core.counters.gaps_found += 1
        self._core.tell(GapFound(self._symbol.name, first_id, last_id))

    def unfillable(self, first_id: int, last_id: int) -> None:
        """Trades do not exist; those of them that were held did."""
        if first_id <= last_id:
            self._core.tell(GapUnfillable(self._symbol.name, first_id, last_id))

    def began(self, from_id: int, now: float) -> None:
        """A request was sent."""
        if self._first_id is None:
            self._first_id, self._told_at = from_id, now

    def progress(self, expected: int | None, target: int, now: float) -> None:
        """Ids up to ``expected`` are done, ``target`` is the last one."""
        if self._first_id is None or expected is None or expected == self._first_id:
            return

        if now - self._told_at >= _PROGRESS_S:
            self._told_at = now
            total = max(target + 1, expected) - self._first_id
            self._core.tell(CatchingUp(self._symbol.name, expected - self._first_id, total))

    def ended(self, now: float) -> None:
        """Nothing is missing any more."""
        self._first_id = None

        if self._gap is not None:
            first_id, last_id, since = self._gap
            self._gap = None
            self._core.counters.gaps_filled += 1
            self._core.tell(GapFilled(self._symbol.name, first_id, last_id, now - since))

    def continue_with(self, other: Story) -> None:
        """Another one's sequence goes on in this one's."""
        self._gap = self._gap or other._gap


__all__ = ("Story",)
