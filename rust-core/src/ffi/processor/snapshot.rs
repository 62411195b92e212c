//! Exports `rb_processor_snapshot` and `rb_processor_restore`.

use super::*;
use crate::snapshot::{self, SnapshotError};

pub(in crate::ffi) fn snapshot_status(error: SnapshotError) -> Status {
    match error {
        SnapshotError::Length => RB_ERR_SNAPSHOT_LENGTH,
        SnapshotError::Magic => RB_ERR_SNAPSHOT_MAGIC,
        SnapshotError::Version(_) => RB_ERR_SNAPSHOT_VERSION,
        SnapshotError::Checksum => RB_ERR_SNAPSHOT_CHECKSUM,
        SnapshotError::Content => RB_ERR_SNAPSHOT_CONTENT,
        SnapshotError::Unclosed => RB_ERR_SNAPSHOT_UNCLOSED,
        SnapshotError::Uncounted => RB_ERR_SNAPSHOT_UNCOUNTED,
        SnapshotError::Label => RB_ERR_SNAPSHOT_LABEL,
    }
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
