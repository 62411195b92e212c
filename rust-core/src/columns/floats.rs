//! Columns of floats, converted to the engine's units a piece at a time, so that the piece is still in the cache when
//! the fold reads it.

use super::lanes::{LANES, Lanes};
use super::scaled::Scaled;
use super::{Columns, Decimals, RowError};
use crate::price::{DecimalError, EXACT_UNITS, SCALE_E8, float_to_e8};
use core::ops::Range;

/// Rows that are converted at a time: 32 KiB for prices and quantities.
pub(super) const PIECE: usize = 2048;

/// Room for the converted rows of one piece; empty while every column holds integers.
#[derive(Default)]
pub(super) struct Scratch {
    price: Vec<i64>,
    quantity: Vec<i64>,
}

impl Columns<'_> {
    pub(super) fn has_floats(&self) -> bool {
        matches!(self.price, Decimals::Floats(_)) || matches!(self.quantity, Decimals::Floats(_))
    }

    /// The rows of a range in the engine's units, up to the first that has no exact value, and what is wrong with that.
    #[inline(always)]
    pub(super) fn piece<'s>(
        &'s self,
        range: Range<usize>,
        scratch: &'s mut Scratch,
    ) -> (Scaled<'s>, Option<RowError>) {
        let (price, price_error) = self.price.scaled(range.clone(), &mut scratch.price);
        let (quantity, quantity_error) = self.quantity.scaled(range.clone(), &mut scratch.quantity);
        let len = price.len().min(quantity.len());
        // The price is looked at first, as for a single trade.
        let error = match (price_error, quantity_error) {
            (Some(error), _) if price.len() == len => Some(RowError::PriceText(error)),
            (_, Some(error)) if quantity.len() == len => Some(RowError::QuantityText(error)),
            _ => None,
        };
        let rows = range.start..range.start + len;
        let ids = part(self.agg_trade_id, rows.clone());
        let scaled = Scaled {
            agg_trade_id: ids,
            timestamp_us: part(self.timestamp_us, rows.clone()),
            price: part(price, 0..len),
            quantity: part(quantity, 0..len),
            is_buyer_maker: part(self.is_buyer_maker, rows.clone()),
            first_trade_id: self.first_trade_id.map_or(ids, |c| part(c, rows.clone())),
            last_trade_id: self.last_trade_id.map_or(ids, |c| part(c, rows)),
        };
        (scaled, error)
    }
}

/// A part of a column; the range lies within.
#[inline]
fn part<T>(column: &[T], range: Range<usize>) -> &[T] {
    column.get(range).unwrap_or(&[])
}

impl Decimals<'_> {
    /// The values of a range up to the first that is not exact, and what is wrong with that.
    #[inline(always)]
    fn scaled<'s>(
        &'s self,
        range: Range<usize>,
        scratch: &'s mut Vec<i64>,
    ) -> (&'s [i64], Option<DecimalError>) {
        match self {
            Self::Scaled(values) => (part(values, range), None),
            Self::Floats(values) => {
                scratch.clear();
                let error = convert(part(values, range), scratch).err();
                (scratch, error)
            }
        }
    }
}

/// Appends the values up to the first that is not exact.
#[inline(always)]
fn convert(values: &[f64], out: &mut Vec<i64>) -> Result<(), DecimalError> {
    let (groups, rest) = values.as_chunks::<LANES>();
    for group in groups {
        match near(group) {
            Some(units) => out.extend_from_slice(&units),
            None => convert_singly(group, out)?,
        }
    }
    convert_singly(rest, out)
}

#[cold]
fn convert_singly(values: &[f64], out: &mut Vec<i64>) -> Result<(), DecimalError> {
    for &value in values {
        out.push(float_to_e8(value)?);
    }
    Ok(())
}

/// Eight values as [`float_to_e8`] converts them, unless one is refused or too large for arithmetic alone.
#[inline(always)]
fn near(values: &[f64; LANES]) -> Option<Lanes> {
    /// Adding 2^52 leaves no room for a fraction: the sum is rounded to even, and its low bits are the integer.
    const ROUNDER: f64 = (1_u64 << 52) as f64;
    let mut units = [0; LANES];
    let mut exact = true;
    for (unit, &value) in units.iter_mut().zip(values) {
        let shifted = value * SCALE_E8 as f64 + ROUNDER;
        let rounded = shifted - ROUNDER;
        let magnitude = value.abs(); // -0.0 is zero
        let ulp = f64::from_bits(magnitude.to_bits().wrapping_add(1)) - magnitude;
        let distance = (rounded / SCALE_E8 as f64 - value).abs();
        // Every comparison is false for NaN.
        exact &= (value >= 0.0) & (rounded < EXACT_UNITS) & (distance <= 4.0 * ulp);
        *unit = shifted.to_bits().wrapping_sub(ROUNDER.to_bits()) as i64;
    }
    exact.then_some(units)
}
