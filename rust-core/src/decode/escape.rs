//! Strings with escapes: rare on this wire, so the only ones that are copied.

use super::cursor::{Cursor, Step};

impl Cursor<'_> {
    /// The content of a string with escapes, from `from` to the closing quote; the cursor stands at the first escape.
    #[cold]
    pub(super) fn escaped_string(&mut self, from: usize) -> Step<Vec<u8>> {
        let mut content = self.text.get(from..self.at).unwrap_or_default().to_vec();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(content);
                }
                Some(b'\\') => {
                    let mut utf8 = [0; 4];
                    let character = self.escape()?.encode_utf8(&mut utf8);
                    content.extend_from_slice(character.as_bytes());
                }
                Some(byte) if byte >= 0x20 => {
                    content.push(byte);
                    self.at += 1;
                }
                _ => return self.fault(),
            }
        }
    }

    /// One escape; halves of a surrogate pair that stand alone become U+FFFD.
    fn escape(&mut self) -> Step<char> {
        self.at += 1;
        let plain = match self.peek() {
            Some(b'u') => return self.unicode_escape(),
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            _ => return self.fault(),
        };
        self.at += 1;
        Ok(plain)
    }

    fn unicode_escape(&mut self) -> Step<char> {
        let high = self.four_hex()?;
        if (0xD800..0xDC00).contains(&high) && self.rest().starts_with(b"\\u") {
            let after_high = self.at;
            self.at += 1;
            let low = self.four_hex()?;
            if (0xDC00..0xE000).contains(&low) {
                let code = 0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = after_high;
        }
        Ok(char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    /// The four digits after a `u`.
    fn four_hex(&mut self) -> Step<u32> {
        self.at += 1;
        let mut value = 0;
        for _ in 0..4 {
            match self.peek().and_then(|byte| char::from(byte).to_digit(16)) {
                Some(digit) => value = value * 16 + digit,
                None => return self.fault(),
            }
            self.at += 1;
        }
        Ok(value)
    }
}
