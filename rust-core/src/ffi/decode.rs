//! Exports `rb_frame_decoder_*` and `rb_message_decode`: the feed's two decoders by themselves.

use super::*;
use crate::decode::{FrameDecoder, FrameError, Message, Reject, ServerMessage, decode_message};
use crate::tick::Tick;

/// A text message.
pub const RB_FRAME_TEXT: u32 = 1;
/// A binary message.
pub const RB_FRAME_BINARY: u32 = 2;
/// The server's close; `code` is 1005 when it gave none, the payload is its reason.
pub const RB_FRAME_CLOSE: u32 = 8;
/// A ping.
pub const RB_FRAME_PING: u32 = 9;
/// A pong.
pub const RB_FRAME_PONG: u32 = 10;
/// The bytes are not the protocol; `code` is the one to close with, the payload says why.
pub const RB_FRAME_ERROR: u32 = 16;

/// A trade; `RbEvent` carries it.
pub const RB_EVENT_TRADE: u32 = 1;
/// The answer to a request.
pub const RB_EVENT_REPLY: u32 = 2;
/// The server is about to restart.
pub const RB_EVENT_SHUTDOWN: u32 = 3;
/// Well-formed, but none of the others.
pub const RB_EVENT_OTHER: u32 = 4;
/// An aggTrade event that cannot be a trade.
pub const RB_EVENT_REJECTED: u32 = 5;
/// Not JSON, or nested deeper than 64.
pub const RB_EVENT_NOT_JSON: u32 = 6;

/// Cuts the bytes of one websocket connection into messages, as its client.
pub struct RbFrameDecoder {
    handle: Handle<Connection>,
}

struct Connection {
    decoder: FrameDecoder,
    unread: Vec<u8>,
    /// Bytes of `unread` that were read already.
    at: usize,
}

/// One message of a frame decoder.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct RbMessage {
    /// One of `RB_FRAME_*`.
    pub kind: u32,
    /// Code of a close or an error, else 0.
    pub code: u32,
    /// Its bytes, valid until the decoder is used again; never NULL.
    pub payload: *const u8,
    /// How many.
    pub payload_len: usize,
}

/// What the text of one message says.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct RbEvent {
    /// One of `RB_EVENT_*`.
    pub kind: u32,
    /// Of a trade: 1 when its time came in microseconds.
    pub has_microseconds: u32,
    /// Of a trade: the trade.
    pub tick: Tick,
    /// Of a trade: when the exchange sent it, microseconds since 1970-01-01 UTC; 0 when it does not say.
    pub event_time_us: i64,
    /// Of a reply: the request's id, if `has_reply_id`.
    pub reply_id: i64,
    /// Of a reply: 1 when its id is an integer.
    pub has_reply_id: u32,
    /// Of a reply: 1 when it is a refusal.
    pub is_error: u32,
    /// Of a refusal: the exchange's code.
    pub error_code: i64,
}

/// Makes a decoder for a new connection that refuses messages above `max_message` bytes.
///
/// # Safety
/// `out` is NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_frame_decoder_new(
    max_message: usize,
    out: *mut *mut RbFrameDecoder,
) -> Status {
    guard(|| {
        if out.is_null() {
            return RB_ERR_NULL;
        }
        let connection = Connection {
            decoder: FrameDecoder::new(max_message),
            unread: Vec::new(),
            at: 0,
        };
        let boxed = Box::new(RbFrameDecoder {
            handle: Handle::new(connection),
        });
        // SAFETY: not NULL; valid by the caller's promise.
        unsafe { write_out(out, Box::into_raw(boxed)) }
    })
}

/// Releases a decoder; NULL is fine.
///
/// # Safety
/// `decoder` is NULL or a live handle that no thread is inside of; it is dead afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_frame_decoder_free(decoder: *mut RbFrameDecoder) {
    if !decoder.is_null() {
        guard(|| {
            // SAFETY: made by Box::into_raw, and handed back once by the caller's promise.
            drop(unsafe { Box::from_raw(decoder) });
            RB_OK
        });
    }
}

