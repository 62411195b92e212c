//! A run of trades inside one bar, taken at once.

use super::lanes::Hint;
use super::run::Run;
use super::scaled::Scaled;
use super::sums::Sums;
use crate::bar::Bar;
use crate::processor::{Forming, Processor};

/// Takes at most [`BLOCK`] rows from `row` on, up to the end of the forming bar, and says how many.
///
/// `None`, and nothing has changed, when no bar is forming or the rows have to be taken one by one. All rows before
/// `row` must have been taken, and there must be [`LANES`] of them at least.
#[inline(always)]
pub(super) fn take(
    rows: &Scaled<'_>,
    row: usize,
    processor: &mut Processor,
    bars: &mut Vec<Bar>,
    hint: &impl Hint,
) -> Option<usize> {
    let state = &mut processor.state;
    let forming = state.forming.as_mut()?;
    let run = Run::ahead(rows, row, forming, processor.rule, hint)?;
    let end = row + run.len;
    let sums = Sums::of(rows, row..end, &run.ranges, hint)?;
    let last = Last::of(rows, end)?;
    add(forming, &sums, &last, run.len, state.position?)?;
    state.time_reversals = state.time_reversals.saturating_add(sums.time_reversals);
    state.last_timestamp_us = last.timestamp_us;
    state.position = Some(last.agg_trade_id);
    if run.closes {
        bars.push(forming.to_bar());
        state.forming = None;
    }
    Some(run.len)
}

/// The last trade of a run.
struct Last {
    agg_trade_id: i64,
    last_trade_id: i64,
    timestamp_us: i64,
    price: i64,
}

impl Last {
    #[inline(always)]
    fn of(rows: &Scaled<'_>, end: usize) -> Option<Self> {
        let row = end.checked_sub(1)?;
        Some(Self {
            agg_trade_id: *rows.agg_trade_id.get(row)?,
            last_trade_id: *rows.last_trade_id.get(row)?,
            timestamp_us: *rows.timestamp_us.get(row)?,
            price: *rows.price.get(row)?,
        })
    }
}

/// Adds a run of `len` trades to a bar; `None`, and nothing has changed, when a sum leaves its range.
#[inline(always)]
fn add(forming: &mut Forming, sums: &Sums, last: &Last, len: usize, position: i64) -> Option<()> {
    let turnover = forming.turnover.checked_add(sums.turnover)?;
    let trades = forming.individual_trade_count.checked_add(sums.trades)?;
    let came = i64::try_from(len).ok()?;
    // The ids ascend from the position, so the difference is no less than what came.
    let missing = last.agg_trade_id.wrapping_sub(position).wrapping_sub(came);
    let missing = forming.missing_trades.checked_add(missing)?;
    forming.turnover = turnover;
    forming.individual_trade_count = trades;
    forming.missing_trades = missing;
    forming.volume += sums.volume;
    forming.buy_volume += sums.buy_volume;
    forming.buy_turnover += sums.buy_turnover;
    forming.buy_trade_count += sums.buy_trades;
    forming.agg_record_count += came;
    forming.high_e8 = forming.high_e8.max(sums.high_e8);
    forming.low_e8 = forming.low_e8.min(sums.low_e8);
    forming.close_e8 = last.price;
    forming.close_time_us = last.timestamp_us;
    forming.last_trade_id = last.last_trade_id;
    forming.last_agg_trade_id = last.agg_trade_id;
    Some(())
}
