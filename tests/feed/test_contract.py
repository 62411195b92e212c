"""What the feed's docstrings promise, method by method."""

from __future__ import annotations

import threading

import pytest

from rangebar_anyio._errors import (
    InvalidThresholdError,
    ResourceBusyError,
    ResourceClosedError,
    SnapshotError,
)
from rangebar_anyio._feed import Feed
from rangebar_anyio._feed_events import (
    Close,
    ConnectionFailed,
    FrameRejected,
    GapFound,
    IdSkipped,
    IdsRestarted,
    OriginSet,
    Ping,
    Reply,
    SequencesMerged,
    ServerShutdown,
    TradeRejected,
    TradesDiffer,
    UnitMismatch,
)
from rangebar_anyio._feed_values import PageRefused, UnitRefused
from tests.feed.wire import START_US, all_events, event, events, frame, page, pop_all, replace, row, tape


def feed_with_lane(position: int | None = 9, threshold: int = 250) -> tuple[Feed, int, int]:
    feed = Feed(bar_capacity=1_000)
    added = feed.add_lane(feed.add_symbol("X"), threshold, position=position)
    return feed, feed.connect(), added.sequence


def test_origin_and_first_trade() -> None:
    feed, connection, sequence = feed_with_lane(position=None)
    assert feed.sequence(sequence).expected is None
    assert feed.receive_data(connection, event(row(41))) == (0, 1, 1, False)
    assert all_events(feed) == [OriginSet(0, 40, "us")]
    assert feed.sequence(sequence).expected == 42
    lane = feed.lane(0)
    assert (lane.position, lane.unit, lane.last_time_us) == (41, "us", row(41).time_us)
    assert lane.forming is not None
    assert feed.forming(0) == lane.forming
    assert len(lane.forming) == 176


def test_bytearrays_and_views_are_read_too() -> None:
    feed, connection, _ = feed_with_lane()
    assert feed.receive_data(connection, bytearray(event(row(10)))).trades_taken == 1
    assert feed.receive_data(connection, memoryview(event(row(11)))).trades_taken == 1
    wide = events(tape(12, 40))
    wide += frame(b"x" * (-(len(wide) + 2) % 4), 9)
    assert feed.receive_data(connection, memoryview(wide).cast("I")).trades_taken == 29
    assert feed.receive_data(connection, b"").trades_taken == 0


def test_gap_page_and_evidence() -> None:
    feed, connection, sequence = feed_with_lane()
    feed.begin_fetch(sequence)
    feed.receive_data(connection, events(tape(15, 20)))
    assert all_events(feed) == [GapFound(sequence, 10, 14)]
    info = feed.sequence(sequence)
    assert (info.expected, info.highest_seen, info.held, info.is_fetching) == (10, 20, 6, True)

    result = feed.backfill(0, 10, page([row(10), row(13)]))
    assert (result.rows, result.first_id, result.last_id, result.taken) == (2, 10, 13, 1)
    assert result.is_complete
    assert [*all_events(feed)] == [OriginSet(0, 9, "us"), IdSkipped(sequence, 11, 13)]
    assert feed.declare_missing(sequence, 12)
    assert feed.backfill(0, 13, page(tape(13, 16))).taken == 2
    feed.end_fetch(sequence)
    assert feed.sequence(sequence).expected == 21
    assert feed.symbol(0).missing == 2
    assert feed.symbol(0).known_id == 16


def test_empty_answers_have_no_ids() -> None:
    feed, _, _ = feed_with_lane()
    result = feed.backfill(0, 10, b"[]")
    assert (result.rows, result.first_id, result.last_id, result.is_complete) == (0, None, None, True)


@pytest.mark.parametrize("body", [b"", b"{}", b"[1]"[:2], page(tape(10, 12))[:-3]])
def test_what_is_no_page_is_refused(body: bytes) -> None:
    feed, _, sequence = feed_with_lane()

    with pytest.raises(PageRefused):
        feed.backfill(0, 10, body)

    assert feed.sequence(sequence).expected == 10


def test_descending_pages_are_refused() -> None:
    feed, _, _ = feed_with_lane()

    with pytest.raises(PageRefused, match="go down"):
        feed.backfill(0, 10, page([row(10), row(12), row(11)]))


def test_milliseconds_for_a_microsecond_lane() -> None:
    feed = Feed()
    feed.add_lane(feed.add_symbol("X"), 250, position=9, unit="us")
    connection = feed.connect()

    with pytest.raises(UnitRefused):
        feed.backfill(0, 10, page(tape(10, 12), "ms"))

    assert feed.receive_data(connection, event(row(10), unit="ms")).trades_taken == 0
    assert all_events(feed) == [UnitMismatch(connection, 0)]


