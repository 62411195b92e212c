//! The range-bar rule: trades in, closed bars out.
//!
//! A processor is a pure function of the trades it was given. After a closed bar its whole state is the id of the last
//! trade, so a processor that is started at that position produces the same bars from there on.

use crate::bar::Bar;
use crate::tick::{Tick, TradeError};

/// The smallest threshold: 0.001 %.
pub const MIN_THRESHOLD_DBPS: u32 = 1;
/// The largest threshold: 100 %.
pub const MAX_THRESHOLD_DBPS: u32 = 100_000;

/// How a processor closes bars; fixed for its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    threshold_dbps: u32,
    same_timestamp_close: bool,
}

impl Rule {
    /// A rule, or `None` unless the threshold is 1 to 100,000 dbps (1 dbps = 0.001 %).
    ///
    /// With `same_timestamp_close` a bar may close on a trade that shares its opening time stamp.
    pub fn new(threshold_dbps: u32, same_timestamp_close: bool) -> Option<Self> {
        (MIN_THRESHOLD_DBPS..=MAX_THRESHOLD_DBPS)
            .contains(&threshold_dbps)
            .then_some(Self {
                threshold_dbps,
                same_timestamp_close,
            })
    }

    /// The threshold in decimal basis points.
    pub fn threshold_dbps(self) -> u32 {
        self.threshold_dbps
    }

    /// Whether a bar may close on a trade at its opening time stamp.
    pub fn same_timestamp_close(self) -> bool {
        self.same_timestamp_close
    }

    /// Half the width of a bar that opens at `open_e8`.
    #[inline]
    fn delta_e8(self, open_e8: i64) -> i64 {
        let scaled = i128::from(open_e8) * i128::from(self.threshold_dbps) / 100_000;
        // At most open_e8 itself, since the threshold is at most 100,000.
        i64::try_from(scaled).unwrap_or(i64::MAX).max(1)
    }

    /// The prices at or beyond which a bar that opens at `open_e8` (above zero) closes: upper and lower.
    ///
    /// The upper one is unsigned since open + delta may pass `i64::MAX`.
    #[inline]
    pub(crate) fn limits_e8(self, open_e8: i64) -> (u64, i64) {
        let delta = self.delta_e8(open_e8);
        (
            open_e8.unsigned_abs() + delta.unsigned_abs(),
            open_e8 - delta,
        )
    }
}

/// A bar that has not closed, with its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Forming {
    pub(crate) open_time_us: i64,
    pub(crate) close_time_us: i64,
    pub(crate) open_e8: i64,
    pub(crate) high_e8: i64,
    pub(crate) low_e8: i64,
    pub(crate) close_e8: i64,
    pub(crate) volume: i128,
    pub(crate) turnover: i128,
    pub(crate) buy_volume: i128,
    pub(crate) buy_turnover: i128,
    pub(crate) individual_trade_count: i64,
    pub(crate) buy_trade_count: i64,
    pub(crate) agg_record_count: i64,
    pub(crate) first_trade_id: i64,
    pub(crate) last_trade_id: i64,
    pub(crate) first_agg_trade_id: i64,
    pub(crate) last_agg_trade_id: i64,
    pub(crate) missing_trades: i64,
    /// A price at or above closes the bar.
    pub(crate) upper_e8: u64,
    /// A price at or below closes the bar.
    pub(crate) lower_e8: i64,
}

impl Forming {
    #[inline]
    fn open(rule: Rule, tick: &Tick, missing_trades: i64) -> Self {
        let (upper_e8, lower_e8) = rule.limits_e8(tick.price_e8);
        let quantity = i128::from(tick.quantity_e8);
        let turnover = i128::from(tick.price_e8) * quantity;
        let trades = tick.individual_trades();
        let bought = !tick.is_sell();
        Self {
            open_time_us: tick.timestamp_us,
            close_time_us: tick.timestamp_us,
            open_e8: tick.price_e8,
            high_e8: tick.price_e8,
            low_e8: tick.price_e8,
            close_e8: tick.price_e8,
            volume: quantity,
            turnover,
            buy_volume: if bought { quantity } else { 0 },
            buy_turnover: if bought { turnover } else { 0 },
            individual_trade_count: trades,
            buy_trade_count: if bought { trades } else { 0 },
            agg_record_count: 1,
            first_trade_id: tick.first_trade_id,
            last_trade_id: tick.last_trade_id,
            first_agg_trade_id: tick.agg_trade_id,
            last_agg_trade_id: tick.agg_trade_id,
            missing_trades,
            upper_e8,
            lower_e8,
        }
    }

