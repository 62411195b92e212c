//! Where messages are put together that do not lie whole in one read.

use super::frame_error::FrameError;
use super::header::{MAX_CONTROL, Opcode};

/// A buffer that grew beyond this is given back after its message.
const KEPT_CAPACITY: usize = 1 << 16;

/// The unfinished text or binary message of a connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Assembly {
    /// Text or binary while a message is unfinished.
    opcode: Option<Opcode>,
    payload: Vec<u8>,
    /// Bytes of the payload that are known to be whole UTF-8 characters.
    checked: usize,
    /// The payload is complete and was lent out.
    is_lent: bool,
}

impl Assembly {
    /// Whether a message is unfinished.
    #[inline]
    pub(super) fn is_open(&self) -> bool {
        self.opcode.is_some()
    }

    /// Bytes of the unfinished message.
    #[inline]
    pub(super) fn len(&self) -> usize {
        if self.is_lent { 0 } else { self.payload.len() }
    }

    pub(super) fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Forgets the message that the last call lent out.
    #[inline]
    pub(super) fn forget_lent(&mut self) {
        if self.is_lent {
            if self.payload.capacity() > KEPT_CAPACITY {
                *self = Self::default();
            } else {
                self.payload.clear();
                self.checked = 0;
                self.is_lent = false;
            }
        }
    }

    /// Whose message a frame's first bytes belong to.
    pub(super) fn begin(&mut self, opcode: Opcode) -> Result<(), FrameError> {
        match (self.opcode, opcode) {
            (Some(_), Opcode::Continuation) => {}
            (Some(_), _) => return Err(FrameError::ExpectedContinuation),
            (None, Opcode::Continuation) => return Err(FrameError::UnexpectedContinuation),
            (None, opcode) => self.opcode = Some(opcode),
        }
        Ok(())
    }

    /// Takes bytes; returns what the message is when they complete it.
    pub(super) fn add(
        &mut self,
        part: &[u8],
        is_complete: bool,
    ) -> Result<Option<Opcode>, FrameError> {
        self.payload.extend_from_slice(part);
        if self.opcode == Some(Opcode::Text) {
            self.check_text(is_complete)?;
        }
        if !is_complete {
            return Ok(None);
        }
        self.is_lent = true;
        Ok(self.opcode.take())
    }

    /// Checks what has come since the last check; a character may be cut at the end unless the message is complete.
    fn check_text(&mut self, is_complete: bool) -> Result<(), FrameError> {
        let fresh = self.payload.get(self.checked..).unwrap_or_default();
        match std::str::from_utf8(fresh) {
            Ok(_) => self.checked = self.payload.len(),
            Err(error) if error.error_len().is_some() || is_complete => {
                return Err(FrameError::InvalidUtf8);
            }
            Err(error) => self.checked += error.valid_up_to(),
        }
        Ok(())
    }
}

/// The payload of one control frame that did not come in one piece.
#[derive(Debug, Clone)]
pub(super) struct ControlPayload {
    bytes: [u8; MAX_CONTROL],
    len: usize,
}

impl ControlPayload {
    pub(super) fn new() -> Self {
        Self {
            bytes: [0; MAX_CONTROL],
            len: 0,
        }
    }

    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    /// Takes bytes; a control frame never has more than there is room for.
    pub(super) fn add(&mut self, part: &[u8]) {
        let room = self.bytes.get_mut(self.len..).unwrap_or_default();
        for (to, from) in room.iter_mut().zip(part) {
            *to = *from;
            self.len += 1;
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}
