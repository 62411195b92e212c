"""The feed's C structs as Python values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from rangebar_anyio._feed_events import (
    Close,
    ConnectionFailed,
    FeedEvent,
    FrameRejected,
    GapFound,
    IdSkipped,
    IdsRestarted,
    OriginSet,
    Ping,
    Reply,
    SequencesMerged,
    ServerShutdown,
    TimeUnit,
    TradeRejected,
    TradesDiffer,
    UnitMismatch,
)
from rangebar_anyio._feed_library import lib
from rangebar_anyio._feed_values import LaneInfo, PageRefused, PageResult, SequenceInfo, SymbolInfo, UnitRefused
from rangebar_anyio._native import BAR_SIZE, CData, ffi

SNAPSHOT_PROBLEMS: Final[Mapping[int, tuple[str, str]]] = {
    lib.RB_ERR_SNAPSHOT_LENGTH: ("length", "is shorter or longer than it says"),
    lib.RB_ERR_SNAPSHOT_MAGIC: ("magic", "does not begin like one"),
    lib.RB_ERR_SNAPSHOT_VERSION: ("version", "was written by another version"),
    lib.RB_ERR_SNAPSHOT_CHECKSUM: ("checksum", "is damaged"),
    lib.RB_ERR_SNAPSHOT_CONTENT: ("content", "holds what no processor can be in"),
    lib.RB_ERR_SNAPSHOT_UNCLOSED: ("content", "has a forming bar that ends beyond its limits: it would have closed"),
    lib.RB_ERR_SNAPSHOT_UNCOUNTED: ("content", "has a forming bar that leaves out more ids than it counts as missing"),
    lib.RB_ERR_SNAPSHOT_LABEL: ("label", "has a label that is too long"),
    lib.RB_ERR_SNAPSHOT_MISMATCH: ("threshold", "is of another symbol or rule, or does not follow the position"),
}

_REASONS: Final = (
    "",
    "not JSON",
    "nested too deeply",
    "not an array of objects",
    "a field is missing",
    "a field is there twice",
    "a field has the wrong type",
    "not a plain decimal number",
    "no such trade can be",
    "a binary message",
    "a symbol that nobody asked for",
    "numbers that no trade has",
    "an id far above what REST knows",
)
_FIELDS: Final = (
    "",
    "symbol",
    "agg_trade_id",
    "price",
    "quantity",
    "first_trade_id",
    "last_trade_id",
    "timestamp",
    "is_buyer_maker",
)
_UNITS: Final[Mapping[int, TimeUnit]] = {lib.RB_UNIT_MILLISECOND: "ms", lib.RB_UNIT_MICROSECOND: "us"}
_CODES: Final[Mapping[TimeUnit, int]] = {unit: code for code, unit in _UNITS.items()}


def unit_code(unit: TimeUnit | None) -> int:
    """Name a time unit for C."""
    return lib.RB_UNIT_UNKNOWN if unit is None else _CODES[unit]


def id_of(value: int) -> int | None:
    """Read an id that may not exist."""
    return None if value == lib.RB_NO_POSITION else value


def _text(event: CData) -> bytes:
    return bytes(ffi.buffer(event.text, event.text_len))


def _words(event: CData) -> str:
    return _text(event).decode(errors="replace")


def _reason(event: CData) -> str:
    reason = _REASONS[event.code]
    return f"{_FIELDS[event.field]}: {reason}" if event.field else reason


def _reply(event: CData) -> Reply:
    return Reply(
        event.connection,
        event.id if event.has_id else None,
        (event.time_us, _words(event)) if event.has_error else None,
    )


_EVENTS: Final[Mapping[int, Callable[[CData], FeedEvent]]] = {
    lib.RB_FEED_GAP_FOUND: lambda e: GapFound(e.sequence, e.id, e.other_id),
    lib.RB_FEED_ID_SKIPPED: lambda e: IdSkipped(e.sequence, e.id, e.other_id),
    lib.RB_FEED_TRADES_DIFFER: lambda e: TradesDiffer(e.symbol, e.id, e.count),
    lib.RB_FEED_IDS_RESTARTED: lambda e: IdsRestarted(e.sequence, e.id, e.other_id, e.time_us, e.other_time_us),
    lib.RB_FEED_ORIGIN_SET: lambda e: OriginSet(e.lane, e.id, _UNITS[e.code]),
    lib.RB_FEED_SEQUENCES_MERGED: lambda e: SequencesMerged(e.sequence, e.other_sequence),
    lib.RB_FEED_PING: lambda e: Ping(e.connection, _text(e)),
    lib.RB_FEED_CLOSE: lambda e: Close(e.connection, e.code, _words(e)),
    lib.RB_FEED_CONNECTION_FAILED: lambda e: ConnectionFailed(e.connection, e.code, _words(e)),
    lib.RB_FEED_SERVER_SHUTDOWN: lambda e: ServerShutdown(e.connection),
    lib.RB_FEED_REPLY: _reply,
    lib.RB_FEED_FRAME_REJECTED: lambda e: FrameRejected(e.connection, _reason(e), e.count, _words(e)),
    lib.RB_FEED_TRADE_REJECTED: lambda e: TradeRejected(e.symbol, e.id, _reason(e), e.count, _words(e)),
    lib.RB_FEED_UNIT_MISMATCH: lambda e: UnitMismatch(e.connection, e.symbol),
}


def event_of(event: CData) -> FeedEvent:
    """Turn an event into its value."""
    return _EVENTS[event.kind](event)


def page_of(status: int, page: CData) -> PageResult:
    """Turn an answer's outcome into its value, or raise why the answer is of no use."""
    if status == lib.RB_ERR_PAGE:
        raise PageRefused("the answer is no JSON array of trades")

    if status == lib.RB_ERR_PAGE_ORDER:
        raise PageRefused("the ids of the answer go down")

    if status == lib.RB_ERR_TIME_UNIT:
        raise UnitRefused("the answer is in milliseconds, and a lane is in microseconds")

    return PageResult(
        rows=page.rows,
        refused=page.refused,
        first_id=id_of(page.first_id),
        last_id=id_of(page.last_id),
        taken=page.taken,
        duplicates=page.duplicates,
        is_complete=page.is_complete != 0,
    )


