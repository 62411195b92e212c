//! The header of a frame: two to ten bytes from a server.

use super::frame_error::FrameError;

/// The longest header that a server may send.
pub(super) const MAX_HEADER: usize = 10;
/// The longest payload of a control frame.
pub(super) const MAX_CONTROL: usize = 125;

const FINAL: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xA => Self::Pong,
            _ => return None,
        })
    }

    #[inline]
    pub(super) fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// A whole header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) opcode: Opcode,
    pub(super) is_final: bool,
    pub(super) payload_len: u64,
    /// Bytes of the header itself.
    pub(super) len: usize,
}

impl Header {
    /// Reads a header from the front of `bytes`; `None` when more bytes are needed.
    ///
    /// The checks come in wsproto's order, so that both refuse a frame at the same byte.
    #[inline]
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<Self>, FrameError> {
        let &[first, second, ref rest @ ..] = bytes else {
            return Ok(None);
        };
        let opcode = Opcode::from_bits(first & 0x0F).ok_or(FrameError::Opcode)?;
        let is_final = first & FINAL != 0;
        let short_len = second & !MASKED;
        if opcode.is_control() {
            if !is_final {
                return Err(FrameError::FragmentedControl);
            }
            if usize::from(short_len) > MAX_CONTROL {
                return Err(FrameError::ControlTooLong);
            }
        }
        let Some((payload_len, len)) = payload_len(short_len, rest)? else {
            return Ok(None);
        };
        if first & RESERVED != 0 {
            return Err(FrameError::ReservedBits);
        }
        if second & MASKED != 0 {
            return Err(FrameError::Masked);
        }
        Ok(Some(Self {
            opcode,
            is_final,
            payload_len,
            len,
        }))
    }
}

/// The payload's length and the header's; `None` when more bytes are needed.
#[inline]
fn payload_len(short_len: u8, rest: &[u8]) -> Result<Option<(u64, usize)>, FrameError> {
    match short_len {
        126 => {
            let Some(&[high, low]) = rest.first_chunk::<2>() else {
                return Ok(None);
            };
            let len = u16::from_be_bytes([high, low]);
            if len <= 125 {
                return Err(FrameError::LengthNotMinimal);
            }
            Ok(Some((u64::from(len), 4)))
        }
        127 => {
            let Some(&bytes) = rest.first_chunk::<8>() else {
                return Ok(None);
            };
            let len = u64::from_be_bytes(bytes);
            if len <= u64::from(u16::MAX) {
                return Err(FrameError::LengthNotMinimal);
            }
            if len >> 63 != 0 {
                return Err(FrameError::LengthTooLarge);
            }
            Ok(Some((len, MAX_HEADER)))
        }
        short => Ok(Some((u64::from(short), 2))),
    }
}
