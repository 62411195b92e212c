"""What a feed answers with, besides bars and events: frozen values.

``None`` stands for what does not exist yet. Ids are aggregate trade ids, times microseconds since 1970-01-01 UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from rangebar_anyio._feed_events import TimeUnit


class PageRefused(ValueError):
    """A REST answer is no page of trades; nothing of it was taken."""


class UnitRefused(ValueError):
    """A REST answer brings milliseconds for a lane in microseconds; nothing of it was taken."""


class FeedSummary(NamedTuple):
    """What one read did, and how the feed stands after it.

    ``trades_taken`` are live trades taken into bars since ``receive_data`` or ``resume`` was last called. While
    ``is_paused`` something waits for room among the bars: stop reading sockets, take bars, then :meth:`Feed.resume`.
    """

    bars_queued: int
    events_queued: int
    trades_taken: int
    is_paused: bool


class LaneAdded(NamedTuple):
    """A lane's number, and the sequence that it is in for now."""

    lane: int
    sequence: int


class LaneBar(NamedTuple):
    """A closed bar of a lane, as the engine's 176 bytes."""

    lane: int
    bar: bytes


@dataclass(frozen=True, slots=True)
class PageResult:
    """What became of one REST answer.

    Attributes:
        rows: rows that are trades.
        refused: rows that are none; they count as not served.
        first_id: lowest id served.
        last_id: highest id served; ``None`` in an empty answer, which is lag and no evidence of anything.
        taken: rows taken into bars by this call.
        duplicates: rows that every sequence concerned had already.
        is_complete: False when the bar queue is full: offer the same answer again after bars were taken.
    """

    rows: int
    refused: int
    first_id: int | None
    last_id: int | None
    taken: int
    duplicates: int
    is_complete: bool


@dataclass(frozen=True, slots=True)
class SequenceInfo:
    """A sequence: the lanes of a symbol that expect the same id. ``last_time_us`` is the latest time of trades taken.

    ``sequence`` is the one that answers, ``expected`` is None before the first trade, ``highest_seen`` is the
    highest id known at or above the expected one and None at the live edge.
    """

    sequence: int
    symbol: int
    expected: int | None
    highest_seen: int | None
    last_time_us: int | None
    held: int
    lanes: int
    is_fetching: bool


@dataclass(frozen=True, slots=True)
class SymbolInfo:
    """A symbol: its last trade, and counters.

    ``live_trades`` came from connections and ``fetched_trades`` from REST; ``duplicates`` are live trades that every
    sequence had; ``let_go`` are held trades for which there was no room, to be fetched again.
    """

    last_id: int | None
    last_price_e8: int
    last_time_us: int
    known_id: int | None
    live_trades: int
    fetched_trades: int
    duplicates: int
    refused: int
    let_go: int
    missing: int


@dataclass(frozen=True, slots=True)
class ConnectionInfo:
    """A connection: counters, and whether it is of any further use.

    ``trades`` are all trades of known symbols, ``taken`` those that went into bars at once, ``unread`` bytes that wait
    for room among the bars.
    """

    bytes: int
    messages: int
    trades: int
    taken: int
    rejected: int
    pings: int
    last_event_time_us: int
    unread: int
    is_closed: bool
    is_paused: bool


@dataclass(frozen=True, slots=True)
class LaneInfo:
    """A lane: where it stands, and its forming bar as the engine's 176 bytes."""

    lane: int
    symbol: int
    sequence: int
    threshold_dbps: int
    unit: TimeUnit | None
    position: int | None
    last_time_us: int
    time_reversals: int
    forming: bytes | None


@dataclass(frozen=True, slots=True)
class FeedTotals:
    """Everything counted over a feed's life, and what it keeps now."""

    bytes: int
    messages: int
    live_trades: int
    fetched_trades: int
    duplicates: int
    refused: int
    let_go: int
    missing: int
    bars: int
    replies_dropped: int
    bars_queued: int
    trades_held: int
    events_queued: int
    heap_bytes: int
    is_paused: bool


__all__ = (
    "ConnectionInfo",
    "FeedSummary",
    "FeedTotals",
    "LaneAdded",
    "LaneBar",
    "LaneInfo",
    "PageRefused",
    "PageResult",
    "SequenceInfo",
    "SymbolInfo",
    "UnitRefused",
)
