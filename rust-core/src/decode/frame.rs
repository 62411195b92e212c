//! A client's view of the websocket protocol (RFC 6455): bytes in, messages out.
//!
//! A message that lies whole in the bytes it came with is lent from there; only what is cut by the end of a read, or
//! sent in fragments, is put together in a buffer of its own. Text is checked as it arrives, so that a bad byte is
//! found before the rest of its message. Which bytes are refused, and when, is what wsproto does as a client without
//! extensions; the one addition is the limit on a message.

use super::assembly::{Assembly, ControlPayload};
use super::frame_error::FrameError;
use super::header::{Header, MAX_HEADER, Opcode};

/// The usual limit on one message: 1 MiB.
pub const MAX_MESSAGE: usize = 1 << 20;
/// The first byte of a text message in one frame.
const WHOLE_TEXT: u8 = 0x81;
/// The longest payload whose length stands in the second byte; higher values, and masked frames, say something else.
const MAX_SHORT: usize = 125;
/// Stands for a close frame without a code.
const NO_CODE: u16 = 1005;

/// One whole message of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    /// Text; valid UTF-8.
    Text(&'a [u8]),
    /// Bytes.
    Binary(&'a [u8]),
    /// To be answered by a pong with the same bytes.
    Ping(&'a [u8]),
    /// An answer to a ping of ours.
    Pong(&'a [u8]),
    /// The server ends the connection; whatever follows is ignored.
    Close {
        /// Its code, 1005 when it gave none.
        code: u16,
        /// Its reason, usually empty.
        reason: &'a str,
    },
}

/// A frame whose header was read.
#[derive(Debug, Clone, Copy)]
struct Frame {
    opcode: Opcode,
    is_final: bool,
    /// Payload bytes that have not come yet.
    remaining: u64,
    /// Whether some of its payload was taken already.
    begun: bool,
}

/// A message that is complete, and where its bytes are.
struct Found {
    opcode: Opcode,
    place: Place,
}

enum Place {
    Input { from: usize, to: usize },
    Message,
    Control,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    NotYet,
    Closed,
    Failed(FrameError),
}

/// Cuts the bytes of one connection into messages.
///
/// ```
/// use rangebar_core::decode::{FrameDecoder, MAX_MESSAGE, Message};
///
/// let mut decoder = FrameDecoder::new(MAX_MESSAGE);
/// let bytes = b"\x81\x02hi\x81";
/// assert_eq!(decoder.next(bytes), (4, Some(Ok(Message::Text(b"hi")))));
/// assert_eq!(decoder.next(&bytes[4..]), (1, None));
/// assert_eq!(decoder.next(b"\x00"), (1, Some(Ok(Message::Text(b"")))));
/// ```
#[derive(Debug, Clone)]
pub struct FrameDecoder {
    max_message: usize,
    header: [u8; MAX_HEADER],
    header_len: usize,
    frame: Option<Frame>,
    control: ControlPayload,
    message: Assembly,
    end: End,
}

impl FrameDecoder {
    /// A decoder for a new connection that refuses messages above `max_message` bytes.
    pub fn new(max_message: usize) -> Self {
        Self {
            max_message,
            header: [0; MAX_HEADER],
            header_len: 0,
            frame: None,
            control: ControlPayload::new(),
            message: Assembly::default(),
            end: End::NotYet,
        }
    }

    /// Whether a close frame or an error has ended the connection.
    pub fn is_closed(&self) -> bool {
        self.end != End::NotYet
    }

    /// Bytes held of a message that is not complete.
    pub fn buffered(&self) -> usize {
        self.message.len()
    }

    /// Reads on to the end of the next message; returns how many bytes of `input` that took, and the message.
    ///
    /// Without a message all of `input` was taken. With one, the next call goes on with the rest. An error is final:
    /// all further calls return it. After a close everything is taken and ignored.
    #[inline(always)]
    pub fn next<'a>(
        &'a mut self,
        input: &'a [u8],
    ) -> (usize, Option<Result<Message<'a>, FrameError>>) {
        self.message.forget_lent();
        match self.whole_text(input) {
            Some((used, text)) => (used, Some(Ok(Message::Text(text)))),
            None => self.next_of_any_form(input),
        }
    }

    fn next_of_any_form<'a>(
        &'a mut self,
        input: &'a [u8],
    ) -> (usize, Option<Result<Message<'a>, FrameError>>) {
        match self.end {
            End::NotYet => {}
            End::Closed => return (input.len(), None),
            End::Failed(error) => return (input.len(), Some(Err(error))),
        }
        match self.advance(input) {
            Ok((used, None)) => (used, None),
            Ok((used, Some(found))) => (used, Some(Ok(self.lend(found, input)))),
            Err(error) => {
                self.end = End::Failed(error);
                self.message = Assembly::default();
                (input.len(), Some(Err(error)))
            }
        }
    }

    /// A text message that is one frame, all of it in `input`; `None` leaves everything else to the general way.
    #[inline(always)]
    fn whole_text<'a>(&self, input: &'a [u8]) -> Option<(usize, &'a [u8])> {
        let is_between = self.frame.is_none() && self.header_len == 0 && !self.message.is_open();
        if !is_between || self.end != End::NotYet {
            return None;
        }
        let (header_len, len, rest) = match *input {
            [WHOLE_TEXT, 126, high, low, ref rest @ ..] => {
                (4, u16::from_be_bytes([high, low]).into(), rest)
            }
            [WHOLE_TEXT, len, ref rest @ ..] => (2, usize::from(len), rest),
            _ => return None,
        };
        let is_minimal = (len > MAX_SHORT) == (header_len == 4);
        let text = rest.get(..len)?;
        let is_sound = is_minimal && len <= self.max_message && is_utf8(text);
        is_sound.then_some((header_len + len, text))
    }

    fn lend<'a>(&'a self, found: Found, input: &'a [u8]) -> Message<'a> {
        let bytes = match found.place {
            Place::Input { from, to } => input.get(from..to),
            Place::Message => Some(self.message.payload()),
            Place::Control => Some(self.control.bytes()),
        }
        .unwrap_or_default();
        match found.opcode {
            Opcode::Text | Opcode::Continuation => Message::Text(bytes),
            Opcode::Binary => Message::Binary(bytes),
            Opcode::Ping => Message::Ping(bytes),
            Opcode::Pong => Message::Pong(bytes),
            Opcode::Close => {
                let (code, reason) = close_parts(bytes).unwrap_or((NO_CODE, ""));
                Message::Close { code, reason }
            }
        }
    }

    fn advance(&mut self, input: &[u8]) -> Result<(usize, Option<Found>), FrameError> {
        let mut used = 0;
        loop {
            let rest = input.get(used..).unwrap_or_default();
            let Some(frame) = self.frame else {
                let (taken, header) = self.read_header(rest)?;
                used += taken;
                match header {
                    None => return Ok((used, None)),
                    Some(header) => self.frame = Some(self.admit(header)?),
                }
                continue;
            };
            if frame.remaining > 0 && rest.is_empty() {
                return Ok((used, None));
            }
            let (taken, found) = self.read_payload(frame, rest, used)?;
            used += taken;
            if found.is_some() {
                return Ok((used, found));
            }
        }
    }

    /// Takes bytes of a header; one that was cut by the end of a read is put together first.
    #[inline]
    fn read_header(&mut self, rest: &[u8]) -> Result<(usize, Option<Header>), FrameError> {
        let held = self.header_len;
        let in_one_piece = if held == 0 {
            Header::parse(rest)?
        } else {
            None
        };
        if let Some(header) = in_one_piece {
            return Ok((header.len, Some(header)));
        }
        let room = self.header.get_mut(held..).unwrap_or_default();
        let taken = room.len().min(rest.len());
        for (to, from) in room.iter_mut().zip(rest) {
            *to = *from;
        }
        self.header_len = held + taken;
        let whole = self.header.get(..self.header_len).unwrap_or_default();
        match Header::parse(whole)? {
            None => Ok((taken, None)),
            Some(header) => {
                self.header_len = 0;
                Ok((header.len.saturating_sub(held), Some(header)))
            }
        }
    }

    #[inline]
    fn admit(&self, header: Header) -> Result<Frame, FrameError> {
        if !header.opcode.is_control() {
            let room = self.max_message.saturating_sub(self.message.len());
            if header.payload_len > room as u64 {
                return Err(FrameError::MessageTooBig);
            }
        }
        Ok(Frame {
            opcode: header.opcode,
            is_final: header.is_final,
            remaining: header.payload_len,
            begun: false,
        })
    }

    /// Takes payload of `frame`; `at` is where `rest` begins in the input.
    #[inline]
    fn read_payload(
        &mut self,
        frame: Frame,
        rest: &[u8],
        at: usize,
    ) -> Result<(usize, Option<Found>), FrameError> {
        let taken = usize::try_from(frame.remaining).map_or(rest.len(), |len| len.min(rest.len()));
        let part = rest.get(..taken).unwrap_or_default();
        let remaining = frame.remaining - taken as u64;
        self.frame = (remaining > 0).then_some(Frame {
            remaining,
            begun: true,
            ..frame
        });
        let is_whole = remaining == 0 && !frame.begun;
        let input = Place::Input {
            from: at,
            to: at + taken,
        };
        let found = if frame.opcode.is_control() {
            self.take_control(frame, part, is_whole.then_some(input))?
        } else {
            self.take_data(frame, part, is_whole.then_some(input))?
        };
        Ok((taken, found))
    }

    fn take_control(
        &mut self,
        frame: Frame,
        part: &[u8],
        whole: Option<Place>,
    ) -> Result<Option<Found>, FrameError> {
        let opcode = frame.opcode;
        if let Some(place) = whole {
            check_close(opcode, part)?;
            self.end_at_close(opcode);
            return Ok(Some(Found { opcode, place }));
        }
        if !frame.begun {
            self.control.clear();
        }
        self.control.add(part);
        if self.frame.is_some() {
            return Ok(None);
        }
        check_close(opcode, self.control.bytes())?;
        self.end_at_close(opcode);
        Ok(Some(Found {
            opcode,
            place: Place::Control,
        }))
    }

    fn end_at_close(&mut self, opcode: Opcode) {
        if opcode == Opcode::Close {
            self.end = End::Closed;
            self.message = Assembly::default();
        }
    }

    #[inline]
    fn take_data(
        &mut self,
        frame: Frame,
        part: &[u8],
        whole: Option<Place>,
    ) -> Result<Option<Found>, FrameError> {
        let opcode = frame.opcode;
        if let (false, Some(place), true) = (self.message.is_open(), whole, frame.is_final) {
            return match opcode {
                Opcode::Continuation => Err(FrameError::UnexpectedContinuation),
                Opcode::Text if !is_utf8(part) => Err(FrameError::InvalidUtf8),
                _ => Ok(Some(Found { opcode, place })),
            };
        }
        if !frame.begun {
            self.message.begin(opcode)?;
        }
        let is_complete = frame.is_final && self.frame.is_none();
        let completed = self.message.add(part, is_complete)?;
        Ok(completed.map(|opcode| Found {
            opcode,
            place: Place::Message,
        }))
    }
}

