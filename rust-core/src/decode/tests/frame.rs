//! Each case whole, one byte at a time, and with bytes behind it.

use crate::decode::{FrameDecoder, FrameError, MAX_MESSAGE, Message};

/// A message that outlives its decoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(u16, String),
    Error(FrameError),
}

fn keep(outcome: Result<Message<'_>, FrameError>) -> Seen {
    match outcome {
        Ok(Message::Text(bytes)) => Seen::Text(bytes.to_vec()),
        Ok(Message::Binary(bytes)) => Seen::Binary(bytes.to_vec()),
        Ok(Message::Ping(bytes)) => Seen::Ping(bytes.to_vec()),
        Ok(Message::Pong(bytes)) => Seen::Pong(bytes.to_vec()),
        Ok(Message::Close { code, reason }) => Seen::Close(code, reason.to_owned()),
        Err(error) => Seen::Error(error),
    }
}

/// Feeds one read and appends what came of it, up to an error.
pub(super) fn feed(decoder: &mut FrameDecoder, bytes: &[u8], seen: &mut Vec<Seen>) {
    let mut rest = bytes;
    loop {
        let (used, found) = decoder.next(rest);
        rest = &rest[used..];
        match found {
            None => {
                assert!(rest.is_empty());
                return;
            }
            Some(outcome) => {
                let is_error = outcome.is_err();
                seen.push(keep(outcome));
                if is_error {
                    assert!(rest.is_empty());
                    return;
                }
            }
        }
    }
}

const LIMIT: usize = 1 << 20;

fn whole(bytes: &[u8]) -> Vec<Seen> {
    let mut seen = Vec::new();
    feed(&mut FrameDecoder::new(LIMIT), bytes, &mut seen);
    seen
}

fn one_byte_at_a_time(bytes: &[u8]) -> Vec<Seen> {
    let mut seen = Vec::new();
    let mut decoder = FrameDecoder::new(LIMIT);
    for byte in bytes {
        feed(&mut decoder, &[*byte], &mut seen);
        if matches!(seen.last(), Some(Seen::Error(_))) {
            break;
        }
    }
    seen
}

fn check(bytes: &[u8], expected: &[Seen]) {
    assert_eq!(whole(bytes), expected, "whole: {bytes:?}");
    assert_eq!(one_byte_at_a_time(bytes), expected, "bytes: {bytes:?}");
    let ends = matches!(expected.last(), Some(Seen::Close(..) | Seen::Error(_)));
    let mut longer = bytes.to_vec();
    longer.extend_from_slice(b"\x89\x01!");
    let mut more = expected.to_vec();
    if !ends {
        more.push(Seen::Ping(b"!".to_vec()));
    }
    assert_eq!(whole(&longer), more, "trailing: {bytes:?}");
}

fn text(content: &[u8]) -> Seen {
    Seen::Text(content.to_vec())
}

/// A frame of a server.
pub(super) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        len @ 0..=125 => bytes.push(len as u8),
        len @ 126..=0xFFFF => {
            bytes.push(126);
            bytes.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            bytes.push(127);
            bytes.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(payload);
    bytes
}

fn frames(parts: &[(u8, &[u8])]) -> Vec<u8> {
    let all = parts.iter().map(|(first, payload)| frame(*first, payload));
    all.collect::<Vec<_>>().concat()
}

#[test]
fn single_frames_of_every_kind_and_length_form() {
    check(b"", &[]);
    check(b"\x81\x00", &[text(b"")]);
    check(b"\x81\x02hi", &[text(b"hi")]);
    check(b"\x82\x02\xff\x00", &[Seen::Binary(vec![0xFF, 0])]);
    check(b"\x89\x00", &[Seen::Ping(vec![])]);
    check(b"\x8a\x03abc", &[Seen::Pong(b"abc".to_vec())]);
    for len in [125, 126, 127, 65_535, 65_536, 70_000] {
        let content = vec![b'x'; len];
        check(&frame(0x81, &content), &[text(&content)]);
    }
}

#[test]
fn fragments_with_control_frames_between() {
    let bytes = frames(&[
        (0x01, b"a\xc3"),
        (0x89, b"p"),
        (0x00, b""),
        (0x8A, b""),
        (0x80, b"\xa4b"),
        (0x02, b"\xff"),
        (0x80, b""),
        (0x81, b"next"),
    ]);
    let expected = [
        Seen::Ping(b"p".to_vec()),
        Seen::Pong(vec![]),
        text("aäb".as_bytes()),
        Seen::Binary(vec![0xFF]),
        text(b"next"),
    ];
    check(&bytes, &expected);
}

#[test]
fn a_close_ends_the_connection() {
    check(b"\x88\x00", &[Seen::Close(1005, String::new())]);
    check(b"\x88\x02\x03\xe8", &[Seen::Close(1000, String::new())]);
    check(
        b"\x88\x05\x0f\xa0bye",
        &[Seen::Close(4000, "bye".to_owned())],
    );
    let bytes = frames(&[(0x01, b"unfinished"), (0x88, b"\x03\xe9")]);
    check(&bytes, &[Seen::Close(1001, String::new())]);
    let mut decoder = FrameDecoder::new(LIMIT);
    feed(&mut decoder, &bytes, &mut Vec::new());
    assert!(decoder.is_closed());
    assert_eq!(decoder.buffered(), 0);
}

