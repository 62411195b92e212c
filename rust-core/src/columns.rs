//! Whole columns of trades at once: validated, scaled and folded into bars without a [`Tick`] per row in memory.

use crate::bar::Bar;
use crate::price::{DecimalError, float_to_e8};
use crate::processor::Processor;
use crate::tick::{Tick, TradeError};

/// A column of prices or quantities.
#[derive(Debug, Clone, Copy)]
pub enum Decimals<'a> {
    /// Units of 10^-8.
    Scaled(&'a [i64]),
    /// Plain floats, each within 4 ulp of a number with at most eight decimals.
    Floats(&'a [f64]),
}

impl Decimals<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Scaled(values) => values.len(),
            Self::Floats(values) => values.len(),
        }
    }

    /// The value of a row inside the column.
    fn get_e8(&self, row: usize) -> Result<i64, DecimalError> {
        match self {
            Self::Scaled(values) => values.get(row).copied().ok_or(DecimalError::Empty),
            Self::Floats(values) => values
                .get(row)
                .ok_or(DecimalError::Empty)
                .and_then(|&value| float_to_e8(value)),
        }
    }
}

/// Trades as columns of equal length; individual ids default to the aggregate id (one individual trade a row).
#[derive(Debug, Clone, Copy)]
pub struct Columns<'a> {
    /// Aggregate trade ids.
    pub agg_trade_id: &'a [i64],
    /// Times in microseconds.
    pub timestamp_us: &'a [i64],
    /// Prices.
    pub price: Decimals<'a>,
    /// Quantities.
    pub quantity: Decimals<'a>,
    /// Sides: 0 for a buy, anything else for a sell.
    pub is_buyer_maker: &'a [u8],
    /// First individual ids.
    pub first_trade_id: Option<&'a [i64]>,
    /// Last individual ids.
    pub last_trade_id: Option<&'a [i64]>,
}

/// What a row was refused for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowError {
    /// The price column holds no exact decimal there.
    PriceText(DecimalError),
    /// The quantity column holds no exact decimal there.
    QuantityText(DecimalError),
    /// The trade as a whole.
    Trade(TradeError),
}

/// A refused batch of columns: nothing of it was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnsError {
    /// The columns are not of one length.
    Lengths,
    /// A row was refused.
    Row {
        /// Its index.
        index: usize,
        /// Why.
        error: RowError,
    },
}

impl Columns<'_> {
    /// Rows, or `None` when the columns differ in length.
    pub fn rows(&self) -> Option<usize> {
        let rows = self.agg_trade_id.len();
        let equal = self.timestamp_us.len() == rows
            && self.price.len() == rows
            && self.quantity.len() == rows
            && self.is_buyer_maker.len() == rows
            && self.first_trade_id.is_none_or(|ids| ids.len() == rows)
            && self.last_trade_id.is_none_or(|ids| ids.len() == rows);
        equal.then_some(rows)
    }

    /// One row as a trade; the row must be below [`Columns::rows`].
    fn tick(&self, row: usize) -> Result<Tick, RowError> {
        let get = |column: &[i64]| column.get(row).copied().unwrap_or(-1);
        let agg_trade_id = get(self.agg_trade_id);
        Ok(Tick {
            agg_trade_id,
            price_e8: self.price.get_e8(row).map_err(RowError::PriceText)?,
            quantity_e8: self.quantity.get_e8(row).map_err(RowError::QuantityText)?,
            first_trade_id: self.first_trade_id.map_or(agg_trade_id, get),
            last_trade_id: self.last_trade_id.map_or(agg_trade_id, get),
            timestamp_us: get(self.timestamp_us),
            is_buyer_maker: self.is_buyer_maker.get(row).copied().unwrap_or(0),
            ..Tick::default()
        })
    }
}

impl Processor {
    /// Takes every row and appends the bars that closed to `bars`.
    ///
    /// All or nothing: when a row is refused, neither the processor nor `bars` has changed.
    pub fn push_columns(
        &mut self,
        columns: &Columns<'_>,
        bars: &mut Vec<Bar>,
    ) -> Result<(), ColumnsError> {
        let rows = columns.rows().ok_or(ColumnsError::Lengths)?;
        let before = self.state;
        let len_before = bars.len();
        for index in 0..rows {
            let pushed = columns
                .tick(index)
                .and_then(|tick| self.push(&tick).map_err(RowError::Trade));
            match pushed {
                Ok(None) => {}
                Ok(Some(bar)) => bars.push(bar),
                Err(error) => {
                    self.state = before;
                    bars.truncate(len_before);
                    return Err(ColumnsError::Row { index, error });
                }
            }
        }
        Ok(())
    }
}
