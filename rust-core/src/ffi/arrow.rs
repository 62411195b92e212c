//! Exports `rb_arrow_*`: bars through Arrow's C data and C stream interfaces.
//!
//! A stream owns copies of its columns, and every array it gives out holds a share of them, so nothing here depends on
//! the life of the bars or of their owner; the release callbacks run without any lock of the caller's language.

use super::*;
use crate::bar::Bar;
use crate::table::{self, COLUMNS, Kind};
use core::ffi::{CStr, c_char, c_int, c_void};
use core::ptr::{null, null_mut};
use std::ffi::CString;
use std::sync::Arc;

/// `struct ArrowSchema` of Arrow's C data interface.
#[repr(C)]
struct Schema {
    format: *const c_char,
    name: *const c_char,
    metadata: *const c_char,
    flags: i64,
    n_children: i64,
    children: *mut *mut Schema,
    dictionary: *mut Schema,
    release: Option<unsafe extern "C" fn(*mut Schema)>,
    private_data: *mut c_void,
}

/// `struct ArrowArray` of Arrow's C data interface.
#[repr(C)]
struct Array {
    length: i64,
    null_count: i64,
    offset: i64,
    n_buffers: i64,
    n_children: i64,
    buffers: *mut *const c_void,
    children: *mut *mut Array,
    dictionary: *mut Array,
    release: Option<unsafe extern "C" fn(*mut Array)>,
    private_data: *mut c_void,
}

/// `struct ArrowArrayStream` of Arrow's C stream interface.
#[repr(C)]
struct Stream {
    get_schema: Option<unsafe extern "C" fn(*mut Stream, *mut Schema) -> c_int>,
    get_next: Option<unsafe extern "C" fn(*mut Stream, *mut Array) -> c_int>,
    get_last_error: Option<unsafe extern "C" fn(*mut Stream) -> *const c_char>,
    release: Option<unsafe extern "C" fn(*mut Stream)>,
    private_data: *mut c_void,
}

/// `EINVAL`: the only error that a callback here can answer.
const INVALID: c_int = 22;
/// One more than the largest number that Arrow's 38 decimal digits hold.
const DECIMAL_LIMIT: u128 = 10_u128.pow(38);

/// The cells of all columns, shared by the arrays that point into them.
struct Cells {
    rows: usize,
    integers: Vec<i64>,
    floats: Vec<f64>,
    /// Filled instead of the first floats for exact tables.
    exact: Vec<i128>,
}

impl Cells {
    fn new(bars: &[Bar], exact: bool) -> Result<Self, Status> {
        let rows = bars.len();
        let mut cells = Self {
            rows,
            integers: vec![0; rows * table::INTEGER_COLUMNS],
            floats: vec![0.0; rows * table::FLOAT_COLUMNS],
            exact: Vec::new(),
        };
        table::fill(bars, &mut cells.integers, &mut cells.floats);
        if exact {
            cells.exact = vec![0; rows * table::EXACT_COLUMNS];
            table::fill_exact(bars, &mut cells.exact);
            if cells
                .exact
                .iter()
                .any(|value| value.unsigned_abs() >= DECIMAL_LIMIT)
            {
                return Err(RB_ERR_OVERFLOW);
            }
        }
        Ok(cells)
    }

    /// Where the values of a column begin.
    fn column(&self, kind: Kind, exact: bool) -> *const c_void {
        fn at<T>(cells: &[T], rows: usize, column: usize) -> *const c_void {
            cells
                .get(rows * column..)
                .map_or(null(), |rest| rest.as_ptr().cast())
        }
        match kind {
            Kind::Decimal(_, column) if exact => at(&self.exact, self.rows, column),
            Kind::Time(column) | Kind::Integer(column) => at(&self.integers, self.rows, column),
            Kind::Float(column) | Kind::Decimal(column, _) => at(&self.floats, self.rows, column),
        }
    }
}

fn format_of(kind: Kind, exact: bool) -> &'static CStr {
    match kind {
        Kind::Time(_) => c"tsu:UTC",
        Kind::Integer(_) => c"l",
        Kind::Decimal(_, column) if exact && table::is_turnover(column) => c"d:38,16",
        Kind::Decimal(..) if exact => c"d:38,8",
        Kind::Float(_) | Kind::Decimal(..) => c"g",
    }
}

/// What a schema keeps alive: its name, and the boxes of its children.
struct SchemaParts {
    name: CString,
    children: Vec<*mut Schema>,
}

