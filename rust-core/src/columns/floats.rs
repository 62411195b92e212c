//! Columns of floats, converted to the engine's units a piece at a time, so that the piece is still in the cache when
//! the fold reads it.

use super::lanes::{Hint, LANES, Lanes, ahead};
use super::scaled::Scaled;
use super::{Columns, Decimals, RowError};
use crate::price::{DecimalError, EXACT_UNITS, SCALE_E8, float_to_e8};
use core::ops::Range;

/// Rows that are converted at a time: 16 KiB for prices and quantities.
pub(super) const PIECE: usize = 1024;

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
        hint: &impl Hint,
    ) -> (Scaled<'s>, Option<RowError>) {
        let (price, price_error) = self.price.scaled(range.clone(), &mut scratch.price, hint);
        let (quantity, quantity_error) =
            self.quantity
                .scaled(range.clone(), &mut scratch.quantity, hint);
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
        hint: &impl Hint,
    ) -> (&'s [i64], Option<DecimalError>) {
        match self {
            Self::Scaled(values) => (part(values, range), None),
            Self::Floats(values) => {
                scratch.resize(PIECE, 0);
                let (len, error) = convert(part(values, range), scratch, hint);
                (part(scratch, 0..len), error)
            }
        }
    }
}

/// Converts into `out` and says how many values came before the first that is not exact.
#[inline(always)]
fn convert(values: &[f64], out: &mut [i64], hint: &impl Hint) -> (usize, Option<DecimalError>) {
    let (groups, rest) = values.as_chunks::<LANES>();
    let (out_groups, _) = out.as_chunks_mut::<LANES>();
    let mut done = 0;
    for (group, out) in groups.iter().zip(out_groups) {
        hint(ahead(group));
        if let Some(units) = clean(group) {
            *out = units;
        } else {
            let (converted, error) = convert_singly(group, out);
            if error.is_some() {
                return (done + converted, error);
            }
        }
        done += LANES;
    }
    let (converted, error) = convert_singly(rest, out.get_mut(done..).unwrap_or(&mut []));
    (done + converted, error)
}

#[cold]
fn convert_singly(values: &[f64], out: &mut [i64]) -> (usize, Option<DecimalError>) {
    for (row, (&value, unit)) in values.iter().zip(out).enumerate() {
        match float_to_e8(value) {
            Ok(units) => *unit = units,
            Err(error) => return (row, Some(error)),
        }
    }
    (values.len(), None)
}

/// Eight values as [`float_to_e8`] converts them, as long as that is plain: `None` says nothing about the values.
///
/// There the quotient `rounded / 10^8` must be within 4 ulp of the value. Here it is enough, and takes no division, that
/// `rounded` is within 2u of the product, u being 2^-53, at most one ulp of any value relative to it: with the product's
/// own rounding that makes 3 ulp of the value, and the quotient's rounding at most 1 more. A float that was read from a
/// decimal passes.
#[inline(always)]
fn clean(values: &[f64; LANES]) -> Option<Lanes> {
    /// Adding 2^52 leaves no room for a fraction: the sum is rounded to even, and its low bits are the integer.
    const ROUNDER: f64 = (1_u64 << 52) as f64;
    let mut units = [0; LANES];
    let mut clean = true;
    for (unit, &value) in units.iter_mut().zip(values) {
        let product = value * SCALE_E8 as f64;
        let shifted = product + ROUNDER;
        let rounded = shifted - ROUNDER;
        let near = (product - rounded).abs() <= rounded * f64::EPSILON;
        // Not near: NaN, as in every comparison, and a negative value, whose bound is negative.
        clean &= near & (rounded < EXACT_UNITS);
        *unit = shifted.to_bits().wrapping_sub(ROUNDER.to_bits()) as i64;
    }
    clean.then_some(units)
}
