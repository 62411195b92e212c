//! How far the forming bar goes.

use super::lanes::{ALL, Groups, Hint, LANES, Lanes, ahead, newest};
use super::ranges::{RangeLanes, Ranges};
use super::scaled::Scaled;
use super::sums::BLOCK;
use crate::processor::{Forming, Rule};

/// Trades from some row on that belong to the forming bar: at most [`BLOCK`], at least one.
pub(super) struct Run {
    pub(super) len: usize,
    /// Whether the last one closes the bar.
    pub(super) closes: bool,
    pub(super) ranges: Ranges,
}

impl Run {
    /// Looks ahead from a row inside the columns.
    #[inline(always)]
    pub(super) fn ahead(
        rows: &Scaled<'_>,
        row: usize,
        forming: &Forming,
        rule: Rule,
        hint: &impl Hint,
    ) -> Option<Self> {
        let limits = Limits::of(forming, rule);
        let end = rows.len().min(row.checked_add(BLOCK)?);
        let price = Groups::of(rows.price, row..end)?;
        let quantity = Groups::of(rows.quantity, row..end)?;
        let time = Groups::of(rows.timestamp_us, row..end)?;

        let mut lanes = RangeLanes::new(*rows.price.get(row)?);
        let mut seen = 0;
        let mut closing = None;
        for ((price, quantity), time) in price.whole.iter().zip(quantity.whole).zip(time.whole) {
            if limits.breaks(price) {
                closing = limits.closing(price, time);
                if closing.is_some() {
                    break;
                }
            }
            hint(ahead(price));
            hint(ahead(time));
            hint(ahead(quantity));
            lanes.take(price, quantity, &ALL);
            seen += LANES;
        }
        let rest = row + seen..end;
        let closing = match closing {
            None => limits.closing(
                rows.price.get(rest.clone())?,
                rows.timestamp_us.get(rest.clone())?,
            ),
            found => found,
        };
        let new = closing.map_or(rest.len(), |at| at + 1);
        let len = seen + new;
        if new > 0 {
            let price = rows.price.get(..row + len)?.last_chunk()?;
            let quantity = rows.quantity.get(..row + len)?.last_chunk()?;
            lanes.take(price, quantity, &newest(new));
        }
        Some(Self {
            len,
            closes: closing.is_some(),
            ranges: lanes.reduce()?,
        })
    }
}

/// Prices from `floor` to `ceiling` leave the bar open.
struct Limits {
    floor: i64,
    ceiling: i64,
    /// No bar closes at this time.
    gate_us: Option<i64>,
}

impl Limits {
    #[inline(always)]
    fn of(forming: &Forming, rule: Rule) -> Self {
        let ceiling = forming.upper_e8.saturating_sub(1);
        Self {
            floor: forming.lower_e8.saturating_add(1),
            ceiling: i64::try_from(ceiling).unwrap_or(i64::MAX),
            gate_us: (!rule.same_timestamp_close()).then_some(forming.open_time_us),
        }
    }

    /// Negative beyond the limits; a price that is itself negative may give anything.
    #[inline(always)]
    fn room(&self, price: i64) -> i64 {
        price.wrapping_sub(self.floor) | self.ceiling.wrapping_sub(price)
    }

    /// Whether any price of a group lies beyond the limits.
    #[inline(always)]
    fn breaks(&self, prices: &Lanes) -> bool {
        prices
            .iter()
            .fold(false, |any, &price| any | (self.room(price) < 0))
    }

    /// Index of the first trade that closes the bar.
    #[inline(always)]
    fn closing(&self, prices: &[i64], times: &[i64]) -> Option<usize> {
        prices
            .iter()
            .zip(times)
            .position(|(&price, &time)| self.room(price) < 0 && self.gate_us != Some(time))
    }
}
