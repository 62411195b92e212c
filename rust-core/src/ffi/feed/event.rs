//! Events as one flat struct: which fields mean something depends on the kind.

use super::values::{RB_FEED_TEXT, unit_code};
use crate::decode::{Field, FrameError};
use crate::feed::{Event, MAX_TEXT, Refusal};

/// `sequence` misses `id` to `other_id`.
pub const RB_FEED_GAP_FOUND: u32 = 1;
/// `sequence`: `id` was not served, `other_id` above it was.
pub const RB_FEED_ID_SKIPPED: u32 = 2;
/// `symbol`: `count` second copies differ, the first of them of `id`.
pub const RB_FEED_TRADES_DIFFER: u32 = 3;
/// `sequence`: `id` came at `time_us` where `other_id` was expected after `other_time_us`.
pub const RB_FEED_IDS_RESTARTED: u32 = 4;
/// `lane` begins after `id` in the unit `code`.
pub const RB_FEED_ORIGIN_SET: u32 = 5;
/// `sequence` is a part of `other_sequence` now.
pub const RB_FEED_SEQUENCES_MERGED: u32 = 6;
/// `connection` wants a pong with `text`.
pub const RB_FEED_PING: u32 = 7;
/// `connection` was closed with `code` and the reason `text`.
pub const RB_FEED_CLOSE: u32 = 8;
/// `connection` broke the protocol: our close code is `code`, `text` says what was wrong.
pub const RB_FEED_CONNECTION_FAILED: u32 = 9;
/// The server of `connection` is about to restart.
pub const RB_FEED_SERVER_SHUTDOWN: u32 = 10;
/// `connection` answered the request `id` (`has_id`); with `has_error`, `time_us` is the code and `text` the message.
pub const RB_FEED_REPLY: u32 = 11;
/// `connection`: `count` messages refused, the first for `code` at `field`, beginning with `text`.
pub const RB_FEED_FRAME_REJECTED: u32 = 12;
/// `symbol`: `count` rows refused, the first of `id` for `code` at `field`, beginning with `text`.
pub const RB_FEED_TRADE_REJECTED: u32 = 13;
/// `connection` brings milliseconds of `symbol` for a lane in microseconds.
pub const RB_FEED_UNIT_MISMATCH: u32 = 14;

/// One event; fields that its kind does not name are zero.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct RbFeedEvent {
    /// `RB_EVENT_*`.
    pub kind: u32,
    /// A close code, a unit, or a reason: 1 syntax, 2 too deep, 3 shape, 4 missing, 5 twice, 6 type, 7 decimal,
    /// 8 impossible trade, 9 binary, 10 unknown symbol, 11 implausible, 12 too far ahead.
    pub code: u32,
    /// Symbol.
    pub symbol: u32,
    /// Lane.
    pub lane: u32,
    /// Connection.
    pub connection: u64,
    /// Sequence.
    pub sequence: u64,
    /// Another sequence.
    pub other_sequence: u64,
    /// An id.
    pub id: i64,
    /// Another id.
    pub other_id: i64,
    /// A time in microseconds.
    pub time_us: i64,
    /// Another time in microseconds.
    pub other_time_us: i64,
    /// How many.
    pub count: u64,
    /// The field at fault: 1 symbol, 2 id, 3 price, 4 quantity, 5 first id, 6 last id, 7 time, 8 side; 0 for none.
    pub field: u32,
    /// 1 when `id` was given.
    pub has_id: u32,
    /// 1 when a reply is an error.
    pub has_error: u32,
    /// Bytes of `text`.
    pub text_len: u32,
    /// Text, cut at its end.
    pub text: [u8; RB_FEED_TEXT],
}

impl RbFeedEvent {
    fn new(kind: u32) -> Self {
        Self {
            kind,
            code: 0,
            symbol: 0,
            lane: 0,
            connection: 0,
            sequence: 0,
            other_sequence: 0,
            id: 0,
            other_id: 0,
            time_us: 0,
            other_time_us: 0,
            count: 0,
            field: 0,
            has_id: 0,
            has_error: 0,
            text_len: 0,
            text: [0; RB_FEED_TEXT],
        }
    }

    fn with_text(mut self, text: &[u8]) -> Self {
        let len = text.len().min(MAX_TEXT);
        for (to, from) in self.text.iter_mut().zip(text.iter().take(len)) {
            *to = *from;
        }
        self.text_len = u32::try_from(len).unwrap_or(0);
        self
    }

