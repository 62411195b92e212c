//! Exports `rb_feed_*`: one stream's bytes in, bars and events out.

use super::*;
use crate::feed::{Config, Feed, FeedError, LaneSpec};

mod event;
mod info;
mod values;

#[cfg(test)]
mod tests;

pub use event::*;
pub use info::*;
pub use values::*;

/// Everything between the sockets and the reader of one stream.
pub struct RbFeed {
    handle: Handle<Inner>,
}

struct Inner {
    feed: Feed,
    /// A snapshot on its way out.
    scratch: Vec<u8>,
}

/// Done as far as there was room for bars: pop some, then call again.
pub const RB_PAUSED: i32 = 3;
/// No symbol, lane, sequence or connection has this number.
pub const RB_ERR_UNKNOWN: i32 = -40;
/// The connection has unread bytes: pop bars and resume first.
pub const RB_ERR_PAUSED: i32 = -41;
/// The answer is no page of trades.
pub const RB_ERR_PAGE: i32 = -42;
/// The rows of the answer descend.
pub const RB_ERR_PAGE_ORDER: i32 = -43;
/// Milliseconds for a lane in microseconds.
pub const RB_ERR_TIME_UNIT: i32 = -44;
/// The snapshot is of another symbol, threshold or gate, or does not follow the position.
pub const RB_ERR_SNAPSHOT_MISMATCH: i32 = -45;

fn feed_status(error: FeedError) -> Status {
    match error {
        FeedError::Unknown => RB_ERR_UNKNOWN,
        FeedError::Argument => RB_ERR_ARGUMENT,
        FeedError::Threshold => RB_ERR_THRESHOLD,
        FeedError::Snapshot(error) => super::snapshot_status(error),
        FeedError::SnapshotMismatch => RB_ERR_SNAPSHOT_MISMATCH,
        FeedError::Paused => RB_ERR_PAUSED,
        FeedError::Page => RB_ERR_PAGE,
        FeedError::PageOrder => RB_ERR_PAGE_ORDER,
        FeedError::Unit => RB_ERR_TIME_UNIT,
    }
}

/// Runs `work` inside a feed.
///
/// # Safety
/// `feed` is NULL or a live handle.
#[inline]
unsafe fn enter(
    feed: *const RbFeed,
    work: impl FnOnce(&mut Inner) -> Result<Status, Status>,
) -> Status {
    // SAFETY: NULL or live by the caller's promise.
    match unsafe { feed.as_ref() } {
        None => RB_ERR_NULL,
        Some(feed) => feed.handle.enter(|inner| status_of(|| work(inner))),
    }
}

/// Runs `work` inside a feed and writes what it gives.
///
/// # Safety
/// `feed` is NULL or a live handle, `out` NULL or valid for a write.
#[inline]
unsafe fn answer<T>(
    feed: *const RbFeed,
    out: *mut T,
    work: impl FnOnce(&mut Inner) -> Result<T, Status>,
) -> Status {
    let work = |inner: &mut Inner| {
        // Before anything is changed: a call without a place for its answer must not do half.
        if out.is_null() {
            return Err(RB_ERR_NULL);
        }
        let value = work(inner)?;
        // SAFETY: not NULL; valid by the caller's promise.
        Ok(unsafe { write_out(out, value) })
    };
    // SAFETY: NULL or live by the caller's promise.
    unsafe { enter(feed, work) }
}

/// Makes a feed without symbols.
///
/// # Safety
/// `config` is NULL or valid for a read, `out` NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_feed_new(config: *const RbFeedConfig, out: *mut *mut RbFeed) -> Status {
    let work = || {
        // SAFETY: NULL or valid by the caller's promise.
        let config = unsafe { config.as_ref() }.ok_or(RB_ERR_NULL)?;
        if out.is_null() {
            return Err(RB_ERR_NULL);
        }
        let inner = Inner {
            feed: Feed::new(Config::try_from(*config)?),
            scratch: Vec::new(),
        };
        let feed = Box::into_raw(Box::new(RbFeed {
            handle: Handle::new(inner),
        }));
        // SAFETY: not NULL; valid by the caller's promise.
        Ok(unsafe { write_out(out, feed) })
    };
    guard(|| status_of(work))
}

/// Releases a feed; NULL is fine.
///
/// # Safety
/// `feed` is NULL or a live handle that no thread is inside of; it is dead afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_feed_free(feed: *mut RbFeed) {
    if !feed.is_null() {
        guard(|| {
            // SAFETY: made by Box::into_raw, and handed back once by the caller's promise.
            drop(unsafe { Box::from_raw(feed) });
            RB_OK
        });
    }
}

