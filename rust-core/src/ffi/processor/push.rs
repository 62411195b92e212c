//! Exports `rb_processor_push*`: trades one by one and in batches.

use super::*;
use crate::processor::BatchError;

/// Bytes of one packed trade.
pub const RB_PACKED_TRADE: usize = 56;

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
