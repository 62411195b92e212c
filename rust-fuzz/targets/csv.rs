//! A file read in chunks gives the rows of the whole file, and stops at the same line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rangebar_core::decode::{ChunkPlace, CsvError, MAX_LINE, decode_rows};
use rangebar_core::tick::Tick;
use rangebar_fuzz::Source;

struct File {
    ticks: Vec<Tick>,
    lines: usize,
    error: Option<CsvError>,
}

/// Reads as a caller would: what was not taken is offered again with more behind it.
fn read(bytes: &[u8], chunk: usize, capacity: usize) -> File {
    let mut file = File {
        ticks: Vec::new(),
        lines: 0,
        error: None,
    };
    let mut out = vec![Tick::default(); capacity];
    let (mut from, mut to) = (0, 0);
    loop {
        to = bytes.len().min(to + chunk);
        loop {
            let place = ChunkPlace {
                at_start: from == 0,
                at_end: to == bytes.len(),
            };
            let progress = decode_rows(&bytes[from..to], place, &mut out);
            let (rows, _) = out.split_at(progress.rows);
            assert!(rows.iter().all(|tick| tick.validate().is_ok()));
            file.ticks.extend_from_slice(rows);
            file.lines += progress.lines;
            from += progress.bytes_consumed;
            assert!(from <= to);
            if progress.error.is_some() {
                file.error = progress.error;
                return file;
            }
            if progress.rows < capacity {
                break;
            }
        }
        if to == bytes.len() {
            return file;
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let mut source = Source::new(data);
    let (chunk, capacity) = (
        usize::from(source.byte()) + 1,
        usize::from(source.byte()) % 7 + 1,
    );
    let bytes = source.rest();
    let whole = read(bytes, bytes.len().max(1), bytes.len() + 1);
    let parts = read(bytes, chunk, capacity);
    assert_eq!(whole.ticks, parts.ticks);
    assert_eq!(whole.lines, parts.lines);
    // The length of a bad line may be told before its end has come.
    assert_eq!(
        whole.error.map(|error| (error.column, error.fault)),
        parts.error.map(|error| (error.column, error.fault))
    );
    assert!(whole.error.is_none_or(|error| error.text_len <= MAX_LINE));
});
