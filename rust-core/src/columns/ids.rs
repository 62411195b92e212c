//! Ids and times of a span: checked and counted, eight at a time.

use super::lanes::{ALL, Groups, Hint, LANES, Lanes, add, ahead, any, bought, newest, sum, width};
use super::scaled::Scaled;
use super::sums::BLOCK_BITS;
use crate::tick::MAX_TIMESTAMP_US;
use core::ops::Range;

/// What the ids and times of a span come to.
pub(super) struct Ids {
    pub(super) trades: i64,
    pub(super) buys: i64,
    pub(super) reversals: u64,
}

impl Ids {
    #[inline(always)]
    pub(super) fn of(rows: &Scaled<'_>, span: Range<usize>, hint: &impl Hint) -> Option<Self> {
        let before = span.start.checked_sub(1)?..span.end.checked_sub(1)?;
        let id = Groups::of(rows.agg_trade_id, span.clone())?;
        let id_before = Groups::of(rows.agg_trade_id, before.clone())?;
        let time = Groups::of(rows.timestamp_us, span.clone())?;
        let time_before = Groups::of(rows.timestamp_us, before)?;
        let first = Groups::of(rows.first_trade_id, span.clone())?;
        let last = Groups::of(rows.last_trade_id, span.clone())?;
        let maker = Groups::of(rows.is_buyer_maker, span.clone())?;

        let mut lanes = IdLanes::default();
        let whole = (id.whole.iter().zip(id_before.whole))
            .zip(time.whole.iter().zip(time_before.whole))
            .zip(first.whole.iter().zip(last.whole))
            .zip(maker.whole);
        for (((ids, times), individual), maker) in whole {
            hint(ahead(individual.0));
            hint(ahead(individual.1));
            lanes.take(ids, times, individual, maker, &ALL);
        }
        let new = span.len() % LANES;
        if new > 0 {
            lanes.take(
                (id.last, id_before.last),
                (time.last, time_before.last),
                (first.last, last.last),
                maker.last,
                &newest(new),
            );
        }
        lanes.reduce()
    }
}

#[derive(Default)]
struct IdLanes {
    /// The sign bit is set once something is wrong.
    wrong: Lanes,
    /// Minus one for each step back in time.
    back: Lanes,
    trades: Lanes,
    buys: Lanes,
    /// Bits of the differences between last and first.
    bits: Lanes,
}

impl IdLanes {
    /// Differences of values that are not negative cannot wrap, and a negative value shows by itself.
    #[inline(always)]
    fn take(
        &mut self,
        (id, id_before): (&Lanes, &Lanes),
        (time, time_before): (&Lanes, &Lanes),
        (first, last): (&Lanes, &Lanes),
        maker: &[u8; LANES],
        live: &Lanes,
    ) {
        for lane in 0..LANES {
            let live = live[lane];
            let not_above = !id_before[lane].wrapping_sub(id[lane]);
            let too_late = MAX_TIMESTAMP_US.wrapping_sub(time[lane]);
            let further = last[lane].wrapping_sub(first[lane]);
            let wrong = (id[lane] | not_above)
                | (time[lane] | too_late)
                | (first[lane] | last[lane] | further);
            let back = time[lane].wrapping_sub(time_before[lane]) >> 63;
            let trades = further.wrapping_add(1) & live;
            let bought = bought(maker[lane]);
            self.wrong[lane] |= wrong & live;
            add(&mut self.back[lane], back & live);
            self.bits[lane] |= further & live;
            add(&mut self.trades[lane], trades);
            add(&mut self.buys[lane], trades & bought);
        }
    }

    #[inline(always)]
    fn reduce(&self) -> Option<Ids> {
        // One bit for the `+ 1` of each count, one for the sign.
        let fits = width(any(&self.bits)) + 1 + BLOCK_BITS < i64::BITS;
        (any(&self.wrong) >= 0 && fits).then_some(Ids {
            trades: sum(&self.trades),
            buys: sum(&self.buys),
            reversals: sum(&self.back).unsigned_abs(),
        })
    }
}
