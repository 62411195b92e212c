//! Quantities of a span and what they cost, eight at a time.

use super::lanes::{ALL, Groups, Hint, LANES, Lanes, add, ahead, bought, newest, sum, width};
use super::ranges::Ranges;
use super::scaled::Scaled;
use super::sums::BLOCK_BITS;
use core::ops::Range;

/// Quantities, and what they cost above the lowest price.
///
/// A tick size and a step size make the low bits of all prices and quantities equal or zero. Without those bits,
/// `price - low` is below 2^32 and the quantity has two digits of at most 32 bits, so a 32-bit multiplication each
/// gives the exact product.
pub(super) struct Money {
    /// Bits that were taken off every quantity.
    pub(super) quantity_zeros: u32,
    /// Bits that were taken off every product.
    pub(super) zeros: u32,
    pub(super) volume: i64,
    pub(super) buy_volume: i64,
    /// Sum of `(price - low) * quantity`.
    pub(super) above: i128,
    pub(super) buy_above: i128,
}

impl Money {
    #[inline(always)]
    pub(super) fn of(
        rows: &Scaled<'_>,
        span: Range<usize>,
        ranges: &Ranges,
        hint: &impl Hint,
    ) -> Option<Self> {
        let price = Groups::of(rows.price, span.clone())?;
        let quantity = Groups::of(rows.quantity, span.clone())?;
        let maker = Groups::of(rows.is_buyer_maker, span.clone())?;
        let id = Groups::of(rows.agg_trade_id, span.clone())?;
        let digits = Digits::of(ranges)?;

        let mut lanes = MoneyLanes::default();
        let whole = (price.whole.iter().zip(quantity.whole)).zip(maker.whole.iter().zip(id.whole));
        for ((price, quantity), (maker, id)) in whole {
            hint(ahead(id));
            hint(ahead(maker));
            lanes.take(price, quantity, maker, &digits, &ALL);
        }
        let new = span.len() % LANES;
        if new > 0 {
            lanes.take(price.last, quantity.last, maker.last, &digits, &newest(new));
        }
        Some(lanes.reduce(&digits))
    }
}

/// How prices and quantities of a block are cut into factors of 32 bits.
struct Digits {
    low: i64,
    price_zeros: u32,
    quantity_zeros: u32,
    /// Bits of the lower digit of a quantity.
    digit: u32,
}

impl Digits {
    /// `None` when the products would not be exact.
    #[inline(always)]
    fn of(ranges: &Ranges) -> Option<Self> {
        // No bits at all: any shift will do, as long as it is one.
        let price_zeros = ranges.differing.trailing_zeros() & 63;
        let quantity_zeros = ranges.quantity.trailing_zeros() & 63;
        let price = width(ranges.high.wrapping_sub(ranges.low) >> price_zeros);
        let quantity = width(ranges.quantity >> quantity_zeros);
        // A product of a price and a digit leaves BLOCK_BITS free in 64.
        let digit = (u64::BITS - BLOCK_BITS).wrapping_sub(price).min(32);
        let exact = price <= 32 && quantity <= 2 * digit && quantity + BLOCK_BITS < i64::BITS;
        exact.then_some(Self {
            low: ranges.low,
            price_zeros,
            quantity_zeros,
            digit,
        })
    }
}

#[derive(Default)]
struct MoneyLanes {
    volume: Lanes,
    buy_volume: Lanes,
    /// Products with the lower digit of the quantity, unsigned.
    lower: Lanes,
    buy_lower: Lanes,
    /// Products with the upper digit, unsigned.
    upper: Lanes,
    buy_upper: Lanes,
}

impl MoneyLanes {
    #[inline(always)]
    fn take(
        &mut self,
        price: &Lanes,
        quantity: &Lanes,
        maker: &[u8; LANES],
        digits: &Digits,
        live: &Lanes,
    ) {
        const FACTOR: i64 = 0xFFFF_FFFF;
        let mask = (1_i64 << digits.digit).wrapping_sub(1);
        for lane in 0..LANES {
            let bought = bought(maker[lane]);
            let above = price[lane].wrapping_sub(digits.low) >> (digits.price_zeros & 63);
            let quantity = (quantity[lane] & live[lane]) >> (digits.quantity_zeros & 63);
            let lower = (above & FACTOR).wrapping_mul(quantity & mask & FACTOR);
            let upper = (above & FACTOR).wrapping_mul((quantity >> (digits.digit & 63)) & FACTOR);
            add(&mut self.volume[lane], quantity);
            add(&mut self.lower[lane], lower);
            add(&mut self.upper[lane], upper);
            add(&mut self.buy_volume[lane], quantity & bought);
            add(&mut self.buy_lower[lane], lower & bought);
            add(&mut self.buy_upper[lane], upper & bought);
        }
    }

    #[inline(always)]
    fn reduce(&self, digits: &Digits) -> Money {
        let unsigned = |lanes: &Lanes| i128::from(sum(lanes) as u64);
        let above =
            |lower: &Lanes, upper: &Lanes| unsigned(lower) + (unsigned(upper) << digits.digit);
        Money {
            quantity_zeros: digits.quantity_zeros,
            zeros: digits.price_zeros + digits.quantity_zeros,
            volume: sum(&self.volume),
            buy_volume: sum(&self.buy_volume),
            above: above(&self.lower, &self.upper),
            buy_above: above(&self.buy_lower, &self.buy_upper),
        }
    }
}
