/* Written by `python build.py` from rust-core/src/ffi; do not edit. The rules of this interface: docs/c-abi.md */

#ifndef RANGEBAR_H
#define RANGEBAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RB_VERSION "0.1.0"

#ifdef __cplusplus
extern "C" {
#endif

// Version of this C interface; changes whenever a signature or a struct does.
#define RB_ABI_VERSION 1

// Done.
#define RB_OK 0

// Done, and the trade closed a bar, which waits to be popped.
#define RB_BAR_CLOSED 1

// Nothing there: no bar is forming, no event waits.
#define RB_NONE 2

// A pointer that must not be NULL is NULL.
#define RB_ERR_NULL -1

// Another thread is inside this handle.
#define RB_ERR_BUSY -2

// The library failed inside; the handle cannot be used again.
#define RB_ERR_PANIC -3

// A length, a count or an option is outside its range.
#define RB_ERR_ARGUMENT -4

// The output buffer is too small; nothing was written.
#define RB_ERR_BUFFER -5

// The threshold is not within 1 to 100,000 dbps.
#define RB_ERR_THRESHOLD -6

// The aggregate trade id is negative.
#define RB_ERR_AGG_TRADE_ID -10

// The price is not above zero.
#define RB_ERR_PRICE -11

// The quantity is negative.
#define RB_ERR_QUANTITY -12

// The time is before 1970 or after the year 9999.
#define RB_ERR_TIMESTAMP -13

// The individual ids are negative, or the last is below the first.
#define RB_ERR_TRADE_IDS -14

// The aggregate trade id is not above the one before it.
#define RB_ERR_ORDER -15

// A sum over the bar left the range of its type.
#define RB_ERR_OVERFLOW -16

// The price is no number with at most eight decimals.
#define RB_ERR_PRICE_INEXACT -17

// The quantity is no number with at most eight decimals.
#define RB_ERR_QUANTITY_INEXACT -18

// A snapshot is shorter or longer than it says.
#define RB_ERR_SNAPSHOT_LENGTH -30

// The bytes are no snapshot.
#define RB_ERR_SNAPSHOT_MAGIC -31

// A snapshot of another version of the format.
#define RB_ERR_SNAPSHOT_VERSION -32

// A snapshot is damaged.
#define RB_ERR_SNAPSHOT_CHECKSUM -33

// A snapshot's values are impossible.
#define RB_ERR_SNAPSHOT_CONTENT -34

// A snapshot's label is longer than 255 bytes.
#define RB_ERR_SNAPSHOT_LABEL -35

// A snapshot's forming bar ends beyond its limits: it would have closed.
#define RB_ERR_SNAPSHOT_UNCLOSED -36

// A snapshot's forming bar leaves out more ids than it counts as missing.
#define RB_ERR_SNAPSHOT_UNCOUNTED -37

// Done up to a line that is no row; the progress says which and why.
#define RB_ROW_REFUSED 10

// Done up to a trade whose id is old but whose time is more than 60 s later: ids have begun anew.
#define RB_IDS_RESTARTED 11

// A text message.
#define RB_FRAME_TEXT 1

// A binary message.
#define RB_FRAME_BINARY 2

// The server's close; `code` is 1005 when it gave none, the payload is its reason.
#define RB_FRAME_CLOSE 8

// A ping.
#define RB_FRAME_PING 9

// A pong.
#define RB_FRAME_PONG 10

// The bytes are not the protocol; `code` is the one to close with, the payload says why.
#define RB_FRAME_ERROR 16

// A trade; `RbEvent` carries it.
#define RB_EVENT_TRADE 1

// The answer to a request.
#define RB_EVENT_REPLY 2

// The server is about to restart.
#define RB_EVENT_SHUTDOWN 3

// Well-formed, but none of the others.
#define RB_EVENT_OTHER 4

// An aggTrade event that cannot be a trade.
#define RB_EVENT_REJECTED 5

// Not JSON, or nested deeper than 64.
#define RB_EVENT_NOT_JSON 6

// Done as far as there was room for bars: pop some, then call again.
#define RB_PAUSED 3

// No symbol, lane, sequence or connection has this number.
#define RB_ERR_UNKNOWN -40

// The connection has unread bytes: pop bars and resume first.
#define RB_ERR_PAUSED -41

// The answer is no page of trades.
#define RB_ERR_PAGE -42

// The rows of the answer descend.
#define RB_ERR_PAGE_ORDER -43

// Milliseconds for a lane in microseconds.
#define RB_ERR_TIME_UNIT -44

// The snapshot is of another symbol, threshold or gate, or does not follow the position.
#define RB_ERR_SNAPSHOT_MISMATCH -45

// `sequence` misses `id` to `other_id`.
#define RB_FEED_GAP_FOUND 1

// `sequence`: `id` was not served, `other_id` above it was.
#define RB_FEED_ID_SKIPPED 2

// `symbol`: `count` second copies differ, the first of them of `id`.
#define RB_FEED_TRADES_DIFFER 3

// `sequence`: `id` came at `time_us` where `other_id` was expected after `other_time_us`.
#define RB_FEED_IDS_RESTARTED 4

// `lane` begins after `id` in the unit `code`.
#define RB_FEED_ORIGIN_SET 5

// `sequence` is a part of `other_sequence` now.
#define RB_FEED_SEQUENCES_MERGED 6

// `connection` wants a pong with `text`.
#define RB_FEED_PING 7

// `connection` was closed with `code` and the reason `text`.
#define RB_FEED_CLOSE 8

// `connection` broke the protocol: our close code is `code`, `text` says what was wrong.
#define RB_FEED_CONNECTION_FAILED 9

// The server of `connection` is about to restart.
#define RB_FEED_SERVER_SHUTDOWN 10

// `connection` answered the request `id` (`has_id`); with `has_error`, `time_us` is the code and `text` the message.
#define RB_FEED_REPLY 11

// `connection`: `count` messages refused, the first for `code` at `field`, beginning with `text`.
#define RB_FEED_FRAME_REJECTED 12

// `symbol`: `count` rows refused, the first of `id` for `code` at `field`, beginning with `text`.
#define RB_FEED_TRADE_REJECTED 13

// `connection` brings milliseconds of `symbol` for a lane in microseconds.
#define RB_FEED_UNIT_MISMATCH 14

// No time is known.
#define RB_NO_TIME -1

// The unit of a lane that has taken no trade yet.
#define RB_UNIT_UNKNOWN 0

// Milliseconds.
#define RB_UNIT_MILLISECOND 1

// Microseconds.
#define RB_UNIT_MICROSECOND 2

// The longest text of an event, in bytes.
#define RB_FEED_TEXT 128

// `position` for "none": the first trade of all may have any id.
#define RB_NO_POSITION -2

// Bytes of one packed trade.
#define RB_PACKED_TRADE 56

// Integer columns that `rb_bars_columns` writes.
#define RB_INTEGER_COLUMNS 12

// Float columns that `rb_bars_columns` writes.
#define RB_FLOAT_COLUMNS 20

// Columns that `rb_bars_exact` writes.
#define RB_EXACT_COLUMNS 11

// `RbWide`, for `rb_struct_size`.
#define RB_STRUCT_WIDE 0

// `RbTick`, for `rb_struct_size`.
#define RB_STRUCT_TICK 1

// `RbBar`, for `rb_struct_size`.
#define RB_STRUCT_BAR 2

// `RbFeatures`, for `rb_struct_size`.
#define RB_STRUCT_FEATURES 3

// `RbColumns`, for `rb_struct_size`.
#define RB_STRUCT_COLUMNS 4

// `RbProcessorInfo`, for `rb_struct_size`.
#define RB_STRUCT_PROCESSOR_INFO 5

// `RbFeedConfig`, for `rb_struct_size`.
#define RB_STRUCT_FEED_CONFIG 6

// `RbLaneSpec`, for `rb_struct_size`.
#define RB_STRUCT_LANE_SPEC 7

// `RbLaneAdded`, for `rb_struct_size`.
#define RB_STRUCT_LANE_ADDED 8

// `RbFeedSummary`, for `rb_struct_size`.
#define RB_STRUCT_FEED_SUMMARY 9

// `RbLaneBar`, for `rb_struct_size`.
#define RB_STRUCT_LANE_BAR 10

// `RbPage`, for `rb_struct_size`.
#define RB_STRUCT_PAGE 11

// `RbFeedEvent`, for `rb_struct_size`.
#define RB_STRUCT_FEED_EVENT 12

// `RbSequenceInfo`, for `rb_struct_size`.
#define RB_STRUCT_SEQUENCE_INFO 13

// `RbSymbolInfo`, for `rb_struct_size`.
#define RB_STRUCT_SYMBOL_INFO 14

// `RbConnectionInfo`, for `rb_struct_size`.
#define RB_STRUCT_CONNECTION_INFO 15

// `RbLaneInfo`, for `rb_struct_size`.
#define RB_STRUCT_LANE_INFO 16

// `RbFeedTotals`, for `rb_struct_size`.
#define RB_STRUCT_FEED_TOTALS 17

// `RbArchiveProgress`, for `rb_struct_size`.
#define RB_STRUCT_ARCHIVE_PROGRESS 18

// `RbSifted`, for `rb_struct_size`.
#define RB_STRUCT_SIFTED 19

// `RbGap`, for `rb_struct_size`.
#define RB_STRUCT_GAP 20

// `RbMessage`, for `rb_struct_size`.
#define RB_STRUCT_MESSAGE 21

// `RbEvent`, for `rb_struct_size`.
#define RB_STRUCT_EVENT 22

// The bars of one batch, in memory that belongs to the library.
typedef struct RbBars RbBars;

// Everything between the sockets and the reader of one stream.
typedef struct RbFeed RbFeed;

// Cuts the bytes of one websocket connection into messages, as its client.
typedef struct RbFrameDecoder RbFrameDecoder;

// A processor with the bars it closed and that nobody popped yet.
typedef struct RbProcessor RbProcessor;

// Result of an export: zero or above is success.
typedef int32_t rb_status;

// One aggregate trade.
//
// Packed, its 56 bytes are seven little-endian 64-bit integers in this order, the last one 0 or 1.
typedef struct RbTick {
    // Aggregate trade id: the order of the tape, zero or above.
    int64_t agg_trade_id;
    // Price in units of 10^-8, above zero.
    int64_t price_e8;
    // Quantity in units of 10^-8, zero or above.
    int64_t quantity_e8;
    // Id of the first individual trade that was aggregated.
    int64_t first_trade_id;
    // Id of the last individual trade that was aggregated.
    int64_t last_trade_id;
    // Time of the trade in microseconds since 1970-01-01 UTC.
    int64_t timestamp_us;
    // 1 when the buyer was the maker (the aggressor sold), else 0.
    uint8_t is_buyer_maker;
    // Zeros.
    uint8_t reserved[7];
} RbTick;

// How far `rb_archive_decode` came.
typedef struct RbArchiveProgress {
    // Trades written.
    size_t rows;
    // Bytes that need not be offered again; always up to the beginning of a line.
    size_t bytes_consumed;
    // Lines in those bytes, with a header.
    size_t lines;
    // Length of the refused line, which begins behind the consumed bytes; at most 1024 of it.
    size_t error_text_len;
    // Column to blame, counted from 1; 0 is the line as a whole.
    uint32_t error_column;
    // 1 when a time in milliseconds was among the rows.
    uint32_t has_milliseconds;
    // 1 when a time in microseconds was among the rows.
    uint32_t has_microseconds;
    // Zero.
    uint32_t reserved;
    // Name of that column, ended by a zero; empty for the line as a whole.
    char error_column_name[24];
    // What is wrong, for people, ended by a zero; empty unless a line was refused.
    char error_phrase[64];
} RbArchiveProgress;

// Ids that never came: both ends are among them.
typedef struct RbGap {
    // The first missing id.
    int64_t from_id;
    // The last missing id.
    int64_t to_id;
} RbGap;

// What one `rb_ticks_sift` did.
typedef struct RbSifted {
    // Trades looked at; the rest is as it was.
    size_t consumed;
    // Trades kept: they stand at the front now.
    size_t kept;
    // Gaps written.
    size_t gaps;
    // Trades dropped because their id had come before.
    size_t repeated;
    // Trades among those that were unlike the kept one of the same id, where that was the last one kept.
    size_t differing;
} RbSifted;

// A signed 128-bit integer as two limbs, so that C and cffi can carry it.
typedef struct RbWide {
    // The lower 64 bits.
    uint64_t lo;
    // The upper 64 bits, with the sign.
    int64_t hi;
} RbWide;

// The sums and extremes of one bar: 176 bytes, everything else is derived (`Bar::features`).
typedef struct RbBar {
    // Time of the first trade, microseconds since 1970-01-01 UTC.
    int64_t open_time_us;
    // Time of the last trade, microseconds since 1970-01-01 UTC.
    int64_t close_time_us;
    // First price, units of 10^-8.
    int64_t open_e8;
    // Highest price, units of 10^-8.
    int64_t high_e8;
    // Lowest price, units of 10^-8.
    int64_t low_e8;
    // Last price, units of 10^-8.
    int64_t close_e8;
    // Quantity of all trades, units of 10^-8.
    struct RbWide volume;
    // Price times quantity of all trades, units of 10^-16.
    struct RbWide turnover;
    // Quantity of the trades whose aggressor bought, units of 10^-8.
    struct RbWide buy_volume;
    // Price times quantity of the trades whose aggressor bought, units of 10^-16.
    struct RbWide buy_turnover;
    // Individual trades.
    int64_t individual_trade_count;
    // Individual trades whose aggressor bought.
    int64_t buy_trade_count;
    // Aggregate records.
    int64_t agg_record_count;
    // Individual id of the first trade.
    int64_t first_trade_id;
    // Individual id of the last trade.
    int64_t last_trade_id;
    // Aggregate id of the first trade.
    int64_t first_agg_trade_id;
    // Aggregate id of the last trade: the position after this bar.
    int64_t last_agg_trade_id;
    // Aggregate ids that never came between the bar before this one and the end of this one.
    int64_t missing_trades;
} RbBar;

// One message of a frame decoder.
typedef struct RbMessage {
    // One of `RB_FRAME_*`.
    uint32_t kind;
    // Code of a close or an error, else 0.
    uint32_t code;
    // Its bytes, valid until the decoder is used again; never NULL.
    const uint8_t *payload;
    // How many.
    size_t payload_len;
} RbMessage;

// What the text of one message says.
typedef struct RbEvent {
    // One of `RB_EVENT_*`.
    uint32_t kind;
    // Of a trade: 1 when its time came in microseconds.
    uint32_t has_microseconds;
    // Of a trade: the trade.
    struct RbTick tick;
    // Of a trade: when the exchange sent it, microseconds since 1970-01-01 UTC; 0 when it does not say.
    int64_t event_time_us;
    // Of a reply: the request's id, if `has_reply_id`.
    int64_t reply_id;
    // Of a reply: 1 when its id is an integer.
    uint32_t has_reply_id;
    // Of a reply: 1 when it is a refusal.
    uint32_t is_error;
    // Of a refusal: the exchange's code.
    int64_t error_code;
} RbEvent;

// How much a feed may keep.
typedef struct RbFeedConfig {
    // Closed bars that wait for the reader.
    uint64_t bar_capacity;
    // Live trades that all sequences together hold while they are fetched for.
    uint64_t trade_capacity;
    // The largest websocket message, in bytes.
    uint64_t max_message;
} RbFeedConfig;

// A lane as the program asks for it.
typedef struct RbLaneSpec {
    // Number of the symbol.
    uint32_t symbol;
    // Threshold in decimal basis points.
    uint32_t threshold_dbps;
    // 1 when a bar may close at its opening time stamp.
    uint32_t same_timestamp_close;
    // `RB_UNIT_*` as stored with the lane.
    uint32_t time_unit;
    // Id of the last trade that is finished, -1 for none yet, `RB_NO_POSITION` to begin with the first live trade.
    int64_t position;
    // Time of that trade in microseconds, or `RB_NO_TIME`.
    int64_t last_time_us;
} RbLaneSpec;

// Where a lane was put.
typedef struct RbLaneAdded {
    // The sequence it is in for now.
    uint64_t sequence;
    // Number of the lane, from 0 on.
    uint32_t lane;
    // Zero.
    uint32_t reserved;
} RbLaneAdded;

// What one read did, and how the feed stands after it.
typedef struct RbFeedSummary {
    // Bars that wait to be popped.
    uint64_t bars_queued;
    // Events that wait to be popped.
    uint64_t events_queued;
    // Live trades taken into bars since the last `rb_feed_receive` or `rb_feed_resume` began.
    uint64_t trades_taken;
    // 1 when anything waits for room among the bars: pop some, then resume.
    uint64_t is_paused;
} RbFeedSummary;

// What became of one REST answer.
typedef struct RbPage {
    // Rows that are trades.
    uint64_t rows;
    // Rows that were refused.
    uint64_t refused;
    // Lowest id served, `RB_NO_POSITION` in an empty answer.
    int64_t first_id;
    // Highest id served, `RB_NO_POSITION` in an empty answer.
    int64_t last_id;
    // Rows taken into bars by this call.
    uint64_t taken;
    // Rows that every sequence concerned had already.
    uint64_t duplicates;
    // 0 when the bar queue is full: offer the same answer again after bars were popped.
    uint64_t is_complete;
} RbPage;

// A closed bar and whose it is.
typedef struct RbLaneBar {
    // The lane.
    uint32_t lane;
    // Zero.
    uint32_t reserved;
    // The bar.
    struct RbBar bar;
} RbLaneBar;

// One event; fields that its kind does not name are zero.
typedef struct RbFeedEvent {
    // `RB_EVENT_*`.
    uint32_t kind;
    // A close code, a unit, or a reason: 1 syntax, 2 too deep, 3 shape, 4 missing, 5 twice, 6 type, 7 decimal,
    // 8 impossible trade, 9 binary, 10 unknown symbol, 11 implausible, 12 too far ahead.
    uint32_t code;
    // Symbol.
    uint32_t symbol;
    // Lane.
    uint32_t lane;
    // Connection.
    uint64_t connection;
    // Sequence.
    uint64_t sequence;
    // Another sequence.
    uint64_t other_sequence;
    // An id.
    int64_t id;
    // Another id.
    int64_t other_id;
    // A time in microseconds.
    int64_t time_us;
    // Another time in microseconds.
    int64_t other_time_us;
    // How many.
    uint64_t count;
    // The field at fault: 1 symbol, 2 id, 3 price, 4 quantity, 5 first id, 6 last id, 7 time, 8 side; 0 for none.
    uint32_t field;
    // 1 when `id` was given.
    uint32_t has_id;
    // 1 when a reply is an error.
    uint32_t has_error;
    // Bytes of `text`.
    uint32_t text_len;
    // Text, cut at its end.
    uint8_t text[RB_FEED_TEXT];
} RbFeedEvent;

// A sequence, or the one that it merged into.
typedef struct RbSequenceInfo {
    // The sequence that answers.
    uint64_t sequence;
    // The id it waits for, `RB_NO_POSITION` before its first trade.
    int64_t expected;
    // The highest id known at or above that, `RB_NO_POSITION` at the live edge.
    int64_t highest_seen;
    // The latest time of the trades taken, or `RB_NO_TIME`.
    int64_t last_time_us;
    // Trades in its hold.
    uint64_t held;
    // Its symbol.
    uint32_t symbol;
    // Lanes in it.
    uint32_t lanes;
    // 1 while a fetch is in flight.
    uint32_t is_fetching;
    // Zero.
    uint32_t reserved;
} RbSequenceInfo;

// A symbol.
typedef struct RbSymbolInfo {
    // Id of the last trade taken by any of its sequences, or `RB_NO_POSITION`.
    int64_t last_id;
    // Its price, 0 before the first.
    int64_t last_price_e8;
    // Its time, 0 before the first.
    int64_t last_time_us;
    // The highest id that REST is known to know, or `RB_NO_POSITION`.
    int64_t known_id;
    // Trades that connections brought and that were taken.
    uint64_t live_trades;
    // Trades that REST brought and that were taken.
    uint64_t fetched_trades;
    // Live trades that every sequence had already.
    uint64_t duplicates;
    // Live trades and rows that were refused.
    uint64_t refused;
    // Held trades that were let go; they are fetched again.
    uint64_t let_go;
    // Ids that were declared missing, summed over sequences.
    uint64_t missing;
} RbSymbolInfo;

// A connection.
typedef struct RbConnectionInfo {
    // Bytes received.
    uint64_t bytes;
    // Messages of any kind.
    uint64_t messages;
    // Trades of known symbols.
    uint64_t trades;
    // Of these, taken into bars at once.
    uint64_t taken;
    // Messages that were refused.
    uint64_t rejected;
    // Pings.
    uint64_t pings;
    // When the exchange sent the last trade event, microseconds; 0 when it did not say.
    int64_t last_event_time_us;
    // Bytes read from the socket and not looked at yet.
    uint64_t unread;
    // 1 after a close frame or a broken frame.
    uint32_t is_closed;
    // 1 while a trade of it waits for room.
    uint32_t is_paused;
} RbConnectionInfo;

// A lane.
typedef struct RbLaneInfo {
    // The sequence it is in.
    uint64_t sequence;
    // Id of the last trade taken, or `RB_NO_POSITION`.
    int64_t position;
    // Time of the last trade taken, 0 before the first.
    int64_t last_time_us;
    // Trades whose time was before that of their predecessor.
    uint64_t time_reversals;
    // Its symbol.
    uint32_t symbol;
    // Threshold in decimal basis points.
    uint32_t threshold_dbps;
    // `RB_UNIT_*`.
    uint32_t time_unit;
    // 1 when `forming` is a bar.
    uint32_t has_forming;
    // The bar that has not closed.
    struct RbBar forming;
} RbLaneInfo;

// Everything counted over a feed's life, and what it keeps now.
typedef struct RbFeedTotals {
    // Bytes received from connections.
    uint64_t bytes;
    // Messages received.
    uint64_t messages;
    // Trades that connections brought and that were taken.
    uint64_t live_trades;
    // Trades that REST brought and that were taken.
    uint64_t fetched_trades;
    // Live trades that were known already.
    uint64_t duplicates;
    // Messages, trades and rows that were refused.
    uint64_t refused;
    // Held trades that were let go.
    uint64_t let_go;
    // Ids declared missing.
    uint64_t missing;
    // Bars closed.
    uint64_t bars;
    // Replies that were dropped since nobody took them.
    uint64_t replies_dropped;
    // Bars that wait.
    uint64_t bars_queued;
    // Trades that are held.
    uint64_t trades_held;
    // Events that wait.
    uint64_t events_queued;
    // Bytes that the feed has on the heap, as far as it can see.
    uint64_t heap_bytes;
    // 1 when anything waits for room among the bars.
    uint64_t is_paused;
} RbFeedTotals;

// What a processor is and where it stands.
typedef struct RbProcessorInfo {
    // Id of the last trade taken, or the origin it was started at; -2 when neither exists.
    int64_t position;
    // Time of the last trade taken, microseconds; 0 before the first.
    int64_t last_timestamp_us;
    // Trades whose time was before that of their predecessor.
    uint64_t time_reversals;
    // Bars that wait to be popped.
    uint64_t closed_bars;
    // Index of the row for which the last batch was refused.
    uint64_t error_index;
    // Threshold in decimal basis points.
    uint32_t threshold_dbps;
    // 1 when a bar may close at its opening time stamp.
    uint32_t same_timestamp_close;
} RbProcessorInfo;

// Columns of trades; the first five are needed, NULL ids mean one individual trade a row.
typedef struct RbColumns {
    // Rows of every column.
    size_t len;
    // Aggregate trade ids.
    const int64_t *agg_trade_id;
    // Times in microseconds.
    const int64_t *timestamp_us;
    // Prices: `int64_t` of 10^-8, or `double`.
    const void *price;
    // Quantities: `int64_t` of 10^-8, or `double`.
    const void *quantity;
    // Sides: 1 when the buyer was the maker.
    const uint8_t *is_buyer_maker;
    // First individual ids, or NULL.
    const int64_t *first_trade_id;
    // Last individual ids, or NULL.
    const int64_t *last_trade_id;
    // 1 when the prices are `double`.
    uint32_t price_is_float;
    // 1 when the quantities are `double`.
    uint32_t quantity_is_float;
} RbColumns;

// What RANGE_BARS derives from a bar's sums.
typedef struct RbFeatures {
    // Volume-weighted average price, units of 10^-8, truncated towards zero; the open while the volume is 0.
    int64_t vwap_e8;
    // Close time less open time, microseconds.
    int64_t duration_us;
    // Order flow imbalance.
    double ofi;
    // (close - vwap) / (high - low).
    double vwap_close_deviation;
    // |close - open| / volume.
    double price_impact;
    // ((close - open) / open) / ofi.
    double kyle_lambda_proxy;
    // Individual trades a second.
    double trade_intensity;
    // Volume / individual trades.
    double volume_per_trade;
    // Buys / sells by individual trades, at most 100.
    double aggression_ratio;
    // Individual trades / aggregate records.
    double aggregation_density;
    // (buy turnover - sell turnover) / turnover.
    double turnover_imbalance;
} RbFeatures;

// Version of the C interface that this library was built with.
uint32_t rb_abi_version(void);

// Reads rows of an archive until `capacity` trades are written, the bytes end, or a line is refused (`RB_ROW_REFUSED`).
//
// `at_start`: the bytes begin with the file's first one, so a header may come. `at_end`: they end with its last one, so
// the last row needs no line end; otherwise an unfinished line is left, to be offered again with what follows it.
//
// # Safety
// `bytes` is valid for reads of `len` bytes, `ticks` for writes of `capacity` ticks, `progress` NULL or valid for a write.
rb_status rb_archive_decode(const uint8_t *bytes,
                            size_t len,
                            bool at_start,
                            bool at_end,
                            struct RbTick *ticks,
                            size_t capacity,
                            struct RbArchiveProgress *progress);

// Drops trades whose id came before, in place and in order, and lists the ids that never came.
//
// `last` is the last trade kept, and is moved on; begin with an `agg_trade_id` of `RB_NO_POSITION`, or of the position to
// go on after with a price of 0. Ends early when `gaps` is full and another gap comes (`RB_OK`, `consumed` below `len`:
// call again with the rest) and at a trade that shows that ids have begun anew (`RB_IDS_RESTARTED`).
//
// # Safety
// `last` is NULL or valid for reads and writes, `ticks` valid for reads and writes of `len` ticks, `gaps` for writes of
// `gap_capacity` gaps (at least 1), `sifted` NULL or valid for a write.
rb_status rb_ticks_sift(struct RbTick *last,
                        struct RbTick *ticks,
                        size_t len,
                        struct RbGap *gaps,
                        size_t gap_capacity,
                        struct RbSifted *sifted);

// Makes an Arrow stream (`struct ArrowArrayStream`) of one record batch that holds a copy of the bars.
//
// Decimal numbers are `double`, with `exact` they are `decimal128`; `RB_ERR_OVERFLOW` when one has more than 38 digits.
// `rb_arrow_stream_free` frees what `out` points to, whether or not its content was moved away or released.
//
// # Safety
// `bars` is valid for reads of `len` bars, `out` NULL or valid for a write.
rb_status rb_arrow_stream_new(const struct RbBar *bars, size_t len, bool exact, void **out);

// Frees a stream made by `rb_arrow_stream_new`, and releases its content unless that was done; NULL is fine.
//
// # Safety
// `stream` is NULL or comes from `rb_arrow_stream_new`; it is dead afterwards.
void rb_arrow_stream_free(void *stream);

// Makes the Arrow schema (`struct ArrowSchema`) of the streams; `rb_arrow_schema_free` frees what `out` points to.
//
// # Safety
// `out` is NULL or valid for a write.
rb_status rb_arrow_schema_new(bool exact, void **out);

// Frees a schema made by `rb_arrow_schema_new`, and releases its content unless that was done; NULL is fine.
//
// # Safety
// `schema` is NULL or comes from `rb_arrow_schema_new`; it is dead afterwards.
void rb_arrow_schema_free(void *schema);

// Makes a decoder for a new connection that refuses messages above `max_message` bytes.
//
// # Safety
// `out` is NULL or valid for a write.
rb_status rb_frame_decoder_new(size_t max_message, struct RbFrameDecoder **out);

// Releases a decoder; NULL is fine.
//
// # Safety
// `decoder` is NULL or a live handle that no thread is inside of; it is dead afterwards.
void rb_frame_decoder_free(struct RbFrameDecoder *decoder);

// Adds bytes that came from the server.
//
// # Safety
// `decoder` is NULL or a live handle, `bytes` valid for reads of `len` bytes.
rb_status rb_frame_decoder_receive(struct RbFrameDecoder *decoder, const uint8_t *bytes, size_t len);

// Reads the next message; `RB_NONE` when more bytes are needed, and for ever after a close or an error.
//
// # Safety
// `decoder` is NULL or a live handle, `message` NULL or valid for a write.
rb_status rb_frame_decoder_next(struct RbFrameDecoder *decoder, struct RbMessage *message);

// Reads the text of one message, raw or in a combined stream's envelope.
//
// # Safety
// `text` is valid for reads of `len` bytes, `event` NULL or valid for a write.
rb_status rb_message_decode(const uint8_t *text, size_t len, struct RbEvent *event);

// Makes a feed without symbols.
//
// # Safety
// `config` is NULL or valid for a read, `out` NULL or valid for a write.
rb_status rb_feed_new(const struct RbFeedConfig *config, struct RbFeed **out);

// Releases a feed; NULL is fine.
//
// # Safety
// `feed` is NULL or a live handle that no thread is inside of; it is dead afterwards.
void rb_feed_free(struct RbFeed *feed);

// Adds a symbol by the name that events carry, or finds it again.
//
// # Safety
// `feed` is NULL or a live handle, `name` valid for reads of `len` bytes, `symbol` NULL or valid for a write.
rb_status rb_feed_add_symbol(struct RbFeed *feed, const uint8_t *name, size_t len, uint32_t *symbol);

// Adds a lane to its symbol; `snapshot` of `len` bytes may be NULL with 0.
//
// # Safety
// `feed` is NULL or a live handle, `spec` NULL or valid for a read, `snapshot` valid for reads of `len` bytes, `added`
// NULL or valid for a write.
rb_status rb_feed_add_lane(struct RbFeed *feed,
                           const struct RbLaneSpec *spec,
                           const uint8_t *snapshot,
                           size_t len,
                           struct RbLaneAdded *added);

// Opens a connection: the bytes of a websocket after its handshake. Numbers are never used again.
//
// # Safety
// `feed` is NULL or a live handle, `connection` NULL or valid for a write.
rb_status rb_feed_connect(struct RbFeed *feed, uint64_t *connection);

// Forgets a connection with whatever it had not finished.
//
// # Safety
// `feed` is NULL or a live handle.
rb_status rb_feed_disconnect(struct RbFeed *feed, uint64_t connection);

// Takes one read of a connection; `RB_ERR_PAUSED` while its last read waits for room.
//
// # Safety
// `feed` is NULL or a live handle, `bytes` valid for reads of `len` bytes, `summary` NULL or valid for a write.
rb_status rb_feed_receive(struct RbFeed *feed,
                          uint64_t connection,
                          const uint8_t *bytes,
                          size_t len,
                          struct RbFeedSummary *summary);

// Goes on with whatever waited for room.
//
// # Safety
// `feed` is NULL or a live handle, `summary` NULL or valid for a write.
rb_status rb_feed_resume(struct RbFeed *feed, struct RbFeedSummary *summary);

// How the feed stands.
//
// # Safety
// `feed` is NULL or a live handle, `summary` NULL or valid for a write.
rb_status rb_feed_summary(struct RbFeed *feed, struct RbFeedSummary *summary);

// Takes the body of the REST answer to `fromId = from_id`.
//
// When `is_complete` is 0 the same answer is to be offered again after bars were popped; on an error nothing was taken.
//
// # Safety
// `feed` is NULL or a live handle, `body` valid for reads of `len` bytes, `page` NULL or valid for a write.
rb_status rb_feed_backfill(struct RbFeed *feed,
                           uint32_t symbol,
                           int64_t from_id,
                           const uint8_t *body,
                           size_t len,
                           struct RbPage *page);

// From now on early trades of this sequence are held: its fetch is in flight.
//
// # Safety
// `feed` is NULL or a live handle.
rb_status rb_feed_begin_fetch(struct RbFeed *feed, uint64_t sequence);

// The fetch has ended: takes what fits of the hold and lets the rest go.
//
// # Safety
// `feed` is NULL or a live handle.
rb_status rb_feed_end_fetch(struct RbFeed *feed, uint64_t sequence);

// The exchange provably has no trades from the expected id to `to_id`; `RB_PAUSED` when it has to be said again.
//
// # Safety
// `feed` is NULL or a live handle.
rb_status rb_feed_declare_missing(struct RbFeed *feed, uint64_t sequence, int64_t to_id);

// REST knows ids up to `id`: live ids more than 10,000,000 above are not believed.
//
// # Safety
// `feed` is NULL or a live handle.
rb_status rb_feed_set_known(struct RbFeed *feed, uint32_t symbol, int64_t id);

// Writes the bar at the head of the queue, which stays there; `RB_NONE` when none waits.
//
// # Safety
// `feed` is NULL or a live handle, `bar` NULL or valid for a write.
rb_status rb_feed_peek_bar(struct RbFeed *feed, struct RbLaneBar *bar);

// Takes the bar at the head of the queue off; `RB_NONE` when none waits.
//
// # Safety
// `feed` is NULL or a live handle.
rb_status rb_feed_pop_bar(struct RbFeed *feed);

// Takes the oldest event; `RB_NONE` when none waits.
//
// # Safety
// `feed` is NULL or a live handle, `event` NULL or valid for a write.
rb_status rb_feed_pop_event(struct RbFeed *feed, struct RbFeedEvent *event);

// Looks at a sequence, or at the one that it merged into.
//
// # Safety
// `feed` is NULL or a live handle, `info` NULL or valid for a write.
rb_status rb_feed_sequence_info(struct RbFeed *feed, uint64_t sequence, struct RbSequenceInfo *info);

// Looks at a symbol.
//
// # Safety
// `feed` is NULL or a live handle, `info` NULL or valid for a write.
rb_status rb_feed_symbol_info(struct RbFeed *feed, uint32_t symbol, struct RbSymbolInfo *info);

// Looks at a connection.
//
// # Safety
// `feed` is NULL or a live handle, `info` NULL or valid for a write.
rb_status rb_feed_connection_info(struct RbFeed *feed, uint64_t connection, struct RbConnectionInfo *info);

// Looks at a lane.
//
// # Safety
// `feed` is NULL or a live handle, `info` NULL or valid for a write.
rb_status rb_feed_lane_info(struct RbFeed *feed, uint32_t lane, struct RbLaneInfo *info);

// Writes a lane's snapshot and its length; `RB_ERR_BUFFER` when it does not fit.
//
// # Safety
// `feed` is NULL or a live handle, `buffer` valid for writes of `capacity` bytes, `len` NULL or valid for a write.
rb_status rb_feed_lane_snapshot(struct RbFeed *feed, uint32_t lane, uint8_t *buffer, size_t capacity, size_t *len);

// Everything counted.
//
// # Safety
// `feed` is NULL or a live handle, `totals` NULL or valid for a write.
rb_status rb_feed_totals(struct RbFeed *feed, struct RbFeedTotals *totals);

// Makes a processor that goes on after `position` (`RB_NO_POSITION`: takes any first trade).
//
// # Safety
// `out` is NULL or valid for a write.
rb_status rb_processor_new(uint32_t threshold_dbps,
                           bool same_timestamp_close,
                           int64_t position,
                           struct RbProcessor **out);

// Releases a processor; NULL is fine.
//
// # Safety
// `processor` is NULL or a live handle that no thread is inside of; it is dead afterwards.
void rb_processor_free(struct RbProcessor *processor);

// Moves up to `capacity` closed bars to `bars`, oldest first; `popped` says how many.
//
// # Safety
// `processor` is NULL or a live handle, `bars` valid for writes of `capacity` bars, `popped` NULL or valid for a write.
rb_status rb_processor_pop_bars(struct RbProcessor *processor, struct RbBar *bars, size_t capacity, size_t *popped);

// Copies the forming bar to `bar`; `RB_NONE` right after a close.
//
// # Safety
// `processor` is NULL or a live handle, `bar` NULL or valid for a write.
rb_status rb_processor_forming(struct RbProcessor *processor, struct RbBar *bar);

// Says what a processor is and where it stands.
//
// # Safety
// `processor` is NULL or a live handle, `info` NULL or valid for a write.
rb_status rb_processor_info(struct RbProcessor *processor, struct RbProcessorInfo *info);

// Takes whole columns and hands over the bars that closed (`rb_bars_free` releases them).
//
// All or nothing: when a row is refused nothing was taken, and `error_index` of the info names it.
//
// # Safety
// `processor` is NULL or a live handle, `columns` NULL or valid with columns of `len` rows each, `out` NULL or valid
// for a write.
rb_status rb_processor_push_columns(struct RbProcessor *processor,
                                    const struct RbColumns *columns,
                                    struct RbBars **out);

// The bars of a batch, valid until `rb_bars_free`.
//
// # Safety
// `bars` is NULL or live, `data` and `len` NULL or valid for a write.
rb_status rb_bars_data(const struct RbBars *bars, const struct RbBar **data, size_t *len);

// Releases the bars of a batch; NULL is fine.
//
// # Safety
// `bars` is NULL or live; it is dead afterwards.
void rb_bars_free(struct RbBars *bars);

// Derives the features of `len` bars.
//
// # Safety
// `bars` is valid for reads and `features` for writes of `len` values.
rb_status rb_bars_features(const struct RbBar *bars, size_t len, struct RbFeatures *features);

// Takes one packed trade (`RB_PACKED_TRADE` bytes); `RB_BAR_CLOSED` when a bar now waits to be popped.
//
// # Safety
// `processor` is NULL or a live handle, `packed` NULL or valid for reads of 56 bytes.
rb_status rb_processor_push(struct RbProcessor *processor, const uint8_t *packed);

// Takes packed trades until `max_bars` further bars closed; `consumed` says how many were taken.
//
// `RB_BAR_CLOSED` while bars wait to be popped, else `RB_OK`. All or nothing: when a trade is refused nothing was taken,
// and `error_index` of the info names it.
//
// # Safety
// `processor` is NULL or a live handle, `packed` valid for reads of `len` bytes, `consumed` NULL or valid for a write.
rb_status rb_processor_push_packed(struct RbProcessor *processor,
                                   const uint8_t *packed,
                                   size_t len,
                                   size_t max_bars,
                                   size_t *consumed);

// As `rb_processor_push_packed`, from structs.
//
// # Safety
// `processor` is NULL or a live handle, `ticks` valid for reads of `len` ticks, `consumed` NULL or valid for a write.
rb_status rb_processor_push_ticks(struct RbProcessor *processor,
                                  const struct RbTick *ticks,
                                  size_t len,
                                  size_t max_bars,
                                  size_t *consumed);

// Writes a snapshot with a label; `RB_ERR_BUFFER` when `capacity` is too small (600 bytes always suffice).
//
// # Safety
// `processor` is NULL or a live handle, the buffers are valid for their lengths, `written` NULL or valid for a write.
rb_status rb_processor_snapshot(struct RbProcessor *processor,
                                const uint8_t *label,
                                size_t label_len,
                                uint8_t *out,
                                size_t capacity,
                                size_t *written);

// Makes a processor from a snapshot and copies its label (at most 255 bytes) to `label`.
//
// # Safety
// The buffers are valid for their lengths, `label_len` and `out` are NULL or valid for a write.
rb_status rb_processor_restore(const uint8_t *bytes,
                               size_t len,
                               uint8_t *label,
                               size_t label_capacity,
                               size_t *label_len,
                               struct RbProcessor **out);

// Bytes of a struct as this library was built, 0 for an unknown one: a caller compares them with its own.
size_t rb_struct_size(uint32_t which);

// Writes bars as columns, one after the other, `len` values each.
//
// `integers`: open time, close time (microseconds), individual trades, aggregate records, buy trades, sell trades, first
// and last individual id, first and last aggregate id, duration (microseconds), missing trades. `floats`: open, high,
// low, close, volume, turnover, vwap, buy and sell volume, buy and sell turnover, ofi, vwap close deviation, price
// impact, kyle lambda proxy, trade intensity, volume per trade, aggression ratio, aggregation density, turnover imbalance.
//
// # Safety
// `bars` is valid for reads of `len` bars, `integers` and `floats` for writes of `len` times their number of columns.
rb_status rb_bars_columns(const struct RbBar *bars,
                          size_t len,
                          int64_t *integers,
                          double *floats);

// Writes the decimal numbers of bars as columns of integers, one after the other, `len` values each.
//
// Units of 10^-8: open, high, low, close, volume, vwap, buy and sell volume; of 10^-16: turnover, buy and sell turnover;
// in the order of the floats of `rb_bars_columns`.
//
// # Safety
// `bars` is valid for reads of `len` bars, `out` for writes of `len` times `RB_EXACT_COLUMNS` values.
rb_status rb_bars_exact(const struct RbBar *bars,
                        size_t len,
                        struct RbWide *out);

#ifdef __cplusplus
}
#endif

#endif /* RANGEBAR_H */
