//! Exports `rb_processor_*` and `rb_bars_*`: one tape, one threshold.

use super::*;
use crate::bar::{Bar, Features};
use crate::columns::{Columns, ColumnsError, Decimals, RowError};
use crate::processor::{BatchError, Processor, Rule};
use crate::snapshot::{self, SnapshotError};
use crate::tick::{Tick, TradeError};

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

/// The bars of one batch, in memory that belongs to the library.
pub struct RbBars {
    bars: Vec<Bar>,
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

/// Columns of trades; the first five are needed, NULL ids mean one individual trade a row.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct RbColumns {
    /// Rows of every column.
    pub len: usize,
    /// Aggregate trade ids.
    pub agg_trade_id: *const i64,
    /// Times in microseconds.
    pub timestamp_us: *const i64,
    /// Prices: `int64_t` of 10^-8, or `double`.
    pub price: *const core::ffi::c_void,
    /// Quantities: `int64_t` of 10^-8, or `double`.
    pub quantity: *const core::ffi::c_void,
    /// Sides: 1 when the buyer was the maker.
    pub is_buyer_maker: *const u8,
    /// First individual ids, or NULL.
    pub first_trade_id: *const i64,
    /// Last individual ids, or NULL.
    pub last_trade_id: *const i64,
    /// 1 when the prices are `double`.
    pub price_is_float: u32,
    /// 1 when the quantities are `double`.
    pub quantity_is_float: u32,
}

/// `position` for "none": the first trade of all may have any id.
pub const RB_NO_POSITION: i64 = -2;
/// Bytes of one packed trade.
pub const RB_PACKED_TRADE: usize = 56;

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

fn row_status(error: RowError) -> Status {
    match error {
        RowError::PriceText(_) => RB_ERR_PRICE_INEXACT,
        RowError::QuantityText(_) => RB_ERR_QUANTITY_INEXACT,
        RowError::Trade(error) => trade_status(error),
    }
}

pub(super) fn snapshot_status(error: SnapshotError) -> Status {
    match error {
        SnapshotError::Length => RB_ERR_SNAPSHOT_LENGTH,
        SnapshotError::Magic => RB_ERR_SNAPSHOT_MAGIC,
        SnapshotError::Version(_) => RB_ERR_SNAPSHOT_VERSION,
        SnapshotError::Checksum => RB_ERR_SNAPSHOT_CHECKSUM,
        SnapshotError::Content => RB_ERR_SNAPSHOT_CONTENT,
        SnapshotError::Label => RB_ERR_SNAPSHOT_LABEL,
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

/// Takes one packed trade (`RB_PACKED_TRADE` bytes); `RB_BAR_CLOSED` when a bar now waits to be popped.
///
/// # Safety
/// `processor` is NULL or a live handle, `packed` NULL or valid for reads of 56 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_processor_push(
    processor: *mut RbProcessor,
    packed: *const u8,
) -> Status {
    let work = |inner: &mut Inner| {
        // SAFETY: NULL or valid for 56 bytes by the caller's promise.
        let bytes = unsafe { slice(packed, RB_PACKED_TRADE) }?;
        let tick = unpack(bytes).ok_or(RB_ERR_ARGUMENT)?;
        match inner.processor.push(&tick).map_err(trade_status)? {
            None => Ok(RB_OK),
            Some(bar) => {
                inner.closed.push_back(bar);
                Ok(RB_BAR_CLOSED)
            }
        }
    };
    // SAFETY: NULL or live by the caller's promise.
    unsafe { enter(processor, work) }
}

/// A trade from its packed bytes: seven little-endian 64-bit integers in the order of `RbTick`.
fn unpack(bytes: &[u8]) -> Option<Tick> {
    let (words, _) = bytes.as_chunks::<8>();
    let &[agg, price, quantity, first, last, time, side] = words.first_chunk::<7>()?;
    Some(Tick {
        agg_trade_id: i64::from_le_bytes(agg),
        price_e8: i64::from_le_bytes(price),
        quantity_e8: i64::from_le_bytes(quantity),
        first_trade_id: i64::from_le_bytes(first),
        last_trade_id: i64::from_le_bytes(last),
        timestamp_us: i64::from_le_bytes(time),
        is_buyer_maker: u8::from(i64::from_le_bytes(side) != 0),
        ..Tick::default()
    })
}

/// Takes packed trades until `max_bars` further bars closed; `consumed` says how many were taken.
///
/// `RB_BAR_CLOSED` while bars wait to be popped, else `RB_OK`. All or nothing: when a trade is refused nothing was taken,
/// and `error_index` of the info names it.
///
/// # Safety
/// `processor` is NULL or a live handle, `packed` valid for reads of `len` bytes, `consumed` NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_processor_push_packed(
    processor: *mut RbProcessor,
    packed: *const u8,
    len: usize,
    max_bars: usize,
    consumed: *mut usize,
) -> Status {
    let work = |inner: &mut Inner| {
        // SAFETY: valid by the caller's promise.
        let bytes = unsafe { slice(packed, len) }?;
        if consumed.is_null() {
            return Err(RB_ERR_NULL);
        }
        let (trades, rest) = bytes.as_chunks::<RB_PACKED_TRADE>();
        if !rest.is_empty() {
            return Err(RB_ERR_ARGUMENT);
        }
        let trades = trades.iter().filter_map(|bytes| unpack(bytes));
        let taken = inner.push_batch(trades, max_bars)?;
        // SAFETY: not NULL; valid by the caller's promise.
        unsafe { write_out(consumed, taken) };
        Ok(inner.waiting())
    };
    // SAFETY: NULL or live by the caller's promise.
    unsafe { enter(processor, work) }
}

