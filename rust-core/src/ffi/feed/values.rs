//! What goes into a feed and comes out of it, as C sees it.

use super::super::{RB_ERR_ARGUMENT, RB_NO_POSITION, Status};
use crate::bar::Bar;
use crate::decode::TimeUnit;
use crate::feed::{Config, LaneAdded, LaneBar, LaneSpec, MAX_TEXT, Page, Summary};

/// No time is known.
pub const RB_NO_TIME: i64 = -1;
/// The unit of a lane that has taken no trade yet.
pub const RB_UNIT_UNKNOWN: u32 = 0;
/// Milliseconds.
pub const RB_UNIT_MILLISECOND: u32 = 1;
/// Microseconds.
pub const RB_UNIT_MICROSECOND: u32 = 2;
/// The longest text of an event, in bytes.
pub const RB_FEED_TEXT: usize = 128;

const _: () = assert!(MAX_TEXT <= RB_FEED_TEXT);

/// How much a feed may keep.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct RbFeedConfig {
    /// Closed bars that wait for the reader.
    pub bar_capacity: u64,
    /// Live trades that all sequences together hold while they are fetched for.
    pub trade_capacity: u64,
    /// The largest websocket message, in bytes.
    pub max_message: u64,
}

impl TryFrom<RbFeedConfig> for Config {
    type Error = Status;

    fn try_from(config: RbFeedConfig) -> Result<Self, Status> {
        let size = |value: u64| usize::try_from(value).map_err(|_| RB_ERR_ARGUMENT);
        Ok(Self {
            bar_capacity: size(config.bar_capacity)?,
            trade_capacity: size(config.trade_capacity)?,
            max_message: size(config.max_message)?,
        })
    }
}

/// A lane as the program asks for it.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct RbLaneSpec {
    /// Number of the symbol.
    pub symbol: u32,
    /// Threshold in decimal basis points.
    pub threshold_dbps: u32,
    /// 1 when a bar may close at its opening time stamp.
    pub same_timestamp_close: u32,
    /// `RB_UNIT_*` as stored with the lane.
    pub time_unit: u32,
    /// Id of the last trade that is finished, -1 for none yet, `RB_NO_POSITION` to begin with the first live trade.
    pub position: i64,
    /// Time of that trade in microseconds, or `RB_NO_TIME`.
    pub last_time_us: i64,
}

impl RbLaneSpec {
    pub(super) fn plain(&self) -> Result<LaneSpec<'static>, Status> {
        Ok(LaneSpec {
            symbol: self.symbol,
            threshold_dbps: self.threshold_dbps,
            same_timestamp_close: self.same_timestamp_close != 0,
            unit: match self.time_unit {
                RB_UNIT_UNKNOWN => None,
                RB_UNIT_MILLISECOND => Some(TimeUnit::Millisecond),
                RB_UNIT_MICROSECOND => Some(TimeUnit::Microsecond),
                _ => return Err(RB_ERR_ARGUMENT),
            },
            position: (self.position != RB_NO_POSITION).then_some(self.position),
            last_time_us: (self.last_time_us >= 0).then_some(self.last_time_us),
            snapshot: None,
        })
    }
}

pub(super) fn unit_code(unit: Option<TimeUnit>) -> u32 {
    match unit {
        None => RB_UNIT_UNKNOWN,
        Some(TimeUnit::Millisecond) => RB_UNIT_MILLISECOND,
        Some(TimeUnit::Microsecond) => RB_UNIT_MICROSECOND,
    }
}

pub(super) fn id_or_none(id: Option<i64>) -> i64 {
    id.unwrap_or(RB_NO_POSITION)
}

/// Where a lane was put.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct RbLaneAdded {
    /// The sequence it is in for now.
    pub sequence: u64,
    /// Number of the lane, from 0 on.
    pub lane: u32,
    /// Zero.
    pub reserved: u32,
}

impl From<LaneAdded> for RbLaneAdded {
    fn from(added: LaneAdded) -> Self {
        Self {
            sequence: added.sequence,
            lane: added.lane,
            reserved: 0,
        }
    }
}

/// What one read did, and how the feed stands after it.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct RbFeedSummary {
    /// Bars that wait to be popped.
    pub bars_queued: u64,
    /// Events that wait to be popped.
    pub events_queued: u64,
    /// Live trades taken into bars since the last `rb_feed_receive` or `rb_feed_resume` began.
    pub trades_taken: u64,
    /// 1 when anything waits for room among the bars: pop some, then resume.
    pub is_paused: u64,
}

impl From<Summary> for RbFeedSummary {
    #[inline]
    fn from(summary: Summary) -> Self {
        Self {
            bars_queued: summary.bars_queued as u64,
            events_queued: summary.events_queued as u64,
            trades_taken: summary.trades_taken,
            is_paused: u64::from(summary.is_paused),
        }
    }
}

/// A closed bar and whose it is.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct RbLaneBar {
    /// The lane.
    pub lane: u32,
    /// Zero.
    pub reserved: u32,
    /// The bar.
    pub bar: Bar,
}

impl From<LaneBar> for RbLaneBar {
    fn from(closed: LaneBar) -> Self {
        Self {
            lane: closed.lane,
            reserved: 0,
            bar: closed.bar,
        }
    }
}

/// What became of one REST answer.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct RbPage {
    /// Rows that are trades.
    pub rows: u64,
    /// Rows that were refused.
    pub refused: u64,
    /// Lowest id served, `RB_NO_POSITION` in an empty answer.
    pub first_id: i64,
    /// Highest id served, `RB_NO_POSITION` in an empty answer.
    pub last_id: i64,
    /// Rows taken into bars by this call.
    pub taken: u64,
    /// Rows that every sequence concerned had already.
    pub duplicates: u64,
    /// 0 when the bar queue is full: offer the same answer again after bars were popped.
    pub is_complete: u64,
}

impl From<Page> for RbPage {
    fn from(page: Page) -> Self {
        Self {
            rows: page.rows as u64,
            refused: page.refused as u64,
            first_id: id_or_none(page.first_id),
            last_id: id_or_none(page.last_id),
            taken: page.taken as u64,
            duplicates: page.duplicates as u64,
            is_complete: u64::from(page.is_complete),
        }
    }
}
