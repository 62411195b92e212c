"""How much of the exchange's limits a process may use: one budget for all streams of a venue."""

from __future__ import annotations

from collections import deque

from ._rules import Limits

_MINUTE_S = 60.0
_BURST = 0.05
_PROBES = 0.25
_CEILING = 0.95
_EPSILON = 1e-9


class Bucket:
    """Let through ``per_minute`` in any 60 seconds, at most ``burst`` of it at once and the rest evenly.

    Args:
        per_minute: weight.
        burst: weight, at least that of one request.
    """

    __slots__ = ("_at", "_burst", "_level", "_rate")

    def __init__(self, per_minute: float, burst: float) -> None:
        self._burst = burst
        # Burst and refill together are what a minute can see.
        self._rate = max(per_minute - burst, per_minute / 10) / _MINUTE_S
        self._level = burst
        self._at: float | None = None

    def wait(self, weight: float, now: float) -> float:
        """Return seconds until ``weight`` may be taken."""
        self._refill(now)
        short = min(weight, self._burst) - self._level
        return short / self._rate if short > _EPSILON else 0.0

    def take(self, weight: float, now: float) -> None:
        """Take ``weight``."""
        self._refill(now)
        self._level -= weight

    def _refill(self, now: float) -> None:
        if self._at is not None:
            self._level = min(self._burst, self._level + max(0.0, now - self._at) * self._rate)

        self._at = now


class Budget:
    """Share the exchange's limits between the streams of a process and the programs beside it.

    Attempts and weight stay within their shares at any moment. What the exchange itself reports and orders comes on
    top: near its limit nothing is sent until its minute is over, and a ban is waited for to the second.

    Args:
        limits: what the exchange allows one address.
        connect_share: the part of the attempts that is ours.
        weight_share: the part of the weight that is ours.
    """

    def __init__(self, limits: Limits, *, connect_share: float = 0.5, weight_share: float = 0.5) -> None:
        self._limits = limits
        self._weight = limits.weight * weight_share
        self._burst = max(self._weight * _BURST, float(limits.heaviest))
        self._requests = Bucket(self._weight, self._burst)
        self._probes = Bucket(min(limits.weight * _PROBES, self._weight), self._burst)
        self._connects: deque[float] = deque()
        self._most_connects = max(1, int(limits.connects * connect_share))
        self._no_connect_before = float("-inf")
        self._no_request_before = float("-inf")
        self._reported: tuple[float, int] | None = None

    def connect_wait(self, now: float) -> float:
        """Return seconds until a connection may be attempted, 0 for now."""
        while self._connects and self._connects[0] <= now - self._limits.connect_window_s:
            self._connects.popleft()

        wait = self._no_connect_before - now

        if len(self._connects) >= self._most_connects:
            wait = max(wait, self._connects[0] + self._limits.connect_window_s - now)

        return max(0.0, wait)

    def take_connect(self, now: float) -> None:
        """Count an attempt."""
        self._connects.append(now)

    def connects_used_up(self, now: float, wait_s: float) -> None:
        """Attempt nothing for so long: the exchange refuses handshakes."""
        self._no_connect_before = max(self._no_connect_before, now + wait_s)

    def request_wait(self, weight: int, now: float, *, is_probe: bool) -> float:
        """Return seconds until a request of this weight may be sent, 0 for now.

        Probes, which look whether anything is missing at all, are paced below a quarter of the limit by themselves.
        """
        wait = max(0.0, self._no_request_before - now, self._requests.wait(weight, now))
        wait = max(wait, self._ceiling_wait(weight, now))
        return max(wait, self._probes.wait(weight, now)) if is_probe else wait

    def take_request(self, weight: int, now: float, *, is_probe: bool) -> None:
        """Count a request."""
        self._requests.take(weight, now)

        if is_probe:
            self._probes.take(weight, now)

        if self._reported is not None:
            at, used = self._reported
            self._reported = (at, used + weight)

    def report(self, used: int, now: float) -> None:
        """Take in what the exchange says was used in its minute, by anybody behind our address."""
        self._reported = (now, used)

    def block_requests(self, now: float, wait_s: float) -> None:
        """Send nothing for so long: the exchange said so."""
        self._no_request_before = max(self._no_request_before, now + wait_s)

    def symbol_bucket(self) -> Bucket:
        """Make a bucket for half of our weight: what one symbol's catch-up may use."""
        return Bucket(self._weight / 2, self._burst)

    def _ceiling_wait(self, weight: int, now: float) -> float:
        if self._reported is None:
            return 0.0

        at, used = self._reported

        if now - at >= _MINUTE_S:
            self._reported = None
            return 0.0

        return at + _MINUTE_S - now if used + weight > self._limits.weight * _CEILING else 0.0


__all__ = ("Bucket", "Budget")
