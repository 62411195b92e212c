//! Any body comes to its end, its trades are valid, and errors say where in the body they lie.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rangebar_core::decode::page_trades;

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
});
