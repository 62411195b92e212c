//! The way through the columns: blocks where bars are long, single rows everywhere else.

use super::block;
use super::floats::{PIECE, Scratch};
use super::kernels::Folded;
use super::lanes::{Hint, LANES};
use super::scaled::Scaled;
use super::sums::BLOCK;
use super::{Columns, RowError};
use crate::bar::Bar;
use crate::processor::Processor;
use crate::tick::TradeError;

/// A bar of at most this many trades costs less row by row than as a block.
const SHORT: i64 = 8;

/// Takes `rows` rows, which every column has, up to the first that is refused.
#[inline(always)]
pub(super) fn fold(
    processor: &mut Processor,
    columns: &Columns<'_>,
    rows: usize,
    bars: &mut Vec<Bar>,
    hint: &impl Hint,
) -> Folded {
    let mut scratch = Scratch::default();
    let piece = if columns.has_floats() { PIECE } else { rows };
    let mut start = 0;
    while start < rows {
        let end = rows.min(start.saturating_add(piece));
        let (scaled, refused) = columns.piece(start..end, &mut scratch, hint);
        fold_scaled(processor, &scaled, bars, hint)
            .map_err(|(row, error)| (start + row, RowError::Trade(error)))?;
        if let Some(error) = refused {
            return Err((start + scaled.len(), error));
        }
        start = end;
    }
    Ok(())
}

#[inline(always)]
fn fold_scaled(
    processor: &mut Processor,
    rows: &Scaled<'_>,
    bars: &mut Vec<Bar>,
    hint: &impl Hint,
) -> Result<(), (usize, TradeError)> {
    let mut row = 0;
    while row < rows.len() {
        let singly = rows_before_block(processor, row, bars);
        if singly == 0
            && let Some(taken) = block::take(rows, row, processor, bars, hint)
        {
            row += taken;
            continue;
        }
        let singly = if singly == 0 { BLOCK } else { singly };
        let end = rows.len().min(row + singly);
        rows.push_rows(row..end, processor, bars)?;
        row = end;
    }
    Ok(())
}

/// Rows that are to be taken one by one before a block is worth while.
#[inline(always)]
fn rows_before_block(processor: &Processor, row: usize, bars: &[Bar]) -> usize {
    if row < LANES {
        return LANES - row; // The last group of a block reaches back that far.
    }
    let short = bars.last().is_some_and(|bar| bar.agg_record_count <= SHORT);
    match &processor.state.forming {
        None if short => SHORT as usize,
        None => 1,
        Some(forming) if short && forming.agg_record_count < SHORT => SHORT as usize,
        Some(_) => 0,
    }
}
