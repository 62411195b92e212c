//! A place in a JSON text, moving forward over values; strict about the grammar, and bounded in depth.

use std::borrow::Cow;

use super::types::Reject;

/// How deep arrays and objects may lie in each other.
pub const MAX_DEPTH: usize = 64;

pub(super) type Step<T> = Result<T, Reject>;

#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    pub(super) text: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn text_len(&self) -> usize {
        self.text.len()
    }

    /// Passes over bytes of [`Cursor::rest`].
    #[inline]
    pub(super) fn advance(&mut self, len: usize) {
        self.at = self.text.len().min(self.at + len);
    }

    #[inline]
    pub(super) fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    #[cold]
    pub(super) fn fault<T>(&self) -> Step<T> {
        Err(Reject::Syntax { at: self.at })
    }

    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    #[inline]
    pub(super) fn skip_blank(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// Whether `byte` is next; if so it is taken.
    #[inline]
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    #[inline]
    fn eat_word(&mut self, word: &[u8]) -> bool {
        let is_next = self.rest().starts_with(word);
        if is_next {
            self.at += word.len();
        }
        is_next
    }

    #[inline]
    pub(super) fn expect(&mut self, byte: u8) -> Step<()> {
        if self.eat(byte) { Ok(()) } else { self.fault() }
    }

    /// Only blanks may be left.
    pub(super) fn finish(&mut self) -> Step<()> {
        self.skip_blank();
        if self.at < self.text.len() {
            return self.fault();
        }
        Ok(())
    }

    /// After a value of an object or array: whether another one follows.
    #[inline]
    pub(super) fn goes_on(&mut self, close: u8) -> Step<bool> {
        self.skip_blank();
        if self.eat(b',') {
            self.skip_blank();
            return Ok(true);
        }
        self.expect(close).map(|()| false)
    }

    /// After the opening bracket: whether there is anything inside.
    #[inline]
    pub(super) fn has_any(&mut self, close: u8) -> bool {
        self.skip_blank();
        !self.eat(close)
    }

    /// A key and its colon, up to the value.
    #[inline]
    pub(super) fn key(&mut self) -> Step<Cow<'a, [u8]>> {
        let key = self.string()?;
        self.skip_blank();
        self.expect(b':')?;
        self.skip_blank();
        Ok(key)
    }

    /// A string's content.
    #[inline]
    pub(super) fn string(&mut self) -> Step<Cow<'a, [u8]>> {
        self.expect(b'"')?;
        let from = self.at;
        loop {
            match self.peek() {
                Some(b'"') => {
                    let content = self.text.get(from..self.at).unwrap_or_default();
                    self.at += 1;
                    return Ok(Cow::Borrowed(content));
                }
                Some(b'\\') => return self.escaped_string(from).map(Cow::Owned),
                Some(byte) if byte >= 0x20 => self.at += 1,
                _ => return self.fault(),
            }
        }
    }

    /// Passes over one value of any kind that lies `depth` levels deep.
    pub(super) fn skip_value(&mut self, depth: usize) -> Step<()> {
        match self.peek() {
            Some(b'"') => self.string().map(|_| ()),
            Some(b'{' | b'[') if depth >= MAX_DEPTH => Err(Reject::TooDeep),
            Some(b'{') => self.skip_object(depth),
            Some(b'[') => self.skip_array(depth),
            Some(b'-' | b'0'..=b'9') => self.number().map(|_| ()),
            _ => self.word(),
        }
    }

    fn skip_object(&mut self, depth: usize) -> Step<()> {
        self.at += 1;
        let mut goes_on = self.has_any(b'}');
        while goes_on {
            self.key()?;
            self.skip_value(depth + 1)?;
            goes_on = self.goes_on(b'}')?;
        }
        Ok(())
    }

    fn skip_array(&mut self, depth: usize) -> Step<()> {
        self.at += 1;
        let mut goes_on = self.has_any(b']');
        while goes_on {
            self.skip_value(depth + 1)?;
            goes_on = self.goes_on(b']')?;
        }
        Ok(())
    }

    fn word(&mut self) -> Step<()> {
        if self.eat_word(b"true") || self.eat_word(b"false") || self.eat_word(b"null") {
            Ok(())
        } else {
            self.fault()
        }
    }

    fn skip_digits(&mut self) -> Step<()> {
        let from = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == from {
            self.fault()
        } else {
            Ok(())
        }
    }

    /// A number's text.
    pub(super) fn number(&mut self) -> Step<&'a [u8]> {
        let from = self.at;
        self.eat(b'-');
        if !self.eat(b'0') {
            self.skip_digits()?;
        }
        if self.eat(b'.') {
            self.skip_digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            if !self.eat(b'-') {
                self.eat(b'+');
            }
            self.skip_digits()?;
        }
        Ok(self.text.get(from..self.at).unwrap_or_default())
    }

    /// A value that should be an integer; `None` for anything else that is well-formed.
    pub(super) fn integer(&mut self, depth: usize) -> Step<Option<i64>> {
        match super::number::integer(self.rest()) {
            None | Some((_, [b'.' | b'e' | b'E', ..])) => {}
            Some((value, rest)) => {
                self.at = self.text.len() - rest.len();
                return Ok(Some(value));
            }
        }
        if let Some(b'-' | b'0'..=b'9') = self.peek() {
            let text = self.number()?;
            return Ok(std::str::from_utf8(text).ok().and_then(|t| t.parse().ok()));
        }
        self.skip_value(depth).map(|()| None)
    }

    /// A value that should be true or false; `None` for anything else that is well-formed.
    pub(super) fn boolean(&mut self, depth: usize) -> Step<Option<bool>> {
        if self.eat_word(b"true") {
            return Ok(Some(true));
        }
        if self.eat_word(b"false") {
            return Ok(Some(false));
        }
        self.skip_value(depth).map(|()| None)
    }

    /// A value that should be a string; `None` for anything else that is well-formed.
    pub(super) fn text_value(&mut self, depth: usize) -> Step<Option<Cow<'a, [u8]>>> {
        if self.peek() == Some(b'"') {
            return self.string().map(Some);
        }
        self.skip_value(depth).map(|()| None)
    }
}
