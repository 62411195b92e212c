//! Every kernel against [`Processor::push`], row by row, on tapes made to be awkward.

mod floats;
mod random;
mod refused;
mod tape;

use super::*;
use crate::price::float_to_e8;
use crate::processor::Rule;
use crate::tick::Tick;

/// One row as a trade, as the definition has it.
fn tick(columns: &Columns<'_>, row: usize) -> Result<Tick, RowError> {
    let value = |column: &Decimals<'_>| match column {
        Decimals::Scaled(values) => Ok(values[row]),
        Decimals::Floats(values) => float_to_e8(values[row]),
    };
    let id = columns.agg_trade_id[row];
    Ok(Tick {
        agg_trade_id: id,
        price_e8: value(&columns.price).map_err(RowError::PriceText)?,
        quantity_e8: value(&columns.quantity).map_err(RowError::QuantityText)?,
        first_trade_id: columns.first_trade_id.map_or(id, |ids| ids[row]),
        last_trade_id: columns.last_trade_id.map_or(id, |ids| ids[row]),
        timestamp_us: columns.timestamp_us[row],
        is_buyer_maker: columns.is_buyer_maker[row],
        ..Tick::default()
    })
}

/// What `push_columns` means.
fn push_by_row(
    processor: &mut Processor,
    columns: &Columns<'_>,
    bars: &mut Vec<Bar>,
) -> Result<(), ColumnsError> {
    let before = processor.clone();
    let len_before = bars.len();
    for index in 0..columns.agg_trade_id.len() {
        let pushed =
            tick(columns, index).and_then(|tick| processor.push(&tick).map_err(RowError::Trade));
        match pushed {
            Ok(bar) => bars.extend(bar),
            Err(error) => {
                *processor = before;
                bars.truncate(len_before);
                return Err(ColumnsError::Row { index, error });
            }
        }
    }
    Ok(())
}

/// Pushes the batches into one processor by row and into one of each kernel, and compares everything each time.
///
/// Returns the bars, and what the last batch answered.
fn assert_equal(rule: Rule, batches: &[Columns<'_>]) -> (Vec<Bar>, Result<(), ColumnsError>) {
    let mut expected = Processor::new(rule);
    let mut expected_bars = Vec::new();
    let mut expected_result = Ok(());
    let mut kernels: Vec<_> = Kernel::all()
        .into_iter()
        .map(|kernel| (kernel, Processor::new(rule), Vec::new()))
        .collect();
    for columns in batches {
        expected_result = push_by_row(&mut expected, columns, &mut expected_bars);
        for ((name, kernel), processor, bars) in &mut kernels {
            let result = processor.push_columns_by(*kernel, columns, bars);
            assert_eq!(result, expected_result, "{name}");
            assert_eq!(bars, &expected_bars, "{name}");
            assert_eq!(processor, &expected, "{name}");
        }
    }
    (expected_bars, expected_result)
}

fn rule(threshold_dbps: u32) -> Rule {
    Rule::new(threshold_dbps, false).unwrap()
}
