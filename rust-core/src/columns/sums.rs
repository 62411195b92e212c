//! What a span of at most [`BLOCK`] trades adds to its bar, in three loops over eight lanes.

use super::ids::Ids;
use super::lanes::Hint;
use super::money::Money;
use super::ranges::Ranges;
use super::scaled::Scaled;
use core::ops::Range;

/// Trades that are summed at a time; they stay in the first-level cache between the loops.
pub(super) const BLOCK: usize = 128;
/// Bits that a sum over a block needs more than its largest part.
pub(super) const BLOCK_BITS: u32 = BLOCK.ilog2();

/// What a span of trades adds up to.
pub(super) struct Sums {
    pub(super) low_e8: i64,
    pub(super) high_e8: i64,
    pub(super) volume: i128,
    pub(super) turnover: i128,
    pub(super) buy_volume: i128,
    pub(super) buy_turnover: i128,
    pub(super) trades: i64,
    pub(super) buy_trades: i64,
    pub(super) time_reversals: u64,
}

impl Sums {
    /// Sums a span of at most [`BLOCK`] rows, or `None` when a row of it might be refused or a sum might not fit: then
    /// the rows have to be taken one by one.
    ///
    /// The row before the span must have been taken already, and the span must not begin before row [`LANES`].
    #[inline(always)]
    pub(super) fn of(
        rows: &Scaled<'_>,
        span: Range<usize>,
        ranges: &Ranges,
        hint: &impl Hint,
    ) -> Option<Self> {
        let ids = Ids::of(rows, span.clone(), hint)?;
        let money = Money::of(rows, span, ranges, hint)?;
        let base = i128::from(ranges.low);
        let whole = |volume: i64| i128::from(volume) << money.quantity_zeros;
        let turnover = |volume: i128, above: i128| {
            base.wrapping_mul(volume).wrapping_add(above << money.zeros)
        };
        let (volume, buy_volume) = (whole(money.volume), whole(money.buy_volume));
        Some(Self {
            low_e8: ranges.low,
            high_e8: ranges.high,
            volume,
            turnover: turnover(volume, money.above),
            buy_volume,
            buy_turnover: turnover(buy_volume, money.buy_above),
            trades: ids.trades,
            buy_trades: ids.buys,
            time_reversals: ids.reversals,
        })
    }
}