/// Adds bytes that came from the server.
///
/// # Safety
/// `decoder` is NULL or a live handle, `bytes` valid for reads of `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_frame_decoder_receive(
    decoder: *mut RbFrameDecoder,
    bytes: *const u8,
    len: usize,
) -> Status {
    // SAFETY: NULL or live by the caller's promise.
    let Some(decoder) = (unsafe { decoder.as_ref() }) else {
        return RB_ERR_NULL;
    };
    decoder.handle.enter(|connection| {
        status_of(|| {
            // SAFETY: valid by the caller's promise.
            let bytes = unsafe { slice(bytes, len) }?;
            connection.unread.drain(..connection.at);
            connection.at = 0;
            connection.unread.extend_from_slice(bytes);
            Ok(RB_OK)
        })
    })
}

/// Reads the next message; `RB_NONE` when more bytes are needed, and for ever after a close or an error.
///
/// # Safety
/// `decoder` is NULL or a live handle, `message` NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_frame_decoder_next(
    decoder: *mut RbFrameDecoder,
    message: *mut RbMessage,
) -> Status {
    // SAFETY: NULL or live by the caller's promise.
    let Some(decoder) = (unsafe { decoder.as_ref() }) else {
        return RB_ERR_NULL;
    };
    if message.is_null() {
        return RB_ERR_NULL;
    }
    decoder.handle.enter(|connection| match connection.next() {
        None => RB_NONE,
        // SAFETY: not NULL; valid by the caller's promise.
        Some(found) => unsafe { write_out(message, found) },
    })
}

impl Connection {
    fn next(&mut self) -> Option<RbMessage> {
        if self.decoder.is_closed() {
            return None;
        }
        let unread = self.unread.get(self.at..).unwrap_or_default();
        let (used, found) = self.decoder.next(unread);
        self.at += used;
        found.map(|outcome| match outcome {
            Ok(message) => lent(message),
            Err(error) => failed(error),
        })
    }
}

fn lent(message: Message<'_>) -> RbMessage {
    let (kind, code, payload) = match message {
        Message::Text(bytes) => (RB_FRAME_TEXT, 0, bytes),
        Message::Binary(bytes) => (RB_FRAME_BINARY, 0, bytes),
        Message::Ping(bytes) => (RB_FRAME_PING, 0, bytes),
        Message::Pong(bytes) => (RB_FRAME_PONG, 0, bytes),
        Message::Close { code, reason } => (RB_FRAME_CLOSE, code, reason.as_bytes()),
    };
    RbMessage {
        kind,
        code: u32::from(code),
        payload: payload.as_ptr(),
        payload_len: payload.len(),
    }
}

fn failed(error: FrameError) -> RbMessage {
    let text = error.text();
    RbMessage {
        kind: RB_FRAME_ERROR,
        code: u32::from(error.close_code()),
        payload: text.as_ptr(),
        payload_len: text.len(),
    }
}

/// Reads the text of one message, raw or in a combined stream's envelope.
///
/// # Safety
/// `text` is valid for reads of `len` bytes, `event` NULL or valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rb_message_decode(
    text: *const u8,
    len: usize,
    event: *mut RbEvent,
) -> Status {
    let work = || {
        // SAFETY: valid by the caller's promise.
        let text = unsafe { slice(text, len) }?;
        // SAFETY: NULL or valid by the caller's promise.
        Ok(unsafe { write_out(event, event_of(&decode_message(text))) })
    };
    guard(|| status_of(work))
}

fn event_of(message: &ServerMessage<'_>) -> RbEvent {
    let plain = |kind| RbEvent {
        kind,
        ..RbEvent::default()
    };
    match message {
        ServerMessage::Trade(trade) => RbEvent {
            has_microseconds: u32::from(trade.unit == crate::decode::TimeUnit::Microsecond),
            tick: trade.tick,
            event_time_us: trade.event_time_us,
            ..plain(RB_EVENT_TRADE)
        },
        ServerMessage::Reply { id, error } => RbEvent {
            reply_id: id.unwrap_or(0),
            has_reply_id: u32::from(id.is_some()),
            is_error: u32::from(error.is_some()),
            error_code: error.as_ref().map_or(0, |error| error.code),
            ..plain(RB_EVENT_REPLY)
        },
        ServerMessage::Shutdown => plain(RB_EVENT_SHUTDOWN),
        ServerMessage::Other => plain(RB_EVENT_OTHER),
        ServerMessage::Rejected(Reject::Syntax { .. } | Reject::TooDeep) => {
            plain(RB_EVENT_NOT_JSON)
        }
        ServerMessage::Rejected(_) => plain(RB_EVENT_REJECTED),
    }
}
