"""RECOVERY.md, "The id rule": what a hold keeps and what it costs, and the bar that a missing trade counts on."""

from __future__ import annotations

import pytest

from rangebar_anyio._session import Fetch
from tests.feed.wire import offline, tape
from tests.session.bench import Bench, lane, symbols_of

SYMBOLS = [f"S{number:02}" for number in range(12)]


def behind(trade_capacity: int = 5000) -> tuple[Bench, int]:
    """Twelve symbols that all miss 800 trades, eight of which are being fetched."""
    bench = Bench([lane(name) for name in SYMBOLS], trade_capacity=trade_capacity)
    conn = bench.connect()

    for name in SYMBOLS:
        bench.live(conn, [100], name)

    while bench.serve(100):
        pass

    for name in SYMBOLS:
        bench.live(conn, [900], name)

    return bench, conn


def held(bench: Bench, symbol: int) -> tuple[int, int | None]:
    """How many live trades a symbol holds, and the highest id that it knows of."""
    info = bench.feed.sequence(min(bench.session._core.symbols[symbol].catchups))
    return info.held, info.highest_seen


def test_symbols_that_wait_for_their_turn_remember_only_the_highest_id() -> None:
    bench, conn = behind()
    fetched = set(symbols_of(bench.new(Fetch)))
    assert len(fetched) == 8

    for name in SYMBOLS:
        bench.live(conn, range(901, 950), name)

    for number, name in enumerate(SYMBOLS):
        assert held(bench, number) == (49 if name in fetched else 0, 949)


def test_all_holds_of_a_stream_together_are_bounded_and_nothing_is_lost() -> None:
    bench, conn = behind(trade_capacity=20)

    for name in SYMBOLS:
        bench.live(conn, range(901, 950), name)

    stats = bench.session.stats(bench.now)
    assert stats.trades_held == 20
    assert stats.let_go > 8 * 20

    for _ in range(200):
        bench.serve(949)
        bench.wait(1)

    bars = bench.bars()
    for place in range(len(SYMBOLS)):
        assert [bar for at, bar in bars if at == place] == offline(tape(100, 949), 50, 99) != []


def test_a_full_hold_pauses_nothing() -> None:
    """A pause has one cause, and this is not it: sockets are read, pages asked for, other symbols go on."""
    bench = Bench([lane("X"), lane("Y")], trade_capacity=3)
    conn = bench.connect()

    while bench.serve(99):
        pass

    bench.live(conn, [3000], "X")
    bench.live(conn, range(3001, 3100), "X")
    assert bench.session.stats(bench.now).trades_held == 3
    assert not bench.session.is_paused
    bench.live(conn, range(100, 200), "Y")
    assert bench.expected(1) == 200
    assert len(bench.new(Fetch)) == 3
    assert bench.session.stats(bench.now).pauses == 0


@pytest.mark.parametrize("shift", [-1, 0, 1, 2])
def test_a_missing_trade_counts_on_the_bar_it_falls_in_and_between_bars_on_the_one_that_follows(shift: int) -> None:
    first_bar = offline(tape(100, 300), 50, 99)[0]
    closes_at = int.from_bytes(first_bar[160:168], "little")
    # The trade that closes the bar is never among the missing ones, or another one would close it.
    missing = range(closes_at - 3, closes_at) if shift < 0 else range(closes_at + 1 + shift, closes_at + 4 + shift)
    bench = Bench([lane("X", 50, 99)])
    conn = bench.connect()
    bench.live(conn, [number for number in range(100, 301) if number not in missing])

    while bench.expected() != 301:
        bench.serve(300, without=missing)
        bench.wait(1)

    bars = [bar for _, bar in bench.bars()]
    assert [int.from_bytes(bar[168:176], "little") for bar in bars[:2]] == ([3, 0] if shift < 0 else [0, 3])
    assert int.from_bytes(bars[1][152:160], "little") > closes_at
