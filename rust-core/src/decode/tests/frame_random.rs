//! Any cut of a byte sequence gives the same messages, whether the sequence is sound, damaged or noise.

use super::frame::{Seen, feed, frame};
use crate::decode::FrameDecoder;
use crate::decode::random::Random;

fn some_text(random: &mut Random) -> Vec<u8> {
    let len = *random.pick(&[0, 1, 3, 40, 125, 126, 200, 70_000]);
    let mut content = Vec::new();
    while content.len() < len {
        content.extend_from_slice(random.pick(&["a", "ß", "€", "🦀"]).as_bytes());
    }
    content
}

fn control(random: &mut Random, bytes: &mut Vec<u8>, seen: &mut Vec<Seen>) {
    let len = random.below(126);
    let payload = random.bytes(len);
    if random.below(2) == 0 {
        bytes.extend(frame(0x89, &payload));
        seen.push(Seen::Ping(payload));
    } else {
        bytes.extend(frame(0x8A, &payload));
        seen.push(Seen::Pong(payload));
    }
}

/// A sound sequence, and what it says.
fn sound(random: &mut Random) -> (Vec<u8>, Vec<Seen>) {
    let (mut bytes, mut seen) = (Vec::new(), Vec::new());
    for _ in 0..random.below(6) {
        if random.below(3) == 0 {
            control(random, &mut bytes, &mut seen);
        }
        let is_text = random.below(2) == 0;
        let content = some_text(random);
        let mut opcode = if is_text { 1 } else { 2 };
        let mut rest = content.as_slice();
        while random.below(3) == 0 {
            let (head, tail) = rest.split_at(random.below(rest.len() + 1));
            bytes.extend(frame(opcode, head));
            opcode = 0;
            rest = tail;
            if random.below(3) == 0 {
                control(random, &mut bytes, &mut seen);
            }
        }
        bytes.extend(frame(0x80 | opcode, rest));
        seen.push(if is_text {
            Seen::Text(content)
        } else {
            Seen::Binary(content)
        });
    }
    (bytes, seen)
}

fn in_pieces(random: &mut Random, bytes: &[u8]) -> Vec<Seen> {
    let mut decoder = FrameDecoder::new(1 << 20);
    let mut seen = Vec::new();
    let mut rest = bytes;
    let longest = *random.pick(&[2, 20, 3_000, 100_000]);
    while !rest.is_empty() && !decoder.is_closed() {
        let (piece, tail) = rest.split_at(random.below(longest).min(rest.len()));
        feed(&mut decoder, piece, &mut seen);
        rest = tail;
    }
    seen
}

#[test]
fn sound_sequences_say_what_was_sent() {
    let mut random = Random::new(1);
    for _ in 0..400 {
        let (bytes, expected) = sound(&mut random);
        assert_eq!(in_pieces(&mut random, &bytes), expected);
    }
}

#[test]
fn damaged_sequences_do_not_depend_on_the_cut() {
    let mut random = Random::new(2);
    let mut errors = 0;
    for round in 0..1_500 {
        let (mut bytes, _) = sound(&mut random);
        if round % 3 == 0 {
            let len = random.below(64);
            bytes = random.bytes(len);
        }
        for _ in 0..random.below(4) {
            if !bytes.is_empty() {
                let at = random.below(bytes.len().min(400));
                bytes[at] ^= 1 << random.below(8);
            }
        }
        let mut whole = Vec::new();
        feed(&mut FrameDecoder::new(1 << 20), &bytes, &mut whole);
        assert_eq!(in_pieces(&mut random, &bytes), whole);
        errors += usize::from(matches!(whole.last(), Some(Seen::Error(_))));
    }
    assert!(errors > 100, "{errors}");
}

#[test]
fn any_two_bytes_have_an_answer() {
    for first in 0..=255 {
        for second in 0..=255 {
            let mut seen = Vec::new();
            let mut decoder = FrameDecoder::new(64);
            feed(&mut decoder, &[first, second], &mut seen);
            let refused = matches!(seen.last(), Some(Seen::Error(_)));
            assert!(!refused || decoder.is_closed());
            if first & 0x70 != 0 && second & 0x7F < 126 {
                assert!(refused, "{first:#x} {second:#x}");
            }
        }
    }
}
