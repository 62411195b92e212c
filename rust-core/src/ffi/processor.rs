//! Exports `rb_processor_*` and `rb_bars_*`: one tape, one threshold.

use super::*;
use crate::bar::Bar;
use crate::processor::{Processor, Rule};
use crate::tick::{Tick, TradeError};

mod columns;
mod push;
mod snapshot;

pub use columns::*;
pub use push::*;
pub use snapshot::*;

/// A processor with the bars it closed and that nobody popped yet.
pub struct RbProcessor {
    handle: Handle<Inner>,
}

struct Inner {
    processor: Processor,
    closed: std::collections::VecDeque<Bar>,
    scratch: Vec<Bar>,
    /// Row of the last batch that was refused.
    error_index: usize,
}

/// What a processor is and where it stands.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct RbProcessorInfo {
    /// Id of the last trade taken, or the origin it was started at; -2 when neither exists.
    pub position: i64,
    /// Time of the last trade taken, microseconds; 0 before the first.
    pub last_timestamp_us: i64,
    /// Trades whose time was before that of their predecessor.
    pub time_reversals: u64,
    /// Bars that wait to be popped.
    pub closed_bars: u64,
    /// Index of the row for which the last batch was refused.
    pub error_index: u64,
    /// Threshold in decimal basis points.
    pub threshold_dbps: u32,
    /// 1 when a bar may close at its opening time stamp.
    pub same_timestamp_close: u32,
}

/// `position` for "none": the first trade of all may have any id.
pub const RB_NO_POSITION: i64 = -2;

impl RbProcessor {
    fn boxed(processor: Processor) -> *mut Self {
        let inner = Inner {
            processor,
            closed: std::collections::VecDeque::new(),
            scratch: Vec::new(),
            error_index: 0,
        };
        Box::into_raw(Box::new(Self {
            handle: Handle::new(inner),
        }))
    }
}

/// Runs `work` inside a processor.
///
/// # Safety
/// `processor` is NULL or a live handle.
unsafe fn enter(
    processor: *const RbProcessor,
    work: impl FnOnce(&mut Inner) -> Result<Status, Status>,
) -> Status {
    // SAFETY: NULL or live by the caller's promise.
    match unsafe { processor.as_ref() } {
        None => RB_ERR_NULL,
        Some(processor) => processor.handle.enter(|inner| status_of(|| work(inner))),
    }
}

fn trade_status(error: TradeError) -> Status {
    match error {
        TradeError::AggTradeId => RB_ERR_AGG_TRADE_ID,
        TradeError::Price => RB_ERR_PRICE,
        TradeError::Quantity => RB_ERR_QUANTITY,
        TradeError::Timestamp => RB_ERR_TIMESTAMP,
        TradeError::TradeIds => RB_ERR_TRADE_IDS,
        TradeError::Order => RB_ERR_ORDER,
        TradeError::Overflow => RB_ERR_OVERFLOW,
    }
}

/// Makes a processor that goes on after `position` (`RB_NO_POSITION`: takes any first trade).
///
/// # Safety
/// `out` is NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_processor_new(
    threshold_dbps: u32,
    same_timestamp_close: bool,
    position: i64,
    out: *mut *mut RbProcessor,
) -> Status {
    guard(|| {
        let Some(rule) = Rule::new(threshold_dbps, same_timestamp_close) else {
            return RB_ERR_THRESHOLD;
        };
        let position = match position {
            RB_NO_POSITION => None,
            at if at >= -1 => Some(at),
            _ => return RB_ERR_ARGUMENT,
        };
        if out.is_null() {
            return RB_ERR_NULL;
        }
        // SAFETY: not NULL; valid by the caller's promise.
        unsafe { write_out(out, RbProcessor::boxed(Processor::at(rule, position))) }
    })
}

/// Releases a processor; NULL is fine.
///
/// # Safety
/// `processor` is NULL or a live handle that no thread is inside of; it is dead afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_processor_free(processor: *mut RbProcessor) {
    if !processor.is_null() {
        guard(|| {
            // SAFETY: made by Box::into_raw, and handed back once by the caller's promise.
            drop(unsafe { Box::from_raw(processor) });
            RB_OK
        });
    }
}

/// Moves up to `capacity` closed bars to `bars`, oldest first; `popped` says how many.
///
/// # Safety
/// `processor` is NULL or a live handle, `bars` valid for writes of `capacity` bars, `popped` NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_processor_pop_bars(
    processor: *mut RbProcessor,
    bars: *mut Bar,
    capacity: usize,
    popped: *mut usize,
) -> Status {
    let work = |inner: &mut Inner| {
        if popped.is_null() {
            return Err(RB_ERR_NULL);
        }
        let count = capacity.min(inner.closed.len());
        // SAFETY: valid by the caller's promise.
        let out = unsafe { slice_mut(bars, count) }?;
        for (slot, bar) in out.iter_mut().zip(inner.closed.drain(..count)) {
            *slot = bar;
        }
        // SAFETY: not NULL; valid by the caller's promise.
        Ok(unsafe { write_out(popped, count) })
    };
    // SAFETY: NULL or live by the caller's promise.
    unsafe { enter(processor, work) }
}

/// Copies the forming bar to `bar`; `RB_NONE` right after a close.
///
/// # Safety
/// `processor` is NULL or a live handle, `bar` NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_processor_forming(
    processor: *mut RbProcessor,
    bar: *mut Bar,
) -> Status {
    let work = |inner: &mut Inner| match inner.processor.forming() {
        None => Ok(RB_NONE),
        // SAFETY: NULL or valid by the caller's promise.
        Some(forming) => Ok(unsafe { write_out(bar, forming) }),
    };
    // SAFETY: NULL or live by the caller's promise.
    unsafe { enter(processor, work) }
}

/// Says what a processor is and where it stands.
///
/// # Safety
/// `processor` is NULL or a live handle, `info` NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_processor_info(
    processor: *mut RbProcessor,
    info: *mut RbProcessorInfo,
) -> Status {
    let work = |inner: &mut Inner| {
        let processor = &inner.processor;
        let rule = processor.rule();
        let value = RbProcessorInfo {
            position: processor.position().unwrap_or(RB_NO_POSITION),
            last_timestamp_us: processor.last_timestamp_us(),
            time_reversals: processor.time_reversals(),
            closed_bars: inner.closed.len() as u64,
            error_index: inner.error_index as u64,
            threshold_dbps: rule.threshold_dbps(),
            same_timestamp_close: u32::from(rule.same_timestamp_close()),
        };
        // SAFETY: NULL or valid by the caller's promise.
        Ok(unsafe { write_out(info, value) })
    };
    // SAFETY: NULL or live by the caller's promise.
    unsafe { enter(processor, work) }
}
