"""Bytes cut anywhere, room for few bars, snapshots at any trade: the bars stay those of the tape."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rangebar_anyio._feed import Feed
from rangebar_anyio._feed_values import LaneBar
from tests.feed.wire import all_events, bars_of, event, events, frame, offline, page, pop_all, read, row, tape

THRESHOLDS = (50, 200, 1_000)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[begin:end] for begin, end in pairwise(edges)]


@given(cuts=st.lists(st.integers(0, 10**6), max_size=40), capacity=st.integers(0, 5), last=st.integers(1, 150))
def test_bytes_may_be_cut_anywhere_and_room_may_be_small(cuts: list[int], capacity: int, last: int) -> None:
    data = b"".join(event(trade) + (frame(b"p", 9) if trade.id % 7 == 0 else b"") for trade in tape(0, last))

    with Feed(bar_capacity=capacity) as feed:
        symbol = feed.add_symbol("X")
        lanes = {threshold: feed.add_lane(symbol, threshold, position=-1).lane for threshold in THRESHOLDS}
        connection = feed.connect()
        taken, bars = 0, []

        for part in pieces(data, cuts):
            count, closed = read(feed, connection, part)
            taken += count
            bars += closed
            assert len(closed) <= len(part) + 3

        assert taken == last + 1

        for threshold, lane in lanes.items():
            assert bars_of(bars, lane) == offline(tape(0, last), threshold, -1)


def test_one_byte_at_a_time() -> None:
    with Feed() as feed:
        lane = feed.add_lane(feed.add_symbol("X"), 50).lane
        connection = feed.connect()
        bars = []

        for byte in events(tape(5, 60)):
            bars += read(feed, connection, bytes((byte,)))[1]

        assert bars_of(bars, lane) == offline(tape(5, 60), 50)


def test_a_read_while_paused_is_refused_and_loses_nothing() -> None:
    with Feed(bar_capacity=1) as feed:
        feed.add_lane(feed.add_symbol("X"), 1, position=-1)
        connection, other = feed.connect(), feed.connect()
        summary = feed.receive_data(connection, events(tape(0, 30)))
        assert summary.is_paused
        assert feed.connection(connection).is_paused
        assert 0 < feed.connection(connection).unread < len(events(tape(0, 30)))

        with pytest.raises(BlockingIOError):
            feed.receive_data(connection, events(tape(31, 31)))

        # Another connection may still bring what needs no room.
        assert feed.receive_data(other, event(row(0))).trades_taken == 0
        bars = pop_all(feed)

        while feed.resume().is_paused:
            bars += pop_all(feed)

        bars += pop_all(feed)
        assert bars_of(bars, 0) == offline(tape(0, 30), 1, -1)
        assert feed.receive_data(connection, event(row(31))).trades_taken == 1


@given(capacity=st.integers(0, 4), size=st.integers(1, 80), held=st.integers(0, 40))
def test_pages_are_offered_until_they_are_complete(capacity: int, size: int, held: int) -> None:
    with Feed(bar_capacity=capacity, trade_capacity=20) as feed:
        symbol = feed.add_symbol("X")
        added = feed.add_lane(symbol, 50, position=-1)
        connection = feed.connect()
        feed.begin_fetch(added.sequence)
        feed.receive_data(connection, events(tape(size, size + held)))
        bars: list[LaneBar] = []
        expected = 0

        while expected <= size + held:
            body = page(tape(expected, min(expected + 29, size + held)))

            while not feed.backfill(symbol, expected, body).is_complete:
                bars += pop_all(feed)

            feed.resume()
            at = feed.sequence(added.sequence).expected
            assert at is not None
            expected = at

        feed.end_fetch(added.sequence)

        while feed.resume().is_paused:
            bars += pop_all(feed)

        bars += pop_all(feed)
        assert bars_of(bars, added.lane) == offline(tape(0, size + held), 50, -1)
        assert feed.totals().trades_held == 0


@given(stops=st.lists(st.integers(0, 120), max_size=4), threshold=st.sampled_from(THRESHOLDS))
def test_lanes_go_on_from_snapshots(stops: list[int], threshold: int) -> None:
    """A program ends at any trade and goes on with the last bar's position and the lane's snapshot."""
    bars: list[bytes] = []
    position, snapshot, begin = -1, None, 0

    for stop in [*sorted(stops), 120]:
        with Feed(bar_capacity=1_000) as feed:
            lane = feed.add_lane(feed.add_symbol("X"), threshold, position=position, unit="us", snapshot=snapshot).lane
            feed.receive_data(feed.connect(), events(tape(begin, stop - 1)))
            closed = bars_of(pop_all(feed), lane)
            bars += closed
            snapshot, begin = feed.snapshot(lane), max(begin, stop)

            if closed:
                position = int.from_bytes(closed[-1][-16:-8], "little")

            assert all_events(feed) == []

    assert bars == offline(tape(0, 119), threshold, -1)


@given(data=st.binary(max_size=300))
def test_no_bytes_do_worse_than_an_event(data: bytes) -> None:
    with Feed(bar_capacity=2) as feed:
        feed.add_lane(feed.add_symbol("X"), 50)
        connection = feed.connect()
        read(feed, connection, event(row(1)) + data)
        all_events(feed)
        other = feed.connect()
        assert read(feed, other, event(row(2)))[0] == 1
