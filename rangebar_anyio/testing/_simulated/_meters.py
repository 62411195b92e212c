"""Meters for the limits: messages in a second, attempts in five minutes, weight in a minute, pongs in time.

All are told the time and none waits; times are seconds on any clock that does not go back.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from math import ceil, inf

from ._venue import Limits

__all__ = ("PingKeeper", "RateMeter", "WeightMeter")


class RateMeter:
    """Counts happenings in a sliding window."""

    __slots__ = ("_times", "limit", "window_s")

    def __init__(self, limit: float, window_s: float) -> None:
        self.limit = limit
        self.window_s = window_s
        self._times: deque[float] = deque()

    def count(self, now: float) -> int:
        """Count one happening; how many the window now holds."""
        times = self._times

        while times and times[0] <= now - self.window_s:
            times.popleft()

        times.append(now)
        return len(times)

    def exceeded(self, now: float) -> bool:
        """Count one happening; whether that was one too many."""
        return self.count(now) > self.limit


class WeightMeter:
    """Request weight by minutes of the exchange's clock, with the two steps of refusal: 429, then 418."""

    __slots__ = ("_banned_until", "_limits", "_minute", "_refused", "used")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._minute = -1
        self._refused = 0
        self._banned_until = -inf
        self.used = 0

    def charge(self, weight: int, now: float) -> tuple[int, int]:
        """Charge a request; the status it earns (200, 429 or 418) and the seconds until ``Retry-After``."""
        if now < self._banned_until:
            return 418, ceil(self._banned_until - now)

        if int(now // 60) != self._minute:
            self._minute = int(now // 60)
            self.used = self._refused = 0

        self.used += weight

        if self.used <= self._limits.weight_per_minute:
            return 200, 0

        self._refused += 1

        if self._refused > self._limits.patience:
            self._banned_until = now + self._limits.ban_s
            return 418, ceil(self._limits.ban_s)

        return 429, ceil((self._minute + 1) * 60 - now) or 1


class PingKeeper:
    """When to ping one client, and whether its pongs come in time.

    A pong settles the ping with the same payload and all before it: a client may answer only the newest.
    """

    __slots__ = ("_interval_s", "_next_ping", "_open", "_timeout_s")

    def __init__(self, limits: Limits, now: float) -> None:
        self._interval_s = limits.ping_interval_s
        self._timeout_s = limits.pong_timeout_s
        self._next_ping = now + limits.ping_interval_s
        self._open: OrderedDict[bytes, float] = OrderedDict()

    def deadline(self) -> float:
        """When this keeper wants to be looked at next."""
        return min(self._next_ping, self._pong_deadline())

    def overdue(self, now: float) -> bool:
        """Whether the client has let a ping go unanswered for too long."""
        return now >= self._pong_deadline()

    def ping_due(self, now: float) -> bytes | None:
        """Payload of the ping to be sent now, if one is due."""
        if now < self._next_ping:
            return None

        payload = str(int(now * 1000)).encode()
        self._open[payload] = now
        self._next_ping = now + self._interval_s
        return payload

    def pong(self, payload: bytes) -> bool:
        """Take a pong; whether it answers an open ping."""
        if payload not in self._open:
            return False

        while self._open.popitem(last=False)[0] != payload:
            pass

        return True

    def _pong_deadline(self) -> float:
        return next(iter(self._open.values())) + self._timeout_s if self._open else inf
