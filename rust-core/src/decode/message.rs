//! The text of one websocket message: a trade, a reply, a warning of the server, or nothing for us.

use std::borrow::Cow;

use super::cursor::Cursor;
use super::number::integer;
use super::trade::{TradeFields, quick_fields, quick_trade};
use super::types::{Reject, ReplyError, ServerMessage, TimeUnit, TradeEvent};

/// Reads one text message, raw or in a combined stream's envelope.
///
/// Keys may come in any order, unknown ones are passed over. A key that a trade needs may be there once only; of
/// all others the last counts.
///
/// ```
/// use rangebar_core::decode::{ServerMessage, decode_message};
///
/// let text = br#"{"e":"aggTrade","E":1672515782136,"s":"BNBBTC","a":12345,"p":"0.001","q":"100",
///     "f":100,"l":105,"T":1672515782136,"m":true,"M":true}"#;
/// let ServerMessage::Trade(event) = decode_message(text) else { panic!() };
/// assert_eq!(event.tick.price_e8, 100_000);
/// ```
#[inline]
pub fn decode_message(text: &[u8]) -> ServerMessage<'_> {
    match quick_message(text) {
        Some(event) => ServerMessage::Trade(event),
        None => read_message(text),
    }
}

/// The documented forms of a trade, without blanks; `None` leaves everything else to [`read_message`].
#[inline(always)]
pub(crate) fn quick_message(text: &[u8]) -> Option<TradeEvent<'_>> {
    let Some(wrapped) = text.strip_prefix(b"{\"stream\":\"") else {
        let (event, rest) = quick_event(text)?;
        return rest.is_empty().then_some(event);
    };
    let (_, rest) = quick_string(wrapped)?;
    let (event, rest) = quick_event(rest.strip_prefix(b",\"data\":")?)?;
    (rest == b"}").then_some(event)
}

#[inline(always)]
fn quick_event(text: &[u8]) -> Option<(TradeEvent<'_>, &[u8])> {
    let (event_time, rest) = integer(text.strip_prefix(b"{\"e\":\"aggTrade\",\"E\":")?)?;
    let (symbol, (tick, unit, rest)) = match rest.strip_prefix(b",\"s\":\"") {
        Some(rest) => {
            let (symbol, rest) = quick_string(rest)?;
            (symbol, quick_trade(rest.strip_prefix(b",")?)?)
        }
        // As futures have it.
        None => {
            let (id, rest) = integer(rest.strip_prefix(b",\"a\":")?)?;
            let (symbol, rest) = quick_string(rest.strip_prefix(b",\"s\":\"")?)?;
            (symbol, quick_fields(id, rest)?)
        }
    };
    let event = TradeEvent {
        symbol: Cow::Borrowed(symbol),
        tick,
        unit,
        event_time_us: TimeUnit::of(event_time).to_microseconds(event_time),
    };
    Some((event, rest.strip_prefix(b"}")?))
}

/// The rest of a string of plain characters, and what follows its closing quote.
#[inline(always)]
fn quick_string(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut len = 0_usize;
    while let Some(chars) = text.get(len..)?.first_chunk() {
        let stops = stops(u64::from_le_bytes(*chars));
        len = len.wrapping_add((stops.trailing_zeros() / 8) as usize);
        if stops != 0 {
            break;
        }
    }
    let (content, rest) = text.split_at_checked(len)?;
    if let Some(rest) = rest.strip_prefix(b"\"") {
        return Some((content, rest));
    }
    None
}

/// The lowest bit says where the first of eight characters is a quote, a backslash or a control character.
#[inline(always)]
fn stops(chars: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH_BITS: u64 = 0x8080_8080_8080_8080;
    // A borrow reaches only bytes above one that is below, so the lowest bit is always right.
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word & HIGH_BITS;
    let is = |byte: u8| below(chars ^ (ONES * u64::from(byte)), 1);
    is(b'"') | is(b'\\') | below(chars, 0x20)
}

/// Any text: the definition of what a message says.
pub(crate) fn read_message(text: &[u8]) -> ServerMessage<'_> {
    let mut cursor = Cursor::new(text);
    let mut outer = Fields::default();
    let mut inner = Fields::default();
    match read_whole(&mut cursor, &mut outer, &mut inner) {
        Err(fault) => ServerMessage::Rejected(fault),
        Ok(()) if outer.has_data && outer.event == Event::None => inner.into_message(),
        Ok(()) => outer.into_message(),
    }
}

fn read_whole<'a>(
    cursor: &mut Cursor<'a>,
    outer: &mut Fields<'a>,
    inner: &mut Fields<'a>,
) -> Result<(), Reject> {
    cursor.skip_blank();
    if cursor.peek() == Some(b'{') {
        outer.read(cursor, 0, Some(inner))?;
    } else {
        cursor.skip_value(0)?;
    }
    cursor.finish()
}