/// As `rb_processor_push_packed`, from structs.
///
/// # Safety
/// `processor` is NULL or a live handle, `ticks` valid for reads of `len` ticks, `consumed` NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_processor_push_ticks(
    processor: *mut RbProcessor,
    ticks: *const Tick,
    len: usize,
    max_bars: usize,
    consumed: *mut usize,
) -> Status {
    let work = |inner: &mut Inner| {
        // SAFETY: valid by the caller's promise.
        let ticks = unsafe { slice(ticks, len) }?;
        if consumed.is_null() {
            return Err(RB_ERR_NULL);
        }
        let taken = inner.push_batch(ticks.iter().copied(), max_bars)?;
        // SAFETY: not NULL; valid by the caller's promise.
        unsafe { write_out(consumed, taken) };
        Ok(inner.waiting())
    };
    // SAFETY: NULL or live by the caller's promise.
    unsafe { enter(processor, work) }
}

impl Inner {
    /// `RB_BAR_CLOSED` while bars wait to be popped.
    fn waiting(&self) -> Status {
        if self.closed.is_empty() {
            RB_OK
        } else {
            RB_BAR_CLOSED
        }
    }

    fn push_batch(
        &mut self,
        ticks: impl Iterator<Item = Tick>,
        max_bars: usize,
    ) -> Result<usize, Status> {
        self.scratch.clear();
        match self
            .processor
            .push_ticks(ticks, max_bars, &mut self.scratch)
        {
            Ok(taken) => {
                self.closed.extend(self.scratch.drain(..));
                Ok(taken)
            }
            Err(BatchError { index, error }) => {
                self.error_index = index;
                Err(trade_status(error))
            }
        }
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

/// Writes a snapshot with a label; `RB_ERR_BUFFER` when `capacity` is too small (600 bytes always suffice).
///
/// # Safety
/// `processor` is NULL or a live handle, the buffers are valid for their lengths, `written` NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_processor_snapshot(
    processor: *mut RbProcessor,
    label: *const u8,
    label_len: usize,
    out: *mut u8,
    capacity: usize,
    written: *mut usize,
) -> Status {
    let work = |inner: &mut Inner| {
        // SAFETY: valid by the caller's promise.
        let label = unsafe { slice(label, label_len) }?;
        let mut bytes = Vec::with_capacity(snapshot::MAX_SNAPSHOT);
        snapshot::encode(&inner.processor, label, &mut bytes).map_err(snapshot_status)?;
        if written.is_null() {
            return Err(RB_ERR_NULL);
        }
        if bytes.len() > capacity {
            return Err(RB_ERR_BUFFER);
        }
        // SAFETY: valid by the caller's promise, and long enough.
        unsafe { slice_mut(out, bytes.len()) }?.copy_from_slice(&bytes);
        // SAFETY: not NULL; valid by the caller's promise.
        Ok(unsafe { write_out(written, bytes.len()) })
    };
    // SAFETY: NULL or live by the caller's promise.
    unsafe { enter(processor, work) }
}

/// Makes a processor from a snapshot and copies its label (at most 255 bytes) to `label`.
///
/// # Safety
/// The buffers are valid for their lengths, `label_len` and `out` are NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_processor_restore(
    bytes: *const u8,
    len: usize,
    label: *mut u8,
    label_capacity: usize,
    label_len: *mut usize,
    out: *mut *mut RbProcessor,
) -> Status {
    let work = || {
        // SAFETY: valid by the caller's promise.
        let bytes = unsafe { slice(bytes, len) }?;
        let (processor, text) = snapshot::decode(bytes).map_err(snapshot_status)?;
        if out.is_null() || label_len.is_null() {
            return Err(RB_ERR_NULL);
        }
        if text.len() > label_capacity {
            return Err(RB_ERR_BUFFER);
        }
        // SAFETY: valid by the caller's promise, and long enough.
        unsafe { slice_mut(label, text.len()) }?.copy_from_slice(text);
        // SAFETY: not NULL; valid by the caller's promise.
        unsafe { write_out(label_len, text.len()) };
        // SAFETY: not NULL; valid by the caller's promise.
        Ok(unsafe { write_out(out, RbProcessor::boxed(processor)) })
    };
    guard(|| status_of(work))
}