fn schema(name: &str, format: &'static CStr, children: Vec<*mut Schema>) -> Schema {
    let name = CString::new(name).unwrap_or_default();
    let parts = Box::into_raw(Box::new(SchemaParts { name, children }));
    // SAFETY: just made, and nobody else has it.
    let parts_ref = unsafe { &mut *parts };
    Schema {
        format: format.as_ptr(),
        name: parts_ref.name.as_ptr(),
        metadata: null(),
        flags: 0,
        n_children: parts_ref.children.len() as i64,
        children: parts_ref.children.as_mut_ptr(),
        dictionary: null_mut(),
        release: Some(release_schema),
        private_data: parts.cast(),
    }
}

fn table_schema(exact: bool) -> Schema {
    let children = COLUMNS.iter().map(|&(name, kind)| {
        Box::into_raw(Box::new(schema(name, format_of(kind, exact), Vec::new())))
    });
    schema("", c"+s", children.collect())
}

/// # Safety
/// `schema` is one that this file made, moved by bytes at most, and not released before.
unsafe extern "C" fn release_schema(schema: *mut Schema) {
    guard(|| {
        // SAFETY: valid by the caller's promise.
        let schema = unsafe { &mut *schema };
        // SAFETY: made by Box::into_raw, and released once by the caller's promise.
        let parts = unsafe { Box::from_raw(schema.private_data.cast::<SchemaParts>()) };
        for &child in &parts.children {
            // SAFETY: made by Box::into_raw; a child that was moved away has no release left.
            let child = unsafe { Box::from_raw(child) };
            release_in_box(child, |child| child.release);
        }
        schema.release = None;
        RB_OK
    });
}

/// Releases a child in its box, unless it was moved away, and frees the box.
fn release_in_box<T>(
    mut child: Box<T>,
    release: impl Fn(&T) -> Option<unsafe extern "C" fn(*mut T)>,
) {
    if let Some(release) = release(&child) {
        // SAFETY: a structure of this file that has its release was not released.
        unsafe { release(&raw mut *child) };
    }
}

/// What an array keeps alive: its share of the cells, its list of buffers, and the boxes of its children.
struct ArrayParts {
    _cells: Arc<Cells>,
    buffers: Vec<*const c_void>,
    children: Vec<*mut Array>,
}

fn array(cells: &Arc<Cells>, buffers: Vec<*const c_void>, children: Vec<*mut Array>) -> Array {
    let parts = Box::into_raw(Box::new(ArrayParts {
        _cells: Arc::clone(cells),
        buffers,
        children,
    }));
    // SAFETY: just made, and nobody else has it.
    let parts_ref = unsafe { &mut *parts };
    Array {
        length: cells.rows as i64,
        null_count: 0,
        offset: 0,
        n_buffers: parts_ref.buffers.len() as i64,
        n_children: parts_ref.children.len() as i64,
        buffers: parts_ref.buffers.as_mut_ptr(),
        children: parts_ref.children.as_mut_ptr(),
        dictionary: null_mut(),
        release: Some(release_array),
        private_data: parts.cast(),
    }
}

fn table_array(cells: &Arc<Cells>, exact: bool) -> Array {
    // The first buffer of every array is its validity bitmap; there are no nulls.
    let children = COLUMNS.iter().map(|&(_, kind)| {
        let buffers = vec![null(), cells.column(kind, exact)];
        Box::into_raw(Box::new(array(cells, buffers, Vec::new())))
    });
    array(cells, vec![null()], children.collect())
}

/// # Safety
/// `array` is one that this file made, moved by bytes at most, and not released before.
unsafe extern "C" fn release_array(array: *mut Array) {
    guard(|| {
        // SAFETY: valid by the caller's promise.
        let array = unsafe { &mut *array };
        // SAFETY: made by Box::into_raw, and released once by the caller's promise.
        let parts = unsafe { Box::from_raw(array.private_data.cast::<ArrayParts>()) };
        for &child in &parts.children {
            // SAFETY: made by Box::into_raw; a child that was moved away has no release left.
            let child = unsafe { Box::from_raw(child) };
            release_in_box(child, |child| child.release);
        }
        array.release = None;
        RB_OK
    });
}

/// What a stream keeps: the columns until they were given out.
struct StreamParts {
    cells: Option<Arc<Cells>>,
    exact: bool,
}

/// # Safety
/// `stream` is one that this file made and that was not released; `out` is valid for a write.
unsafe extern "C" fn stream_schema(stream: *mut Stream, out: *mut Schema) -> c_int {
    let work = || {
        // SAFETY: valid by the caller's promise.
        let parts = unsafe { &*(*stream).private_data.cast::<StreamParts>() };
        // SAFETY: valid by the caller's promise.
        unsafe { write_out(out, table_schema(parts.exact)) }
    };
    if guard(work) == RB_OK { 0 } else { INVALID }
}

