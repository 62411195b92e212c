//! What goes into a feed and comes out of it, besides bytes.

use crate::bar::Bar;
use crate::decode::TimeUnit;
use crate::snapshot::SnapshotError;

/// How much a feed may keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Closed bars that wait for the reader. One trade more is taken when none waits.
    pub bar_capacity: usize,
    /// Live trades that all sequences together hold while they are fetched for.
    pub trade_capacity: usize,
    /// The largest websocket message, in bytes.
    pub max_message: usize,
}

/// A lane as the program asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneSpec<'a> {
    /// Number of the symbol.
    pub symbol: u32,
    /// Threshold in decimal basis points.
    pub threshold_dbps: u32,
    /// Whether a bar may close at its opening time stamp.
    pub same_timestamp_close: bool,
    /// The unit stored with the lane, if it has run before.
    pub unit: Option<TimeUnit>,
    /// Id of the last trade that is finished (-1 for none yet); `None` begins with the first live trade.
    pub position: Option<i64>,
    /// Time of that trade, when known.
    pub last_time_us: Option<i64>,
    /// A forming bar that follows the position.
    pub snapshot: Option<&'a [u8]>,
}

/// Where a lane was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneAdded {
    /// Number of the lane, from 0 on.
    pub lane: u32,
    /// The sequence it is in for now.
    pub sequence: u64,
}

/// A closed bar and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneBar {
    /// The lane.
    pub lane: u32,
    /// The bar.
    pub bar: Bar,
}

/// What one read did, and how the feed stands after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Bars that wait to be popped.
    pub bars_queued: usize,
    /// Events that wait to be popped.
    pub events_queued: usize,
    /// Live trades taken into bars since the last call to receive or resume began.
    pub trades_taken: u64,
    /// Whether anything waits for room among the bars: pop some, then resume.
    pub is_paused: bool,
}

/// What became of one REST answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Page {
    /// Rows that are trades.
    pub rows: usize,
    /// Rows that were refused.
    pub refused: usize,
    /// Lowest id served; `None` in an empty answer.
    pub first_id: Option<i64>,
    /// Highest id served.
    pub last_id: Option<i64>,
    /// Rows taken into bars by this call.
    pub taken: usize,
    /// Rows that every sequence concerned had already.
    pub duplicates: usize,
    /// False when the bar queue is full: offer the same answer again after bars were popped.
    pub is_complete: bool,
}

/// Why a call was refused; nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeedError {
    /// No symbol, lane, sequence or connection has this number.
    Unknown,
    /// A value is outside its range.
    Argument,
    /// The threshold is not within its range.
    Threshold,
    /// The snapshot cannot be read.
    Snapshot(SnapshotError),
    /// The snapshot is of another symbol, threshold or gate, or does not follow the position.
    SnapshotMismatch,
    /// The connection has unread bytes: pop bars and resume first.
    Paused,
    /// The answer is no page of trades.
    Page,
    /// The rows of the answer descend.
    PageOrder,
    /// Milliseconds for a lane in microseconds.
    Unit,
}

/// A sequence from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SequenceInfo {
    /// The sequence that answers: the asked one, or the one that it merged into.
    pub sequence: u64,
    /// Its symbol.
    pub symbol: u32,
    /// The id it waits for, `None` before its first trade.
    pub expected: Option<i64>,
    /// The highest id known at or above that; `None` at the live edge.
    pub highest_seen: Option<i64>,
    /// The latest time of the trades taken, when known.
    pub last_time_us: Option<i64>,
    /// Trades in its hold.
    pub held: usize,
    /// Lanes in it.
    pub lanes: usize,
    /// Whether a fetch is in flight.
    pub is_fetching: bool,
}

/// A symbol from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SymbolInfo {
    /// Id of the last trade taken by any of its sequences.
    pub last_id: Option<i64>,
    /// Its price, 0 before the first.
    pub last_price_e8: i64,
    /// Its time, 0 before the first.
    pub last_time_us: i64,
    /// The highest id that REST is known to know.
    pub known_id: Option<i64>,
    /// Trades that connections brought and that were taken.
    pub live_trades: u64,
    /// Trades that REST brought and that were taken.
    pub fetched_trades: u64,
    /// Live trades that every sequence had already.
    pub duplicates: u64,
    /// Live trades and rows that were refused.
    pub refused: u64,
    /// Held trades that were let go; they are fetched again.
    pub let_go: u64,
    /// Ids that were declared missing, summed over sequences.
    pub missing: u64,
}

/// A connection from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ConnectionInfo {
    /// Bytes received.
    pub bytes: u64,
    /// Messages of any kind.
    pub messages: u64,
    /// Trades of known symbols.
    pub trades: u64,
    /// Of these, taken into bars at once.
    pub taken: u64,
    /// Messages that were refused.
    pub rejected: u64,
    /// Pings.
    pub pings: u64,
    /// When the exchange sent the last trade event, microseconds; 0 when it did not say.
    pub last_event_time_us: i64,
    /// Bytes read from the socket and not looked at yet.
    pub unread: usize,
    /// Whether a close frame or a broken frame has ended it.
    pub is_closed: bool,
    /// Whether a trade of it waits for room.
    pub is_paused: bool,
}

/// A lane from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneInfo {
    /// Its symbol.
    pub symbol: u32,
    /// The sequence it is in.
    pub sequence: u64,
    /// Threshold in decimal basis points.
    pub threshold_dbps: u32,
    /// The unit of its tape.
    pub unit: Option<TimeUnit>,
    /// Id of the last trade taken.
    pub position: Option<i64>,
    /// Time of the last trade taken, 0 before the first.
    pub last_time_us: i64,
    /// Trades whose time was before that of their predecessor.
    pub time_reversals: u64,
    /// The bar that has not closed.
    pub forming: Option<Bar>,
}

/// Everything counted, over the feed's life, and what it keeps now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Bytes received from connections.
    pub bytes: u64,
    /// Messages received.
    pub messages: u64,
    /// Trades that connections brought and that were taken.
    pub live_trades: u64,
    /// Trades that REST brought and that were taken.
    pub fetched_trades: u64,
    /// Live trades that were known already.
    pub duplicates: u64,
    /// Messages, trades and rows that were refused.
    pub refused: u64,
    /// Held trades that were let go.
    pub let_go: u64,
    /// Ids declared missing.
    pub missing: u64,
    /// Bars closed.
    pub bars: u64,
    /// Replies and requests that were dropped since nobody took them.
    pub replies_dropped: u64,
    /// Bars that wait.
    pub bars_queued: usize,
    /// Trades that are held.
    pub trades_held: usize,
    /// Events that wait.
    pub events_queued: usize,
    /// Bytes that the feed has on the heap, as far as it can see.
    pub heap_bytes: usize,
    /// Whether anything waits for room among the bars.
    pub is_paused: bool,
}
