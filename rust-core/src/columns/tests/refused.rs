//! Rows that are refused, at every place of a block, and sums that leave their range.

use super::super::sums::BLOCK;
use super::tape::Tape;
use super::*;
use crate::tick::MAX_TIMESTAMP_US;

type Damage = (TradeError, fn(&mut Tape, usize));

/// A change to a tape, and the row that it makes too much.
type Excess = (fn(&mut Tape), usize);

/// Everything that can be wrong with one row.
const DAMAGE: [Damage; 18] = [
    (TradeError::Order, |tape, row| {
        tape.id[row] = tape.id[row - 1]
    }),
    (TradeError::Order, |tape, row| tape.id[row] = 0),
    (TradeError::AggTradeId, |tape, row| tape.id[row] = -1),
    (TradeError::AggTradeId, |tape, row| tape.id[row] = i64::MIN),
    (TradeError::Price, |tape, row| tape.price[row] = 0),
    (TradeError::Price, |tape, row| tape.price[row] = -1),
    (TradeError::Price, |tape, row| tape.price[row] = i64::MIN),
    (TradeError::Quantity, |tape, row| tape.quantity[row] = -1),
    (TradeError::Quantity, |tape, row| {
        tape.quantity[row] = i64::MIN
    }),
    (TradeError::Timestamp, |tape, row| tape.time[row] = -1),
    (TradeError::Timestamp, |tape, row| tape.time[row] = i64::MIN),
    (TradeError::Timestamp, |tape, row| tape.time[row] = i64::MAX),
    (TradeError::Timestamp, |tape, row| {
        tape.time[row] = MAX_TIMESTAMP_US + 1
    }),
    (TradeError::TradeIds, |tape, row| tape.first[row] = -1),
    (TradeError::TradeIds, |tape, row| tape.first[row] = i64::MAX),
    (TradeError::TradeIds, |tape, row| {
        tape.last[row] = tape.first[row] - 1
    }),
    (TradeError::TradeIds, |tape, row| tape.last[row] = i64::MIN),
    (TradeError::TradeIds, |tape, row| {
        // The difference wraps to 1.
        (tape.first[row], tape.last[row]) = (i64::MAX, i64::MIN);
    }),
];

#[test]
fn a_bad_row_is_named_wherever_it_stands() {
    let rows = BLOCK + 50;
    for (error, damage) in DAMAGE {
        for index in 1..rows {
            let mut tape = Tape::flat(rows);
            damage(&mut tape, index);
            let (bars, result) = assert_equal(rule(250), &[tape.all()]);
            let error = RowError::Trade(error);
            assert_eq!(result, Err(ColumnsError::Row { index, error }));
            assert_eq!(bars, []);
        }
    }
}

#[test]
fn the_first_of_several_bad_rows_is_named() {
    for (_, damage) in DAMAGE {
        for (_, later) in DAMAGE {
            for (first, second) in [(20, 21), (20, 28), (9, 250), (100, 101), (263, 270)] {
                let mut tape = Tape::flat(280);
                later(&mut tape, second);
                damage(&mut tape, first);
                let (_, result) = assert_equal(rule(250), &[tape.all()]);
                assert!(matches!(result, Err(ColumnsError::Row { index, .. }) if index == first));
            }
        }
    }
}

#[test]
fn a_refused_batch_takes_back_the_bars_it_closed() {
    let mut tape = Tape::flat(600);
    tape.price[50] = 1;
    tape.price[300] = 1;
    tape.quantity[599] = -1;
    let batches = [tape.part(0..200), tape.part(200..600), tape.part(200..599)];
    let (bars, result) = assert_equal(rule(250), &batches);
    assert_eq!((bars.len(), result), (2, Ok(())));
}

#[test]
fn ids_at_the_end_of_their_range_are_taken() {
    let mut tape = Tape::flat(300);
    for (row, id) in tape.id.iter_mut().enumerate() {
        *id = i64::MAX - 299 + row as i64;
    }
    tape.id[..150]
        .iter_mut()
        .for_each(|id| *id -= i64::MAX - 299);
    tape.individual = false;
    let (_, result) = assert_equal(rule(250), &[tape.all()]);
    assert_eq!(result, Ok(()));
}

#[test]
fn sums_that_leave_their_range_are_refused_at_the_same_row() {
    let cases: [Excess; 3] = [
        (
            |tape| {
                tape.price.fill(i64::MAX);
                tape.quantity.fill(i64::MAX);
            },
            2,
        ),
        (
            |tape| {
                tape.first.fill(0);
                tape.last.fill(i64::MAX / 290);
            },
            289,
        ),
        (
            |tape| {
                tape.first.fill(0);
                tape.last.fill(0);
                tape.last[7] = i64::MAX - 200;
            },
            200,
        ),
    ];
    for (change, index) in cases {
        let mut tape = Tape::flat(600);
        change(&mut tape);
        let (_, result) = assert_equal(rule(250), &[tape.all()]);
        let error = RowError::Trade(TradeError::Overflow);
        assert_eq!(result, Err(ColumnsError::Row { index, error }));
    }
}

#[test]
fn columns_of_different_lengths_are_refused() {
    let tape = Tape::flat(20);
    let columns = Columns {
        timestamp_us: &tape.time[1..],
        ..tape.all()
    };
    let mut bars = Vec::new();
    let result = Processor::new(rule(250)).push_columns(&columns, &mut bars);
    assert_eq!(result, Err(ColumnsError::Lengths));
}
