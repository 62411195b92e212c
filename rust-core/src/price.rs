//! Decimal text and floats to fixed-point integers scaled by 10^8, exactly or not at all.

/// Units in one: prices and quantities are integers of 10^-8.
pub const SCALE_E8: i64 = 100_000_000;
/// Decimals that the scale holds.
pub const DECIMALS: usize = 8;

/// Why a number was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecimalError {
    /// No digits at all, or none on one side of the point.
    Empty,
    /// A leading `-` or `+`: prices and quantities carry no sign (`-0.5` is negative, and so is `-0`).
    Sign,
    /// A character that is neither a digit nor the one point; exponents end here too.
    Character,
    /// More than eight decimals.
    TooManyDecimals,
    /// Does not fit a signed 64-bit integer after scaling.
    Overflow,
    /// A float that is not a finite number.
    NotFinite,
    /// A float that is not within 4 ulp of a number with at most eight decimals.
    NotExact,
}

/// Parses plain decimal text (`112070.01`) to an integer of 10^-8.
///
/// The value is exact; whatever cannot be exact is refused. Accepted is `digits[.digits]` with at most eight
/// decimals; signs, exponents, blanks and a bare point are not.
///
/// ```
/// assert_eq!(rangebar_core::price::parse_e8(b"112070.01"), Ok(11_207_001_000_000));
/// ```
#[inline]
pub fn parse_e8(text: &[u8]) -> Result<i64, DecimalError> {
    match text.first() {
        None => return Err(DecimalError::Empty),
        Some(b'-' | b'+') => return Err(DecimalError::Sign),
        Some(_) => {}
    }
    let mut value: i64 = 0;
    let mut point: Option<usize> = None;
    for (at, &byte) in text.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            value = value
                .checked_mul(10)
                .and_then(|v| v.checked_add(i64::from(digit)))
                .ok_or_else(|| overflow_or_decimals(text))?;
        } else if byte == b'.' && point.is_none() {
            point = Some(at);
        } else {
            return Err(DecimalError::Character);
        }
    }
    let decimals = match point {
        None => 0,
        Some(at) => {
            if at == 0 || at + 1 == text.len() {
                return Err(DecimalError::Empty);
            }
            text.len() - at - 1
        }
    };
    if decimals > DECIMALS {
        return Err(DecimalError::TooManyDecimals);
    }
    value
        .checked_mul(POWERS[DECIMALS - decimals])
        .ok_or(DecimalError::Overflow)
}

