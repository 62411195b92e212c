"""What a session needs of a feed; :class:`rangebar_anyio._feed.Feed` has it, and so has the model of the tests."""

from __future__ import annotations

from typing import Protocol

from .._feed_events import FeedEvent, TimeUnit
from .._feed_values import (
    ConnectionInfo,
    FeedSummary,
    FeedTotals,
    LaneAdded,
    LaneBar,
    LaneInfo,
    PageResult,
    SequenceInfo,
    SymbolInfo,
)


class FeedLike(Protocol):
    """Bytes in, bars and events out; what each method does is said at :class:`rangebar_anyio._feed.Feed`."""

    @property
    def bar_capacity(self) -> int:
        """Bars that may wait."""
        ...

    def add_symbol(self, name: str) -> int:
        """Add a symbol."""
        ...

    def add_lane(
        self,
        symbol: int,
        threshold_dbps: int,
        *,
        same_timestamp_close: bool = False,
        unit: TimeUnit | None = None,
        position: int | None = None,
        last_time_us: int | None = None,
        snapshot: bytes | None = None,
    ) -> LaneAdded:
        """Add a lane."""
        ...

    def connect(self) -> int:
        """Open a connection."""
        ...

    def disconnect(self, connection: int) -> None:
        """Forget a connection."""

    def receive_data(self, connection: int, data: bytes) -> FeedSummary:
        """Take what a socket brought."""
        ...

    def resume(self) -> FeedSummary:
        """Go on with what waited for room."""
        ...

    def summary(self) -> FeedSummary:
        """Look at how it stands."""
        ...

    def backfill(self, symbol: int, from_id: int, body: bytes) -> PageResult:
        """Take a REST answer."""
        ...

    def begin_fetch(self, sequence: int) -> None:
        """Hold early trades from now on."""

    def end_fetch(self, sequence: int) -> None:
        """Hold them no longer."""

    def declare_missing(self, sequence: int, to_id: int) -> bool:
        """Go on behind trades that do not exist."""
        ...

    def set_known(self, symbol: int, trade_id: int) -> None:
        """Say how far REST reaches."""

    def next_event(self) -> FeedEvent | None:
        """Take the oldest event."""
        ...

    def peek_bar(self) -> LaneBar | None:
        """Look at the oldest bar."""
        ...

    def pop_bar(self) -> bool:
        """Take the oldest bar off."""
        ...

    def sequence(self, sequence: int) -> SequenceInfo:
        """Look at a sequence."""
        ...

    def symbol(self, symbol: int) -> SymbolInfo:
        """Look at a symbol."""
        ...

    def connection(self, connection: int) -> ConnectionInfo:
        """Look at a connection."""
        ...

    def lane(self, lane: int) -> LaneInfo:
        """Look at a lane."""
        ...

    def snapshot(self, lane: int) -> bytes:
        """Write a lane's state down."""
        ...

    def totals(self) -> FeedTotals:
        """Sum everything up."""
        ...


__all__ = ("FeedLike",)
