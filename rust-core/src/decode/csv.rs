//! Archive rows, chunk by chunk: spot (no header, eight columns) and futures (header, seven columns).

use super::csv_row::{CsvFault, parse_row, quick_row};
use super::types::TimeUnit;
use crate::tick::Tick;

/// The longest line that is read; a longer one is no row.
pub const MAX_LINE: usize = 1024;

const HEADER: &[u8] = b"agg_trade_id,price,quantity,first_trade_id,last_trade_id,";
/// What may follow the names that all headers share.
const HEADER_ENDS: [&[u8]; 4] = [
    b"transact_time,is_buyer_maker",
    b"timestamp,is_buyer_maker",
    b"transact_time,is_buyer_maker,is_best_match",
    b"timestamp,is_buyer_maker,is_best_match",
];

/// Where a chunk lies in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChunkPlace {
    /// The chunk begins with the file's first byte: a header row may come.
    pub at_start: bool,
    /// The chunk ends with the file's last byte: the last row needs no line end.
    pub at_end: bool,
}

/// One line that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CsvError {
    /// The column to blame, counted from 1; 0 is the row as a whole.
    pub column: u8,
    /// Why.
    pub fault: CsvFault,
    /// Length of the line without its end, from `bytes_consumed` on; of a line too long its first [`MAX_LINE`] bytes.
    pub text_len: usize,
}

/// How far [`decode_rows`] came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CsvProgress {
    /// Trades written.
    pub rows: usize,
    /// Bytes that need not be offered again; always up to the beginning of a line.
    pub bytes_consumed: usize,
    /// Lines in those bytes.
    pub lines: usize,
    /// A time in milliseconds was among the rows.
    pub has_milliseconds: bool,
    /// A time in microseconds was among the rows.
    pub has_microseconds: bool,
    /// The line at `bytes_consumed` is no row; the rows before it count.
    pub error: Option<CsvError>,
}

/// Reads rows until `out` is full, the bytes end, or a line is refused.
///
/// An unfinished line at the end is left, unless the file ends there. A line end is LF or CRLF; one empty line at the
/// end of the file is passed over. Times are told by their magnitude and written in microseconds.
///
/// ```
/// use rangebar_core::decode::{ChunkPlace, decode_rows};
/// use rangebar_core::tick::Tick;
///
/// let mut out = [Tick::default(); 8];
/// let place = ChunkPlace { at_start: true, at_end: false };
/// let progress = decode_rows(b"7,1.5,2,9,9,1498793709153,True,True\n8,1.", place, &mut out);
/// assert_eq!((progress.rows, progress.bytes_consumed), (1, 36));
/// ```
pub fn decode_rows(bytes: &[u8], place: ChunkPlace, out: &mut [Tick]) -> CsvProgress {
    let mut progress = CsvProgress::default();
    if place.at_start && !progress.pass_header(bytes, place.at_end) {
        return progress;
    }
    for slot in out {
        let rest = bytes.get(progress.bytes_consumed..).unwrap_or_default();
        let row = match quick_row(rest) {
            Some(row) => row,
            None => match progress.slow_row(rest, place.at_end) {
                Some(row) => row,
                None => break,
            },
        };
        *slot = row.0;
        progress.take(row.1, row.2);
    }
    progress
}

impl CsvProgress {
    #[inline]
    fn take(&mut self, unit: TimeUnit, len: usize) {
        self.rows += 1;
        self.has_milliseconds |= unit == TimeUnit::Millisecond;
        self.has_microseconds |= unit == TimeUnit::Microsecond;
        self.pass(len);
    }

    #[inline]
    fn pass(&mut self, len: usize) {
        self.lines += 1;
        self.bytes_consumed += len;
    }

    /// Whether the rows may begin: there is no header, or it was passed.
    fn pass_header(&mut self, bytes: &[u8], at_end: bool) -> bool {
        if !bytes.first().is_some_and(|byte| looks_like_header(*byte)) {
            return true;
        }
        let Some(line) = next_line(bytes, at_end) else {
            return false;
        };
        if is_header(line.text) {
            self.pass(line.len);
        } else {
            self.error = Some(line.refused(0, CsvFault::Header));
        }
        self.error.is_none()
    }

    /// A row that is not of the usual form; `None` ends this chunk, with or without an error.
    #[cold]
    fn slow_row(&mut self, rest: &[u8], at_end: bool) -> Option<(Tick, TimeUnit, usize)> {
        let line = next_line(rest, at_end)?;
        if line.text.is_empty() {
            if line.len < rest.len() {
                self.error = Some(line.refused(0, CsvFault::Blank));
            } else if at_end {
                self.pass(line.len);
            }
            return None;
        }
        match line.read() {
            Ok((tick, unit)) => Some((tick, unit, line.len)),
            Err((column, fault)) => {
                self.error = Some(line.refused(column, fault));
                None
            }
        }
    }
}

/// Rows begin with a digit, or a sign that is then refused as such.
fn looks_like_header(first: u8) -> bool {
    !(first.is_ascii_digit() || matches!(first, b'-' | b'+' | b',' | b'\r' | b'\n'))
}

fn is_header(text: &[u8]) -> bool {
    text.strip_prefix(HEADER)
        .is_some_and(|end| HEADER_ENDS.contains(&end))
}

#[derive(Clone, Copy)]
struct Line<'a> {
    text: &'a [u8],
    /// Bytes with the line's end.
    len: usize,
}

impl Line<'_> {
    fn read(&self) -> Result<(Tick, TimeUnit), (u8, CsvFault)> {
        if self.text.len() > MAX_LINE {
            return Err((0, CsvFault::TooLong));
        }
        if self.text.starts_with(b"agg_trade_id,") {
            return Err((0, CsvFault::Header));
        }
        parse_row(self.text)
    }

    #[cold]
    fn refused(&self, column: u8, fault: CsvFault) -> CsvError {
        CsvError {
            column,
            fault,
            text_len: self.text.len().min(MAX_LINE),
        }
    }
}

/// The next whole line; `None` when it is not complete yet, or nothing is left.
fn next_line(rest: &[u8], at_end: bool) -> Option<Line<'_>> {
    // A line end that is not within reach makes the line too long, however far away it is.
    let window = rest.get(..MAX_LINE + 2).unwrap_or(rest);
    let (text, len) = match window.iter().position(|&byte| byte == b'\n') {
        Some(end) => (rest.get(..end)?, end + 1),
        None if window.len() > MAX_LINE + 1 || (at_end && !rest.is_empty()) => {
            (window, window.len())
        }
        None => return None,
    };
    Some(Line {
        text: text.strip_suffix(b"\r").unwrap_or(text),
        len,
    })
}
