/* A client as a C programmer would write it: ticks in, bars out, errors asked for, a snapshot taken and gone on from.
 *
 * Exits with 0, or names the first line that did not hold. It frees all it took, so that valgrind can say so.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rangebar.h"

#define TICKS 20000
#define BATCH 256
#define THRESHOLD_DBPS 25
#define SNAPSHOT_BYTES 1024

#define MUST(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            (void)fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                              \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

static const int64_t START_US = INT64_C(1700000000000000);

/* A price that swings some percent around 100, so that bars close again and again. */
static RbTick tick_at(int64_t id)
{
    const int64_t phase = id % 400;
    const int64_t swing = phase < 200 ? phase : 400 - phase;
    RbTick tick;

    memset(&tick, 0, sizeof tick);
    tick.agg_trade_id = id;
    tick.price_e8 = INT64_C(10000000000) + swing * INT64_C(1000000);
    tick.quantity_e8 = INT64_C(100000000) + id;
    tick.first_trade_id = 2 * id;
    tick.last_trade_id = 2 * id + 1;
    tick.timestamp_us = START_US + id * 1000;
    tick.is_buyer_maker = (uint8_t)(id % 3 == 0);
    return tick;
}

/* Pops what waits, a few bars at a time, checks the order, and returns how many there were. */
static size_t pop_all(RbProcessor *processor, RbBar *last)
{
    RbBar bars[7];
    size_t total = 0;

    for (;;) {
        size_t popped = 0;
        MUST(rb_processor_pop_bars(processor, bars, sizeof bars / sizeof *bars, &popped) >= RB_OK);

        if (popped == 0) {
            return total;
        }

        for (size_t i = 0; i < popped; i++) {
            MUST(bars[i].low_e8 <= bars[i].open_e8 && bars[i].open_e8 <= bars[i].high_e8);
            MUST(bars[i].low_e8 <= bars[i].close_e8 && bars[i].close_e8 <= bars[i].high_e8);
            MUST(bars[i].first_agg_trade_id > last->last_agg_trade_id);
            MUST(bars[i].last_agg_trade_id >= bars[i].first_agg_trade_id);
            MUST(bars[i].missing_trades == 0);
            *last = bars[i];
        }

        total += popped;
    }
}

/* Pushes ticks of the ids [from, to) in batches and returns how many bars closed. */
static size_t push_range(RbProcessor *processor, int64_t from, int64_t to, RbBar *last)
{
    RbTick ticks[BATCH];
    size_t closed = 0;

    while (from < to) {
        size_t len = 0;
        size_t done = 0;

        while (len < BATCH && from < to) {
            ticks[len++] = tick_at(from++);
        }

        while (done < len) {
            size_t consumed = 0;
            MUST(rb_processor_push_ticks(processor, ticks + done, len - done, 3, &consumed) >= RB_OK);
            MUST(consumed > 0 && consumed <= len - done);
            done += consumed;
            closed += pop_all(processor, last);
        }
    }

    return closed;
}

static void check_versions(void)
{
    MUST(rb_abi_version() == RB_ABI_VERSION);
    MUST(strlen(RB_VERSION) >= 5);
    MUST(sizeof(RbTick) == RB_PACKED_TRADE);
    MUST(sizeof(RbBar) == 176);
}

static void check_errors(void)
{
    RbProcessor *processor = NULL;
    RbTick tick = tick_at(7);
    RbBar bar;
    size_t count = 99;

    rb_processor_free(NULL);
    MUST(rb_processor_new(0, false, RB_NO_POSITION, &processor) == RB_ERR_THRESHOLD);
    MUST(processor == NULL);
    MUST(rb_processor_new(THRESHOLD_DBPS, false, RB_NO_POSITION, NULL) == RB_ERR_NULL);
    MUST(rb_processor_push_ticks(NULL, &tick, 1, 1, &count) == RB_ERR_NULL);

    MUST(rb_processor_new(THRESHOLD_DBPS, false, RB_NO_POSITION, &processor) == RB_OK);
    MUST(rb_processor_forming(processor, &bar) == RB_NONE);

    tick.price_e8 = 0;
    MUST(rb_processor_push_ticks(processor, &tick, 1, 1, &count) == RB_ERR_PRICE);
    MUST(count == 99);
    MUST(rb_processor_forming(processor, &bar) == RB_NONE);

    tick = tick_at(7);
    MUST(rb_processor_push_ticks(processor, &tick, 1, 1, &count) >= RB_OK);
    MUST(count == 1);
    MUST(rb_processor_push_ticks(processor, &tick, 1, 1, &count) == RB_ERR_ORDER);
    MUST(rb_processor_forming(processor, &bar) == RB_OK);
    MUST(bar.agg_record_count == 1 && bar.open_e8 == tick.price_e8);
    rb_processor_free(processor);
}

