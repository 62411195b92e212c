//! Any text is some message, the trades among them are valid, and the quick reader says what the general one says.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rangebar_core::decode::{ServerMessage, decode_message};

/// With a blank behind the first brace: JSON all the same, but not for the quick reader.
fn with_blank(text: &[u8]) -> Vec<u8> {
    let at = text.iter().position(|byte| *byte == b'{');
    let (head, rest) = text.split_at(at.map_or(0, |at| at + 1));
    [head, b" ", rest].concat()
}

fuzz_target!(|data: &[u8]| {
    let message = decode_message(data);
    if let ServerMessage::Trade(trade) = &message {
        assert_eq!(trade.tick.validate(), Ok(()));
    }
    match (message, decode_message(&with_blank(data))) {
        // The place of a fault has moved.
        (ServerMessage::Rejected(_), ServerMessage::Rejected(_)) => {}
        (quick, general) => assert_eq!(quick, general),
    }
});
