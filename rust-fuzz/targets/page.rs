//! Any body comes to its end, its trades are valid, errors say where in the body they lie, and the quick reader says what
//! the general one says.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rangebar_core::decode::{PageTrade, page_trades};

/// With a blank behind every brace: the same rows, but none for the quick reader.
fn with_blanks(body: &[u8]) -> Vec<u8> {
    let parts: Vec<_> = body.split(|byte| *byte == b'{').collect();
    parts.join(&b"{ "[..])
}

fn trades(body: &[u8]) -> Vec<Option<PageTrade>> {
    page_trades(body).map(Result::ok).collect()
}

fuzz_target!(|data: &[u8]| {
    let mut ended = false;
    for (count, row) in page_trades(data).enumerate() {
        assert!(!ended, "nothing follows a fatal error");
        assert!(count <= data.len(), "every item takes at least a byte");
        match row {
            Ok(trade) => assert_eq!(trade.tick.validate(), Ok(())),
            Err(error) => {
                ended = error.fatal;
                assert!(error.text.start <= error.text.end && error.text.end <= data.len());
            }
        }
    }
    assert_eq!(trades(data), trades(&with_blanks(data)));
});
