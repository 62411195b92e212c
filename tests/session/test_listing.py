"""A symbol that the exchange says it does not know, though it did: waited for, not given up."""

from __future__ import annotations

from itertools import pairwise

import pytest

from rangebar_anyio import ProtocolError
from rangebar_anyio._events import GapFound, SymbolUnlisted, Waiting
from rangebar_anyio._session import Fail, Fetch, FromTime, Lane
from tests.feed.wire import START_US, row, tape
from tests.session.bench import Bench, from_ids, lane, symbols_of

UNKNOWN = b'{"code":-1121,"msg":"Invalid symbol."}'
SUSPENDED = b'{"code":-1122,"msg":"Invalid symbol status."}'


def denied(body: bytes = UNKNOWN, lanes: list[Lane] | None = None) -> tuple[Bench, int]:
    """A bench that is connected and was told that there is no X; everything else is answered."""
    bench = Bench(lanes or [lane("X"), lane("Y")])
    conn = bench.connect()

    for fetch in bench.new(Fetch):
        if symbols_of([fetch]) == ["X"]:
            bench.refuse(fetch, 400, body)
        else:
            bench.answer(fetch, [])

    return bench, conn


def wait(bench: Bench, conn: int, seconds: float) -> list[Fetch]:
    """Let time pass with a connection that is alive; return what was asked of X and not answered."""
    asked: list[Fetch] = []
    end = bench.now + seconds

    while bench.now < end:
        bench.wait(min(5.0, end - bench.now))
        bench.ping(conn)

        for fetch in bench.new(Fetch):
            if symbols_of([fetch]) == ["X"]:
                asked.append(fetch)
            else:
                bench.answer(fetch, [])

    return asked


@pytest.mark.parametrize("body", [UNKNOWN, SUSPENDED])
def test_it_is_asked_for_again_after_half_a_minute_doubling_to_a_quarter_of_an_hour(body: bytes) -> None:
    bench, conn = denied(body)
    times = [0.0]

    while bench.now < 4000:
        for fetch in wait(bench, conn, 5):
            times.append(bench.now)
            bench.refuse(fetch, 400, body)

    waits = [after - before for before, after in pairwise(times)]
    assert waits == pytest.approx([30, 60, 120, 240, 480, 900, 900, 900], abs=6)
    # The program hears of it once.
    assert bench.told(SymbolUnlisted) == [SymbolUnlisted("X")]


def test_once_it_is_listed_again_it_is_as_if_nothing_had_been() -> None:
    bench, conn = denied()
    (fetch,) = wait(bench, conn, 31)
    bench.answer(fetch, tape(100, 120))
    assert bench.expected() == 121
    bench.end(conn)
    bench.wait(1)
    conn = bench.connect()
    assert "X" in symbols_of(bench.serve(125))
    assert bench.expected() == 126

    # And a second no is told again, and asked about as soon.
    while not (asked := wait(bench, conn, 5)):
        pass

    bench.refuse(asked[0], 400, UNKNOWN)
    assert len(bench.told(SymbolUnlisted)) == 2
    assert wait(bench, conn, 31) != []


def test_an_answer_that_was_under_way_ends_the_waiting() -> None:
    """One replica of many says no."""
    bench = Bench([lane("X", 50, 99), lane("X", 80, 49)])
    first, second = bench.new(Fetch)
    bench.refuse(first, 400, UNKNOWN)
    bench.answer(second, tape(50, 99))
    assert 100 in from_ids(bench.new(Fetch))


def test_a_gap_shows_that_it_is_traded_and_is_asked_for_at_once() -> None:
    bench, conn = denied()
    bench.live(conn, [100, 105], "X")
    assert bench.told(GapFound) == [GapFound("X", 101, 104)]
    assert 101 in from_ids(bench.serve(105))
    assert bench.expected() == 106


def test_early_trades_are_not_kept_for_as_long_as_nothing_is_asked() -> None:
    """The hold is a cache for the time of a fetch, and others may need its room."""
    bench = Bench([lane("X"), lane("Y")])
    conn = bench.connect()
    bench.live(conn, [105], "X")

    for fetch in bench.new(Fetch):
        if symbols_of([fetch]) == ["X"]:
            bench.refuse(fetch, 400, UNKNOWN)

    bench.live(conn, range(106, 200), "X")
    assert bench.session.stats(bench.now).trades_held == 0
    (fetch, *_) = wait(bench, conn, 31)
    bench.answer(fetch, tape(100, 199))
    assert bench.expected() == 200


def test_a_new_threshold_begins_though_its_first_query_was_denied() -> None:
    bench = Bench([lane("X", 50, 99), Lane("X", 25, FromTime(START_US - 1))])
    conn = bench.connect()
    query = next(fetch for fetch in bench.new(Fetch) if "startTime" in dict(fetch.params))
    bench.refuse(query, 400, UNKNOWN)

    for number in range(100, 200):
        bench.live(conn, [number])
        bench.serve(number)
        bench.wait(1)

    assert bench.session.forming(1) is not None


@pytest.mark.parametrize("is_answered", [True, False])
def test_another_refusal_of_a_symbol_that_was_answered_for_leaves_the_others_alone(is_answered: bool) -> None:
    """Before there was an answer it is more likely a mistake, and told as the error that it is."""
    bench = Bench([lane("X"), lane("Y")])
    first, other = bench.new(Fetch)

    if is_answered:
        bench.answer(first, [])
        first = bench.one(Fetch) if bench.connect() else first

    refusal = b'{"code":-1130,"msg":"Data sent for a parameter is not valid."}'
    bench.refuse(first, 400, refusal)

    if is_answered:
        assert bench.all(Fail) == []
        text = "X: HTTP 400: Data sent for a parameter is not valid. (-1130)"
        assert bench.told(Waiting) == [Waiting("request", 30.0, text)]
        bench.answer(other, [row(100)])
        assert bench.expected(1) == 101
    else:
        assert isinstance(bench.failure, ProtocolError)
