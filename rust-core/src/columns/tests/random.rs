//! Random tapes in random batches, and a breach at every place of a block.

use super::super::sums::BLOCK;
use super::tape::{Random, Tape};
use super::*;

/// Lengths around the multiples of the block.
fn some_length(random: &mut Random) -> usize {
    let blocks = random.pick(&[0, 0, 128, 256, 256, 384, 512, 1024]);
    (blocks + random.below(24)).saturating_sub(8).max(0) as usize
}

/// Steps of a price walk: from bars of one trade to bars of thousands.
struct Walk {
    start: i64,
    tick: i64,
    steps: u64,
    quantity: u64,
    step_size: i64,
    rare: u64,
}

impl Walk {
    fn some(random: &mut Random) -> Self {
        let (start, tick) = random.pick(&[
            (6_000_000_000_000, 1_000_000),
            (6_000_000_000_000, 1),
            (1_234, 1),
            (5, 1),
            (1_i64 << 62, 1 << 40),
            (i64::MAX - 3, 1),
        ]);
        Self {
            start,
            tick,
            steps: random.pick(&[1, 3, 50, 3_000]),
            quantity: random.pick(&[1, 7, 1_000_000, 1 << 50, 1 << 62]),
            step_size: random.pick(&[1, 1_000, 100_000_000]),
            rare: random.pick(&[3, 40, 1_000_000]),
        }
    }

    fn tape(&self, random: &mut Random, rows: usize) -> Tape {
        let mut tape = Tape::flat(rows);
        tape.individual = random.one_in(2);
        let (mut price, mut id, mut time, mut individual) = (self.start, 0, 1_000_000_000, 0);
        for row in 0..rows {
            price = self.step(random, price);
            id += if random.one_in(self.rare) {
                1 + random.below(1_000)
            } else {
                1
            };
            time += self.pause(random);
            let count = if random.one_in(self.rare) {
                1 << 40
            } else {
                random.below(4)
            };
            let largest = i64::MAX / self.step_size;
            let quantity = random.below(self.quantity).min(largest) * self.step_size;
            tape.id[row] = id;
            tape.time[row] = time;
            tape.price[row] = price;
            tape.quantity[row] = quantity;
            tape.maker[row] = random.pick(&[0, 0, 1, 255]);
            tape.first[row] = individual;
            tape.last[row] = individual + count;
            individual += count + 1;
        }
        tape
    }

    fn step(&self, random: &mut Random, price: i64) -> i64 {
        if random.one_in(self.rare.max(40)) {
            return random.pick(&[self.start, 1, i64::MAX, self.start / 2 + 1]);
        }
        let ticks = random.below(2 * self.steps + 1) - self.steps as i64;
        price.saturating_add(ticks.saturating_mul(self.tick)).max(1)
    }

    fn pause(&self, random: &mut Random) -> i64 {
        if random.one_in(self.rare) {
            -random.below(1_000)
        } else {
            random.pick(&[0, 0, 0, 1, 700])
        }
    }
}

#[test]
fn random_tapes_in_random_batches_give_the_bars_of_single_trades() {
    let mut bars = 0;
    for seed in 0..1_500 {
        let random = &mut Random::new(seed);
        let threshold = random.pick(&[1, 25, 250, 2_500, 100_000]);
        let rule = Rule::new(threshold, random.one_in(3)).unwrap();
        let lengths = [
            some_length(random),
            some_length(random),
            some_length(random),
        ];
        let tape = Walk::some(random).tape(random, lengths.iter().sum());
        let (one, two) = (lengths[0], lengths[0] + lengths[1]);
        let batches = [
            tape.part(0..one),
            tape.part(one..two),
            tape.part(two..tape.rows()),
        ];
        bars += assert_equal(rule, &batches).0.len();
    }
    assert!(bars > 10_000, "only {bars} bars: the tapes test little");
}