/// Nearly all text is ASCII, which is known sooner.
#[inline(always)]
fn is_utf8(text: &[u8]) -> bool {
    // Without an early end, so that it runs over many bytes at a time.
    let (words, rest) = text.as_chunks::<8>();
    let all = words
        .iter()
        .fold(0, |all, word| all | u64::from_le_bytes(*word));
    let tail = rest.iter().fold(0, |all, byte| all | byte);
    (all & 0x8080_8080_8080_8080 == 0 && tail < 0x80) || is_other_utf8(text)
}

#[cold]
fn is_other_utf8(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok()
}

/// Code and reason of a close frame's payload.
fn close_parts(payload: &[u8]) -> Result<(u16, &str), FrameError> {
    let (code, reason) = match payload {
        [] => return Ok((NO_CODE, "")),
        [_] => return Err(FrameError::CloseLength),
        &[high, low, ref reason @ ..] => (u16::from_be_bytes([high, low]), reason),
    };
    match code {
        1000..=1003 | 1007..=1013 | 3000..=4999 => {}
        _ => return Err(FrameError::CloseCode),
    }
    let reason = std::str::from_utf8(reason).map_err(|_| FrameError::InvalidUtf8)?;
    Ok((code, reason))
}

fn check_close(opcode: Opcode, payload: &[u8]) -> Result<(), FrameError> {
    if opcode == Opcode::Close {
        close_parts(payload)?;
    }
    Ok(())
}