    /// Takes a further trade; on an error nothing has changed.
    #[inline]
    fn extend(&mut self, tick: &Tick, missing_trades: i64) -> Result<(), TradeError> {
        let quantity = i128::from(tick.quantity_e8);
        let turnover = i128::from(tick.price_e8) * quantity;
        let trades = tick.individual_trades();
        let total = self
            .turnover
            .checked_add(turnover)
            .ok_or(TradeError::Overflow)?;
        let count = self
            .individual_trade_count
            .checked_add(trades)
            .ok_or(TradeError::Overflow)?;
        let missing = self
            .missing_trades
            .checked_add(missing_trades)
            .ok_or(TradeError::Overflow)?;
        // The buy sums are parts of the totals and cannot overflow once those did not.
        self.turnover = total;
        self.individual_trade_count = count;
        self.missing_trades = missing;
        // agg_record_count < 2^63 and quantity < 2^63 keep this below 2^126.
        self.volume += quantity;
        if !tick.is_sell() {
            self.buy_volume += quantity;
            self.buy_turnover += turnover;
            self.buy_trade_count += trades;
        }
        self.high_e8 = self.high_e8.max(tick.price_e8);
        self.low_e8 = self.low_e8.min(tick.price_e8);
        self.close_e8 = tick.price_e8;
        self.close_time_us = tick.timestamp_us;
        self.agg_record_count += 1;
        self.last_trade_id = tick.last_trade_id;
        self.last_agg_trade_id = tick.agg_trade_id;
        Ok(())
    }

    /// Whether the last trade taken closes the bar.
    #[inline]
    pub(crate) fn is_complete(&self, rule: Rule) -> bool {
        let breaches =
            self.close_e8 <= self.lower_e8 || self.close_e8.unsigned_abs() >= self.upper_e8;
        breaches && (rule.same_timestamp_close || self.close_time_us != self.open_time_us)
    }

    pub(crate) fn to_bar(self) -> Bar {
        Bar {
            open_time_us: self.open_time_us,
            close_time_us: self.close_time_us,
            open_e8: self.open_e8,
            high_e8: self.high_e8,
            low_e8: self.low_e8,
            close_e8: self.close_e8,
            volume: self.volume.into(),
            turnover: self.turnover.into(),
            buy_volume: self.buy_volume.into(),
            buy_turnover: self.buy_turnover.into(),
            individual_trade_count: self.individual_trade_count,
            buy_trade_count: self.buy_trade_count,
            agg_record_count: self.agg_record_count,
            first_trade_id: self.first_trade_id,
            last_trade_id: self.last_trade_id,
            first_agg_trade_id: self.first_agg_trade_id,
            last_agg_trade_id: self.last_agg_trade_id,
            missing_trades: self.missing_trades,
        }
    }
}

/// Everything a processor knows; small and `Copy`, so a failed batch is undone by putting the old value back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct State {
    /// Id of the last trade taken; -1 is an origin before the first id.
    pub(crate) position: Option<i64>,
    /// Time of the last trade taken, to count those that step back.
    pub(crate) last_timestamp_us: i64,
    /// Trades whose time was before that of their predecessor.
    pub(crate) time_reversals: u64,
    pub(crate) forming: Option<Forming>,
}

/// A trade of a batch that was refused: nothing of the batch was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchError {
    /// Index of the trade in the batch.
    pub index: usize,
    /// Why.
    pub error: TradeError,
}

