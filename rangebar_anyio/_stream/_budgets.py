"""One budget a venue: all streams of the process, in whatever thread, share its part of the exchange's limits."""

from __future__ import annotations

import sys
import time
from threading import Lock
from typing import Any, TypeAlias

import anyio
import anyio.lowlevel

from .._reconnect import ReconnectPolicy
from .._session import Budget, Limits, VenueRules
from .._session._budget import Bucket

__all__ = ("budget_for",)

#: By venue and its limits: a server that took over the address of another one has limits of its own.
_Budgets: TypeAlias = dict[tuple[str, Limits], Budget]

_lock = Lock()
_of_process: _Budgets = {}
_of_run: anyio.lowlevel.RunVar[_Budgets] = anyio.lowlevel.RunVar("rangebar_anyio.budgets")


def budget_for(rules: VenueRules, policy: ReconnectPolicy) -> Budget:
    """Return the venue's budget on this event loop's clock; the shares are those of the first stream that asks."""
    budgets, ahead_s = _budgets()
    with _lock:
        key = rules.venue, rules.limits
        if key not in budgets:
            budgets[key] = Budget(rules.limits, connect_share=policy.connect_share, weight_share=policy.weight_share)

        return _Shared(budgets[key], ahead_s)


def _budgets() -> tuple[_Budgets, float]:
    """Find the budgets that go with this loop's clock, and what has to be added to its times."""
    clock = _clock_of_trio()
    if clock is None:
        # Every asyncio loop counts on the monotonic clock.
        return _of_process, 0.0

    if _is_real(clock):
        # The same clock, from another beginning in each run.
        return _of_process, time.monotonic() - anyio.current_time()

    try:
        return _of_run.get(), 0.0
    except LookupError:
        budgets: _Budgets = {}
        _of_run.set(budgets)
        return budgets, 0.0


def _clock_of_trio() -> Any:
    trio = sys.modules.get("trio")
    return trio.lowlevel.current_clock() if trio is not None and trio.lowlevel.in_trio_run() else None


def _is_real(clock: Any) -> bool:
    """Whether a second of this clock lasts a second; one made for tests stands still and jumps."""
    return bool(clock.deadline_to_sleep_time(clock.current_time() + 1.0) <= 1.0)


class _Shared(Budget):
    """A venue's budget as one event loop sees it; everything is kept by the one that is shared."""

    def __init__(self, budget: Budget, ahead_s: float) -> None:
        self._budget = budget
        self._ahead_s = ahead_s

    def connect_wait(self, now: float) -> float:
        with _lock:
            return self._budget.connect_wait(now + self._ahead_s)

    def take_connect(self, now: float) -> None:
        with _lock:
            self._budget.take_connect(now + self._ahead_s)

    def connects_used_up(self, now: float, wait_s: float) -> None:
        with _lock:
            self._budget.connects_used_up(now + self._ahead_s, wait_s)

    def request_wait(self, weight: int, now: float, *, is_probe: bool) -> float:
        with _lock:
            return self._budget.request_wait(weight, now + self._ahead_s, is_probe=is_probe)

    def take_request(self, weight: int, now: float, *, is_probe: bool) -> None:
        with _lock:
            self._budget.take_request(weight, now + self._ahead_s, is_probe=is_probe)

    def report(self, used: int, now: float) -> None:
        with _lock:
            self._budget.report(used, now + self._ahead_s)

    def block_requests(self, now: float, wait_s: float) -> None:
        with _lock:
            self._budget.block_requests(now + self._ahead_s, wait_s)

    def symbol_bucket(self) -> Bucket:
        return self._budget.symbol_bucket()
