"""RECOVERY.md, "Back-pressure": a full bar queue is the one cause of a pause."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rangebar_anyio._events import Disconnected, GapFound, ReaderAway, ReaderBack, Stalled
from rangebar_anyio._feed import Feed
from rangebar_anyio._feed_values import PageResult
from rangebar_anyio._session import Connect, Disconnect, Fetch, SaveSnapshots, SendText
from tests.feed.wire import event, frame, offline, row, tape
from tests.session.bench import Bench, from_ids, lane, symbols_of


def paused(**config: Any) -> tuple[Bench, int]:
    """A bench whose bar queue is full and whose connection has unread bytes."""
    bench = Bench([lane("X", 5), lane("Y", 5)], bar_capacity=3, **config)
    conn = bench.connect()

    while bench.serve(99):
        pass

    bench.live(conn, range(100, 200), "X")
    assert bench.session.is_paused
    return bench, conn


def test_a_pause_loses_nothing() -> None:
    bench, _ = paused()
    bars = [bar for place, bar in bench.bars() if place == 0]
    assert not bench.session.is_paused
    assert bars == offline(tape(100, 199), 5, 99)


def test_one_read_of_another_connection_that_was_under_way_is_kept() -> None:
    bench = Bench([lane("X", 5), lane("Y", 5)], bar_capacity=3, streams_per_connection=1)
    first, second = (connect.conn for connect in bench.new(Connect))

    for conn in (first, second):
        bench.session.connected(conn, 0.0)

    bench.live(first, range(100, 200), "X")
    bench.live(second, range(100, 200), "Y")
    bars = bench.bars()

    for place in (0, 1):
        assert [bar for at, bar in bars if at == place] == offline(tape(100, 199), 5, 99)


def test_no_watchdog_runs_while_the_reader_is_away() -> None:
    bench, _ = paused()
    before = len(bench.all(Fetch))
    bench.wait(3600)
    assert len(bench.all(Fetch)) == before
    assert bench.told(Stalled) == []
    bench.bars()

    # Silence counts from here.
    bench.wait(29)
    assert len(bench.all(Fetch)) == before
    bench.wait(20)
    assert len(bench.all(Fetch)) > before


def test_a_connection_lost_meanwhile_is_replaced_when_the_reader_is_back() -> None:
    """At most one reconnect follows when it wakes; then every symbol is asked for."""
    bench, conn = paused()
    bench.end(conn)
    bench.wait(600)
    assert len(bench.all(Connect)) == 1
    bench.bars()
    assert bench.times(Connect)[1:] == [bench.now]
    bench.connect()
    assert set(symbols_of(bench.serve(250))) == {"X", "Y"}
    bench.bars()
    bench.serve(250)
    assert bench.expected(1) == 251


def reply(bench: Bench) -> bytes:
    return frame(json.dumps({"result": None, "id": json.loads(bench.new(SendText)[-1].text)["id"]}).encode())


def away_across_a_reconnect(seconds: float, **config: Any) -> tuple[Bench, int]:
    """A reader who leaves while the answer to SUBSCRIBE is on its way, and comes back after so long."""
    bench = Bench([lane("X", 5), lane("Y", 5)], bar_capacity=3, **config)
    conn = bench.one(Connect).conn
    bench.session.connected(conn, bench.now)
    bench.collect()
    bench.wait(9)
    bench.answer(bench.new(Fetch)[0], tape(100, 400))
    assert bench.session.is_paused
    bench.wait(seconds)
    bench.bars()
    assert not bench.session.is_paused
    return bench, conn


@pytest.mark.parametrize("seconds", [0.5, 5.0, 3600.0])
def test_an_answer_to_subscribe_is_waited_for_from_the_readers_return(seconds: float) -> None:
    bench, conn = away_across_a_reconnect(seconds)
    assert bench.all(Disconnect) == []
    bench.wait(9.9)
    bench.read(conn, reply(bench))
    bench.wait(30)
    assert bench.all(Disconnect) == []
    assert bench.session.stats(bench.now).connections == 1


def test_one_that_does_not_come_then_either_is_a_reconnect() -> None:
    bench, conn = away_across_a_reconnect(3600.0)
    bench.wait(10.1)
    assert bench.one(Disconnect).conn == conn


def test_a_handshake_while_the_reader_is_away_waits_likewise() -> None:
    bench = Bench([lane("X", 5), lane("Y", 5)], bar_capacity=3)
    bench.answer(bench.new(Fetch)[0], tape(100, 400))
    assert bench.session.is_paused
    conn = bench.one(Connect).conn
    bench.session.connected(conn, bench.now)
    bench.collect()
    bench.wait(600)
    bench.bars()
    bench.wait(9.9)
    assert bench.all(Disconnect) == []
    bench.wait(0.2)
    assert bench.one(Disconnect).conn == conn


def test_a_newcomer_is_given_up_only_for_what_it_did_not_bring_while_it_was_read() -> None:
    bench = Bench([lane("X", 5), lane("Y", 5)], bar_capacity=3, rotate_after_s=50.0, rotate_spread_s=0.0)
    old = bench.connect()

    while bench.serve(99):
        pass

    bench.wait(50)
    new = bench.connect()
    bench.wait(59)
    bench.live(old, range(100, 200), "X")
    bench.wait(3600)
    assert bench.all(Disconnect) == []
    bench.bars()
    bench.wait(9)
    bench.ping(new)
    bench.wait(5.5)
    assert bench.one(Disconnect).conn == old


def test_an_overlap_lasts_until_the_old_connection_was_read_to_its_end() -> None:
    bench = Bench([lane("X", 5), lane("Y", 5)], bar_capacity=3, rotate_after_s=50.0, rotate_spread_s=0.0)
    old = bench.connect()

    while bench.serve(99):
        pass

    bench.wait(50)
    new = bench.connect()
    bench.ping(new)
    bench.live(old, range(100, 200), "X")
    assert bench.session.is_paused
    bench.wait(600)
    assert bench.all(Disconnect) == []
    bench.bars()
    bench.wait(4.9)
    assert bench.all(Disconnect) == []
    bench.wait(0.6)
    assert bench.one(Disconnect).conn == old


def test_a_gap_of_an_overlap_waits_for_what_lies_unread() -> None:
    bench = Bench([lane("X", 5), lane("Y", 5)], bar_capacity=3, rotate_after_s=50.0, rotate_spread_s=0.0)
    old = bench.connect()

    while bench.serve(99):
        pass

    bench.wait(50)
    new = bench.connect()

    while bench.serve(99):
        pass

    bench.live(new, [102], "Y")
    bench.live(old, range(100, 200), "X")
    assert bench.session.is_paused
    bench.wait(600)
    bench.bars()
    bench.wait(0.4)
    assert bench.new(Fetch) == []
    bench.live(old, [100, 101, 102], "Y")
    bench.wait(1)
    assert bench.new(Fetch) == []
    assert bench.told(GapFound) == []


def test_a_socket_is_not_called_stalled_for_what_lies_unread() -> None:
    bench = Bench([lane("X", 5), lane("Y", 5)], bar_capacity=3)
    conn = bench.connect()

    while bench.serve(99):
        pass

    # REST brings a trade of Y after quiet, and the reader leaves before the socket can.
    while bench.expected(1) != 101:
        bench.wait(1)

        for fetch in bench.new(Fetch):
            bench.answer(fetch, [row(100)] if symbols_of([fetch]) == ["Y"] else [])

    bench.live(conn, range(100, 200), "X")
    assert bench.session.is_paused
    bench.wait(600)
    bench.bars()
    bench.wait(4.9)
    bench.live(conn, [100], "Y")
    bench.wait(10)
    assert bench.told(Stalled) == []


def test_one_that_brings_nothing_after_the_return_either_is_stalled() -> None:
    bench = Bench([lane("X", 5), lane("Y", 5)], bar_capacity=3)
    conn = bench.connect()

    while bench.serve(99):
        pass

    while bench.expected(1) != 101:
        bench.wait(1)

        for fetch in bench.new(Fetch):
            bench.answer(fetch, [row(100)] if symbols_of([fetch]) == ["Y"] else [])

    bench.live(conn, range(100, 200), "X")
    bench.wait(600)
    bench.bars()
    bench.wait(5.1)
    assert bench.told(Stalled) == [Stalled(conn, "Y")]


def test_a_reader_who_rests_often_does_not_keep_a_silent_symbol_from_being_noticed() -> None:
    bench = Bench([lane("X", 5), lane("Y", 5)], bar_capacity=3)
    conn = bench.connect()

    while bench.serve(99):
        pass

    number = 100

    for _ in range(8):
        bench.wait(15)
        bench.live(conn, range(number, number + 100), "X")
        number += 100
        assert bench.session.is_paused
        bench.wait(5)
        bench.bars()
        assert not bench.session.is_paused

    assert "Y" in symbols_of(bench.new(Fetch))


def test_rotation_waits_for_the_reader_too() -> None:
    bench, _ = paused(rotate_after_s=50.0, rotate_spread_s=0.0)
    bench.wait(100)
    assert len(bench.all(Connect)) == 1
    bench.bars()
    assert len(bench.all(Connect)) == 2
    assert bench.session._links.groups[0].next is not None
    assert bench.session._links.groups[0].next.why == "age"


def test_an_event_and_the_stats_say_since_when_the_reader_is_away() -> None:
    bench, _ = paused(reader_away_after_s=5.0)
    bench.wait(4.9)
    assert bench.told(ReaderAway) == []
    assert bench.session.stats(bench.now).reader_away_s == 4.9
    bench.wait(95.1)
    assert bench.told(ReaderAway) == [ReaderAway(5.0)]
    bench.bars()
    assert bench.told(ReaderBack) == [ReaderBack(100.0)]
    stats = bench.session.stats(bench.now)
    assert (stats.reader_away_s, stats.reader_away_total_s, stats.pauses) == (0.0, 100.0, 1)


def test_a_short_pause_is_no_event() -> None:
    bench, _ = paused()
    bench.wait(1)
    bench.bars()
    bench.wait(100)
    assert bench.told(ReaderAway) == []
    assert bench.told(ReaderBack) == []


def test_pages_are_asked_for_only_while_the_queue_has_room() -> None:
    bench = Bench([lane("X", 5)], bar_capacity=3)
    conn = bench.connect()

    while bench.serve(99):
        pass

    bench.live(conn, [20_000])
    fetches = bench.new(Fetch)
    assert len(fetches) == 8
    bars: list[bytes] = []

    for fetch in fetches:
        begin = int(dict(fetch.params)["fromId"])
        bench.answer(fetch, tape(begin, begin + 999))

    assert bench.session.is_paused
    assert bench.new(Fetch) == []
    last = 0

    while bench.expected() != 20_001:
        head = bench.session.head()

        if head is None:
            bench.wait(0.1)
        else:
            bars.append(head[1])
            bench.session.pop(bench.now)
            bench.collect()

        # What was asked for and is not pushed yet is never more than 8 pages.
        for fetch in bench.new(Fetch):
            begin = int(dict(fetch.params)["fromId"])
            expected = bench.expected()
            assert expected is not None
            assert begin < expected + 8000
            last = max(last, begin)
            bench.answer(fetch, tape(begin, min(begin + 999, 20_000)))

    bars += [bar for _, bar in bench.bars()]
    assert bars == offline(tape(100, 20_000), 5, 99)
    assert last == 19_100


def test_a_page_that_waits_for_room_is_offered_again() -> None:
    bench = Bench([lane("X", 5)], bar_capacity=1)
    bench.answer(bench.one(Fetch), tape(100, 400))
    assert bench.session.is_paused
    assert [bar for _, bar in bench.bars()] == offline(tape(100, 400), 5, 99)
    assert not bench.session.is_paused
    assert bench.expected() == 401
    assert bench.told(Disconnected) == []


def test_what_waits_is_offered_again_when_half_of_the_queue_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page is read from its first row each time: for every bar that would be most of what a catch-up costs."""
    offers = 0
    backfill = Feed.backfill

    def counted(feed: Feed, symbol: int, from_id: int, body: bytes) -> PageResult:
        nonlocal offers
        offers += 1
        return backfill(feed, symbol, from_id, body)

    monkeypatch.setattr(Feed, "backfill", counted)
    bench = Bench([lane("X", 5)], bar_capacity=20)
    bench.answer(bench.one(Fetch), tape(100, 1000))
    assert bench.session.is_paused
    bars = [bar for _, bar in bench.bars()]
    assert bars == offline(tape(100, 1000), 5, 99)
    assert len(bars) > 100
    assert offers <= 2 + len(bars) // 10
    assert not bench.session.is_paused


