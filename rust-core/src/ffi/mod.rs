//! The C boundary: the only room with unsafe code.
//!
//! Grammar of every export `rb_<type>_<verb>`:
//! - it returns an `rb_status`: `RB_OK`, a positive answer (`RB_BAR_CLOSED`, `RB_NONE`, ...) or a negative error;
//! - handles are opaque, made by `_new` and released by `_free`; freeing NULL does nothing;
//! - inputs come first, outputs last; outputs are written only when the status is not negative;
//! - buffers are a pointer and a length; a NULL pointer goes with a length of 0;
//! - a second thread that enters a handle gets `RB_ERR_BUSY`; after a panic the handle answers `RB_ERR_PANIC` for good.
#![allow(unsafe_code)]

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU8, Ordering};
use std::panic::{AssertUnwindSafe, catch_unwind};

mod archive;
mod arrow;
mod decode;
mod feed;
pub(crate) mod kernel;
mod processor;
mod table;

pub use archive::*;
pub use arrow::*;
pub use decode::*;
pub use feed::*;
pub use processor::*;
pub use table::*;

/// Result of an export: zero or above is success.
pub type Status = i32;

/// Version of this C interface; changes whenever a signature or a struct does.
pub const RB_ABI_VERSION: u32 = 1;

/// Done.
pub const RB_OK: i32 = 0;
/// Done, and the trade closed a bar, which waits to be popped.
pub const RB_BAR_CLOSED: i32 = 1;
/// Nothing there: no bar is forming, no event waits.
pub const RB_NONE: i32 = 2;
/// A pointer that must not be NULL is NULL.
pub const RB_ERR_NULL: i32 = -1;
/// Another thread is inside this handle.
pub const RB_ERR_BUSY: i32 = -2;
/// The library failed inside; the handle cannot be used again.
pub const RB_ERR_PANIC: i32 = -3;
/// A length, a count or an option is outside its range.
pub const RB_ERR_ARGUMENT: i32 = -4;
/// The output buffer is too small; nothing was written.
pub const RB_ERR_BUFFER: i32 = -5;
/// The threshold is not within 1 to 100,000 dbps.
pub const RB_ERR_THRESHOLD: i32 = -6;
/// The aggregate trade id is negative.
pub const RB_ERR_AGG_TRADE_ID: i32 = -10;
/// The price is not above zero.
pub const RB_ERR_PRICE: i32 = -11;
/// The quantity is negative.
pub const RB_ERR_QUANTITY: i32 = -12;
/// The time is before 1970 or after the year 9999.
pub const RB_ERR_TIMESTAMP: i32 = -13;
/// The individual ids are negative, or the last is below the first.
pub const RB_ERR_TRADE_IDS: i32 = -14;
/// The aggregate trade id is not above the one before it.
pub const RB_ERR_ORDER: i32 = -15;
/// A sum over the bar left the range of its type.
pub const RB_ERR_OVERFLOW: i32 = -16;
/// The price is no number with at most eight decimals.
pub const RB_ERR_PRICE_INEXACT: i32 = -17;
/// The quantity is no number with at most eight decimals.
pub const RB_ERR_QUANTITY_INEXACT: i32 = -18;
/// A snapshot is shorter or longer than it says.
pub const RB_ERR_SNAPSHOT_LENGTH: i32 = -30;
/// The bytes are no snapshot.
pub const RB_ERR_SNAPSHOT_MAGIC: i32 = -31;
/// A snapshot of another version of the format.
pub const RB_ERR_SNAPSHOT_VERSION: i32 = -32;
/// A snapshot is damaged.
pub const RB_ERR_SNAPSHOT_CHECKSUM: i32 = -33;
/// A snapshot's values are impossible.
pub const RB_ERR_SNAPSHOT_CONTENT: i32 = -34;
/// A snapshot's label is longer than 255 bytes.
pub const RB_ERR_SNAPSHOT_LABEL: i32 = -35;
/// A snapshot's forming bar ends beyond its limits: it would have closed.
pub const RB_ERR_SNAPSHOT_UNCLOSED: i32 = -36;
/// A snapshot's forming bar leaves out more ids than it counts as missing.
pub const RB_ERR_SNAPSHOT_UNCOUNTED: i32 = -37;