def test_every_other_event() -> None:
    feed, connection, sequence = feed_with_lane()
    ahead = feed.add_lane(0, 500, position=11)
    late = replace(row(3), time_us=row(11).time_us + 61_000_000)
    data = (
        events(tape(10, 11))
        + event(late)
        + event(replace(row(11), quantity=1))
        + frame(b"first", 9)
        + frame(b"newest", 9)
        + frame(b'{"result":null,"id":3}')
        + frame(b'{"code":2,"msg":"Invalid request","id":4}')
        + frame(b'{"code":2,"msg":"no id"}')
        + frame(b'{"e":"serverShutdown","E":1}')
        + frame(b"nonsense")
        + frame(b"\x03\xe8so long", 8)
    )
    feed.receive_data(connection, data)
    told = all_events(feed)
    restarted = IdsRestarted(sequence, 3, 12, late.time_us, row(11).time_us)
    assert [OriginSet(0, 9, "us"), SequencesMerged(ahead.sequence, sequence), restarted] == told[:3]
    assert told[3:6] == [TradesDiffer(0, 11, 1), Ping(connection, b"newest"), Reply(connection, 3, None)]
    assert told[6] == Reply(connection, 4, (2, "Invalid request"))
    assert Reply(connection, None, (2, "no id")) in told
    assert ServerShutdown(connection) in told
    assert FrameRejected(connection, "not JSON", 1, "nonsense") in told
    assert told[-1] == Close(connection, 1000, "so long")
    assert feed.connection(connection).is_closed


def test_a_broken_frame_names_our_close_code() -> None:
    feed, connection, _ = feed_with_lane()
    feed.receive_data(connection, b"\x81\x80abcd")
    assert all_events(feed) == [ConnectionFailed(connection, 1002, "masked frame from a server")]
    other = feed.connect()
    feed.receive_data(other, frame(b"\xff\xfe"))
    assert all_events(feed) == [ConnectionFailed(other, 1007, "text is not UTF-8")]


def test_refused_trades_name_their_field() -> None:
    feed, connection, _ = feed_with_lane()
    bad = event(row(10)).replace(b'"m":true', b'"m":1234').replace(b'"m":false', b'"m":12345')
    feed.receive_data(connection, bad)
    (told,) = all_events(feed)
    assert isinstance(told, FrameRejected)
    assert told.reason == "is_buyer_maker: a field has the wrong type"
    assert told.text.startswith('{"e":"aggTrade"')

    body = page([row(10), row(11)]).replace(b'"a":11,"p":"1.', b'"a":11,"p":"-1.')
    result = feed.backfill(0, 10, body)
    assert (result.rows, result.refused, result.taken) == (1, 1, 1)
    told = all_events(feed)[0]
    assert isinstance(told, TradeRejected)
    assert (told.symbol, told.id, told.count) == (0, 11, 1)
    assert told.reason.startswith("price: ")


def test_unknown_numbers() -> None:
    feed, _, _ = feed_with_lane()
    calls = (
        lambda: feed.add_lane(5, 250),
        lambda: feed.disconnect(77),
        lambda: feed.receive_data(77, b""),
        lambda: feed.backfill(5, 0, b"[]"),
        lambda: feed.begin_fetch(77),
        lambda: feed.end_fetch(77),
        lambda: feed.declare_missing(77, 5),
        lambda: feed.set_known(5, 5),
        lambda: feed.sequence(77),
        lambda: feed.symbol(5),
        lambda: feed.connection(77),
        lambda: feed.lane(5),
        lambda: feed.forming(5),
        lambda: feed.snapshot(5),
    )

    for call in calls:
        with pytest.raises(LookupError, match="this feed has no"):
            call()


def test_arguments_out_of_range() -> None:
    feed, _, sequence = feed_with_lane()
    live = feed.add_lane(0, 250).sequence

    with pytest.raises(InvalidThresholdError):
        feed.add_lane(0, 0)

    with pytest.raises(InvalidThresholdError):
        feed.add_lane(0, 2**40)

    for position in (-2, -3, 2**62):
        with pytest.raises(ValueError, match="out of range"):
            feed.add_lane(0, 250, position=position)

    with pytest.raises(ValueError, match="out of range"):
        feed.declare_missing(live, 5)

    with pytest.raises(ValueError, match="out of range"):
        feed.declare_missing(sequence, 2**62)

    with pytest.raises(ValueError, match="out of range"):
        feed.set_known(0, -2)

    with pytest.raises(ValueError, match="out of range"):
        feed.add_symbol("")

    with pytest.raises(ValueError, match="out of range"):
        feed.add_symbol("X" * 256)

    with pytest.raises(ValueError, match="negative"):
        Feed(bar_capacity=-1)

    assert feed.add_symbol("X") == 0