#[test]
fn a_breach_at_every_row_closes_there() {
    let rows = 2 * BLOCK + 40;
    for breach in 1..rows {
        let mut tape = Tape::flat(rows);
        tape.price[breach] = if breach % 2 == 0 {
            7_000_000_000_000
        } else {
            1
        };
        let (bars, result) = assert_equal(rule(250), &[tape.all()]);
        assert_eq!(result, Ok(()));
        assert_eq!(bars[0].agg_record_count, breach as i64 + 1);
    }
}

#[test]
fn a_limit_is_inclusive_and_one_unit_less_is_not() {
    for (price, closes) in [
        (6_015_000_000_000, true),
        (6_014_999_999_999, false),
        (5_985_000_000_000, true),
        (5_985_000_000_001, false),
    ] {
        let mut tape = Tape::flat(300);
        tape.price[123] = price;
        let (bars, _) = assert_equal(rule(250), &[tape.all()]);
        assert_eq!(!bars.is_empty(), closes, "{price}");
    }
}

#[test]
fn the_gate_holds_a_bar_open_over_whole_blocks() {
    for opening in [1, 7, 8, 9, 100, 256, 263, 264, 265, 500] {
        let mut tape = Tape::flat(700);
        tape.time[..opening].fill(42);
        tape.price[1..].fill(9_000_000_000_000);
        let (bars, _) = assert_equal(rule(250), &[tape.all()]);
        assert_eq!(bars[0].agg_record_count, opening as i64 + 1);
        let open = Rule::new(250, true).unwrap();
        assert_eq!(assert_equal(open, &[tape.all()]).0[0].agg_record_count, 2);
    }
}

#[test]
fn any_cut_through_a_bar_gives_the_same_bar() {
    let mut tape = Tape::flat(2 * BLOCK);
    tape.price[2 * BLOCK - 3] = 1;
    let (whole, _) = assert_equal(rule(250), &[tape.all()]);
    for cut in 0..tape.rows() {
        let batches = [tape.part(0..cut), tape.part(cut..tape.rows())];
        assert_eq!(assert_equal(rule(250), &batches).0, whole);
    }
}

#[test]
fn a_block_is_taken_at_once_where_it_is_exact_and_left_alone_where_not() {
    let taken = |change: fn(&mut Tape)| {
        let mut tape = Tape::flat(8 + 2 * BLOCK);
        change(&mut tape);
        let (mut processor, mut bars) = (Processor::new(rule(250)), Vec::new());
        push_by_row(&mut processor, &tape.part(0..8), &mut bars).unwrap();
        let before = processor.clone();
        let columns = tape.all();
        let mut scratch = Default::default();
        let (rows, _) = columns.piece(0..tape.rows(), &mut scratch, &|_| ());
        let taken = block::take(&rows, 8, &mut processor, &mut bars, &|_| ());
        assert_eq!(taken.is_none(), processor == before);
        taken
    };
    assert_eq!(taken(|_| ()), Some(BLOCK));
    assert_eq!(
        taken(|tape| tape.price[8 + 99] = 6_100_000_000_000),
        Some(100)
    );
    assert_eq!(taken(|tape| tape.quantity.fill(1 << 54)), Some(BLOCK));
    assert_eq!(taken(|tape| tape.time[9..].fill(7)), Some(BLOCK));
    assert_eq!(taken(|tape| tape.id[100] += 5), None, "ids that go back");
    assert_eq!(taken(|tape| tape.quantity[100] = i64::MAX), None, "wide");
    assert_eq!(taken(|tape| tape.last[100] = i64::MAX), None, "many");
}

#[test]
fn prices_and_quantities_of_every_width_are_summed_exactly() {
    for price_bits in 0..48 {
        for quantity_bits in 0..63 {
            let random = &mut Random::new(64 * price_bits + quantity_bits);
            let mut tape = Tape::flat(8 + 2 * BLOCK);
            for row in 0..tape.rows() {
                tape.price[row] = (1 << 50) + random.below(1 << price_bits);
                tape.quantity[row] = random.below(1 << quantity_bits);
            }
            let (bars, _) = assert_equal(rule(100_000), &[tape.all()]);
            assert_eq!(bars, []);
        }
    }
}
