//! Exports that look at a feed.

use super::super::*;
use super::values::{RB_NO_TIME, id_or_none, unit_code};
use super::{Inner, RbFeed, answer, enter, feed_status};
use crate::bar::Bar;

/// A sequence, or the one that it merged into.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct RbSequenceInfo {
    /// The sequence that answers.
    pub sequence: u64,
    /// The id it waits for, `RB_NO_POSITION` before its first trade.
    pub expected: i64,
    /// The highest id known at or above that, `RB_NO_POSITION` at the live edge.
    pub highest_seen: i64,
    /// The latest time of the trades taken, or `RB_NO_TIME`.
    pub last_time_us: i64,
    /// Trades in its hold.
    pub held: u64,
    /// Its symbol.
    pub symbol: u32,
    /// Lanes in it.
    pub lanes: u32,
    /// 1 while a fetch is in flight.
    pub is_fetching: u32,
    /// Zero.
    pub reserved: u32,
}

/// A symbol.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct RbSymbolInfo {
    /// Id of the last trade taken by any of its sequences, or `RB_NO_POSITION`.
    pub last_id: i64,
    /// Its price, 0 before the first.
    pub last_price_e8: i64,
    /// Its time, 0 before the first.
    pub last_time_us: i64,
    /// The highest id that REST is known to know, or `RB_NO_POSITION`.
    pub known_id: i64,
    /// Trades that connections brought and that were taken.
    pub live_trades: u64,
    /// Trades that REST brought and that were taken.
    pub fetched_trades: u64,
    /// Live trades that every sequence had already.
    pub duplicates: u64,
    /// Live trades and rows that were refused.
    pub refused: u64,
    /// Held trades that were let go; they are fetched again.
    pub let_go: u64,
    /// Ids that were declared missing, summed over sequences.
    pub missing: u64,
}

/// A connection.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct RbConnectionInfo {
    /// Bytes received.
    pub bytes: u64,
    /// Messages of any kind.
    pub messages: u64,
    /// Trades of known symbols.
    pub trades: u64,
    /// Of these, taken into bars at once.
    pub taken: u64,
    /// Messages that were refused.
    pub rejected: u64,
    /// Pings.
    pub pings: u64,
    /// When the exchange sent the last trade event, microseconds; 0 when it did not say.
    pub last_event_time_us: i64,
    /// Bytes read from the socket and not looked at yet.
    pub unread: u64,
    /// 1 after a close frame or a broken frame.
    pub is_closed: u32,
    /// 1 while a trade of it waits for room.
    pub is_paused: u32,
}

/// A lane.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct RbLaneInfo {
    /// The sequence it is in.
    pub sequence: u64,
    /// Id of the last trade taken, or `RB_NO_POSITION`.
    pub position: i64,
    /// Time of the last trade taken, 0 before the first.
    pub last_time_us: i64,
    /// Trades whose time was before that of their predecessor.
    pub time_reversals: u64,
    /// Its symbol.
    pub symbol: u32,
    /// Threshold in decimal basis points.
    pub threshold_dbps: u32,
    /// `RB_UNIT_*`.
    pub time_unit: u32,
    /// 1 when `forming` is a bar.
    pub has_forming: u32,
    /// The bar that has not closed.
    pub forming: Bar,
}

/// Everything counted over a feed's life, and what it keeps now.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct RbFeedTotals {
    /// Bytes received from connections.
    pub bytes: u64,
    /// Messages received.
    pub messages: u64,
    /// Trades that connections brought and that were taken.
    pub live_trades: u64,
    /// Trades that REST brought and that were taken.
    pub fetched_trades: u64,
    /// Live trades that were known already.
    pub duplicates: u64,
    /// Messages, trades and rows that were refused.
    pub refused: u64,
    /// Held trades that were let go.
    pub let_go: u64,
    /// Ids declared missing.
    pub missing: u64,
    /// Bars closed.
    pub bars: u64,
    /// Replies that were dropped since nobody took them.
    pub replies_dropped: u64,
    /// Bars that wait.
    pub bars_queued: u64,
    /// Trades that are held.
    pub trades_held: u64,
    /// Events that wait.
    pub events_queued: u64,
    /// Bytes that the feed has on the heap, as far as it can see.
    pub heap_bytes: u64,
    /// 1 when anything waits for room among the bars.
    pub is_paused: u64,
}

/// Looks at a sequence, or at the one that it merged into.
///
/// # Safety
/// `feed` is NULL or a live handle, `info` NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_feed_sequence_info(
    feed: *mut RbFeed,
    sequence: u64,
    info: *mut RbSequenceInfo,
) -> Status {
    let work = |inner: &mut Inner| {
        let found = inner.feed.sequence_info(sequence).map_err(feed_status)?;
        Ok(RbSequenceInfo {
            sequence: found.sequence,
            expected: id_or_none(found.expected),
            highest_seen: id_or_none(found.highest_seen),
            last_time_us: found.last_time_us.unwrap_or(RB_NO_TIME),
            held: found.held as u64,
            symbol: found.symbol,
            lanes: u32::try_from(found.lanes).unwrap_or(u32::MAX),
            is_fetching: u32::from(found.is_fetching),
            reserved: 0,
        })
    };
    // SAFETY: NULL or live, NULL or valid by the caller's promise.
    unsafe { answer(feed, info, work) }
}

