//! Exports `rb_bars_columns`, `rb_bars_exact` and `rb_struct_size`: bars as columns, and what both sides must agree on.

use super::*;
use crate::bar::{Bar, Features, Wide};
use crate::decode::Gap;
use crate::table;
use crate::tick::Tick;

/// Integer columns that `rb_bars_columns` writes.
pub const RB_INTEGER_COLUMNS: usize = 12;
/// Float columns that `rb_bars_columns` writes.
pub const RB_FLOAT_COLUMNS: usize = 20;
/// Columns that `rb_bars_exact` writes.
pub const RB_EXACT_COLUMNS: usize = 11;

const _: () = assert!(RB_INTEGER_COLUMNS == table::INTEGER_COLUMNS);
const _: () = assert!(RB_FLOAT_COLUMNS == table::FLOAT_COLUMNS);
const _: () = assert!(RB_EXACT_COLUMNS == table::EXACT_COLUMNS);

/// `RbWide`, for `rb_struct_size`.
pub const RB_STRUCT_WIDE: u32 = 0;
/// `RbTick`, for `rb_struct_size`.
pub const RB_STRUCT_TICK: u32 = 1;
/// `RbBar`, for `rb_struct_size`.
pub const RB_STRUCT_BAR: u32 = 2;
/// `RbFeatures`, for `rb_struct_size`.
pub const RB_STRUCT_FEATURES: u32 = 3;
/// `RbColumns`, for `rb_struct_size`.
pub const RB_STRUCT_COLUMNS: u32 = 4;
/// `RbProcessorInfo`, for `rb_struct_size`.
pub const RB_STRUCT_PROCESSOR_INFO: u32 = 5;
/// `RbFeedConfig`, for `rb_struct_size`.
pub const RB_STRUCT_FEED_CONFIG: u32 = 6;
/// `RbLaneSpec`, for `rb_struct_size`.
pub const RB_STRUCT_LANE_SPEC: u32 = 7;
/// `RbLaneAdded`, for `rb_struct_size`.
pub const RB_STRUCT_LANE_ADDED: u32 = 8;
/// `RbFeedSummary`, for `rb_struct_size`.
pub const RB_STRUCT_FEED_SUMMARY: u32 = 9;
/// `RbLaneBar`, for `rb_struct_size`.
pub const RB_STRUCT_LANE_BAR: u32 = 10;
/// `RbPage`, for `rb_struct_size`.
pub const RB_STRUCT_PAGE: u32 = 11;
/// `RbFeedEvent`, for `rb_struct_size`.
pub const RB_STRUCT_FEED_EVENT: u32 = 12;
/// `RbSequenceInfo`, for `rb_struct_size`.
pub const RB_STRUCT_SEQUENCE_INFO: u32 = 13;
/// `RbSymbolInfo`, for `rb_struct_size`.
pub const RB_STRUCT_SYMBOL_INFO: u32 = 14;
/// `RbConnectionInfo`, for `rb_struct_size`.
pub const RB_STRUCT_CONNECTION_INFO: u32 = 15;
/// `RbLaneInfo`, for `rb_struct_size`.
pub const RB_STRUCT_LANE_INFO: u32 = 16;
/// `RbFeedTotals`, for `rb_struct_size`.
pub const RB_STRUCT_FEED_TOTALS: u32 = 17;
/// `RbArchiveProgress`, for `rb_struct_size`.
pub const RB_STRUCT_ARCHIVE_PROGRESS: u32 = 18;
/// `RbSifted`, for `rb_struct_size`.
pub const RB_STRUCT_SIFTED: u32 = 19;
/// `RbGap`, for `rb_struct_size`.
pub const RB_STRUCT_GAP: u32 = 20;
/// `RbMessage`, for `rb_struct_size`.
pub const RB_STRUCT_MESSAGE: u32 = 21;
/// `RbEvent`, for `rb_struct_size`.
pub const RB_STRUCT_EVENT: u32 = 22;