/// Adds a symbol by the name that events carry, or finds it again.
///
/// # Safety
/// `feed` is NULL or a live handle, `name` valid for reads of `len` bytes, `symbol` NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_feed_add_symbol(
    feed: *mut RbFeed,
    name: *const u8,
    len: usize,
    symbol: *mut u32,
) -> Status {
    let work = |inner: &mut Inner| {
        // SAFETY: valid by the caller's promise.
        let name = unsafe { slice(name, len) }?;
        inner.feed.add_symbol(name).map_err(feed_status)
    };
    // SAFETY: NULL or live, NULL or valid by the caller's promise.
    unsafe { answer(feed, symbol, work) }
}

/// Adds a lane to its symbol; `snapshot` of `len` bytes may be NULL with 0.
///
/// # Safety
/// `feed` is NULL or a live handle, `spec` NULL or valid for a read, `snapshot` valid for reads of `len` bytes, `added`
/// NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_feed_add_lane(
    feed: *mut RbFeed,
    spec: *const RbLaneSpec,
    snapshot: *const u8,
    len: usize,
    added: *mut RbLaneAdded,
) -> Status {
    let work = |inner: &mut Inner| {
        // SAFETY: NULL or valid by the caller's promise.
        let spec = unsafe { spec.as_ref() }.ok_or(RB_ERR_NULL)?;
        // SAFETY: valid by the caller's promise.
        let snapshot = unsafe { slice(snapshot, len) }?;
        let spec = LaneSpec {
            snapshot: (!snapshot.is_empty()).then_some(snapshot),
            ..spec.plain()?
        };
        let added = inner.feed.add_lane(&spec).map_err(feed_status)?;
        Ok(added.into())
    };
    // SAFETY: NULL or live, NULL or valid by the caller's promise.
    unsafe { answer(feed, added, work) }
}

/// Opens a connection: the bytes of a websocket after its handshake. Numbers are never used again.
///
/// # Safety
/// `feed` is NULL or a live handle, `connection` NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_feed_connect(feed: *mut RbFeed, connection: *mut u64) -> Status {
    // SAFETY: NULL or live, NULL or valid by the caller's promise.
    unsafe { answer(feed, connection, |inner| Ok(inner.feed.connect())) }
}

/// Forgets a connection with whatever it had not finished.
///
/// # Safety
/// `feed` is NULL or a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_feed_disconnect(feed: *mut RbFeed, connection: u64) -> Status {
    let work = |inner: &mut Inner| {
        inner.feed.disconnect(connection).map_err(feed_status)?;
        Ok(RB_OK)
    };
    // SAFETY: NULL or live by the caller's promise.
    unsafe { enter(feed, work) }
}

/// Takes one read of a connection; `RB_ERR_PAUSED` while its last read waits for room.
///
/// # Safety
/// `feed` is NULL or a live handle, `bytes` valid for reads of `len` bytes, `summary` NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_feed_receive(
    feed: *mut RbFeed,
    connection: u64,
    bytes: *const u8,
    len: usize,
    summary: *mut RbFeedSummary,
) -> Status {
    let work = |inner: &mut Inner| {
        // SAFETY: valid by the caller's promise.
        let bytes = unsafe { slice(bytes, len) }?;
        let outcome = inner.feed.receive(connection, bytes);
        Ok(outcome.map_err(feed_status)?.into())
    };
    // SAFETY: NULL or live, NULL or valid by the caller's promise.
    unsafe { answer(feed, summary, work) }
}

/// Goes on with whatever waited for room.
///
/// # Safety
/// `feed` is NULL or a live handle, `summary` NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_feed_resume(feed: *mut RbFeed, summary: *mut RbFeedSummary) -> Status {
    // SAFETY: NULL or live, NULL or valid by the caller's promise.
    unsafe { answer(feed, summary, |inner| Ok(inner.feed.resume().into())) }
}

/// How the feed stands.
///
/// # Safety
/// `feed` is NULL or a live handle, `summary` NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_feed_summary(feed: *mut RbFeed, summary: *mut RbFeedSummary) -> Status {
    // SAFETY: NULL or live, NULL or valid by the caller's promise.
    unsafe { answer(feed, summary, |inner| Ok(inner.feed.summary().into())) }
}