def sequence_info_of(info: CData) -> SequenceInfo:
    """Turn a sequence's struct into its value."""
    return SequenceInfo(
        sequence=info.sequence,
        symbol=info.symbol,
        expected=id_of(info.expected),
        highest_seen=id_of(info.highest_seen),
        last_time_us=None if info.last_time_us == lib.RB_NO_TIME else info.last_time_us,
        held=info.held,
        lanes=info.lanes,
        is_fetching=info.is_fetching != 0,
    )


def symbol_info_of(info: CData) -> SymbolInfo:
    """Turn a symbol's struct into its value."""
    return SymbolInfo(
        last_id=id_of(info.last_id),
        last_price_e8=info.last_price_e8,
        last_time_us=info.last_time_us,
        known_id=id_of(info.known_id),
        live_trades=info.live_trades,
        fetched_trades=info.fetched_trades,
        duplicates=info.duplicates,
        refused=info.refused,
        let_go=info.let_go,
        missing=info.missing,
    )


def lane_info_of(lane: int, info: CData) -> LaneInfo:
    """Turn a lane's struct into its value."""
    forming = ffi.buffer(ffi.addressof(info, "forming"), BAR_SIZE)
    return LaneInfo(
        lane=lane,
        symbol=info.symbol,
        sequence=info.sequence,
        threshold_dbps=info.threshold_dbps,
        unit=_UNITS.get(info.time_unit),
        position=id_of(info.position),
        last_time_us=info.last_time_us,
        time_reversals=info.time_reversals,
        forming=forming[:] if info.has_forming else None,
    )


__all__ = (
    "SNAPSHOT_PROBLEMS",
    "event_of",
    "id_of",
    "lane_info_of",
    "page_of",
    "sequence_info_of",
    "symbol_info_of",
    "unit_code",
)
