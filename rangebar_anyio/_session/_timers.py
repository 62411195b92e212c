"""Deadlines in a heap: setting, moving and cancelling one costs a logarithm, looking at the next one nothing."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from heapq import heapify, heappop, heappush
from typing import TypeAlias

Call: TypeAlias = Callable[[float], None]

_SPARE = 64


class Timers:
    """Call something once when its time has come; each key has at most one deadline.

    Moved and cancelled entries stay in the heap until they come up or outnumber the others.
    """

    __slots__ = ("_calls", "_heap", "_order")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Hashable]] = []
        self._calls: dict[Hashable, tuple[float, int, Call]] = {}
        self._order = 0

    def set(self, key: Hashable, when: float, call: Call) -> None:
        """Call at ``when``, and no longer at the time this key had before."""
        self._order += 1
        self._calls[key] = (when, self._order, call)
        heappush(self._heap, (when, self._order, key))

        if len(self._heap) > 2 * len(self._calls) + _SPARE:
            self._heap = [(when, order, key) for key, (when, order, _) in self._calls.items()]
            heapify(self._heap)

    def cancel(self, key: Hashable) -> None:
        """Forget a key's deadline, if it has one."""
        self._calls.pop(key, None)

    def is_set(self, key: Hashable) -> bool:
        """Whether a key has a deadline."""
        return key in self._calls

    def clear(self) -> None:
        """Forget all."""
        self._calls.clear()
        self._heap.clear()

    def next(self) -> float | None:
        """Return the earliest deadline."""
        while self._heap:
            when, order, key = self._heap[0]

            if self._is_live(order, key):
                return when

            heappop(self._heap)

        return None

    def run(self, now: float) -> None:
        """Make every call that is due, once: what these calls set anew waits for the next run, even if it is due."""
        newest = self._order

        while self._heap and self._heap[0][0] <= now:
            _, order, key = self._heap[0]

            if not self._is_live(order, key):
                heappop(self._heap)
            elif order > newest:
                break
            else:
                heappop(self._heap)
                self._calls.pop(key)[2](now)

    def _is_live(self, order: int, key: Hashable) -> bool:
        entry = self._calls.get(key)
        return entry is not None and entry[1] == order


__all__ = ("Timers",)
