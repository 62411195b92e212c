"""One budget a server: all streams of the process, in whatever thread, share its part of the exchange's limits."""

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

#: By server and its limits: one that took over the address of another one has limits of its own.
_Budgets: TypeAlias = dict[tuple[str, Limits], Budget]

_lock = Lock()
_of_process: _Budgets = {}
_of_run: anyio.lowlevel.RunVar[_Budgets] = anyio.lowlevel.RunVar("rangebar_anyio.budgets")


def budget_for(rules: VenueRules, policy: ReconnectPolicy) -> Budget:
    """Return the budget of the venue's servers on this event loop's clock.

    The shares are those of the first stream that asks. It is the servers that count, whatever a venue is called.
    """
    budgets, ahead_s = _budgets()
    with _lock:
        connects, requests = (_budget(budgets, server, rules.limits, policy) for server in rules.servers)
        return _Shared(connects, requests, ahead_s)


def _budget(budgets: _Budgets, server: str, limits: Limits, policy: ReconnectPolicy) -> Budget:
    key = server, limits
    if key not in budgets:
        budgets[key] = Budget(limits, connect_share=policy.connect_share, weight_share=policy.weight_share)

    return budgets[key]


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
    """The budgets of a venue's servers as one event loop sees them; everything is kept by those that are shared."""

    def __init__(self, connects: Budget, requests: Budget, ahead_s: float) -> None:
        self._connects_of = connects
        self._requests_of = requests
        self._ahead_s = ahead_s

    def connect_wait(self, now: float) -> float:
        with _lock:
            return self._connects_of.connect_wait(now + self._ahead_s)

    def take_connect(self, now: float) -> None:
        with _lock:
            self._connects_of.take_connect(now + self._ahead_s)

    def connects_used_up(self, now: float, wait_s: float) -> None:
        with _lock:
            self._connects_of.connects_used_up(now + self._ahead_s, wait_s)

    def request_wait(self, weight: int, now: float, *, is_probe: bool) -> float:
        with _lock:
            return self._requests_of.request_wait(weight, now + self._ahead_s, is_probe=is_probe)

    def take_request(self, weight: int, now: float, *, is_probe: bool) -> None:
        with _lock:
            self._requests_of.take_request(weight, now + self._ahead_s, is_probe=is_probe)

    def report(self, used: int, now: float) -> None:
        with _lock:
            self._requests_of.report(used, now + self._ahead_s)

    def block_requests(self, now: float, wait_s: float) -> None:
        with _lock:
            self._requests_of.block_requests(now + self._ahead_s, wait_s)

    def symbol_bucket(self) -> Bucket:
        return self._requests_of.symbol_bucket()
