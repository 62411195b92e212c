//! Exports `rb_processor_push_columns` and `rb_bars_*`: whole columns in, the bars of a batch out.

use super::*;
use crate::bar::Features;
use crate::columns::{Columns, ColumnsError, Decimals, RowError};

/// The bars of one batch, in memory that belongs to the library.
pub struct RbBars {
    bars: Vec<Bar>,
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

fn row_status(error: RowError) -> Status {
    match error {
        RowError::PriceText(_) => RB_ERR_PRICE_INEXACT,
        RowError::QuantityText(_) => RB_ERR_QUANTITY_INEXACT,
        RowError::Trade(error) => trade_status(error),
    }
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
