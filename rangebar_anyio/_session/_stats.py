"""Everything counted, in one frozen value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._core import Core
    from ._links import Links
    from ._reader import Reader


@dataclass(frozen=True, slots=True)
class StreamStats:
    """How a stream stands and what it has seen, all since its opening.

    Attributes:
        bytes_received: from sockets.
        messages: websocket messages.
        live_trades: trades that sockets brought and that went into bars.
        fetched_trades: trades that requests brought and that went into bars.
        duplicates: trades that were known already.
        refused: messages, trades and rows that could not be trades.
        let_go: trades that there was no room to keep; they were fetched again.
        missing_trades: ids that the exchange provably has no trade for, over all lanes' sequences.
        bars: bars closed.
        bars_waiting: bars that the reader has not taken.
        trades_held: trades that wait for a gap before them.
        connections: connections that are open and subscribed.
        connects: attempts to connect.
        connect_failures: of these, failed ones.
        disconnects: open connections that ended, other than by being replaced.
        rotations: connections that were replaced while they were open.
        stalls: connections found to bring nothing while there were trades.
        gaps_found: gaps that were asked for.
        gaps_filled: gaps that are closed.
        requests: requests sent.
        request_failures: of these, without a usable answer.
        requests_refused: of these, answered with an error status.
        request_weight: what the exchange counts them as.
        pauses: how often all room for bars was full.
        reader_away_s: for how long that has been so, 0 while there is room.
        reader_away_total_s: for how long it was so altogether.
        heap_bytes: what the engine keeps in memory, as far as it can see.
    """

    bytes_received: int
    messages: int
    live_trades: int
    fetched_trades: int
    duplicates: int
    refused: int
    let_go: int
    missing_trades: int
    bars: int
    bars_waiting: int
    trades_held: int
    connections: int
    connects: int
    connect_failures: int
    disconnects: int
    rotations: int
    stalls: int
    gaps_found: int
    gaps_filled: int
    requests: int
    request_failures: int
    requests_refused: int
    request_weight: int
    pauses: int
    reader_away_s: float
    reader_away_total_s: float
    heap_bytes: int


def stats_of(core: Core, links: Links, reader: Reader, now: float) -> StreamStats:
    """Put the counters of feed and session together."""
    totals, counters = core.feed.totals(), core.counters
    away_s = reader.away_s(now)
    return StreamStats(
        bytes_received=totals.bytes,
        messages=totals.messages,
        live_trades=totals.live_trades,
        fetched_trades=totals.fetched_trades,
        duplicates=totals.duplicates,
        refused=totals.refused,
        let_go=totals.let_go,
        missing_trades=totals.missing,
        bars=totals.bars,
        bars_waiting=totals.bars_queued,
        trades_held=totals.trades_held,
        connections=links.confirmed,
        connects=counters.connects,
        connect_failures=counters.connect_failures,
        disconnects=counters.disconnects,
        rotations=counters.rotations,
        stalls=counters.stalls,
        gaps_found=counters.gaps_found,
        gaps_filled=counters.gaps_filled,
        requests=counters.requests,
        request_failures=counters.request_failures,
        requests_refused=counters.requests_refused,
        request_weight=counters.weight,
        pauses=counters.pauses,
        reader_away_s=away_s,
        reader_away_total_s=counters.away_s + away_s,
        heap_bytes=totals.heap_bytes,
    )


__all__ = ("StreamStats", "stats_of")