/// Looks at a symbol.
///
/// # Safety
/// `feed` is NULL or a live handle, `info` NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_feed_symbol_info(
    feed: *mut RbFeed,
    symbol: u32,
    info: *mut RbSymbolInfo,
) -> Status {
    let work = |inner: &mut Inner| {
        let found = inner.feed.symbol_info(symbol).map_err(feed_status)?;
        Ok(RbSymbolInfo {
            last_id: id_or_none(found.last_id),
            last_price_e8: found.last_price_e8,
            last_time_us: found.last_time_us,
            known_id: id_or_none(found.known_id),
            live_trades: found.live_trades,
            fetched_trades: found.fetched_trades,
            duplicates: found.duplicates,
            refused: found.refused,
            let_go: found.let_go,
            missing: found.missing,
        })
    };
    // SAFETY: NULL or live, NULL or valid by the caller's promise.
    unsafe { answer(feed, info, work) }
}

/// Looks at a connection.
///
/// # Safety
/// `feed` is NULL or a live handle, `info` NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_feed_connection_info(
    feed: *mut RbFeed,
    connection: u64,
    info: *mut RbConnectionInfo,
) -> Status {
    let work = |inner: &mut Inner| {
        let found = inner.feed.connection_info(connection);
        let found = found.map_err(feed_status)?;
        Ok(RbConnectionInfo {
            bytes: found.bytes,
            messages: found.messages,
            trades: found.trades,
            taken: found.taken,
            rejected: found.rejected,
            pings: found.pings,
            last_event_time_us: found.last_event_time_us,
            unread: found.unread as u64,
            is_closed: u32::from(found.is_closed),
            is_paused: u32::from(found.is_paused),
        })
    };
    // SAFETY: NULL or live, NULL or valid by the caller's promise.
    unsafe { answer(feed, info, work) }
}

/// Looks at a lane.
///
/// # Safety
/// `feed` is NULL or a live handle, `info` NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_feed_lane_info(
    feed: *mut RbFeed,
    lane: u32,
    info: *mut RbLaneInfo,
) -> Status {
    let work = |inner: &mut Inner| {
        let found = inner.feed.lane_info(lane).map_err(feed_status)?;
        Ok(RbLaneInfo {
            sequence: found.sequence,
            position: id_or_none(found.position),
            last_time_us: found.last_time_us,
            time_reversals: found.time_reversals,
            symbol: found.symbol,
            threshold_dbps: found.threshold_dbps,
            time_unit: unit_code(found.unit),
            has_forming: u32::from(found.forming.is_some()),
            forming: found.forming.unwrap_or_default(),
        })
    };
    // SAFETY: NULL or live, NULL or valid by the caller's promise.
    unsafe { answer(feed, info, work) }
}

/// Writes a lane's snapshot and its length; `RB_ERR_BUFFER` when it does not fit.
///
/// # Safety
/// `feed` is NULL or a live handle, `buffer` valid for writes of `capacity` bytes, `len` NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_feed_lane_snapshot(
    feed: *mut RbFeed,
    lane: u32,
    buffer: *mut u8,
    capacity: usize,
    len: *mut usize,
) -> Status {
    let work = |inner: &mut Inner| {
        inner.scratch.clear();
        let outcome = inner.feed.lane_snapshot(lane, &mut inner.scratch);
        outcome.map_err(feed_status)?;
        // SAFETY: valid by the caller's promise.
        let out = unsafe { slice_mut(buffer, capacity) }?;
        let room = out.get_mut(..inner.scratch.len()).ok_or(RB_ERR_BUFFER)?;
        if len.is_null() {
            return Err(RB_ERR_NULL);
        }
        room.copy_from_slice(&inner.scratch);
        // SAFETY: not NULL; valid by the caller's promise.
        Ok(unsafe { write_out(len, inner.scratch.len()) })
    };
    // SAFETY: NULL or live by the caller's promise.
    unsafe { enter(feed, work) }
}

/// Everything counted.
///
/// # Safety
/// `feed` is NULL or a live handle, `totals` NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_feed_totals(feed: *mut RbFeed, totals: *mut RbFeedTotals) -> Status {
    let work = |inner: &mut Inner| {
        let now = inner.feed.totals();
        Ok(RbFeedTotals {
            bytes: now.bytes,
            messages: now.messages,
            live_trades: now.live_trades,
            fetched_trades: now.fetched_trades,
            duplicates: now.duplicates,
            refused: now.refused,
            let_go: now.let_go,
            missing: now.missing,
            bars: now.bars,
            replies_dropped: now.replies_dropped,
            bars_queued: now.bars_queued as u64,
            trades_held: now.trades_held as u64,
            events_queued: now.events_queued as u64,
            heap_bytes: now.heap_bytes as u64,
            is_paused: u64::from(now.is_paused),
        })
    };
    // SAFETY: NULL or live, NULL or valid by the caller's promise.
    unsafe { answer(feed, totals, work) }
}
