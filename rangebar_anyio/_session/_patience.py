"""How long a catch-up waits for a database that lags, and when that is too long."""

from __future__ import annotations

from random import Random

from .._reconnect import Backoff

_FIRST_S = 0.5
_LONGEST_S = 15.0


class Patience:
    """Count answers that brought nothing.

    Args:
        timeout_s: how long lag is waited for, ``None`` for as long as it takes.
        random: where jitter comes from; ``None`` for none.
    """

    __slots__ = ("_backoff", "_since", "_timeout_s")

    def __init__(self, timeout_s: float | None, random: Random | None) -> None:
        self._backoff = Backoff(_FIRST_S, _LONGEST_S, random)
        self._timeout_s = timeout_s
        self._since: float | None = None

    def reset(self) -> None:
        """There was progress."""
        self._backoff.reset()
        self._since = None

    def after_failure(self) -> float:
        """Return the wait after a request without an answer, which says nothing about lag."""
        return self._backoff.next_delay()

    def after_lag(self, now: float) -> float | None:
        """Return the wait after an answer that lagged; ``None`` when it has lagged too long."""
        self._since = now if self._since is None else self._since
        delay = self._backoff.next_delay()

        if self._timeout_s is None:
            return delay

        left = self._since + self._timeout_s - now
        return min(delay, left) if left > 0 else None


__all__ = ("Patience",)
