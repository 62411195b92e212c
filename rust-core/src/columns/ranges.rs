//! How wide the prices and quantities of a run are.

use super::lanes::{LANES, Lanes, any, width};
use super::sums::BLOCK_BITS;

/// Prices and quantities of a run, checked.
pub(super) struct Ranges {
    pub(super) low: i64,
    pub(super) high: i64,
    /// Bits in which two prices differ.
    pub(super) differing: i64,
    /// Bits of all quantities.
    pub(super) quantity: i64,
}

/// The same of every eighth trade.
pub(super) struct RangeLanes {
    any_price: i64,
    low: Lanes,
    high: Lanes,
    differing: Lanes,
    quantity: Lanes,
}

impl RangeLanes {
    /// Nothing yet; `any_price` is one of the prices to come.
    #[inline(always)]
    pub(super) fn new(any_price: i64) -> Self {
        Self {
            any_price,
            low: [any_price; LANES],
            high: [any_price; LANES],
            differing: [0; LANES],
            quantity: [0; LANES],
        }
    }

    #[inline(always)]
    pub(super) fn take(&mut self, price: &Lanes, quantity: &Lanes, live: &Lanes) {
        for lane in 0..LANES {
            let differing = (price[lane] ^ self.any_price) & live[lane];
            let price = self.any_price ^ differing;
            self.differing[lane] |= differing;
            self.low[lane] = self.low[lane].min(price);
            self.high[lane] = self.high[lane].max(price);
            self.quantity[lane] |= quantity[lane] & live[lane];
        }
    }

    /// `None` when a value would be refused or the turnover of a block might not fit.
    #[inline(always)]
    pub(super) fn reduce(&self) -> Option<Ranges> {
        let ranges = Ranges {
            low: self.low.iter().fold(i64::MAX, |low, &lane| low.min(lane)),
            high: self
                .high
                .iter()
                .fold(i64::MIN, |high, &lane| high.max(lane)),
            differing: any(&self.differing),
            quantity: any(&self.quantity),
        };
        let valid = ranges.low > 0 && ranges.quantity >= 0;
        let fits = width(ranges.high) + width(ranges.quantity) + BLOCK_BITS < i128::BITS;
        (valid && fits).then_some(ranges)
    }
}
