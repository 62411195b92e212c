//! What can be wrong with a frame, in words for people and in codes for the closing handshake.

/// Why the bytes of a connection are not the websocket protocol; the connection is of no further use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FrameError {
    /// An opcode that the protocol does not know.
    Opcode,
    /// A control frame without the final bit.
    FragmentedControl,
    /// A control frame with more than 125 bytes.
    ControlTooLong,
    /// A length in more bytes than it needs.
    LengthNotMinimal,
    /// A length of 2^63 or more.
    LengthTooLarge,
    /// A reserved bit, though no extension was agreed on.
    ReservedBits,
    /// A masked frame: servers never mask.
    Masked,
    /// A continuation of nothing.
    UnexpectedContinuation,
    /// A new message inside an unfinished one.
    ExpectedContinuation,
    /// Text, or the reason of a close, that is not UTF-8.
    InvalidUtf8,
    /// A close frame with half a code.
    CloseLength,
    /// A close code that no peer may send.
    CloseCode,
    /// A message above the limit.
    MessageTooBig,
}

impl FrameError {
    /// The code for our own close frame.
    pub fn close_code(self) -> u16 {
        match self {
            Self::InvalidUtf8 => 1007,
            Self::MessageTooBig => 1009,
            _ => 1002,
        }
    }

    /// One phrase for a message to people.
    pub fn text(self) -> &'static str {
        match self {
            Self::Opcode => "unknown opcode",
            Self::FragmentedControl => "fragmented control frame",
            Self::ControlTooLong => "control frame above 125 bytes",
            Self::LengthNotMinimal => "length in more bytes than needed",
            Self::LengthTooLarge => "length of 2^63 or more",
            Self::ReservedBits => "reserved bit without an extension",
            Self::Masked => "masked frame from a server",
            Self::UnexpectedContinuation => "continuation without a message",
            Self::ExpectedContinuation => "new message inside an unfinished one",
            Self::InvalidUtf8 => "text is not UTF-8",
            Self::CloseLength => "close frame of one byte",
            Self::CloseCode => "close code that no peer may send",
            Self::MessageTooBig => "message above the limit",
        }
    }
}

impl std::fmt::Display for FrameError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.text())
    }
}

impl std::error::Error for FrameError {}
