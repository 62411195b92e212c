//! Bytes of the exchange to trades: websocket frames, JSON events and pages, archive rows.
//!
//! Nothing in here waits, allocates per trade or panics, whatever the bytes are. Each decoder takes a thing whole or
//! says why not.
//!
//! * [`FrameDecoder`] cuts a connection's bytes into messages.
//! * [`decode_message`] reads the text of one message.
//! * [`page_trades`] reads the body of one REST answer, row by row.
//! * [`decode_rows`] reads archive rows, chunk by chunk; a [`Sift`] then drops repeated ids and lists the gaps.

mod assembly;
mod csv;
mod csv_row;
mod cursor;
mod escape;
mod frame;
mod frame_error;
mod header;
mod message;
mod number;
mod page;
#[cfg(test)]
mod random;
mod sift;
#[cfg(test)]
mod tests;
mod trade;
mod types;

pub use csv::{ChunkPlace, CsvError, CsvProgress, MAX_LINE, decode_rows};
pub use csv_row::{CsvFault, column_name};
pub use cursor::MAX_DEPTH;
pub use frame::{FrameDecoder, MAX_MESSAGE, Message};
pub use frame_error::FrameError;
pub use message::decode_message;
pub(crate) use message::{quick_message, read_message};
pub use page::{PageReader, page_trades};
pub use sift::{Gap, NO_POSITION, Sift, Sifted};
pub use types::{
    FIRST_MICROSECOND_TIME, Field, PageTrade, Reject, ReplyError, RowError, ServerMessage,
    TimeUnit, TradeEvent,
};