/// Takes the body of the REST answer to `fromId = from_id`.
///
/// When `is_complete` is 0 the same answer is to be offered again after bars were popped; on an error nothing was taken.
///
/// # Safety
/// `feed` is NULL or a live handle, `body` valid for reads of `len` bytes, `page` NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_feed_backfill(
    feed: *mut RbFeed,
    symbol: u32,
    from_id: i64,
    body: *const u8,
    len: usize,
    page: *mut RbPage,
) -> Status {
    let work = |inner: &mut Inner| {
        // SAFETY: valid by the caller's promise.
        let body = unsafe { slice(body, len) }?;
        let outcome = inner.feed.backfill(symbol, from_id, body);
        Ok(outcome.map_err(feed_status)?.into())
    };
    // SAFETY: NULL or live, NULL or valid by the caller's promise.
    unsafe { answer(feed, page, work) }
}

/// From now on early trades of this sequence are held: its fetch is in flight.
///
/// # Safety
/// `feed` is NULL or a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_feed_begin_fetch(feed: *mut RbFeed, sequence: u64) -> Status {
    let work = |inner: &mut Inner| {
        inner.feed.begin_fetch(sequence).map_err(feed_status)?;
        Ok(RB_OK)
    };
    // SAFETY: NULL or live by the caller's promise.
    unsafe { enter(feed, work) }
}

/// The fetch has ended: takes what fits of the hold and lets the rest go.
///
/// # Safety
/// `feed` is NULL or a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_feed_end_fetch(feed: *mut RbFeed, sequence: u64) -> Status {
    let work = |inner: &mut Inner| {
        inner.feed.end_fetch(sequence).map_err(feed_status)?;
        Ok(RB_OK)
    };
    // SAFETY: NULL or live by the caller's promise.
    unsafe { enter(feed, work) }
}

/// The exchange provably has no trades from the expected id to `to_id`; `RB_PAUSED` when it has to be said again.
///
/// # Safety
/// `feed` is NULL or a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_feed_declare_missing(
    feed: *mut RbFeed,
    sequence: u64,
    to_id: i64,
) -> Status {
    let work = |inner: &mut Inner| {
        let outcome = inner.feed.declare_missing(sequence, to_id);
        let is_done = outcome.map_err(feed_status)?;
        Ok(if is_done { RB_OK } else { RB_PAUSED })
    };
    // SAFETY: NULL or live by the caller's promise.
    unsafe { enter(feed, work) }
}

/// REST knows ids up to `id`: live ids more than 10,000,000 above are not believed.
///
/// # Safety
/// `feed` is NULL or a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_feed_set_known(feed: *mut RbFeed, symbol: u32, id: i64) -> Status {
    let work = |inner: &mut Inner| {
        inner.feed.set_known(symbol, id).map_err(feed_status)?;
        Ok(RB_OK)
    };
    // SAFETY: NULL or live by the caller's promise.
    unsafe { enter(feed, work) }
}

/// Writes the bar at the head of the queue, which stays there; `RB_NONE` when none waits.
///
/// # Safety
/// `feed` is NULL or a live handle, `bar` NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_feed_peek_bar(feed: *mut RbFeed, bar: *mut RbLaneBar) -> Status {
    let work = |inner: &mut Inner| {
        if bar.is_null() {
            return Err(RB_ERR_NULL);
        }
        let Some(head) = inner.feed.peek_bar() else {
            return Ok(RB_NONE);
        };
        // SAFETY: not NULL; valid by the caller's promise.
        Ok(unsafe { write_out(bar, (*head).into()) })
    };
    // SAFETY: NULL or live by the caller's promise.
    unsafe { enter(feed, work) }
}

/// Takes the bar at the head of the queue off; `RB_NONE` when none waits.
///
/// # Safety
/// `feed` is NULL or a live handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_feed_pop_bar(feed: *mut RbFeed) -> Status {
    let work = |inner: &mut Inner| {
        let popped = inner.feed.pop_bar();
        Ok(if popped.is_some() { RB_OK } else { RB_NONE })
    };
    // SAFETY: NULL or live by the caller's promise.
    unsafe { enter(feed, work) }
}

/// Takes the oldest event; `RB_NONE` when none waits.
///
/// # Safety
/// `feed` is NULL or a live handle, `event` NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_feed_pop_event(feed: *mut RbFeed, event: *mut RbFeedEvent) -> Status {
    let work = |inner: &mut Inner| {
        if event.is_null() {
            return Err(RB_ERR_NULL);
        }
        let Some(oldest) = inner.feed.pop_event() else {
            return Ok(RB_NONE);
        };
        // SAFETY: not NULL; valid by the caller's promise.
        Ok(unsafe { write_out(event, oldest.into()) })
    };
    // SAFETY: NULL or live by the caller's promise.
    unsafe { enter(feed, work) }
}