    fn with_refusal(mut self, reason: Refusal, count: u64) -> Self {
        self.code = reason.code();
        self.field = reason.field().map_or(0, field_code);
        self.count = count;
        self
    }
}

fn field_code(field: Field) -> u32 {
    match field {
        Field::Symbol => 1,
        Field::AggTradeId => 2,
        Field::Price => 3,
        Field::Quantity => 4,
        Field::FirstTradeId => 5,
        Field::LastTradeId => 6,
        Field::Time => 7,
        Field::BuyerMaker => 8,
    }
}

impl From<Event> for RbFeedEvent {
    fn from(event: Event) -> Self {
        match event {
            Event::GapFound { sequence, from, to } => Self {
                sequence,
                id: from,
                other_id: to,
                ..Self::new(RB_FEED_GAP_FOUND)
            },
            Event::IdSkipped {
                sequence,
                expected,
                next_id,
            } => Self {
                sequence,
                id: expected,
                other_id: next_id,
                ..Self::new(RB_FEED_ID_SKIPPED)
            },
            Event::IdsRestarted {
                sequence,
                id,
                expected,
                time_us,
                last_time_us,
            } => Self {
                sequence,
                id,
                other_id: expected,
                time_us,
                other_time_us: last_time_us,
                ..Self::new(RB_FEED_IDS_RESTARTED)
            },
            Event::SequencesMerged { from, into } => Self {
                sequence: from,
                other_sequence: into,
                ..Self::new(RB_FEED_SEQUENCES_MERGED)
            },
            Event::TradesDiffer { symbol, id, count } => Self {
                symbol,
                id,
                count,
                ..Self::new(RB_FEED_TRADES_DIFFER)
            },
            Event::OriginSet { lane, origin, unit } => Self {
                lane,
                id: origin,
                code: unit_code(Some(unit)),
                ..Self::new(RB_FEED_ORIGIN_SET)
            },
            Event::TradeRejected {
                symbol,
                id,
                reason,
                count,
                text,
            } => Self {
                symbol,
                id,
                ..Self::new(RB_FEED_TRADE_REJECTED)
                    .with_refusal(reason, count)
                    .with_text(&text)
            },
            other => of_connection(other),
        }
    }
}

/// The events that a connection brings.
fn of_connection(event: Event) -> RbFeedEvent {
    let (connection, event) = match event {
        Event::Ping {
            connection,
            payload,
        } => (
            connection,
            RbFeedEvent::new(RB_FEED_PING).with_text(&payload),
        ),
        Event::Close {
            connection,
            code,
            reason,
        } => (connection, closed(RB_FEED_CLOSE, code, &reason)),
        Event::ConnectionFailed { connection, error } => (connection, failed(error)),
        Event::ServerShutdown { connection } => {
            (connection, RbFeedEvent::new(RB_FEED_SERVER_SHUTDOWN))
        }
        Event::Reply {
            connection,
            id,
            error,
        } => (connection, reply(id, error)),
        Event::FrameRejected {
            connection,
            reason,
            count,
            text,
        } => (
            connection,
            RbFeedEvent::new(RB_FEED_FRAME_REJECTED)
                .with_refusal(reason, count)
                .with_text(&text),
        ),
        Event::UnitMismatch { connection, symbol } => {
            let event = RbFeedEvent::new(RB_FEED_UNIT_MISMATCH);
            (connection, RbFeedEvent { symbol, ..event })
        }
        // The rest is no connection's and was handled before.
        _ => (0, RbFeedEvent::new(0)),
    };
    RbFeedEvent {
        connection,
        ..event
    }
}

fn closed(kind: u32, code: u16, reason: &[u8]) -> RbFeedEvent {
    RbFeedEvent {
        code: u32::from(code),
        ..RbFeedEvent::new(kind).with_text(reason)
    }
}

fn failed(error: FrameError) -> RbFeedEvent {
    closed(
        RB_FEED_CONNECTION_FAILED,
        error.close_code(),
        error.text().as_bytes(),
    )
}

fn reply(id: Option<i64>, error: Option<(i64, Vec<u8>)>) -> RbFeedEvent {
    let event = RbFeedEvent {
        id: id.unwrap_or(0),
        has_id: u32::from(id.is_some()),
        ..RbFeedEvent::new(RB_FEED_REPLY)
    };
    match error {
        None => event,
        Some((code, text)) => RbFeedEvent {
            has_error: 1,
            time_us: code,
            ..event.with_text(&text)
        },
    }
}