const POWERS: [i64; DECIMALS + 1] = [
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

/// Digits ran out of range: say "too many decimals" when that is the mend, "overflow" when it is not.
#[cold]
fn overflow_or_decimals(text: &[u8]) -> DecimalError {
    if text.iter().any(|b| !(b.is_ascii_digit() || *b == b'.')) {
        return DecimalError::Character;
    }
    match text.iter().position(|&b| b == b'.') {
        Some(at) if text.len() - at - 1 > DECIMALS => DecimalError::TooManyDecimals,
        _ => DecimalError::Overflow,
    }
}

/// Floats below this many units have one nearest eight-decimal number; above, neighbours merge.
pub(crate) const EXACT_UNITS: f64 = (1_u64 << 51) as f64;

/// Converts a float to an integer of 10^-8.
///
/// Below 2^51 units the nearest integer is taken when the float lies within 4 ulp of it (three float operations on
/// a price keep that close); above, the shortest decimal text that reads back as the same float decides, as
/// `Decimal(repr(x))` does in Python. Negative numbers, NaN and infinities are refused.
#[inline]
pub fn float_to_e8(value: f64) -> Result<i64, DecimalError> {
    if !value.is_finite() {
        return Err(DecimalError::NotFinite);
    }
    if value.is_sign_negative() && value != 0.0 {
        return Err(DecimalError::Sign);
    }
    let units = (value * SCALE_E8 as f64).round_ties_even();
    if units >= EXACT_UNITS {
        return shortest_text_to_e8(value);
    }
    let nearest = units / SCALE_E8 as f64;
    let magnitude = value.abs(); // -0.0 is zero
    let ulp = f64::from_bits(magnitude.to_bits() + 1) - magnitude;
    if (nearest - value).abs() <= 4.0 * ulp {
        Ok(units as i64)
    } else {
        Err(DecimalError::NotExact)
    }
}

/// Room for the longest plain form of a float below 2^63 units: eleven digits, the point, seventeen decimals.
struct TextBuffer {
    bytes: [u8; 64],
    len: usize,
}

impl core::fmt::Write for TextBuffer {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let end = self.len + text.len();
        let room = self.bytes.get_mut(self.len..end).ok_or(core::fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

#[cold]
fn shortest_text_to_e8(value: f64) -> Result<i64, DecimalError> {
    use core::fmt::Write as _;
    let mut text = TextBuffer {
        bytes: [0; 64],
        len: 0,
    };
    // Rust prints the shortest digits that read back as the same float, without an exponent.
    write!(text, "{value}").map_err(|_| DecimalError::Overflow)?;
    match parse_e8(&text.bytes[..text.len]) {
        Err(DecimalError::TooManyDecimals) => Err(DecimalError::NotExact),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_exact_or_refused() {
        assert_eq!(parse_e8(b"112070.01"), Ok(11_207_001_000_000));
        assert_eq!(parse_e8(b"0.00000001"), Ok(1));
        assert_eq!(parse_e8(b"0"), Ok(0));
        assert_eq!(parse_e8(b"92233720368.54775807"), Ok(i64::MAX));
        assert_eq!(
            parse_e8(b"92233720368.54775808"),
            Err(DecimalError::Overflow)
        );
        assert_eq!(parse_e8(b"1.000000001"), Err(DecimalError::TooManyDecimals));
        assert_eq!(
            parse_e8(b"1.00000000000000000000000000"),
            Err(DecimalError::TooManyDecimals)
        );
        assert_eq!(parse_e8(b"-0.5"), Err(DecimalError::Sign));
        assert_eq!(parse_e8(b"+1"), Err(DecimalError::Sign));
        assert_eq!(parse_e8(b""), Err(DecimalError::Empty));
        assert_eq!(parse_e8(b"."), Err(DecimalError::Empty));
        assert_eq!(parse_e8(b"1."), Err(DecimalError::Empty));
        assert_eq!(parse_e8(b".5"), Err(DecimalError::Empty));
        for text in [&b"1e5"[..], b"1.2.3", b" 1", b"1 ", b"NaN", b"1_000"] {
            assert_eq!(parse_e8(text), Err(DecimalError::Character), "{text:?}");
        }
    }

    #[test]
    fn floats_land_on_their_decimal() {
        assert_eq!(float_to_e8(112_070.01), Ok(11_207_001_000_000));
        assert_eq!(float_to_e8(0.1 + 0.2), Ok(30_000_000));
        assert_eq!(float_to_e8(0.0), Ok(0));
        assert_eq!(float_to_e8(-0.0), Ok(0));
        assert_eq!(float_to_e8(-1.0), Err(DecimalError::Sign));
        assert_eq!(float_to_e8(f64::NAN), Err(DecimalError::NotFinite));
        assert_eq!(float_to_e8(f64::INFINITY), Err(DecimalError::NotFinite));
        assert_eq!(float_to_e8(1.0 / 3.0), Err(DecimalError::NotExact));
        assert_eq!(float_to_e8(1e-9), Err(DecimalError::NotExact));
    }

    #[test]
    fn wide_floats_follow_their_shortest_text() {
        assert_eq!(float_to_e8(1_234_567_890.5), Ok(123_456_789_050_000_000));
        assert_eq!(float_to_e8(30_000_000.1), Ok(3_000_000_010_000_000));
        assert_eq!(float_to_e8(1e12), Err(DecimalError::Overflow));
        assert_eq!(float_to_e8(1e300), Err(DecimalError::Overflow));
    }
}
