//! Bars as columns: what data frames want, each column in one piece of memory.
//!
//! Prices, volumes and turnover become the nearest float; [`exact`] keeps them as integers. The order of the columns is
//! part of the C interface.

use crate::bar::Bar;

/// Columns of 64-bit integers, in the order of [`fill`].
pub const INTEGER_COLUMNS: usize = 12;
/// Columns of floats, in the order of [`fill`].
pub const FLOAT_COLUMNS: usize = 20;
/// Columns that [`exact`] gives as 128-bit integers.
pub const EXACT_COLUMNS: usize = 11;

/// How the values of a column are kept and read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Microseconds since 1970-01-01 UTC, in an integer column.
    Time(usize),
    /// A count, an id or a duration, in an integer column.
    Integer(usize),
    /// A feature, in a float column.
    Float(usize),
    /// A decimal number: a float column, and an exact column.
    Decimal(usize, usize),
}

/// Every column by its name, in the order in which a table shows them.
pub const COLUMNS: [(&str, Kind); INTEGER_COLUMNS + FLOAT_COLUMNS] = [
    ("open_time", Kind::Time(0)),
    ("close_time", Kind::Time(1)),
    ("open", Kind::Decimal(0, 0)),
    ("high", Kind::Decimal(1, 1)),
    ("low", Kind::Decimal(2, 2)),
    ("close", Kind::Decimal(3, 3)),
    ("volume", Kind::Decimal(4, 4)),
    ("turnover", Kind::Decimal(5, 5)),
    ("vwap", Kind::Decimal(6, 6)),
    ("buy_volume", Kind::Decimal(7, 7)),
    ("sell_volume", Kind::Decimal(8, 8)),
    ("buy_turnover", Kind::Decimal(9, 9)),
    ("sell_turnover", Kind::Decimal(10, 10)),
    ("individual_trade_count", Kind::Integer(2)),
    ("agg_record_count", Kind::Integer(3)),
    ("buy_trade_count", Kind::Integer(4)),
    ("sell_trade_count", Kind::Integer(5)),
    ("first_trade_id", Kind::Integer(6)),
    ("last_trade_id", Kind::Integer(7)),
    ("first_agg_trade_id", Kind::Integer(8)),
    ("last_agg_trade_id", Kind::Integer(9)),
    ("duration_us", Kind::Integer(10)),
    ("ofi", Kind::Float(11)),
    ("vwap_close_deviation", Kind::Float(12)),
    ("price_impact", Kind::Float(13)),
    ("kyle_lambda_proxy", Kind::Float(14)),
    ("trade_intensity", Kind::Float(15)),
    ("volume_per_trade", Kind::Float(16)),
    ("aggression_ratio", Kind::Float(17)),
    ("aggregation_density", Kind::Float(18)),
    ("turnover_imbalance", Kind::Float(19)),
    ("missing_trades", Kind::Integer(11)),
];

/// Whether the exact column holds units of 10^-16 (turnover) and not of 10^-8.
pub const fn is_turnover(exact_column: usize) -> bool {
    matches!(exact_column, 5 | 9 | 10)
}

/// Units of a price or a quantity in one.
pub const UNIT_E8: u64 = 100_000_000;
/// Units of a turnover in one.
pub const UNIT_E16: u64 = UNIT_E8 * UNIT_E8;
/// Integers up to here, and both units, are floats without rounding, so one division rounds once.
const EXACT_FLOATS: u128 = 1 << 53;

/// `value / unit` as the nearest float (ties to even), which is what Python's `/` of two integers gives.
pub fn to_float(value: i128, unit: u64) -> f64 {
    let magnitude = value.unsigned_abs();
    let float = if magnitude <= EXACT_FLOATS {
        magnitude as f64 / unit as f64
    } else {
        wide_to_float(magnitude, unit)
    };
    if value < 0 { -float } else { float }
}

/// As [`to_float`], above 2^53: a quotient of at least 55 bits whose last bit says whether something follows it.
#[cold]
fn wide_to_float(magnitude: u128, unit: u64) -> f64 {
    let unit = u128::from(unit);
    // The unit has at most 54 bits, so the quotient keeps at least 127 - 54 = 73 of the 127 that are filled here.
    let shift = magnitude.leading_zeros().saturating_sub(1);
    let shifted = magnitude << shift;
    let quotient = shifted / unit;
    let sticky = u128::from(!shifted.is_multiple_of(unit));
    // A power of two: this changes the exponent only.
    (quotient | sticky) as f64 / (1_u128 << shift) as f64
}

/// The decimal numbers of a bar in the order of [`COLUMNS`], as integers of their units.
pub fn exact(bar: &Bar) -> [i128; EXACT_COLUMNS] {
    let [volume, turnover] = [i128::from(bar.volume), i128::from(bar.turnover)];
    let [buy_volume, buy_turnover] = [i128::from(bar.buy_volume), i128::from(bar.buy_turnover)];
    [
        bar.open_e8.into(),
        bar.high_e8.into(),
        bar.low_e8.into(),
        bar.close_e8.into(),
        volume,
        turnover,
        bar.vwap_e8().into(),
        buy_volume,
        volume.saturating_sub(buy_volume),
        buy_turnover,
        turnover.saturating_sub(buy_turnover),
    ]
}

