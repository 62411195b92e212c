"""When to try again: back-off, a breaker for a service that is down, and the policy that a user may set. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from random import Random
from typing import Literal

_LARGEST_POWER = 40


@dataclass(frozen=True, slots=True)
class ReconnectPolicy:
    """Say how a stream goes on after the world broke something.

    Attributes:
        first_delay_s: seconds before the first new attempt; each further one waits twice as long.
        max_delay_s: seconds that no wait exceeds.
        jitter: take each wait at random between half and all of it, so that many connections do not return together.
        max_attempts: attempts in a row without one processed trade after which the stream raises
            ``ConnectionLostError``; ``None`` goes on for ever. Attempts to replace a connection that is there do not
            count.
        connect_share: the part of the exchange's limit on connection attempts that this process uses, above 0 and at
            most 1. The other programs behind the same address have the rest.
        weight_share: likewise for the weight of requests.
        gap_timeout_s: seconds that a gap may wait for a lagging database before the stream raises
            ``GapUnfillableError``; ``None`` waits as long as it takes.
        on_missing: ``"count"`` goes past trades that the exchange provably no longer has and counts them on the bar
            they fall in; ``"raise"`` raises ``GapUnfillableError`` after the bars before them.

    Raises:
        ValueError: a value outside its range.

    Example::

        open_stream("BTCUSDT", reconnect=ReconnectPolicy(max_delay_s=10, jitter=False))
    """

    first_delay_s: float = 1.0
    max_delay_s: float = 60.0
    jitter: bool = True
    max_attempts: int | None = None
    connect_share: float = 0.5
    weight_share: float = 0.5
    gap_timeout_s: float | None = None
    on_missing: Literal["count", "raise"] = "count"

    def __post_init__(self) -> None:
        _check(
            "first_delay_s",
            self.first_delay_s,
            0 < self.first_delay_s <= self.max_delay_s,
            "above 0 and at most max_delay_s",
        )
        _check("max_delay_s", self.max_delay_s, isfinite(self.max_delay_s), "finite")
        _check(
            "max_attempts",
            self.max_attempts,
            self.max_attempts is None or self.max_attempts >= 1,
            "at least 1, or None",
        )
        _check("connect_share", self.connect_share, 0 < self.connect_share <= 1, "above 0 and at most 1")
        _check("weight_share", self.weight_share, 0 < self.weight_share <= 1, "above 0 and at most 1")
        _check(
            "gap_timeout_s",
            self.gap_timeout_s,
            self.gap_timeout_s is None or self.gap_timeout_s > 0,
            "above 0, or None",
        )
        _check("on_missing", self.on_missing, self.on_missing in ("count", "raise"), '"count" or "raise"')


def _check(name: str, value: object, holds: bool, rule: str) -> None:
    if not holds:
        raise ValueError(f"{name} must be {rule}, not {value!r}")


class Backoff:
    """Count attempts and give the wait before the next: ``min(2**attempt * first_s, max_s)``, or less with jitter.

    Args:
        first_s: the first wait in seconds.
        max_s: the longest wait in seconds.
        random: where jitter comes from; ``None`` for none.
    """

    __slots__ = ("_first_s", "_max_s", "_random", "attempts")

    def __init__(self, first_s: float, max_s: float, random: Random | None = None) -> None:
        self._first_s = first_s
        self._max_s = max_s
        self._random = random
        self.attempts = 0

    def next_delay(self) -> float:
        """Count one more attempt and return the seconds to wait before it."""
        delay: float = min(self._first_s * 2 ** min(self.attempts, _LARGEST_POWER), self._max_s)
        self.attempts += 1
        return delay if self._random is None else delay * self._random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Begin again with the first wait."""
        self.attempts = 0


class CircuitBreaker:
    """Stop asking a service that fails again and again; one request at a time tries whether it is back.

    Closed, everything passes. After ``threshold`` failures in a row it opens: nothing passes until the back-off's next
    wait is over, then one request does. If that succeeds the breaker closes, else it waits longer.

    Args:
        threshold: failures in a row that open it.
        backoff: the waits.
    """

    __slots__ = ("_backoff", "_failures", "_open_until", "_threshold", "_trial")

    def __init__(self, threshold: int, backoff: Backoff) -> None:
        self._threshold = threshold
        self._backoff = backoff
        self._failures = 0
        self._open_until: float | None = None
        self._trial = False

    @property
    def is_open(self) -> bool:
        """Whether the service counts as down."""
        return self._open_until is not None

    def wait(self, now: float) -> float | None:
        """Return seconds until a request may pass: 0 for now, ``None`` while the one that tries is under way."""
        if self._open_until is None:
            return 0.0

        return None if self._trial else max(0.0, self._open_until - now)

    def passed(self) -> None:
        """Note that a request was sent."""
        self._trial = self._open_until is not None

    def succeeded(self) -> None:
        """Note an answer: the service is there."""
        self._failures = 0
        self._open_until = None
        self._trial = False
        self._backoff.reset()

    def failed(self, now: float) -> None:
        """Note a failure. One of a request that was sent before the breaker opened does not lengthen the wait."""
        self._failures += 1

        if self._open_until is None and self._failures < self._threshold:
            return

        if self._open_until is None or self._trial:
            self._open_until = now + self._backoff.next_delay()

        self._trial = False

    def withdrawn(self) -> None:
        """Note that the request that tries was given up without an answer either way."""
        self._trial = False


__all__ = ("Backoff", "CircuitBreaker", "ReconnectPolicy")
