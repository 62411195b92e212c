//! Whole columns of trades at once: validated, scaled and folded into bars without a [`Tick`] per row in memory.
//!
//! The rule stands in [`Processor::push`]; what this room adds is speed. Runs of trades inside one bar are summed in
//! blocks of eight lanes ([`block`]), written as plain safe loops that the compiler turns into vector code, once for
//! each instruction set ([`kernels`]). A block answers only when its arithmetic is provably exact and every trade is
//! fine; for everything else (the first trade of a bar, wide values, refused rows, bars of a few trades) the rows go
//! through [`Processor::push`] one by one. So the slow path is the definition and the fast path a short cut.

mod block;
mod floats;
mod fold;
mod ids;
mod kernels;
mod lanes;
mod money;
mod ranges;
mod run;
mod scaled;
mod sums;
#[cfg(test)]
mod tests;

pub(crate) use kernels::{Folded, baseline};
#[cfg(target_arch = "x86_64")]
pub(crate) use kernels::{avx2, avx512};

use crate::bar::Bar;
use crate::ffi::kernel::Kernel;
use crate::price::DecimalError;
use crate::processor::Processor;
use crate::tick::TradeError;

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
}

impl Processor {
    /// Takes every row and appends the bars that closed to `bars`, as [`Processor::push`] would row by row.
    ///
    /// All or nothing: when a row is refused, neither the processor nor `bars` has changed; the error names the first
    /// such row.
    pub fn push_columns(
        &mut self,
        columns: &Columns<'_>,
        bars: &mut Vec<Bar>,
    ) -> Result<(), ColumnsError> {
        self.push_columns_by(Kernel::fastest(), columns, bars)
    }

    /// As [`Processor::push_columns`], by a kernel of the caller's choice.
    fn push_columns_by(
        &mut self,
        kernel: Kernel,
        columns: &Columns<'_>,
        bars: &mut Vec<Bar>,
    ) -> Result<(), ColumnsError> {
        let rows = columns.rows().ok_or(ColumnsError::Lengths)?;
        let before = self.state;
        let len_before = bars.len();
        kernel
            .fold(self, columns, rows, bars)
            .map_err(|(index, error)| {
                self.state = before;
                bars.truncate(len_before);
                ColumnsError::Row { index, error }
            })
    }
}
