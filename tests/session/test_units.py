"""RECOVERY.md, "The id rule": one time unit a lane; that of each connection and page is read from its first time."""

from __future__ import annotations

from dataclasses import replace

from rangebar_anyio._session import Fetch, Lane, Live, Resume, SaveOrigin
from tests.feed.wire import event, offline, page, tape
from tests.session.bench import Bench


def cut(first: int, last: int) -> list[bytes]:
    """The bars of a tape in milliseconds, of the trades after 99."""
    rows = [replace(trade, time_us=trade.time_us // 1000 * 1000) for trade in tape(first, last)]
    return offline(rows, 50, 99)


def test_each_connection_and_each_page_has_its_own_unit() -> None:
    """A lane in milliseconds takes both, one after the other, and its bars are those of its own unit."""
    bench = Bench([Lane("X", 50, Resume(99, "ms"))])
    bench.answer(bench.one(Fetch), page(tape(100, 149), "ms"))
    conn = bench.connect()
    bench.answer(bench.one(Fetch), page(tape(150, 199), "us"))
    bench.read(conn, b"".join(event(trade, unit="ms") for trade in tape(200, 249)))
    bench.end(conn)
    bench.wait(1)
    conn = bench.connect()
    bench.read(conn, b"".join(event(trade, unit="us") for trade in tape(250, 300)))
    assert bench.expected() == 301
    bars = [bar for _, bar in bench.bars()]
    assert bars == cut(100, 300) != offline(tape(100, 300), 50, 99)


def test_the_first_trade_settles_the_unit_that_is_stored_with_the_lane() -> None:
    for unit in ("ms", "us"):
        bench = Bench([Lane("X", 50, Live())])
        conn = bench.connect()
        bench.read(conn, b"".join(event(trade, unit=unit) for trade in tape(100, 300)))
        assert [(saved.origin, saved.unit) for saved in bench.all(SaveOrigin)] == [(99, unit)]
        bench.origins_saved()
        wanted = cut(100, 300) if unit == "ms" else offline(tape(100, 300), 50, 99)
        assert [bar for _, bar in bench.bars()] == wanted