def test_snapshots_of_something_else() -> None:
    feed, connection, _ = feed_with_lane(threshold=100_000)
    feed.receive_data(connection, events(tape(10, 12)))
    snapshot = feed.snapshot(0)
    other = Feed()
    other.add_symbol("X")

    for bad, reason in ((b"", "length"), (b"x" * 60, "magic"), (snapshot[:-1], "length")):
        with pytest.raises(SnapshotError) as caught:
            other.add_lane(0, 100_000, position=9, snapshot=bad)

        assert caught.value.reason == reason

    other.add_symbol("Y")

    for symbol, threshold, position in (
        (0, 250, 9),
        (0, 100_000, 8),
        (0, 100_000, 10),
        (0, 100_000, None),
        (1, 100_000, 9),
    ):
        with pytest.raises(SnapshotError, match="is of another symbol or rule, or does not follow the position"):
            other.add_lane(symbol, threshold, position=position, snapshot=snapshot)

    # Nothing was added by what was refused.
    assert other.add_lane(0, 100_000, position=9, snapshot=snapshot) == (0, 1)
    assert other.sequence(1).expected == 13
    assert other.lane(0).forming == feed.lane(0).forming


def test_known_time_of_the_position() -> None:
    feed = Feed()
    sequence = feed.add_lane(feed.add_symbol("X"), 250, position=99, unit="us", last_time_us=START_US).sequence
    connection = feed.connect()
    feed.receive_data(connection, event(replace(row(3), time_us=START_US + 60_000_001)))
    assert all_events(feed) == [IdsRestarted(sequence, 3, 100, START_US + 60_000_001, START_US)]


def test_far_ids_are_refused() -> None:
    feed, connection, sequence = feed_with_lane()
    feed.set_known(0, 100)
    feed.receive_data(connection, event(replace(row(10), id=10_000_101)))
    (told,) = all_events(feed)
    assert isinstance(told, FrameRejected)
    assert told.reason == "an id far above what REST knows"
    assert feed.sequence(sequence).highest_seen is None


def test_totals_and_infos_count() -> None:
    feed, connection, _ = feed_with_lane(threshold=50)
    data = events([*tape(10, 60), row(60)])
    feed.receive_data(connection, data)
    totals = feed.totals()
    assert (totals.bytes, totals.messages, totals.live_trades, totals.duplicates) == (len(data), 52, 51, 1)
    assert totals.bars == totals.bars_queued == len(pop_all(feed)) > 3
    info = feed.connection(connection)
    assert (info.bytes, info.messages, info.trades, info.taken) == (len(data), 52, 52, 51)
    assert info.last_event_time_us == row(60).time_us
    symbol = feed.symbol(0)
    assert (symbol.last_id, symbol.last_price_e8) == (60, row(60).price)
    # A connection that is gone still counts.
    feed.disconnect(connection)
    assert feed.totals().bytes == len(data)
    assert not feed.pop_bar()
    assert feed.peek_bar() is None


def test_closed_feeds_say_so() -> None:
    with Feed() as feed:
        feed.add_symbol("X")

    feed.close()

    for call in (lambda: feed.add_symbol("X"), feed.connect, feed.resume, feed.totals, feed.peek_bar, feed.next_event):
        with pytest.raises(ResourceClosedError, match="feed"):
            call()


def test_a_second_thread_is_refused_and_the_first_goes_on() -> None:
    feed, connection, _ = feed_with_lane(position=None, threshold=100_000)
    data = events(tape(0, 5_000))
    refused = threading.Event()

    def knock() -> None:
        while not refused.is_set():
            try:
                feed.totals()
            except ResourceBusyError:
                refused.set()

    thread = threading.Thread(target=knock)
    thread.start()

    # Whoever comes second is refused; the bytes go in again until somebody was, and then once more in peace.
    try:
        while not refused.is_set():
            try:
                feed.receive_data(connection, data)
            except ResourceBusyError:
                refused.set()
    finally:
        refused.set()
        thread.join()

    feed.receive_data(connection, data)
    assert feed.lane(0).position == 5_000
    assert feed.totals().live_trades == 5_001