/// Builds range bars from one tape at one threshold.
///
/// ```
/// use rangebar_core::processor::{Processor, Rule};
/// use rangebar_core::tick::Tick;
///
/// let mut processor = Processor::new(Rule::new(250, false).unwrap());
/// let trade = |id: i64, price_e8: i64| Tick {
///     agg_trade_id: id,
///     price_e8,
///     quantity_e8: 1,
///     timestamp_us: id,
///     ..Tick::default()
/// };
/// assert_eq!(processor.push(&trade(1, 100_000)), Ok(None));
/// let bar = processor.push(&trade(2, 100_250)).unwrap().unwrap();
/// assert_eq!(bar.close_e8, 100_250);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Processor {
    pub(crate) rule: Rule,
    pub(crate) state: State,
}

impl Processor {
    /// A processor that takes any first trade.
    pub fn new(rule: Rule) -> Self {
        Self::at(rule, None)
    }

    /// A processor that goes on after `position`, the id of the last trade that was taken (-1: from id 0 on).
    ///
    /// Ids between the position and the first trade count as missing on the first bar.
    pub fn at(rule: Rule, position: Option<i64>) -> Self {
        Self {
            rule,
            state: State {
                position,
                last_timestamp_us: 0,
                time_reversals: 0,
                forming: None,
            },
        }
    }

    /// The rule.
    pub fn rule(&self) -> Rule {
        self.rule
    }

    /// Id of the last trade taken, or the position it was started at.
    pub fn position(&self) -> Option<i64> {
        self.state.position
    }

    /// Time of the last trade taken, 0 before the first.
    pub fn last_timestamp_us(&self) -> i64 {
        self.state.last_timestamp_us
    }

    /// Trades so far whose time was before that of their predecessor.
    pub fn time_reversals(&self) -> u64 {
        self.state.time_reversals
    }

    /// The bar that has not closed yet; `None` right after a close.
    pub fn forming(&self) -> Option<Bar> {
        self.state.forming.map(Forming::to_bar)
    }

    /// Takes one trade and returns the bar that it closed.
    ///
    /// On an error the processor is as before.
    #[inline]
    pub fn push(&mut self, tick: &Tick) -> Result<Option<Bar>, TradeError> {
        tick.validate()?;
        let missing = self.missing_before(tick.agg_trade_id)?;
        let closes = match &mut self.state.forming {
            None => {
                self.state.forming = Some(Forming::open(self.rule, tick, missing));
                false
            }
            Some(forming) => {
                forming.extend(tick, missing)?;
                forming.is_complete(self.rule)
            }
        };
        let steps_back = tick.timestamp_us < self.state.last_timestamp_us;
        self.state.time_reversals = self
            .state
            .time_reversals
            .saturating_add(u64::from(steps_back));
        self.state.last_timestamp_us = tick.timestamp_us;
        self.state.position = Some(tick.agg_trade_id);
        if closes {
            return Ok(self.state.forming.take().map(Forming::to_bar));
        }
        Ok(None)
    }

    /// Ids that are skipped when `agg_trade_id` comes next.
    #[inline]
    fn missing_before(&self, agg_trade_id: i64) -> Result<i64, TradeError> {
        match self.state.position {
            None => Ok(0),
            // In this order: from an origin of -1 to the last id of all, `id - position` alone would overflow.
            Some(position) if agg_trade_id > position => Ok(agg_trade_id - 1 - position),
            Some(_) => Err(TradeError::Order),
        }
    }

    /// Takes trades until `max_bars` further bars have closed, appends those to `bars`, returns how many were taken.
    ///
    /// All or nothing: when one of the trades is refused, neither the processor nor `bars` has changed.
    pub fn push_ticks(
        &mut self,
        ticks: impl IntoIterator<Item = Tick>,
        max_bars: usize,
        bars: &mut Vec<Bar>,
    ) -> Result<usize, BatchError> {
        let before = self.state;
        let len_before = bars.len();
        let mut taken = 0;
        for tick in ticks {
            if bars.len() - len_before >= max_bars {
                break;
            }
            match self.push(&tick) {
                Ok(None) => {}
                Ok(Some(bar)) => bars.push(bar),
                Err(error) => {
                    self.state = before;
                    bars.truncate(len_before);
                    return Err(BatchError {
                        index: taken,
                        error,
                    });
                }
            }
            taken += 1;
        }
        Ok(taken)
    }
}
