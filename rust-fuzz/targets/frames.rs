//! Frames cut anywhere give the messages that the whole bytes give, up to the same error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rangebar_core::decode::FrameDecoder;
use rangebar_fuzz::Source;

/// Small, so that the limit is met too.
const MAX_MESSAGE: usize = 300;

fn read(decoder: &mut FrameDecoder, mut bytes: &[u8], seen: &mut Vec<String>) -> bool {
    loop {
        let (used, message) = decoder.next(bytes);
        let failed = matches!(message, Some(Err(_)));
        let more = message.is_some();
        seen.extend(message.map(|message| format!("{message:?}")));
        assert!(used <= bytes.len());
        bytes = &bytes[used..];
        assert!(decoder.buffered() <= MAX_MESSAGE);
        if failed || !more {
            return !failed;
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let mut source = Source::new(data);
    let (first, second) = (source.byte(), source.byte());
    let bytes = source.rest();

    let mut whole = Vec::new();
    read(&mut FrameDecoder::new(MAX_MESSAGE), bytes, &mut whole);

    let mut split = Vec::new();
    let mut decoder = FrameDecoder::new(MAX_MESSAGE);
    let mut rest = bytes;
    let mut sizes = [usize::from(first) + 1, usize::from(second) + 1]
        .into_iter()
        .cycle();
    while !rest.is_empty() {
        let (now, later) = rest.split_at(rest.len().min(sizes.next().unwrap_or(1)));
        rest = later;
        if !read(&mut decoder, now, &mut split) {
            break;
        }
    }
    assert_eq!(whole, split);
});
