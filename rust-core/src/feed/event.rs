//! Events: what a program should know or do. They wait in order, coalesced, so that no peer can make them many.

use std::collections::VecDeque;

use crate::decode::{Field, FrameError, Reject, TimeUnit};

/// The longest text that an event quotes, in bytes.
pub const MAX_TEXT: usize = 125;

/// Why a message or a row is no trade for this feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The text could not be read.
    Text(Reject),
    /// A binary message.
    Binary,
    /// A trade of a symbol that nobody asked for.
    UnknownSymbol,
    /// Numbers that no trade has, or that would overflow a lane's sums.
    Implausible,
    /// An id far above what REST knows.
    TooFarAhead,
}

impl Refusal {
    /// A number for the C interface.
    pub fn code(self) -> u32 {
        match self {
            Self::Text(Reject::Syntax { .. }) => 1,
            Self::Text(Reject::TooDeep) => 2,
            Self::Text(Reject::Shape) => 3,
            Self::Text(Reject::Missing(_)) => 4,
            Self::Text(Reject::Duplicate(_)) => 5,
            Self::Text(Reject::Type(_)) => 6,
            Self::Text(Reject::Decimal(..)) => 7,
            Self::Text(Reject::Trade(_)) => 8,
            Self::Binary => 9,
            Self::UnknownSymbol => 10,
            Self::Implausible => 11,
            Self::TooFarAhead => 12,
        }
    }

    /// The field that is at fault, if one is.
    pub fn field(self) -> Option<Field> {
        match self {
            Self::Text(
                Reject::Missing(field)
                | Reject::Duplicate(field)
                | Reject::Type(field)
                | Reject::Decimal(field, _),
            ) => Some(field),
            _ => None,
        }
    }
}

/// One thing to know. Texts are cut at [`MAX_TEXT`] bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Trades up to `to` are missing before one that came; further ones may follow, the sequence knows.
    GapFound {
        /// Whose.
        sequence: u64,
        /// First missing id.
        from: i64,
        /// Last missing id when the gap was found.
        to: i64,
    },
    /// A page went on with a higher id: evidence that those between do not exist.
    IdSkipped {
        /// Whose.
        sequence: u64,
        /// The id that was not served.
        expected: i64,
        /// The id that was.
        next_id: i64,
    },
    /// Two copies of a trade say different things; the first stayed.
    TradesDiffer {
        /// Whose.
        symbol: u32,
        /// The first such id.
        id: i64,
        /// How many since the last event was taken.
        count: u64,
    },
    /// An id below the expected with a time far above all taken.
    IdsRestarted {
        /// Whose.
        sequence: u64,
        /// The id that came.
        id: i64,
        /// The id that was expected.
        expected: i64,
        /// Its time, microseconds.
        time_us: i64,
        /// The latest time of the trades taken, microseconds.
        last_time_us: i64,
    },
    /// A lane took its first trade.
    OriginSet {
        /// Which lane.
        lane: u32,
        /// First id less one, or the position it was started at.
        origin: i64,
        /// The unit of its tape from now on.
        unit: TimeUnit,
    },
    /// A sequence reached another one; its lanes, and a fetch in flight for it, are the other's from now on.
    SequencesMerged {
        /// The one that is gone.
        from: u64,
        /// The one that stays.
        into: u64,
    },
    /// To be answered; only the newest of a connection waits.
    Ping {
        /// Which connection.
        connection: u64,
        /// What the pong must carry.
        payload: Vec<u8>,
    },
    /// The server closed the connection.
    Close {
        /// Which connection.
        connection: u64,
        /// The code, 1005 for none.
        code: u16,
        /// The reason.
        reason: Vec<u8>,
    },
    /// The connection's bytes are not the websocket protocol; it is of no further use.
    ConnectionFailed {
        /// Which connection.
        connection: u64,
        /// What is wrong.
        error: FrameError,
    },
    /// The server is about to restart.
    ServerShutdown {
        /// Which connection.
        connection: u64,
    },
    /// An answer to a request.
    Reply {
        /// Which connection.
        connection: u64,
        /// The request's id, if the answer names one.
        id: Option<i64>,
        /// Code and text of the error, if it is one.
        error: Option<(i64, Vec<u8>)>,
    },
    /// A message was refused; those of one connection add up until the event is taken.
    FrameRejected {
        /// Which connection.
        connection: u64,
        /// Why the first was.
        reason: Refusal,
        /// How many.
        count: u64,
        /// Text of the first.
        text: Vec<u8>,
    },
    /// A row that REST served was refused: it counts as not served.
    TradeRejected {
        /// Whose.
        symbol: u32,
        /// Id of the first.
        id: i64,
        /// Why the first was.
        reason: Refusal,
        /// How many.
        count: u64,
        /// Text of the first.
        text: Vec<u8>,
    },
    /// A connection brings milliseconds for a lane in microseconds: none of those trades is taken.
    UnitMismatch {
        /// Which connection.
        connection: u64,
        /// Whose lane.
        symbol: u32,
    },
}

/// The beginning of a text.
pub(super) fn excerpt(text: &[u8]) -> Vec<u8> {
    text.get(..MAX_TEXT).unwrap_or(text).to_vec()
}

/// Events in order; a ticket finds one again for as long as it waits.
#[derive(Debug, Default)]
pub(super) struct Events {
    popped: u64,
    waiting: VecDeque<Event>,
}

impl Events {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn push(&mut self, event: Event) -> u64 {
        let ticket = self.popped + self.waiting.len() as u64;
        self.waiting.push_back(event);
        ticket
    }

    pub(super) fn pop(&mut self) -> Option<Event> {
        let event = self.waiting.pop_front()?;
        self.popped += 1;
        if self.waiting.is_empty() && self.waiting.capacity() > 64 {
            self.waiting = VecDeque::new();
        }
        Some(event)
    }

    /// The event of a ticket while it waits.
    pub(super) fn find(&mut self, ticket: Option<u64>) -> Option<&mut Event> {
        let at = ticket?.checked_sub(self.popped)?;
        self.waiting.get_mut(usize::try_from(at).ok()?)
    }

    pub(super) fn is_waiting(&self, ticket: Option<u64>) -> bool {
        ticket.is_some_and(|ticket| ticket >= self.popped)
    }

    /// Puts `event` in the place of the one that waits under `ticket`, or at the end.
    pub(super) fn replace(&mut self, ticket: Option<u64>, event: Event) -> Option<u64> {
        match self.find(ticket) {
            Some(waiting) => {
                *waiting = event;
                ticket
            }
            None => Some(self.push(event)),
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.waiting.capacity() * size_of::<Event>() + self.waiting.len() * MAX_TEXT
    }
}

/// Counts events of one kind that wait, so that only so many do.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Allowance {
    used: u32,
    last: Option<u64>,
}

impl Allowance {
    /// Events of one kind that may wait.
    pub(super) const MOST: u32 = 64;

    pub(super) fn has_room(&mut self, events: &Events) -> bool {
        if !events.is_waiting(self.last) {
            self.used = 0;
        }
        self.used < Self::MOST
    }

    pub(super) fn use_one(&mut self, ticket: u64) {
        self.used += 1;
        self.last = Some(ticket);
    }

    pub(super) fn last(self) -> Option<u64> {
        self.last
    }
}
