//! Numbers at the front of a text, eight digits at a time.
//!
//! These are the quick half: they answer for what comes in practice and leave everything else, and every
//! judgement about what is wrong with it, to [`parse_e8`](crate::price::parse_e8) and the slow readers.

/// More digits may not fit; they are left to the slow readers.
const MAX_DIGITS: usize = 18;
/// Whole digits of a decimal whose scaled value surely fits.
const MAX_WHOLE_DIGITS: usize = 10;

const ZEROS: u64 = 0x3030_3030_3030_3030;
const LOW_BITS: u64 = 0x7F7F_7F7F_7F7F_7F7F;
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;
/// Lifts 10 and above over the high bit of a byte, 9 and below not.
const ABOVE_NINE: u64 = 0x7676_7676_7676_7676;

const POWERS: [u64; 9] = [
    1,
    10,
    100,
    1_000,
    10_000,
    100_000,
    1_000_000,
    10_000_000,
    100_000_000,
];

/// How many of the eight characters are digits before the first that is none, and their value.
#[inline]
fn eight(chars: [u8; 8]) -> (usize, u64) {
    let digits = u64::from_le_bytes(chars) ^ ZEROS;
    let others = ((digits & LOW_BITS).wrapping_add(ABOVE_NINE) | digits) & HIGH_BITS;
    let count = (others.trailing_zeros() / 8) as usize;
    if count == 0 {
        return (0, 0);
    }
    // Zeros move in at the front: `12,...` becomes `00000012`.
    let padded = digits << (64 - 8 * count);
    let pairs = padded.wrapping_mul(10).wrapping_add(padded >> 8);
    let value = (pairs & 0x0000_00FF_0000_00FF)
        .wrapping_mul(0x000F_4240_0000_0064)
        .wrapping_add(((pairs >> 16) & 0x0000_00FF_0000_00FF).wrapping_mul(0x0000_2710_0000_0001))
        >> 32;
    (count, value)
}

/// The digits at the front of `text`: how many there are and their value, unless they are more than 18.
#[inline]
fn digits(text: &[u8]) -> Option<(usize, u64)> {
    let mut value: u64 = 0;
    let mut len = 0;
    while let Some(chars) = text.get(len..).and_then(<[u8]>::first_chunk::<8>) {
        let (count, part) = eight(*chars);
        if len + count > MAX_DIGITS {
            return None;
        }
        value = value.wrapping_mul(*POWERS.get(count)?).wrapping_add(part);
        len += count;
        if count < 8 {
            return Some((len, value));
        }
    }
    for byte in text.get(len..)? {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
        len += 1;
        if len > MAX_DIGITS {
            return None;
        }
    }
    Some((len, value))
}

/// A plain integer without sign or leading zeros, and what follows it; `None` leaves it to the slow reader.
#[inline]
pub(super) fn integer(text: &[u8]) -> Option<(i64, &[u8])> {
    let (len, value) = digits(text)?;
    if len == 0 || (len > 1 && text.first() == Some(&b'0')) {
        return None;
    }
    Some((i64::try_from(value).ok()?, text.get(len..)?))
}

/// A plain decimal in units of 10^-8, and what follows it; `None` leaves it to the slow reader.
#[inline]
pub(super) fn decimal_e8(text: &[u8]) -> Option<(i64, &[u8])> {
    let (whole_len, whole) = digits(text)?;
    if whole_len == 0 || whole_len > MAX_WHOLE_DIGITS {
        return None;
    }
    let units = whole * 100_000_000;
    let rest = text.get(whole_len..)?;
    let Some(fraction) = rest.strip_prefix(b".") else {
        return Some((i64::try_from(units).ok()?, rest));
    };
    let (len, value) = digits(fraction)?;
    if len == 0 {
        return None;
    }
    let scale = *POWERS.get(8_usize.checked_sub(len)?)?;
    Some((
        i64::try_from(units + value * scale).ok()?,
        fraction.get(len..)?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::random::Random;
    use crate::price::parse_e8;

    #[test]
    fn integers_end_at_the_first_other_character() {
        assert_eq!(integer(b"0"), Some((0, &b""[..])));
        assert_eq!(integer(b"12345,"), Some((12345, &b","[..])));
        assert_eq!(
            integer(b"1672515782136123}x"),
            Some((1_672_515_782_136_123, &b"}x"[..]))
        );
        assert_eq!(
            integer(b"999999999999999999"),
            Some((999_999_999_999_999_999, &b""[..]))
        );
        for text in [
            &b""[..],
            b"-1",
            b"01",
            b"x",
            b"1000000000000000000",
            b"12345678901234567890123",
        ] {
            assert_eq!(integer(text), None, "{text:?}");
        }
    }

    #[test]
    fn any_byte_after_the_digits_ends_them() {
        for other in (0..=255_u8).filter(|byte| !byte.is_ascii_digit()) {
            let text = [b'4', b'2', other, b'7', b'7', b'7', b'7', b'7', b'7'];
            assert_eq!(integer(&text), Some((42, text.get(2..).unwrap())));
        }
    }

    #[test]
    fn decimals_agree_with_the_strict_parser() {
        let mut random = Random::new(11);
        for _ in 0..200_000 {
            let mut text: Vec<u8> = (0..random.below(24))
                .map(|_| *random.pick(b"0123456789012345678901234567890.."))
                .collect();
            let len = text.len();
            text.extend_from_slice(if random.below(2) == 0 {
                b"\",\"q\":"
            } else {
                b""
            });
            let Some((value, rest)) = decimal_e8(&text) else {
                continue;
            };
            if text.len() - rest.len() == len {
                assert_eq!(parse_e8(&text[..len]), Ok(value));
            }
        }
    }
}
