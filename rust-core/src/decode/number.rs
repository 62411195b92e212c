//! Numbers at the front of a text, eight digits at a time.
//!
//! These are the quick half: they answer for what comes in practice and leave everything else, and every
//! judgement about what is wrong with it, to [`parse_e8`](crate::price::parse_e8) and the slow readers.

/// More digits may not fit; they are left to the slow readers.
const MAX_DIGITS: usize = 18;
/// Whole digits of a decimal whose scaled value surely fits.
const MAX_WHOLE_DIGITS: usize = 10;

const ZEROS: u64 = 0x3030_3030_3030_3030;
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;
/// Lifts what is above `9` over the high bit of a byte, and `9` not.
const ABOVE_NINE: u64 = 0x4646_4646_4646_4646;

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

/// The values of eight digits a byte each, the first in the lowest, and a word whose lowest bit is in the first byte that
/// is no digit; whatever stands above it in either of the two means nothing.
#[inline(always)]
fn unpacked(chars: [u8; 8]) -> (u64, u64) {
    let chars = u64::from_le_bytes(chars);
    // A carry or a borrow leaves only a byte that is no digit, and goes upwards.
    let digits = chars.wrapping_sub(ZEROS);
    let others = (digits | chars.wrapping_add(ABOVE_NINE)) & HIGH_BITS;
    (digits, others)
}

/// The number that eight digits make.
#[inline(always)]
fn joined(digits: u64) -> u64 {
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    (pairs & 0x0000_00FF_0000_00FF)
        .wrapping_mul(0x000F_4240_0000_0064)
        .wrapping_add(((pairs >> 16) & 0x0000_00FF_0000_00FF).wrapping_mul(0x0000_2710_0000_0001))
        >> 32
}

/// How many digits stand before the first other character.
#[inline(always)]
fn count(others: u64) -> usize {
    (others.trailing_zeros() / 8) as usize
}

/// The first `count` of eight digits, at most seven, with zeros in front: `12,...` becomes `00000012`.
#[inline(always)]
fn right(digits: u64, count: usize) -> u64 {
    // In two steps, since none at all would be a shift by 64.
    (digits << (56 - 8 * (count & 7))) << 8
}

/// The first `count` of eight digits, at most seven, with zeros behind: `12,...` becomes `12000000`.
#[inline(always)]
fn left(digits: u64, count: usize) -> u64 {
    digits & !(u64::MAX << (8 * (count & 7)))
}

/// The digits at the front of `text`: how many there are and their value, unless they are more than 18.
#[inline]
fn digits(text: &[u8]) -> Option<(usize, u64)> {
    let mut value: u64 = 0;
    let mut len = 0;
    for byte in text {
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
#[inline(always)]
pub(super) fn integer(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some((first, rest)) = text.split_first_chunk() else {
        return any_integer(text);
    };
    let (digits, others) = unpacked(*first);
    let starts_with_zero = digits & 0xFF == 0;
    if others != 0 {
        let len = count(others);
        if len == 0 || (len > 1 && starts_with_zero) {
            return None;
        }
        return Some((joined(right(digits, len)) as i64, text.get(len..)?));
    }
    if starts_with_zero {
        return None;
    }
    let high = joined(digits);
    let Some((second, behind)) = rest.split_first_chunk() else {
        return any_integer(text);
    };
    let (digits, others) = unpacked(*second);
    if others == 0 {
        if behind.first().is_some_and(u8::is_ascii_digit) {
            return any_integer(text);
        }
        let value = high.wrapping_mul(100_000_000).wrapping_add(joined(digits));
        return Some((value as i64, behind));
    }
    let len = count(others);
    let value = high
        .wrapping_mul(*POWERS.get(len)?)
        .wrapping_add(joined(right(digits, len)));
    Some((value as i64, rest.get(len..)?))
}

/// The same, digit by digit: for what stands at the very end of a text, or has more than 16 digits.
#[cold]
fn any_integer(text: &[u8]) -> Option<(i64, &[u8])> {
    let (len, value) = digits(text)?;
    if len == 0 || (len > 1 && text.first() == Some(&b'0')) {
        return None;
    }
    Some((i64::try_from(value).ok()?, text.get(len..)?))
}

/// A plain decimal in units of 10^-8, and what follows it; `None` leaves it to the slow reader.
#[inline(always)]
pub(super) fn decimal_e8(text: &[u8]) -> Option<(i64, &[u8])> {
    match usual_decimal_e8(text) {
        None => any_decimal_e8(text),
        found => found,
    }
}

/// One to seven digits, the point, one to eight digits.
#[inline(always)]
fn usual_decimal_e8(text: &[u8]) -> Option<(i64, &[u8])> {
    let (digits, others) = unpacked(*text.first_chunk()?);
    let len = count(others);
    if len == 0 || len == 8 {
        return None;
    }
    let units = joined(right(digits, len)).wrapping_mul(100_000_000);
    let fraction = text.get(len..)?.strip_prefix(b".")?;
    let (chars, behind) = fraction.split_first_chunk()?;
    let (digits, others) = unpacked(*chars);
    if others == 0 {
        if behind.first().is_some_and(u8::is_ascii_digit) {
            return None;
        }
        return Some((units.wrapping_add(joined(digits)) as i64, behind));
    }
    let len = count(others);
    if len == 0 {
        return None;
    }
    let value = units.wrapping_add(joined(left(digits, len)));
    Some((value as i64, fraction.get(len..)?))
}

/// The same, digit by digit: for whole numbers, very large ones, and the very end of a text.
#[cold]
fn any_decimal_e8(text: &[u8]) -> Option<(i64, &[u8])> {
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

    /// Digits of any number, and what may stand behind them; now and then nothing does.
    fn some_number(random: &mut Random, chars: &[u8]) -> Vec<u8> {
        let mut text: Vec<u8> = (0..random.below(24)).map(|_| *random.pick(chars)).collect();
        let len = random.below(13);
        let rest = match random.below(3) {
            0 => b"\",\"l\":12345".to_vec(),
            1 => random.bytes(len),
            _ => Vec::new(),
        };
        text.extend(rest);
        text
    }

    #[test]
    fn eight_at_a_time_is_as_one_at_a_time() {
        let mut random = Random::new(12);
        let (mut integers, mut decimals) = (0, 0);
        for _ in 0..400_000 {
            let text = some_number(&mut random, b"01234567890123456789");
            assert_eq!(integer(&text), any_integer(&text), "{text:?}");
            integers += usize::from(integer(&text).is_some());

            let text = some_number(&mut random, b"0123456789012345678901234567890.");
            if let Some(usual) = usual_decimal_e8(&text) {
                assert_eq!(Some(usual), any_decimal_e8(&text), "{text:?}");
                decimals += 1;
            }
        }
        assert!(
            integers > 50_000 && decimals > 10_000,
            "{integers} {decimals}"
        );
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