/* The same tape through one processor and through two with a snapshot between them gives the same last bar. */
static void check_bars_and_snapshot(void)
{
    static const char label[] = "BTCUSDT";
    RbProcessor *whole = NULL;
    RbProcessor *first = NULL;
    RbProcessor *second = NULL;
    RbProcessorInfo info;
    RbBar whole_last;
    RbBar split_last;
    RbFeatures features;
    uint8_t bytes[SNAPSHOT_BYTES];
    uint8_t read_label[256];
    size_t written = 0;
    size_t label_len = 0;

    memset(&whole_last, 0, sizeof whole_last);
    memset(&split_last, 0, sizeof split_last);
    whole_last.last_agg_trade_id = -1;
    split_last.last_agg_trade_id = -1;

    MUST(rb_processor_new(THRESHOLD_DBPS, false, RB_NO_POSITION, &whole) == RB_OK);
    MUST(rb_processor_new(THRESHOLD_DBPS, false, RB_NO_POSITION, &first) == RB_OK);

    const size_t whole_bars = push_range(whole, 0, TICKS, &whole_last);
    size_t split_bars = push_range(first, 0, TICKS / 2 + 11, &split_last);

    MUST(rb_processor_snapshot(first, (const uint8_t *)label, strlen(label), bytes, 3, &written) == RB_ERR_BUFFER);
    MUST(rb_processor_snapshot(first, (const uint8_t *)label, strlen(label), bytes, sizeof bytes, &written) == RB_OK);
    rb_processor_free(first);

    MUST(rb_processor_restore(bytes, written - 1, read_label, sizeof read_label, &label_len, &second) < RB_OK);
    bytes[written / 2] ^= 1;
    MUST(rb_processor_restore(bytes, written, read_label, sizeof read_label, &label_len, &second) < RB_OK);
    bytes[written / 2] ^= 1;
    MUST(second == NULL);
    MUST(rb_processor_restore(bytes, written, read_label, sizeof read_label, &label_len, &second) == RB_OK);
    MUST(label_len == strlen(label) && memcmp(read_label, label, label_len) == 0);

    split_bars += push_range(second, TICKS / 2 + 11, TICKS, &split_last);
    MUST(whole_bars > 100 && whole_bars == split_bars);
    MUST(memcmp(&whole_last, &split_last, sizeof whole_last) == 0);

    MUST(rb_processor_info(second, &info) == RB_OK);
    MUST(info.position == TICKS - 1 && info.threshold_dbps == THRESHOLD_DBPS);
    MUST(rb_bars_features(&whole_last, 1, &features) == RB_OK);
    MUST(features.vwap_e8 >= whole_last.low_e8 && features.vwap_e8 <= whole_last.high_e8);

    rb_processor_free(whole);
    rb_processor_free(second);
    (void)printf("%zu bars from %d ticks; the last one closed at %" PRId64 "e-8\n", whole_bars, TICKS, whole_last.close_e8);
}

/* Columns in, a block of bars out that belongs to the library until it is freed. */
static void check_columns(void)
{
    enum { ROWS = 2000 };
    static int64_t ids[ROWS];
    static int64_t times[ROWS];
    static int64_t prices[ROWS];
    static int64_t quantities[ROWS];
    static uint8_t sides[ROWS];
    RbProcessor *processor = NULL;
    RbBars *bars = NULL;
    const RbBar *data = NULL;
    RbColumns columns;
    size_t len = 0;

    for (int64_t i = 0; i < ROWS; i++) {
        const RbTick tick = tick_at(i);
        ids[i] = tick.agg_trade_id;
        times[i] = tick.timestamp_us;
        prices[i] = tick.price_e8;
        quantities[i] = tick.quantity_e8;
        sides[i] = tick.is_buyer_maker;
    }

    memset(&columns, 0, sizeof columns);
    columns.len = ROWS;
    columns.agg_trade_id = ids;
    columns.timestamp_us = times;
    columns.price = prices;
    columns.quantity = quantities;
    columns.is_buyer_maker = sides;

    MUST(rb_processor_new(THRESHOLD_DBPS, false, RB_NO_POSITION, &processor) == RB_OK);
    MUST(rb_processor_push_columns(processor, &columns, &bars) >= RB_OK);
    MUST(rb_bars_data(bars, &data, &len) == RB_OK);
    MUST(len > 10 && data[0].first_agg_trade_id == 0);
    rb_bars_free(bars);
    rb_bars_free(NULL);
    rb_processor_free(processor);
}

int main(void)
{
    check_versions();
    check_errors();
    check_bars_and_snapshot();
    check_columns();
    return 0;
}
