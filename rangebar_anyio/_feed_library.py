"""The feed's exports and constants, as the type checker sees them."""

from __future__ import annotations

from typing import Protocol, cast

from rangebar_anyio import _native
from rangebar_anyio._native import CData, Readable


class FeedLibrary(Protocol):
    """The part of the library that is about feeds."""

    RB_OK: int
    RB_NONE: int
    RB_PAUSED: int
    RB_ERR_ARGUMENT: int
    RB_ERR_UNKNOWN: int
    RB_ERR_PAUSED: int
    RB_ERR_PAGE: int
    RB_ERR_PAGE_ORDER: int
    RB_ERR_TIME_UNIT: int
    RB_ERR_SNAPSHOT_LENGTH: int
    RB_ERR_SNAPSHOT_MAGIC: int
    RB_ERR_SNAPSHOT_VERSION: int
    RB_ERR_SNAPSHOT_CHECKSUM: int
    RB_ERR_SNAPSHOT_CONTENT: int
    RB_ERR_SNAPSHOT_LABEL: int
    RB_ERR_SNAPSHOT_UNCLOSED: int
    RB_ERR_SNAPSHOT_UNCOUNTED: int
    RB_ERR_SNAPSHOT_MISMATCH: int
    RB_NO_POSITION: int
    RB_NO_TIME: int
    RB_UNIT_UNKNOWN: int
    RB_UNIT_MILLISECOND: int
    RB_UNIT_MICROSECOND: int
    RB_FEED_GAP_FOUND: int
    RB_FEED_ID_SKIPPED: int
    RB_FEED_TRADES_DIFFER: int
    RB_FEED_IDS_RESTARTED: int
    RB_FEED_ORIGIN_SET: int
    RB_FEED_SEQUENCES_MERGED: int
    RB_FEED_PING: int
    RB_FEED_CLOSE: int
    RB_FEED_CONNECTION_FAILED: int
    RB_FEED_SERVER_SHUTDOWN: int
    RB_FEED_REPLY: int
    RB_FEED_FRAME_REJECTED: int
    RB_FEED_TRADE_REJECTED: int
    RB_FEED_UNIT_MISMATCH: int

    def rb_feed_new(self, config: CData, out: CData, /) -> int: ...
    def rb_feed_free(self, feed: CData, /) -> None: ...
    def rb_feed_add_symbol(self, feed: CData, name: Readable, size: int, symbol: CData, /) -> int: ...
    def rb_feed_add_lane(self, feed: CData, spec: CData, snapshot: Readable, size: int, added: CData, /) -> int: ...
    def rb_feed_connect(self, feed: CData, connection: CData, /) -> int: ...
    def rb_feed_disconnect(self, feed: CData, connection: int, /) -> int: ...
    def rb_feed_receive(self, feed: CData, connection: int, data: Readable, size: int, summary: CData, /) -> int: ...
    def rb_feed_resume(self, feed: CData, summary: CData, /) -> int: ...
    def rb_feed_summary(self, feed: CData, summary: CData, /) -> int: ...
    def rb_feed_backfill(
        self, feed: CData, symbol: int, from_id: int, body: Readable, size: int, page: CData, /
    ) -> int: ...
    def rb_feed_begin_fetch(self, feed: CData, sequence: int, /) -> int: ...
    def rb_feed_end_fetch(self, feed: CData, sequence: int, /) -> int: ...
    def rb_feed_declare_missing(self, feed: CData, sequence: int, to_id: int, /) -> int: ...
    def rb_feed_set_known(self, feed: CData, symbol: int, trade_id: int, /) -> int: ...
    def rb_feed_peek_bar(self, feed: CData, bar: CData, /) -> int: ...
    def rb_feed_pop_bar(self, feed: CData, /) -> int: ...
    def rb_feed_pop_event(self, feed: CData, event: CData, /) -> int: ...
    def rb_feed_sequence_info(self, feed: CData, sequence: int, info: CData, /) -> int: ...
    def rb_feed_symbol_info(self, feed: CData, symbol: int, info: CData, /) -> int: ...
    def rb_feed_connection_info(self, feed: CData, connection: int, info: CData, /) -> int: ...
    def rb_feed_lane_info(self, feed: CData, lane: int, info: CData, /) -> int: ...
    def rb_feed_lane_snapshot(self, feed: CData, lane: int, buffer: CData, size: int, written: CData, /) -> int: ...
    def rb_feed_totals(self, feed: CData, totals: CData, /) -> int: ...


lib: FeedLibrary = cast(FeedLibrary, _native.lib)

__all__ = ("FeedLibrary", "lib")
