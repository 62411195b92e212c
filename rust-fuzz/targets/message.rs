//! Any text is some message, and the trades among them are valid.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rangebar_core::decode::{ServerMessage, decode_message};

fuzz_target!(|data: &[u8]| {
    if let ServerMessage::Trade(trade) = decode_message(data) {
        assert_eq!(trade.tick.validate(), Ok(()));
    }
});
