//! Columns of integers of one length, and the path that takes them row by row.

use crate::bar::Bar;
use crate::processor::Processor;
use crate::tick::{Tick, TradeError};
use core::ops::Range;

/// Rows in the engine's own units.
#[derive(Clone, Copy)]
pub(super) struct Scaled<'a> {
    pub(super) agg_trade_id: &'a [i64],
    pub(super) timestamp_us: &'a [i64],
    pub(super) price: &'a [i64],
    pub(super) quantity: &'a [i64],
    pub(super) is_buyer_maker: &'a [u8],
    pub(super) first_trade_id: &'a [i64],
    pub(super) last_trade_id: &'a [i64],
}

impl Scaled<'_> {
    pub(super) fn len(&self) -> usize {
        self.agg_trade_id.len()
    }

    /// One row as a trade, `None` outside the columns.
    #[inline]
    fn tick(&self, row: usize) -> Option<Tick> {
        Some(Tick {
            agg_trade_id: *self.agg_trade_id.get(row)?,
            price_e8: *self.price.get(row)?,
            quantity_e8: *self.quantity.get(row)?,
            first_trade_id: *self.first_trade_id.get(row)?,
            last_trade_id: *self.last_trade_id.get(row)?,
            timestamp_us: *self.timestamp_us.get(row)?,
            is_buyer_maker: *self.is_buyer_maker.get(row)?,
            ..Tick::default()
        })
    }

    /// Takes the rows of a range one by one, or fails at the first that is refused.
    #[inline(never)]
    pub(super) fn push_rows(
        &self,
        range: Range<usize>,
        processor: &mut Processor,
        bars: &mut Vec<Bar>,
    ) -> Result<(), (usize, TradeError)> {
        for row in range {
            let Some(tick) = self.tick(row) else { break };
            if let Some(bar) = processor.push(&tick).map_err(|error| (row, error))? {
                bars.push(bar);
            }
        }
        Ok(())
    }
}