def test_missing_trades_wait_for_room_like_any_other() -> None:
    """Held trades that follow a proof are taken as there is room for their bars."""
    bench = Bench([lane("X", 5)], bar_capacity=1)
    conn = bench.connect()
    bars: list[bytes] = []

    while bench.serve(99):
        pass

    for number in range(110, 200):
        bench.live(conn, [number])

    while bench.expected() != 200:
        bench.serve(199, first=110)
        bench.wait(0.5)
        bars += [bar for _, bar in bench.bars()]

    assert bars == offline(tape(110, 199), 5, 99)
    assert sum(int.from_bytes(bar[168:176], "little") for bar in bars) == 10


def test_snapshots_are_asked_for_where_there_were_trades() -> None:
    """Every 30 s, on disconnect, at close."""
    bench = Bench([lane("X"), lane("Y"), lane("X", 70)], snapshot_every_s=30.0)
    conn = bench.connect()
    bench.live(conn, [100], "X")
    bench.wait(95)
    assert bench.all(SaveSnapshots) == [SaveSnapshots((0, 2))]
    bench.live(conn, [100, 101], "Y")
    bench.end(conn)
    assert bench.all(SaveSnapshots)[1:] == [SaveSnapshots((1,))]
    bench.session.stop()
    bench.collect()
    assert bench.all(SaveSnapshots)[2:] == [SaveSnapshots((0, 1, 2))]


def test_memory_of_the_session_does_not_grow_with_what_comes() -> None:
    bench = Bench()
    conn = bench.connect()

    for number in range(100, 3000):
        bench.read(conn, event(row(number)))

        if number % 10 == 0:
            bench.wait(0.01)

    core = bench.session._core
    assert len(core.timers._heap) < 100
    assert core.actions == []
    assert bench.all(Disconnect) == []
    assert len(from_ids(bench.all(Fetch))) < 10
