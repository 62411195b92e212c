//! A bar as it leaves the engine, and what is derived from it.

use crate::table::{UNIT_E8, to_float};

/// A signed 128-bit integer as two limbs, so that C and cffi can carry it.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wide {
    /// The lower 64 bits.
    pub lo: u64,
    /// The upper 64 bits, with the sign.
    pub hi: i64,
}

impl From<i128> for Wide {
    #[inline]
    fn from(value: i128) -> Self {
        Self {
            lo: value as u64,
            hi: (value >> 64) as i64,
        }
    }
}

impl From<Wide> for i128 {
    #[inline]
    fn from(value: Wide) -> Self {
        (i128::from(value.hi) << 64) | i128::from(value.lo)
    }
}

/// The sums and extremes of one bar: 176 bytes, everything else is derived ([`Bar::features`]).
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bar {
    /// Time of the first trade, microseconds since 1970-01-01 UTC.
    pub open_time_us: i64,
    /// Time of the last trade, microseconds since 1970-01-01 UTC.
    pub close_time_us: i64,
    /// First price, units of 10^-8.
    pub open_e8: i64,
    /// Highest price, units of 10^-8.
    pub high_e8: i64,
    /// Lowest price, units of 10^-8.
    pub low_e8: i64,
    /// Last price, units of 10^-8.
    pub close_e8: i64,
    /// Quantity of all trades, units of 10^-8.
    pub volume: Wide,
    /// Price times quantity of all trades, units of 10^-16.
    pub turnover: Wide,
    /// Quantity of the trades whose aggressor bought, units of 10^-8.
    pub buy_volume: Wide,
    /// Price times quantity of the trades whose aggressor bought, units of 10^-16.
    pub buy_turnover: Wide,
    /// Individual trades.
    pub individual_trade_count: i64,
    /// Individual trades whose aggressor bought.
    pub buy_trade_count: i64,
    /// Aggregate records.
    pub agg_record_count: i64,
    /// Individual id of the first trade.
    pub first_trade_id: i64,
    /// Individual id of the last trade.
    pub last_trade_id: i64,
    /// Aggregate id of the first trade.
    pub first_agg_trade_id: i64,
    /// Aggregate id of the last trade: the position after this bar.
    pub last_agg_trade_id: i64,
    /// Aggregate ids that never came between the bar before this one and the end of this one.
    pub missing_trades: i64,
}

/// What RANGE_BARS derives from a bar's sums.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Features {
    /// Volume-weighted average price, units of 10^-8, truncated towards zero; the open while the volume is 0.
    pub vwap_e8: i64,
    /// Close time less open time, microseconds.
    pub duration_us: i64,
    /// Order flow imbalance.
    pub ofi: f64,
    /// (close - vwap) / (high - low).
    pub vwap_close_deviation: f64,
    /// |close - open| / volume.
    pub price_impact: f64,
    /// ((close - open) / open) / ofi.
    pub kyle_lambda_proxy: f64,
    /// Individual trades a second.
    pub trade_intensity: f64,
    /// Volume / individual trades.
    pub volume_per_trade: f64,
    /// Buys / sells by individual trades, at most 100.
    pub aggression_ratio: f64,
    /// Individual trades / aggregate records.
    pub aggregation_density: f64,
    /// (buy turnover - sell turnover) / turnover.
    pub turnover_imbalance: f64,
}

/// Buys per sell are cut off here, also when there are no sells.
const MAX_AGGRESSION_RATIO: f64 = 100.0;
const MICROSECONDS_A_SECOND: f64 = 1_000_000.0;

/// `numerator / denominator`, or `otherwise` where that is undefined.
#[inline]
fn ratio_or(numerator: f64, denominator: f64, otherwise: f64) -> f64 {
    if denominator == 0.0 {
        otherwise
    } else {
        numerator / denominator
    }
}

impl Bar {
    /// The volume-weighted average price in units of 10^-8.
    #[inline]
    pub fn vwap_e8(&self) -> i64 {
        let volume = i128::from(self.volume);
        if volume <= 0 {
            return self.open_e8;
        }
        // A weighted mean of prices lies between low and high, so it fits.
        i64::try_from(i128::from(self.turnover) / volume).unwrap_or(self.open_e8)
    }

    /// Everything RANGE_BARS derives from the sums.
    ///
    /// Prices and volumes turn into the nearest floats of their decimal values before they enter a formula, which is what
    /// other implementations of these features do; turnovers enter as floats of their integers, where the scale cancels.
    pub fn features(&self) -> Features {
        let vwap_e8 = self.vwap_e8();
        let duration_us = self.close_time_us.saturating_sub(self.open_time_us);
        let decimal = |units: i128| to_float(units, UNIT_E8);
        let volume = decimal(self.volume.into());
        let buy_volume = decimal(self.buy_volume.into());
        let sell_volume = decimal(i128::from(self.volume).saturating_sub(self.buy_volume.into()));
        let turnover = i128::from(self.turnover);
        let buy_turnover = i128::from(self.buy_turnover);
        let sell_turnover = turnover.saturating_sub(buy_turnover);
        let open = decimal(self.open_e8.into());
        let close = decimal(self.close_e8.into());
        let range = decimal(self.high_e8.into()) - decimal(self.low_e8.into());
        let trades = self.individual_trade_count as f64;
        let buys = self.buy_trade_count as f64;
        let sells = self
            .individual_trade_count
            .saturating_sub(self.buy_trade_count) as f64;
        let ofi = ratio_or(buy_volume - sell_volume, buy_volume + sell_volume, 0.0);
        Features {
            vwap_e8,
            duration_us,
            ofi,
            vwap_close_deviation: ratio_or(close - decimal(vwap_e8.into()), range, 0.0),
            price_impact: ratio_or((close - open).abs(), volume, 0.0),
            kyle_lambda_proxy: ratio_or(ratio_or(close - open, open, 0.0), ofi, 0.0),
            trade_intensity: if duration_us > 0 {
                trades / (duration_us as f64 / MICROSECONDS_A_SECOND)
            } else {
                trades
            },
            volume_per_trade: ratio_or(volume, trades, 0.0),
            aggression_ratio: if sells == 0.0 {
                if buys > 0.0 {
                    MAX_AGGRESSION_RATIO
                } else {
                    1.0
                }
            } else {
                (buys / sells).min(MAX_AGGRESSION_RATIO)
            },
            aggregation_density: ratio_or(trades, self.agg_record_count as f64, 1.0),
            turnover_imbalance: ratio_or(
                (buy_turnover as f64) - (sell_turnover as f64),
                turnover as f64,
                0.0,
            ),
        }
    }
}
