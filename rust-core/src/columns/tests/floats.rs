//! Columns of floats: the value of each row is that of [`float_to_e8`].

use super::super::floats::PIECE;
use super::tape::{Random, Tape};
use super::*;

/// Floats of a tape; `price` and `quantity` stand in for its integers.
struct Floats {
    tape: Tape,
    price: Vec<f64>,
    quantity: Vec<f64>,
}

impl Floats {
    fn flat(rows: usize) -> Self {
        let tape = Tape::flat(rows);
        let float = |column: &Vec<i64>| column.iter().map(|&e8| e8 as f64 / 1e8).collect();
        Self {
            price: float(&tape.price),
            quantity: float(&tape.quantity),
            tape,
        }
    }

    fn columns(&self) -> Columns<'_> {
        Columns {
            price: Decimals::Floats(&self.price),
            quantity: Decimals::Floats(&self.quantity),
            ..self.tape.all()
        }
    }
}

const REFUSED: [f64; 8] = [
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    -1.0,
    -5e-324,
    1.0 / 3.0,
    1e-9,
    1e12,
];

#[test]
fn float_columns_give_the_bars_of_integer_columns() {
    let mut floats = Floats::flat(2 * PIECE + 77);
    for breach in [5, 700, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE + 76] {
        floats.price[breach] = 1.5;
        floats.tape.price[breach] = 150_000_000;
    }
    let (bars, result) = assert_equal(rule(250), &[floats.columns()]);
    assert_eq!((bars.len(), result), (5, Ok(())));
    assert_eq!(assert_equal(rule(250), &[floats.tape.all()]).0, bars);
    let mixed = Columns {
        price: Decimals::Scaled(&floats.tape.price),
        ..floats.columns()
    };
    assert_eq!(assert_equal(rule(250), &[mixed]).0, bars);
}

#[test]
fn a_float_without_an_exact_value_is_named_wherever_it_stands() {
    for value in REFUSED {
        for row in [0, 1, 7, 8, 9, 63, 300, PIECE - 1, PIECE, PIECE + 12] {
            let mut floats = Floats::flat(PIECE + 20);
            floats.quantity[row] = value;
            let (_, result) = assert_equal(rule(250), &[floats.columns()]);
            assert!(matches!(
                result,
                Err(ColumnsError::Row { index, error: RowError::QuantityText(_) }) if index == row
            ));
            floats.price[row] = value;
            let (_, result) = assert_equal(rule(250), &[floats.columns()]);
            assert!(matches!(
                result,
                Err(ColumnsError::Row { index, error: RowError::PriceText(_) }) if index == row
            ));
        }
    }
}

#[test]
fn the_earliest_of_different_faults_is_named() {
    for (price, quantity, trade) in [(30, 40, 50), (50, 30, 40), (40, 50, 30), (30, 31, 32)] {
        let mut floats = Floats::flat(100);
        floats.price[price] = f64::NAN;
        floats.quantity[quantity] = f64::NAN;
        floats.tape.time[trade] = -1;
        let (_, result) = assert_equal(rule(250), &[floats.columns()]);
        let earliest = price.min(quantity).min(trade);
        assert!(matches!(result, Err(ColumnsError::Row { index, .. }) if index == earliest));
    }
}

#[test]
fn zeros_of_either_sign_are_quantities_and_no_prices() {
    let mut floats = Floats::flat(40);
    floats.quantity.fill(-0.0);
    assert_eq!(assert_equal(rule(250), &[floats.columns()]).1, Ok(()));
    floats.price[20] = -0.0;
    let error = RowError::Trade(TradeError::Price);
    let refused = Err(ColumnsError::Row { index: 20, error });
    assert_eq!(assert_equal(rule(250), &[floats.columns()]).1, refused);
}

/// A float near a multiple of 10^-8, up to six steps off.
fn some_float(random: &mut Random) -> f64 {
    let bits = random.pick(&[1, 10, 30, 44, 50, 51, 52, 62]);
    let value = (random.bits() >> (64 - bits)) as f64 / 1e8;
    let off = random.pick(&[0, 0, 0, 1, 3, 4, 5, 6]);
    f64::from_bits(value.to_bits() + off)
}

#[test]
fn random_floats_are_taken_or_refused_as_single_ones() {
    let (mut taken, mut refused) = (0, 0);
    for seed in 0..4_000 {
        let random = &mut Random::new(seed);
        let mut floats = Floats::flat(24);
        let benign = random.one_in(2);
        for row in 0..24 {
            if !benign || random.one_in(12) {
                floats.quantity[row] = some_float(random);
            }
        }
        match assert_equal(rule(250), &[floats.columns()]).1 {
            Ok(()) => taken += 1,
            Err(_) => refused += 1,
        }
    }
    assert!(
        taken > 100 && refused > 100,
        "{taken} taken, {refused} refused"
    );
}