/// What `e` says.
#[derive(Debug, Default, PartialEq, Eq)]
enum Event {
    #[default]
    None,
    AggTrade,
    Shutdown,
    Unknown,
}

/// Everything in one object that tells what it is.
#[derive(Debug, Default)]
struct Fields<'a> {
    trade: TradeFields<'a>,
    event: Event,
    event_time: i64,
    has_data: bool,
    has_id: bool,
    id: Option<i64>,
    has_result: bool,
    /// The newer form of a refusal.
    error: Option<ReplyError<'a>>,
    /// The older form of a refusal, and its text.
    code: Option<i64>,
    message: Cow<'a, [u8]>,
}

impl<'a> Fields<'a> {
    /// Reads the object at the cursor; an object under `data` goes to `data`.
    fn read(
        &mut self,
        cursor: &mut Cursor<'a>,
        depth: usize,
        mut data: Option<&mut Fields<'a>>,
    ) -> Result<(), Reject> {
        cursor.expect(b'{')?;
        let mut goes_on = cursor.has_any(b'}');
        while goes_on {
            let key = cursor.key()?;
            if let Some(field) = TradeFields::field(&key) {
                self.trade.take(field, cursor, depth + 1)?;
            } else {
                self.take(&key, cursor, depth + 1, data.as_deref_mut())?;
            }
            goes_on = cursor.goes_on(b'}')?;
        }
        Ok(())
    }

    fn take(
        &mut self,
        key: &[u8],
        cursor: &mut Cursor<'a>,
        depth: usize,
        data: Option<&mut Fields<'a>>,
    ) -> Result<(), Reject> {
        match (key, data) {
            (b"e", _) => {
                self.event = match cursor.text_value(depth)?.as_deref() {
                    Some(b"aggTrade") => Event::AggTrade,
                    Some(b"serverShutdown") => Event::Shutdown,
                    _ => Event::Unknown,
                }
            }
            (b"E", _) => self.event_time = cursor.integer(depth)?.unwrap_or(0).max(0),
            (b"data", Some(inner)) => {
                *inner = Fields::default();
                self.has_data = cursor.peek() == Some(b'{');
                if self.has_data {
                    inner.read(cursor, depth, None)?;
                } else {
                    cursor.skip_value(depth)?;
                }
            }
            (b"id", _) => {
                self.has_id = true;
                self.id = cursor.integer(depth)?;
            }
            (b"result", _) => {
                self.has_result = true;
                cursor.skip_value(depth)?;
            }
            (b"error", _) if cursor.peek() == Some(b'{') => {
                self.error = Some(read_error(cursor, depth)?);
            }
            (b"error", _) => {
                self.error = None;
                cursor.skip_value(depth)?;
            }
            (b"code", _) => self.code = Some(cursor.integer(depth)?.unwrap_or(0)),
            (b"msg", _) => self.message = cursor.text_value(depth)?.unwrap_or_default(),
            _ => cursor.skip_value(depth)?,
        }
        Ok(())
    }

    fn into_message(mut self) -> ServerMessage<'a> {
        match self.event {
            Event::AggTrade => match self.trade_event() {
                Ok(event) => ServerMessage::Trade(event),
                Err(fault) => ServerMessage::Rejected(fault),
            },
            Event::Shutdown => ServerMessage::Shutdown,
            Event::Unknown => ServerMessage::Other,
            Event::None => self.into_reply(),
        }
    }

    fn into_reply(self) -> ServerMessage<'a> {
        let message = self.message;
        let older = self.code.map(|code| ReplyError { code, message });
        let error = self.error.or(older);
        if error.is_none() && !(self.has_id && self.has_result) {
            return ServerMessage::Other;
        }
        ServerMessage::Reply { id: self.id, error }
    }

    fn trade_event(&mut self) -> Result<TradeEvent<'a>, Reject> {
        let (tick, unit) = self.trade.finish()?;
        Ok(TradeEvent {
            symbol: self.trade.take_symbol()?,
            tick,
            unit,
            event_time_us: TimeUnit::of(self.event_time).to_microseconds(self.event_time),
        })
    }
}

/// What is under `error`: `{"code":..,"msg":".."}`.
fn read_error<'a>(cursor: &mut Cursor<'a>, depth: usize) -> Result<ReplyError<'a>, Reject> {
    let (mut code, mut message) = (0, Cow::default());
    cursor.expect(b'{')?;
    let mut goes_on = cursor.has_any(b'}');
    while goes_on {
        match cursor.key()?.as_ref() {
            b"code" => code = cursor.integer(depth + 1)?.unwrap_or(0),
            b"msg" => message = cursor.text_value(depth + 1)?.unwrap_or_default(),
            _ => cursor.skip_value(depth + 1)?,
        }
        goes_on = cursor.goes_on(b'}')?;
    }
    Ok(ReplyError { code, message })
}
