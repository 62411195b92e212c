"""RECOVERY.md, "Back-pressure": how much may wait, and what a pause makes of a connection that is lost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rangebar_anyio._session import Connect, ConnectFailure, Disconnect, Fail, Fetch
from tests.feed.wire import frame, offline, row, tape
from tests.session.bench import CALM, Bench, lane


@pytest.mark.parametrize(("room", "most"), [(1, 3), (2, 3), (5, 5), (20, 20)])
def test_the_bar_buffer_is_for_the_whole_stream_and_a_trade_is_atomic(room: int, most: int) -> None:
    """Six lanes of two symbols have one room; only the bars of one trade may exceed it, in an empty queue."""
    thresholds = (1, 2, 3)
    lanes = [lane(name, threshold) for name in ("X", "Y") for threshold in thresholds]
    bench = Bench(lanes, bar_capacity=room, streams_per_connection=1)
    conns = [connect.conn for connect in bench.new(Connect)]
    bars: list[tuple[int, bytes]] = []
    seen = 0

    for conn in conns:
        bench.session.connected(conn, bench.now)

    for begin in range(100, 400, 50):
        for conn, name in zip(conns, ("X", "Y"), strict=True):
            if not bench.session.is_paused:
                bench.live(conn, range(begin, begin + 50), name)

            seen = max(seen, bench.session.bars_waiting)

            while (head := bench.session.head()) is not None:
                bars.append(head)
                bench.session.pop(bench.now)
                seen = max(seen, bench.session.bars_waiting)

    # The last places may stay free: a trade needs room for a bar of every lane of its symbol.
    assert most - len(thresholds) < seen <= most

    for place, each in enumerate(lanes):
        assert [bar for at, bar in bars if at == place] == offline(tape(100, 399), each.threshold_dbps, 99)


MIB = 1 << 20


def pieces_of(payload: bytes, size: int) -> list[bytes]:
    """A text message in fragments of so many bytes."""
    starts = range(0, len(payload), size)
    return [fragment(payload[at : at + size], at == 0, at == starts[-1]) for at in starts]


def fragment(payload: bytes, is_first: bool, is_last: bool) -> bytes:
    head = (0x80 if is_last else 0) | (1 if is_first else 0)
    size = len(payload)
    length = bytes((size,)) if size < 126 else b"\x7f" + size.to_bytes(8, "big")
    return bytes((head,)) + length + payload


@pytest.mark.parametrize("size", [MIB + 1, 65_536], ids=["whole", "in fragments"])
def test_an_unfinished_message_may_have_a_mebibyte_and_not_a_byte_more(size: int) -> None:
    trade = f'{{"e":"aggTrade","E":1,"s":"X",{row(100).json()},"M":true}}'.encode()
    bench = Bench()
    conn = bench.connect()

    for piece in pieces_of(trade.ljust(MIB), size):
        bench.read(conn, piece)

    assert bench.expected() == 101
    assert bench.all(Disconnect) == []
    *most, last = pieces_of(trade.ljust(MIB + 1), size)

    for piece in most:
        bench.read(conn, piece)

    assert bench.all(Disconnect) == []
    # Its length is enough, before the bytes themselves.
    bench.read(conn, last[:10])
    assert bench.one(Disconnect).code == 1009


def test_one_read_of_a_connection_waits_and_no_second_one_is_taken() -> None:
    bench = Bench([lane("X", 1)], bar_capacity=1)
    conn = bench.connect()
    bench.live(conn, range(100, 200))
    assert bench.session.is_paused

    with pytest.raises(BlockingIOError):
        bench.read(conn, frame(b"", 9))

    assert [bar for _, bar in bench.bars()] == offline(tape(100, 199), 1, 99)


def test_a_lost_connection_is_no_failure_while_the_reader_is_away() -> None:
    """Nothing is counted as an attempt that came to nothing, and so nothing ends the stream."""
    bench = Bench([lane("X", 5)], bar_capacity=3, policy=replace(CALM, max_attempts=1))
    bench.session.connect_failed(bench.one(Connect).conn, ConnectFailure("no"), bench.now)
    bench.wait(2)
    conn = bench.connect()
    fetches = bench.new(Fetch)
    bench.answer(fetches[0], tape(100, 400))
    assert bench.session.is_paused

    # It never brought a trade, so nothing has shown yet that the attempt before it was the last bad one.
    bench.end(conn)
    bench.wait(600)
    assert bench.all(Fail) == []
    assert len(bench.all(Connect)) == 2
    bars = bench.bars()
    assert bars
    assert len(bench.all(Connect)) == 3
