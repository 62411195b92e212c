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

// The bars of one batch, in memory that belongs to the library.
typedef struct RbBars RbBars;

// A processor with the bars it closed and that nobody popped yet.
typedef struct RbProcessor RbProcessor;

// Result of an export: zero or above is success.
typedef int32_t rb_status;

// A signed 128-bit integer as two limbs, so that C and cffi can carry it.
typedef struct RbWide {
    // The lower 64 bits.
    uint64_t lo;
    // The upper 64 bits, with the sign.
    int64_t hi;
} RbWide;

// The sums and extremes of one bar: 176 bytes, everything else is derived ([`Bar::features`]).
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

// What RANGE_BARS derives from a bar's sums, in the floats of the scaled values.
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
