"""Which trade is the first one whose time is not before a given one: pure."""

from __future__ import annotations

from collections.abc import Sequence

from ._proof import Proof
from ._rules import Found


class FirstTrade:
    """The lowest id whose time is not before ``time_us``, settled by its predecessor.

    A replica may leave trades out for a moment, so that one answer may name an id too high. The id is settled once the
    one before it is known to be before the time, or once all ids down to such a one, or down to 0, count as missing.
    What is asked for first is the id just below; if that does not settle it, ids ever further below, and between two
    that are known the middle, so that even ids that are no longer served take few requests.

    Args:
        time_us: microseconds since 1970-01-01 UTC.
        page_rows: the most trades that one answer to ``from_id`` holds.
        apart_s: two answers that prove ids missing lie at least so far apart.
    """

    __slots__ = ("_floor", "_found", "_is_proven", "_page_rows", "_proof", "_reach", "_skipped", "_time_us")

    def __init__(self, time_us: int, page_rows: int, apart_s: float) -> None:
        self._time_us = time_us
        self._page_rows = page_rows
        self._proof = Proof(apart_s)
        self._floor = 0
        """No id below is the one."""
        self._found: int | None = None
        """The lowest id known that may be."""
        self._skipped = 0
        """The lowest id from which on an answer left out everything below the found one."""
        self._reach = 1
        self._is_proven = False

    @property
    def time_us(self) -> int:
        """The time looked for."""
        return self._time_us

    @property
    def is_found(self) -> bool:
        """Whether any trade at or after the time is known."""
        return self._found is not None

    @property
    def settled(self) -> int | None:
        """The id, once it is certain."""
        return self._found if self._is_proven or self._found == self._floor else None

    @property
    def due(self) -> float | None:
        """When the request may be sent that proves ids missing; ``None`` while another one is to be sent at once."""
        return self._proof.due(self._floor)

    def from_id(self) -> int:
        """The id to ask for next."""
        if self._found is None:
            return self._floor

        width = self._skipped - self._floor
        reach = self._reach

        if self._floor > 0:
            reach = width if width <= self._page_rows else (width + 1) // 2

        return max(self._floor, self._skipped - reach)

    def learn(self, trades: Sequence[Found]) -> bool:
        """Take what a request of any kind has found; return whether it is news."""
        before = (self._floor, self._found)
        known = [trade for trade in trades if trade.trade_id >= self._floor]
        later = min((trade.trade_id for trade in known if trade.time_us >= self._time_us), default=None)

        if later is not None and (self._found is None or later < self._found):
            self._found = self._skipped = later

        below = (trade.trade_id for trade in known if self._found is None or trade.trade_id < self._found)
        self._floor = max(self._floor, 1 + max(below, default=-1))
        self._skipped = max(self._skipped, self._floor)
        return before != (self._floor, self._found)

    def take(self, trades: Sequence[Found], *, asked_id: int, sent_at: float, now: float) -> bool:
        """Take the answer to a request for the trades from ``asked_id`` on; return whether it is news."""
        before = self._skipped
        is_news = self.learn(trades)
        found = self._found

        if found is None or self._floor == found:
            return is_news

        # Only an answer that goes on with a higher id says anything about those that it leaves out.
        if any(trade.trade_id >= found for trade in trades):
            self._skipped = min(self._skipped, max(asked_id, self._floor))
            self._prove(found, asked_id, sent_at, now)

        self._proof.forget_below(self._floor)
        is_news |= self._skipped != before

        if is_news:
            self._reach *= self._page_rows

        return is_news

    def _prove(self, found: int, asked_id: int, sent_at: float, now: float) -> None:
        if self._skipped == self._floor:
            proven = self._proof.add(self._floor, found, asked_id=asked_id, sent_at=sent_at, now=now)
            self._is_proven = proven is not None


__all__ = ("FirstTrade",)