/// # Safety
/// `stream` is one that this file made and that was not released; `out` is valid for a write.
unsafe extern "C" fn stream_next(stream: *mut Stream, out: *mut Array) -> c_int {
    let work = || {
        // SAFETY: valid by the caller's promise.
        let parts = unsafe { &mut *(*stream).private_data.cast::<StreamParts>() };
        let Some(cells) = parts.cells.take() else {
            // A released array ends the stream. SAFETY: zeros are a valid Array: null pointers and no release.
            return unsafe { write_out(out, core::mem::zeroed()) };
        };
        // SAFETY: valid by the caller's promise.
        unsafe { write_out(out, table_array(&cells, parts.exact)) }
    };
    if guard(work) == RB_OK { 0 } else { INVALID }
}

unsafe extern "C" fn stream_last_error(_stream: *mut Stream) -> *const c_char {
    c"a pointer is NULL, or the library failed inside".as_ptr()
}

/// # Safety
/// `stream` is one that this file made, moved by bytes at most, and not released before.
unsafe extern "C" fn release_stream(stream: *mut Stream) {
    guard(|| {
        // SAFETY: valid by the caller's promise.
        let stream = unsafe { &mut *stream };
        // SAFETY: made by Box::into_raw, and released once by the caller's promise.
        drop(unsafe { Box::from_raw(stream.private_data.cast::<StreamParts>()) });
        stream.release = None;
        RB_OK
    });
}

/// Makes an Arrow stream (`struct ArrowArrayStream`) of one record batch that holds a copy of the bars.
///
/// Decimal numbers are `double`, with `exact` they are `decimal128`; `RB_ERR_OVERFLOW` when one has more than 38 digits.
/// `rb_arrow_stream_free` frees what `out` points to, whether or not its content was moved away or released.
///
/// # Safety
/// `bars` is valid for reads of `len` bars, `out` NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_arrow_stream_new(
    bars: *const Bar,
    len: usize,
    exact: bool,
    out: *mut *mut c_void,
) -> Status {
    let work = || {
        // SAFETY: valid by the caller's promise.
        let bars = unsafe { slice(bars, len) }?;
        if out.is_null() {
            return Err(RB_ERR_NULL);
        }
        let cells = Some(Arc::new(Cells::new(bars, exact)?));
        let parts = Box::into_raw(Box::new(StreamParts { cells, exact }));
        let stream = Box::into_raw(Box::new(Stream {
            get_schema: Some(stream_schema),
            get_next: Some(stream_next),
            get_last_error: Some(stream_last_error),
            release: Some(release_stream),
            private_data: parts.cast(),
        }));
        // SAFETY: not NULL; valid by the caller's promise.
        Ok(unsafe { write_out(out, stream.cast()) })
    };
    guard(|| status_of(work))
}

/// Frees a stream made by `rb_arrow_stream_new`, and releases its content unless that was done; NULL is fine.
///
/// # Safety
/// `stream` is NULL or comes from `rb_arrow_stream_new`; it is dead afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_arrow_stream_free(stream: *mut c_void) {
    if !stream.is_null() {
        guard(|| {
            // SAFETY: made by Box::into_raw, and handed back once by the caller's promise.
            let stream = unsafe { Box::from_raw(stream.cast::<Stream>()) };
            release_in_box(stream, |stream| stream.release);
            RB_OK
        });
    }
}

/// Makes the Arrow schema (`struct ArrowSchema`) of the streams; `rb_arrow_schema_free` frees what `out` points to.
///
/// # Safety
/// `out` is NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_arrow_schema_new(exact: bool, out: *mut *mut c_void) -> Status {
    guard(|| {
        if out.is_null() {
            return RB_ERR_NULL;
        }
        let schema = Box::into_raw(Box::new(table_schema(exact)));
        // SAFETY: not NULL; valid by the caller's promise.
        unsafe { write_out(out, schema.cast()) }
    })
}

/// Frees a schema made by `rb_arrow_schema_new`, and releases its content unless that was done; NULL is fine.
///
/// # Safety
/// `schema` is NULL or comes from `rb_arrow_schema_new`; it is dead afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_arrow_schema_free(schema: *mut c_void) {
    if !schema.is_null() {
        guard(|| {
            // SAFETY: made by Box::into_raw, and handed back once by the caller's promise.
            let schema = unsafe { Box::from_raw(schema.cast::<Schema>()) };
            release_in_box(schema, |schema| schema.release);
            RB_OK
        });
    }
}
