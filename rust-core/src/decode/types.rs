//! What the decoders hand out: plain values that borrow from the bytes they were read from.

use std::borrow::Cow;
use std::ops::Range;

use crate::price::DecimalError;
use crate::tick::{Tick, TradeError};

/// Times below this are milliseconds, others microseconds: as milliseconds it is the year 5138, as microseconds
/// 1973-03-03.
pub const FIRST_MICROSECOND_TIME: i64 = 100_000_000_000_000;

/// The unit in which a time stood on the wire; a [`Tick`] always carries microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimeUnit {
    /// Milliseconds.
    Millisecond,
    /// Microseconds.
    Microsecond,
}

impl TimeUnit {
    /// Reads the unit from a time's magnitude.
    #[inline]
    pub fn of(time: i64) -> Self {
        if time < FIRST_MICROSECOND_TIME {
            Self::Millisecond
        } else {
            Self::Microsecond
        }
    }

    /// The time in microseconds; milliseconds are below [`FIRST_MICROSECOND_TIME`], so nothing overflows upwards.
    #[inline]
    pub fn to_microseconds(self, time: i64) -> i64 {
        match self {
            Self::Millisecond => time.saturating_mul(1_000),
            Self::Microsecond => time,
        }
    }
}

/// A field of an aggregate trade, by its key on the wire and its column in an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    /// `s`.
    Symbol,
    /// `a`, column 1.
    AggTradeId,
    /// `p`, column 2.
    Price,
    /// `q`, column 3.
    Quantity,
    /// `f`, column 4.
    FirstTradeId,
    /// `l`, column 5.
    LastTradeId,
    /// `T`, column 6.
    Time,
    /// `m`, column 7.
    BuyerMaker,
}

impl Field {
    /// The name that people know it by, as in the header row of an archive.
    pub fn name(self) -> &'static str {
        match self {
            Self::Symbol => "symbol",
            Self::AggTradeId => "agg_trade_id",
            Self::Price => "price",
            Self::Quantity => "quantity",
            Self::FirstTradeId => "first_trade_id",
            Self::LastTradeId => "last_trade_id",
            Self::Time => "timestamp",
            Self::BuyerMaker => "is_buyer_maker",
        }
    }
}

/// Why an event or a row was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reject {
    /// Not JSON, from this byte of the text on.
    Syntax {
        /// Offset of the first byte that cannot be.
        at: usize,
    },
    /// Arrays and objects lie deeper than [`MAX_DEPTH`](super::MAX_DEPTH).
    TooDeep,
    /// A page that is no array, or a row of it that is no object.
    Shape,
    /// A field is not there.
    Missing(Field),
    /// A field is there twice: neither copy is evidence.
    Duplicate(Field),
    /// A field has the wrong type, or is an integer out of range.
    Type(Field),
    /// A price or quantity that is no plain decimal number.
    Decimal(Field, DecimalError),
    /// All fields could be read, but the trade cannot be.
    Trade(TradeError),
}

impl Reject {
    /// The field that is to blame, if it is one alone.
    pub fn field(self) -> Option<Field> {
        match self {
            Self::Missing(field)
            | Self::Duplicate(field)
            | Self::Type(field)
            | Self::Decimal(field, _) => Some(field),
            Self::Trade(TradeError::AggTradeId) => Some(Field::AggTradeId),
            Self::Trade(TradeError::Price) => Some(Field::Price),
            Self::Trade(TradeError::Quantity) => Some(Field::Quantity),
            Self::Trade(TradeError::Timestamp) => Some(Field::Time),
            Self::Trade(TradeError::TradeIds) => Some(Field::LastTradeId),
            Self::Trade(_) | Self::Syntax { .. } | Self::TooDeep | Self::Shape => None,
        }
    }

    /// One phrase for a message to people; the field's name stands beside it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Syntax { .. } => "not JSON",
            Self::TooDeep => "nested too deep",
            Self::Shape => "not the documented shape",
            Self::Missing(_) => "missing",
            Self::Duplicate(_) => "given twice",
            Self::Type(_) => "of the wrong type or out of range",
            Self::Decimal(_, error) => decimal_text(error),
            Self::Trade(error) => trade_text(error),
        }
    }
}

/// What is wrong with a decimal, in one phrase.
pub(super) fn decimal_text(error: DecimalError) -> &'static str {
    match error {
        DecimalError::Empty => "empty, or without digits beside the point",
        DecimalError::Sign => "signed",
        DecimalError::Character => "not a plain decimal number",
        DecimalError::TooManyDecimals => "with more than eight decimals",
        DecimalError::Overflow => "too large",
        DecimalError::NotFinite => "not a finite number",
        DecimalError::NotExact => "not exact at eight decimals",
    }
}

/// What is wrong with a trade, in one phrase.
pub(super) fn trade_text(error: TradeError) -> &'static str {
    match error {
        TradeError::AggTradeId => "negative",
        TradeError::Price => "not above zero",
        TradeError::Quantity => "negative",
        TradeError::Timestamp => "outside the years 1970 to 9999",
        TradeError::TradeIds => "negative, or below the first trade id",
        TradeError::Order => "not above the id before it",
        TradeError::Overflow => "beyond the range of a sum",
    }
}

/// One aggTrade event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TradeEvent<'a> {
    /// The symbol as the event writes it (`BTCUSDT`); borrowed unless it holds escapes.
    pub symbol: Cow<'a, [u8]>,
    /// The trade: validated, in microseconds.
    pub tick: Tick,
    /// The unit of its time on the wire.
    pub unit: TimeUnit,
    /// When the exchange sent the event, microseconds since 1970-01-01 UTC; 0 when it does not say.
    pub event_time_us: i64,
}

/// The error that a reply carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyError<'a> {
    /// The exchange's code, 0 when it gives none.
    pub code: i64,
    /// The exchange's text, empty when it gives none; borrowed unless it holds escapes.
    pub message: Cow<'a, [u8]>,
}

/// What one text message of the server says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerMessage<'a> {
    /// A trade, raw or wrapped in a combined stream's envelope.
    Trade(TradeEvent<'a>),
    /// The answer to a request such as SUBSCRIBE.
    Reply {
        /// The request's id when it is an integer.
        id: Option<i64>,
        /// What went wrong, if it did.
        error: Option<ReplyError<'a>>,
    },
    /// The server is about to restart: open a new connection at once.
    Shutdown,
    /// Well-formed, but not for us.
    Other,
    /// Not JSON, or an aggTrade event that cannot be a trade.
    Rejected(Reject),
}

/// One trade of a REST page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageTrade {
    /// The trade: validated, in microseconds.
    pub tick: Tick,
    /// The unit of its time on the wire.
    pub unit: TimeUnit,
}

/// One row of a REST page that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowError {
    /// The row's id when that much could be read, zero or above.
    pub agg_trade_id: Option<i64>,
    /// Where the row lies in the body.
    pub text: Range<usize>,
    /// Why; offsets in it count from the body's start.
    pub reason: Reject,
    /// The page cannot be read any further: it is the last item of its reader.
    pub fatal: bool,
}