/// Version of the C interface that this library was built with.
#[unsafe(no_mangle)]
pub extern "C" fn rb_abi_version() -> u32 {
    RB_ABI_VERSION
}

/// A value behind an opaque pointer that one thread at a time may enter.
pub(crate) struct Handle<T> {
    gate: AtomicU8,
    value: UnsafeCell<T>,
}

const FREE: u8 = 0;
const ENTERED: u8 = 1;
const POISONED: u8 = 2;

// SAFETY: the value is reached only by the thread that moved the gate from FREE to ENTERED.
unsafe impl<T: Send> Sync for Handle<T> {}

impl<T> Handle<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            gate: AtomicU8::new(FREE),
            value: UnsafeCell::new(value),
        }
    }

    /// Runs `work` on the value unless another thread is inside or a panic has poisoned the handle.
    #[inline]
    pub(crate) fn enter(&self, work: impl FnOnce(&mut T) -> Status) -> Status {
        let gate = self
            .gate
            .compare_exchange(FREE, ENTERED, Ordering::Acquire, Ordering::Relaxed);
        match gate {
            Ok(_) => {}
            Err(ENTERED) => return RB_ERR_BUSY,
            Err(_) => return RB_ERR_PANIC,
        }
        // SAFETY: the gate makes this thread the only one inside.
        let value = unsafe { &mut *self.value.get() };
        let outcome = catch_unwind(AssertUnwindSafe(|| work(value)));
        let (gate, status) = match outcome {
            Ok(status) => (FREE, status),
            Err(_) => (POISONED, RB_ERR_PANIC),
        };
        self.gate.store(gate, Ordering::Release);
        status
    }
}

/// Runs `work` without letting a panic cross the boundary.
#[inline]
pub(crate) fn guard(work: impl FnOnce() -> Status) -> Status {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(RB_ERR_PANIC)
}

/// A borrowed buffer; NULL with length 0 is the empty one, NULL with another length is refused.
///
/// # Safety
/// `pointer` is NULL or valid for reads of `len` values that nobody writes while the slice lives.
#[inline]
pub(crate) unsafe fn slice<'a, T>(pointer: *const T, len: usize) -> Result<&'a [T], Status> {
    if len == 0 {
        return Ok(&[]);
    }
    if pointer.is_null() {
        return Err(RB_ERR_NULL);
    }
    if !pointer.is_aligned() || len > isize::MAX as usize / size_of::<T>().max(1) {
        return Err(RB_ERR_ARGUMENT);
    }
    // SAFETY: not NULL, aligned, within range; the rest is the caller's promise.
    Ok(unsafe { core::slice::from_raw_parts(pointer, len) })
}

/// As [`slice`], to write to.
///
/// # Safety
/// `pointer` is NULL or valid for reads and writes of `len` values that nobody else touches while the slice lives.
#[inline]
pub(crate) unsafe fn slice_mut<'a, T>(pointer: *mut T, len: usize) -> Result<&'a mut [T], Status> {
    if len == 0 {
        return Ok(&mut []);
    }
    if pointer.is_null() {
        return Err(RB_ERR_NULL);
    }
    if !pointer.is_aligned() || len > isize::MAX as usize / size_of::<T>().max(1) {
        return Err(RB_ERR_ARGUMENT);
    }
    // SAFETY: not NULL, aligned, within range; the rest is the caller's promise.
    Ok(unsafe { core::slice::from_raw_parts_mut(pointer, len) })
}

/// Writes an output.
///
/// # Safety
/// `out` is NULL or valid for a write.
#[inline]
pub(crate) unsafe fn write_out<T>(out: *mut T, value: T) -> Status {
    if out.is_null() {
        return RB_ERR_NULL;
    }
    // SAFETY: not NULL; the rest is the caller's promise.
    unsafe { out.write(value) };
    RB_OK
}

/// Turns the early return of a helper into the status of an export.
#[inline]
pub(crate) fn status_of(work: impl FnOnce() -> Result<Status, Status>) -> Status {
    work().unwrap_or_else(|status| status)
}