#[test]
fn close_codes_that_no_peer_may_send() {
    for code in 0..=5_100_u16 {
        let allowed = matches!(code, 1000..=1003 | 1007..=1013 | 3000..=4999);
        let expected = if allowed {
            Seen::Close(code, String::new())
        } else {
            Seen::Error(FrameError::CloseCode)
        };
        assert_eq!(
            whole(&frame(0x88, &code.to_be_bytes())),
            [expected],
            "{code}"
        );
    }
}

#[test]
fn errors_are_named_and_final() {
    let cases: [(&[u8], FrameError); 17] = [
        (b"\x83\x00", FrameError::Opcode),
        (b"\x8b\x00", FrameError::Opcode),
        (b"\x09\x00", FrameError::FragmentedControl),
        (b"\x89\x7e", FrameError::ControlTooLong),
        (b"\x81\x7e\x00\x7d", FrameError::LengthNotMinimal),
        (
            b"\x81\x7f\0\0\0\0\0\0\xff\xff",
            FrameError::LengthNotMinimal,
        ),
        (b"\x81\x7f\x80\0\0\0\0\0\0\0", FrameError::LengthTooLarge),
        (b"\xc1\x00", FrameError::ReservedBits),
        (b"\x91\x00", FrameError::ReservedBits),
        (b"\x81\x80", FrameError::Masked),
        (b"\x80\x01x", FrameError::UnexpectedContinuation),
        (b"\x00\x00", FrameError::UnexpectedContinuation),
        (b"\x01\x01a\x81\x01b", FrameError::ExpectedContinuation),
        (b"\x81\x02\xff\xff", FrameError::InvalidUtf8),
        (b"\x81\x01\xc3", FrameError::InvalidUtf8),
        (b"\x88\x01\x03", FrameError::CloseLength),
        (b"\x88\x03\x03\xe8\xff", FrameError::InvalidUtf8),
    ];
    for (bytes, error) in cases {
        check(bytes, &[Seen::Error(error)]);
        let mut decoder = FrameDecoder::new(LIMIT);
        feed(&mut decoder, bytes, &mut Vec::new());
        assert!(decoder.is_closed());
        assert_eq!(decoder.next(b"\x81\x00"), (2, Some(Err(error))));
        assert!(!error.text().is_empty());
    }
}

#[test]
fn a_bad_byte_is_found_before_its_message_is_complete() {
    let mut seen = Vec::new();
    let mut decoder = FrameDecoder::new(LIMIT);
    feed(&mut decoder, b"\x01\x04ab\xff", &mut seen);
    assert_eq!(seen, [Seen::Error(FrameError::InvalidUtf8)]);
}

#[test]
fn a_message_is_bounded_over_all_its_fragments() {
    let too_big = || Seen::Error(FrameError::MessageTooBig);
    let run = |bytes: &[u8]| {
        let mut seen = Vec::new();
        feed(&mut FrameDecoder::new(100), bytes, &mut seen);
        seen
    };
    assert_eq!(run(&frame(0x81, &[b'x'; 100])), [text(&[b'x'; 100])]);
    assert_eq!(run(&frame(0x81, &[b'x'; 101])), [too_big()]);
    // The header alone is enough, and a claim reserves nothing.
    assert_eq!(
        run(b"\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"),
        [too_big()]
    );
    let fragments = frames(&[(0x01, &[b'x'; 60]), (0x89, b"p"), (0x80, &[b'x'; 41])]);
    assert_eq!(run(&fragments), [Seen::Ping(b"p".to_vec()), too_big()]);
    let mut decoder = FrameDecoder::new(1 << 20);
    feed(
        &mut decoder,
        b"\x81\x7f\0\0\0\0\x00\x0f\xff\xff",
        &mut Vec::new(),
    );
    assert_eq!(decoder.buffered(), 0);
}

#[test]
fn messages_that_lie_whole_in_the_input_are_lent_from_it() {
    let bytes = b"\x81\x02hi\x89\x01p";
    let mut decoder = FrameDecoder::new(LIMIT);
    let (used, found) = decoder.next(bytes);
    let Some(Ok(Message::Text(content))) = found else {
        panic!("{found:?}");
    };
    assert_eq!(content.as_ptr(), bytes[2..].as_ptr());
    let (_, found) = decoder.next(&bytes[used..]);
    let Some(Ok(Message::Ping(content))) = found else {
        panic!("{found:?}");
    };
    assert_eq!(content.as_ptr(), bytes[6..].as_ptr());
}

/// What looks like a text frame in one piece is none in the middle of something else.
#[test]
fn a_text_frame_begins_only_between_messages() {
    let mut seen = Vec::new();
    let mut decoder = FrameDecoder::new(MAX_MESSAGE);
    feed(&mut decoder, b"\x01\x02hi", &mut seen);
    feed(&mut decoder, b"\x81\x02ho", &mut seen);
    assert_eq!(seen, [Seen::Error(FrameError::ExpectedContinuation)]);

    // 0x8102 bytes of payload, whose length stands at the front of the second read.
    let payload = vec![b'x'; 0x8102];
    let mut seen = Vec::new();
    let mut decoder = FrameDecoder::new(MAX_MESSAGE);
    feed(&mut decoder, b"\x81\x7e", &mut seen);
    feed(
        &mut decoder,
        &[b"\x81\x02", &payload[..]].concat(),
        &mut seen,
    );
    assert_eq!(seen, [Seen::Text(payload)]);
}