/// Takes whole columns and hands over the bars that closed (`rb_bars_free` releases them).
///
/// All or nothing: when a row is refused nothing was taken, and `error_index` of the info names it.
///
/// # Safety
/// `processor` is NULL or a live handle, `columns` NULL or valid with columns of `len` rows each, `out` NULL or valid
/// for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_processor_push_columns(
    processor: *mut RbProcessor,
    columns: *const RbColumns,
    out: *mut *mut RbBars,
) -> Status {
    let work = |inner: &mut Inner| {
        // SAFETY: NULL or valid by the caller's promise.
        let columns = unsafe { columns.as_ref() }.ok_or(RB_ERR_NULL)?;
        // SAFETY: the columns are valid for `len` rows by the caller's promise.
        let columns = unsafe { columns.borrow() }?;
        if out.is_null() {
            return Err(RB_ERR_NULL);
        }
        let mut bars = Vec::new();
        match inner.processor.push_columns(&columns, &mut bars) {
            Ok(()) => {
                let boxed = Box::into_raw(Box::new(RbBars { bars }));
                // SAFETY: not NULL; valid by the caller's promise.
                Ok(unsafe { write_out(out, boxed) })
            }
            Err(ColumnsError::Lengths) => Err(RB_ERR_ARGUMENT),
            Err(ColumnsError::Row { index, error }) => {
                inner.error_index = index;
                Err(row_status(error))
            }
        }
    };
    // SAFETY: NULL or live by the caller's promise.
    unsafe { enter(processor, work) }
}

impl RbColumns {
    /// # Safety
    /// Every column is NULL or valid for reads of `len` rows of its type.
    unsafe fn borrow(&self) -> Result<Columns<'_>, Status> {
        let ids = |column: *const i64| {
            if column.is_null() {
                return Ok(None);
            }
            // SAFETY: by the caller's promise.
            unsafe { slice(column, self.len) }.map(Some)
        };
        let decimals = |column: *const core::ffi::c_void, is_float: u32| match is_float {
            // SAFETY: by the caller's promise.
            0 => unsafe { slice(column.cast::<i64>(), self.len) }.map(Decimals::Scaled),
            // SAFETY: by the caller's promise.
            1 => unsafe { slice(column.cast::<f64>(), self.len) }.map(Decimals::Floats),
            _ => Err(RB_ERR_ARGUMENT),
        };
        Ok(Columns {
            // SAFETY: by the caller's promise.
            agg_trade_id: unsafe { slice(self.agg_trade_id, self.len) }?,
            // SAFETY: by the caller's promise.
            timestamp_us: unsafe { slice(self.timestamp_us, self.len) }?,
            price: decimals(self.price, self.price_is_float)?,
            quantity: decimals(self.quantity, self.quantity_is_float)?,
            // SAFETY: by the caller's promise.
            is_buyer_maker: unsafe { slice(self.is_buyer_maker, self.len) }?,
            first_trade_id: ids(self.first_trade_id)?,
            last_trade_id: ids(self.last_trade_id)?,
        })
    }
}

/// The bars of a batch, valid until `rb_bars_free`.
///
/// # Safety
/// `bars` is NULL or live, `data` and `len` NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_bars_data(
    bars: *const RbBars,
    data: *mut *const Bar,
    len: *mut usize,
) -> Status {
    let work = || {
        // SAFETY: NULL or live by the caller's promise.
        let bars = unsafe { bars.as_ref() }.ok_or(RB_ERR_NULL)?;
        if data.is_null() || len.is_null() {
            return Err(RB_ERR_NULL);
        }
        // SAFETY: not NULL; valid by the caller's promise.
        unsafe { write_out(data, bars.bars.as_ptr()) };
        // SAFETY: not NULL; valid by the caller's promise.
        Ok(unsafe { write_out(len, bars.bars.len()) })
    };
    guard(|| status_of(work))
}

/// Releases the bars of a batch; NULL is fine.
///
/// # Safety
/// `bars` is NULL or live; it is dead afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_bars_free(bars: *mut RbBars) {
    if !bars.is_null() {
        guard(|| {
            // SAFETY: made by Box::into_raw, and handed back once by the caller's promise.
            drop(unsafe { Box::from_raw(bars) });
            RB_OK
        });
    }
}

/// Derives the features of `len` bars.
///
/// # Safety
/// `bars` is valid for reads and `features` for writes of `len` values.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_bars_features(
    bars: *const Bar,
    len: usize,
    features: *mut Features,
) -> Status {
    let work = || {
        // SAFETY: valid by the caller's promise.
        let bars = unsafe { slice(bars, len) }?;
        // SAFETY: valid by the caller's promise.
        let out = unsafe { slice_mut(features, len) }?;
        for (slot, bar) in out.iter_mut().zip(bars) {
            *slot = bar.features();
        }
        Ok(RB_OK)
    };
    guard(|| status_of(work))
}
