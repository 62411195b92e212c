//! Exports `rb_archive_decode` and `rb_ticks_sift`: archive files to trades, each id once.

use core::ffi::c_char;

use super::*;
use crate::decode::{ChunkPlace, CsvProgress, Gap, Sift, column_name, decode_rows};
use crate::tick::Tick;

/// Done up to a line that is no row; the progress says which and why.
pub const RB_ROW_REFUSED: i32 = 10;
/// Done up to a trade whose id is old but whose time is more than 60 s later: ids have begun anew.
pub const RB_IDS_RESTARTED: i32 = 11;

/// How far `rb_archive_decode` came.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct RbArchiveProgress {
    /// Trades written.
    pub rows: usize,
    /// Bytes that need not be offered again; always up to the beginning of a line.
    pub bytes_consumed: usize,
    /// Lines in those bytes, with a header.
    pub lines: usize,
    /// Length of the refused line, which begins behind the consumed bytes; at most 1024 of it.
    pub error_text_len: usize,
    /// Column to blame, counted from 1; 0 is the line as a whole.
    pub error_column: u32,
    /// 1 when a time in milliseconds was among the rows.
    pub has_milliseconds: u32,
    /// 1 when a time in microseconds was among the rows.
    pub has_microseconds: u32,
    /// Zero.
    pub reserved: u32,
    /// Name of that column, ended by a zero; empty for the line as a whole.
    pub error_column_name: [c_char; 24],
    /// What is wrong, for people, ended by a zero; empty unless a line was refused.
    pub error_phrase: [c_char; 64],
}

/// What one `rb_ticks_sift` did.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct RbSifted {
    /// Trades looked at; the rest is as it was.
    pub consumed: usize,
    /// Trades kept: they stand at the front now.
    pub kept: usize,
    /// Gaps written.
    pub gaps: usize,
    /// Trades dropped because their id had come before.
    pub repeated: usize,
    /// Trades among those that were unlike the kept one of the same id, where that was the last one kept.
    pub differing: usize,
}

/// Text with a zero behind it, cut to the room there is.
fn zero_ended<const LEN: usize>(text: &str) -> [c_char; LEN] {
    let mut chars = [0; LEN];
    let room = chars.iter_mut().take(LEN.saturating_sub(1));
    for (to, from) in room.zip(text.bytes()) {
        *to = from as c_char;
    }
    chars
}

fn archive_progress(progress: &CsvProgress) -> RbArchiveProgress {
    let error = progress.error;
    let column = error.map_or(0, |error| error.column);
    RbArchiveProgress {
        rows: progress.rows,
        bytes_consumed: progress.bytes_consumed,
        lines: progress.lines,
        error_text_len: error.map_or(0, |error| error.text_len),
        error_column: u32::from(column),
        has_milliseconds: u32::from(progress.has_milliseconds),
        has_microseconds: u32::from(progress.has_microseconds),
        reserved: 0,
        error_column_name: zero_ended(column_name(column)),
        error_phrase: zero_ended(error.map_or("", |error| error.fault.text())),
    }
}

/// Reads rows of an archive until `capacity` trades are written, the bytes end, or a line is refused (`RB_ROW_REFUSED`).
///
/// `at_start`: the bytes begin with the file's first one, so a header may come. `at_end`: they end with its last one, so
/// the last row needs no line end; otherwise an unfinished line is left, to be offered again with what follows it.
///
/// # Safety
/// `bytes` is valid for reads of `len` bytes, `ticks` for writes of `capacity` ticks, `progress` NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_archive_decode(
    bytes: *const u8,
    len: usize,
    at_start: bool,
    at_end: bool,
    ticks: *mut Tick,
    capacity: usize,
    progress: *mut RbArchiveProgress,
) -> Status {
    let work = || {
        // SAFETY: valid by the caller's promise.
        let (bytes, ticks) = unsafe { (slice(bytes, len)?, slice_mut(ticks, capacity)?) };
        if progress.is_null() {
            return Err(RB_ERR_NULL);
        }
        let decoded = decode_rows(bytes, ChunkPlace { at_start, at_end }, ticks);
        // SAFETY: not NULL; valid by the caller's promise.
        unsafe { write_out(progress, archive_progress(&decoded)) };
        Ok(match decoded.error {
            None => RB_OK,
            Some(_) => RB_ROW_REFUSED,
        })
    };
    guard(|| status_of(work))
}

/// Drops trades whose id came before, in place and in order, and lists the ids that never came.
///
/// `last` is the last trade kept, and is moved on; begin with an `agg_trade_id` of `RB_NO_POSITION`, or of the position to
/// go on after with a price of 0. Ends early when `gaps` is full and another gap comes (`RB_OK`, `consumed` below `len`:
/// call again with the rest) and at a trade that shows that ids have begun anew (`RB_IDS_RESTARTED`).
///
/// # Safety
/// `last` is NULL or valid for reads and writes, `ticks` valid for reads and writes of `len` ticks, `gaps` for writes of
/// `gap_capacity` gaps (at least 1), `sifted` NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_ticks_sift(
    last: *mut Tick,
    ticks: *mut Tick,
    len: usize,
    gaps: *mut Gap,
    gap_capacity: usize,
    sifted: *mut RbSifted,
) -> Status {
    let work = || {
        // SAFETY: valid by the caller's promise.
        let (ticks, gaps) = unsafe { (slice_mut(ticks, len)?, slice_mut(gaps, gap_capacity)?) };
        // SAFETY: as above.
        let last = unsafe { last.as_mut() }.ok_or(RB_ERR_NULL)?;
        if sifted.is_null() {
            return Err(RB_ERR_NULL);
        }
        if gaps.is_empty() {
            return Err(RB_ERR_ARGUMENT);
        }
        let mut sift = Sift { last: *last };
        let pass = sift.pass(ticks, gaps);
        *last = sift.last;
        let done = RbSifted {
            consumed: pass.consumed,
            kept: pass.kept,
            gaps: pass.gaps,
            repeated: pass.repeated,
            differing: pass.differing,
        };
        // SAFETY: not NULL; valid by the caller's promise.
        unsafe { write_out(sifted, done) };
        Ok(if pass.restarted {
            RB_IDS_RESTARTED
        } else {
            RB_OK
        })
    };
    guard(|| status_of(work))
}