fn integers(bar: &Bar) -> [i64; INTEGER_COLUMNS] {
    [
        bar.open_time_us,
        bar.close_time_us,
        bar.individual_trade_count,
        bar.agg_record_count,
        bar.buy_trade_count,
        bar.individual_trade_count
            .saturating_sub(bar.buy_trade_count),
        bar.first_trade_id,
        bar.last_trade_id,
        bar.first_agg_trade_id,
        bar.last_agg_trade_id,
        bar.close_time_us.saturating_sub(bar.open_time_us),
        bar.missing_trades,
    ]
}

fn floats(bar: &Bar) -> [f64; FLOAT_COLUMNS] {
    let features = bar.features();
    let mut row = [0.0; FLOAT_COLUMNS];
    for (column, (slot, value)) in row.iter_mut().zip(exact(bar)).enumerate() {
        let unit = if is_turnover(column) {
            UNIT_E16
        } else {
            UNIT_E8
        };
        *slot = to_float(value, unit);
    }
    let derived = [
        features.ofi,
        features.vwap_close_deviation,
        features.price_impact,
        features.kyle_lambda_proxy,
        features.trade_intensity,
        features.volume_per_trade,
        features.aggression_ratio,
        features.aggregation_density,
        features.turnover_imbalance,
    ];
    for (slot, value) in row.iter_mut().skip(EXACT_COLUMNS).zip(derived) {
        *slot = value;
    }
    row
}

/// Writes one value a column: column after column, `rows` values each.
#[inline]
fn scatter<T: Copy, const N: usize>(out: &mut [T], rows: usize, row: usize, values: [T; N]) {
    let cells = out.iter_mut().skip(row).step_by(rows.max(1));
    for (slot, value) in cells.zip(values) {
        *slot = value;
    }
}

/// Writes the integer columns and the float columns, column after column, `bars.len()` values each.
///
/// Cells beyond the end of a buffer are left out.
pub fn fill(bars: &[Bar], integer_columns: &mut [i64], float_columns: &mut [f64]) {
    for (row, bar) in bars.iter().enumerate() {
        scatter(integer_columns, bars.len(), row, integers(bar));
        scatter(float_columns, bars.len(), row, floats(bar));
    }
}

/// Writes the exact columns, column after column, `bars.len()` values each.
pub fn fill_exact(bars: &[Bar], columns: &mut [i128]) {
    for (row, bar) in bars.iter().enumerate() {
        scatter(columns, bars.len(), row, exact(bar));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_the_nearest() {
        assert_eq!(to_float(11_207_001_000_000, UNIT_E8), 112_070.01);
        assert_eq!(to_float(-1, UNIT_E8), -1e-8);
        assert_eq!(to_float(0, UNIT_E16), 0.0);
        assert_eq!(
            to_float(i128::from(i64::MAX), UNIT_E8),
            92_233_720_368.547_76
        );
        // Text to float rounds once, so it is the reference.
        for bits in 53..127 {
            let value = (1_i128 << bits) + 1;
            let text = format!(
                "{}.{:016}",
                value / 10_i128.pow(16),
                value % 10_i128.pow(16)
            );
            assert_eq!(Ok(to_float(value, UNIT_E16)), text.parse(), "2^{bits} + 1");
        }
    }

    #[test]
    fn every_column_has_its_own_place() {
        let mut seen = [[0_u8; FLOAT_COLUMNS]; 3];
        for (_, kind) in COLUMNS {
            match kind {
                Kind::Time(at) | Kind::Integer(at) => seen[0][at] += 1,
                Kind::Float(at) => seen[1][at] += 1,
                Kind::Decimal(at, exact) => {
                    seen[1][at] += 1;
                    seen[2][exact] += 1;
                }
            }
        }
        assert_eq!(seen[0][..INTEGER_COLUMNS], [1; INTEGER_COLUMNS]);
        assert_eq!(seen[1], [1; FLOAT_COLUMNS]);
        assert_eq!(seen[2][..EXACT_COLUMNS], [1; EXACT_COLUMNS]);
    }

    #[test]
    fn columns_lie_one_after_the_other() {
        let bars = [1_i64, 2, 3].map(|n| Bar {
            open_time_us: n,
            close_time_us: n + 10,
            open_e8: 100_000_000 * n,
            missing_trades: n,
            ..Bar::default()
        });
        let mut ints = [0; INTEGER_COLUMNS * 3];
        let mut floats = [0.0; FLOAT_COLUMNS * 3];
        fill(&bars, &mut ints, &mut floats);
        assert_eq!(ints[..6], [1, 2, 3, 11, 12, 13]);
        assert_eq!(ints[33..], [1, 2, 3]);
        assert_eq!(floats[..3], [1.0, 2.0, 3.0]);
        let mut wide = [0; EXACT_COLUMNS * 3];
        fill_exact(&bars, &mut wide);
        assert_eq!(wide[..3], [100_000_000, 200_000_000, 300_000_000]);
    }
}
