//! Tapes, and the random numbers that make them.

use super::*;
use core::ops::Range;

/// Xorshift64*: the same numbers on every machine.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(super) fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// From 0 to `n - 1`.
    pub(super) fn below(&mut self, n: u64) -> i64 {
        (self.bits() % n) as i64
    }

    pub(super) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub(super) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.bits() as usize % of.len()]
    }
}

/// Columns that own their rows.
#[derive(Clone, Default)]
pub(super) struct Tape {
    pub(super) id: Vec<i64>,
    pub(super) time: Vec<i64>,
    pub(super) price: Vec<i64>,
    pub(super) quantity: Vec<i64>,
    pub(super) maker: Vec<u8>,
    pub(super) first: Vec<i64>,
    pub(super) last: Vec<i64>,
    /// Whether the individual ids are handed over.
    pub(super) individual: bool,
}

impl Tape {
    /// A tape of one price, on which nothing closes.
    pub(super) fn flat(rows: usize) -> Self {
        let count = rows as i64;
        Self {
            id: (100..100 + count).collect(),
            time: (0..count).map(|row| 1_000_000 + row * 10).collect(),
            price: vec![6_000_000_000_000; rows],
            quantity: (0..count).map(|row| 1_000 * (1 + row % 7)).collect(),
            maker: (0..count).map(|row| (row % 3 == 0) as u8).collect(),
            first: (0..count).map(|row| 500 + row * 3).collect(),
            last: (0..count).map(|row| 500 + row * 3 + row % 3).collect(),
            individual: true,
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.id.len()
    }

    pub(super) fn part(&self, rows: Range<usize>) -> Columns<'_> {
        Columns {
            agg_trade_id: &self.id[rows.clone()],
            timestamp_us: &self.time[rows.clone()],
            price: Decimals::Scaled(&self.price[rows.clone()]),
            quantity: Decimals::Scaled(&self.quantity[rows.clone()]),
            is_buyer_maker: &self.maker[rows.clone()],
            first_trade_id: self.individual.then_some(&self.first[rows.clone()]),
            last_trade_id: self.individual.then_some(&self.last[rows]),
        }
    }

    pub(super) fn all(&self) -> Columns<'_> {
        self.part(0..self.rows())
    }
}