/// Bytes of a struct as this library was built, 0 for an unknown one: a caller compares them with its own.
#[unsafe(no_mangle)]
pub extern "C" fn rb_struct_size(which: u32) -> usize {
    match which {
        RB_STRUCT_WIDE => size_of::<Wide>(),
        RB_STRUCT_TICK => size_of::<Tick>(),
        RB_STRUCT_BAR => size_of::<Bar>(),
        RB_STRUCT_FEATURES => size_of::<Features>(),
        RB_STRUCT_COLUMNS => size_of::<RbColumns>(),
        RB_STRUCT_PROCESSOR_INFO => size_of::<RbProcessorInfo>(),
        RB_STRUCT_FEED_CONFIG => size_of::<RbFeedConfig>(),
        RB_STRUCT_LANE_SPEC => size_of::<RbLaneSpec>(),
        RB_STRUCT_LANE_ADDED => size_of::<RbLaneAdded>(),
        RB_STRUCT_FEED_SUMMARY => size_of::<RbFeedSummary>(),
        RB_STRUCT_LANE_BAR => size_of::<RbLaneBar>(),
        RB_STRUCT_PAGE => size_of::<RbPage>(),
        RB_STRUCT_FEED_EVENT => size_of::<RbFeedEvent>(),
        RB_STRUCT_SEQUENCE_INFO => size_of::<RbSequenceInfo>(),
        RB_STRUCT_SYMBOL_INFO => size_of::<RbSymbolInfo>(),
        RB_STRUCT_CONNECTION_INFO => size_of::<RbConnectionInfo>(),
        RB_STRUCT_LANE_INFO => size_of::<RbLaneInfo>(),
        RB_STRUCT_FEED_TOTALS => size_of::<RbFeedTotals>(),
        RB_STRUCT_ARCHIVE_PROGRESS => size_of::<RbArchiveProgress>(),
        RB_STRUCT_SIFTED => size_of::<RbSifted>(),
        RB_STRUCT_GAP => size_of::<Gap>(),
        RB_STRUCT_MESSAGE => size_of::<RbMessage>(),
        RB_STRUCT_EVENT => size_of::<RbEvent>(),
        _ => 0,
    }
}

/// Writes bars as columns, one after the other, `len` values each.
///
/// `integers`: open time, close time (microseconds), individual trades, aggregate records, buy trades, sell trades, first
/// and last individual id, first and last aggregate id, duration (microseconds), missing trades. `floats`: open, high,
/// low, close, volume, turnover, vwap, buy and sell volume, buy and sell turnover, ofi, vwap close deviation, price
/// impact, kyle lambda proxy, trade intensity, volume per trade, aggression ratio, aggregation density, turnover imbalance.
///
/// # Safety
/// `bars` is valid for reads of `len` bars, `integers` and `floats` for writes of `len` times their number of columns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_bars_columns(
    bars: *const Bar,
    len: usize,
    integers: *mut i64,
    floats: *mut f64,
) -> Status {
    let work = || {
        // SAFETY: valid by the caller's promise.
        let bars = unsafe { slice(bars, len) }?;
        // SAFETY: valid by the caller's promise.
        let integers = unsafe { slice_mut(integers, cells(len, RB_INTEGER_COLUMNS)?) }?;
        // SAFETY: valid by the caller's promise.
        let floats = unsafe { slice_mut(floats, cells(len, RB_FLOAT_COLUMNS)?) }?;
        table::fill(bars, integers, floats);
        Ok(RB_OK)
    };
    guard(|| status_of(work))
}

/// Writes the decimal numbers of bars as columns of integers, one after the other, `len` values each.
///
/// Units of 10^-8: open, high, low, close, volume, vwap, buy and sell volume; of 10^-16: turnover, buy and sell turnover;
/// in the order of the floats of `rb_bars_columns`.
///
/// # Safety
/// `bars` is valid for reads of `len` bars, `out` for writes of `len` times `RB_EXACT_COLUMNS` values.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_bars_exact(bars: *const Bar, len: usize, out: *mut Wide) -> Status {
    let work = || {
        // SAFETY: valid by the caller's promise.
        let bars = unsafe { slice(bars, len) }?;
        // SAFETY: valid by the caller's promise.
        let out = unsafe { slice_mut(out, cells(len, RB_EXACT_COLUMNS)?) }?;
        for (row, bar) in bars.iter().enumerate() {
            let cells = out.iter_mut().skip(row).step_by(len);
            for (slot, value) in cells.zip(table::exact(bar)) {
                *slot = value.into();
            }
        }
        Ok(RB_OK)
    };
    guard(|| status_of(work))
}

fn cells(len: usize, columns: usize) -> Result<usize, Status> {
    len.checked_mul(columns).ok_or(RB_ERR_ARGUMENT)
}
