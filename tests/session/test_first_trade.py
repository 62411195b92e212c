"""A start by date: the first trade is settled by its predecessor, whatever one answer leaves out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rangebar_anyio._session import Fetch, FromTime, Lane
from rangebar_anyio._session._first_trade import FirstTrade
from rangebar_anyio._session._rules import Found
from tests.feed.wire import START_US, Row, row
from tests.session.bench import Bench, from_ids
from tests.session.driver import Driver
from tests.session.model_exchange import Fault, ModelExchange, make_tape

START_AT = row(900).time_us
"""Of the trades 900 and 901."""


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr("tests.session.bench.START_US", START_US + 10**12)
    return Bench([Lane("X", 50, FromTime(START_AT))])


def serve(bench: Bench, known: Sequence[int], *, without: Collection[int] = ()) -> list[Fetch]:
    """Answer what waits as a REST that has the trades ``known`` and leaves some out."""
    fetches = bench.new(Fetch)

    for fetch in fetches:
        params = dict(fetch.params)
        rows = [row(number) for number in known if number not in without]

        if "startTime" in params:
            rows = [trade for trade in rows if trade.time_us >= int(params["startTime"]) * 1000]
        elif "fromId" in params:
            rows = [trade for trade in rows if trade.id >= int(params["fromId"])]
        else:
            rows = rows[-1:]

        bench.answer(fetch, rows[: int(params["limit"])])

    return fetches


def origins(bench: Bench) -> list[int]:
    """Where the lane has begun, if it has; the first page has not been answered yet."""
    catchups = bench.session._core.symbols[0].catchups
    return [(bench.feed.sequence(number).expected or 0) - 1 for number in catchups]


def test_one_more_request_settles_it(bench: Bench) -> None:
    serve(bench, range(2000))
    assert origins(bench) == []
    assert from_ids(serve(bench, range(2000))) == [899]
    assert origins(bench) == [899]
    assert bench.now == 0


@pytest.mark.parametrize("missed", [range(900, 901), range(900, 950), range(899, 1500), range(1999)])
def test_what_the_time_query_left_out_is_found_by_id(bench: Bench, missed: range) -> None:
    serve(bench, range(2000), without=missed)
    asked = 0

    while not origins(bench):
        asked += len(serve(bench, range(2000)))

    assert origins(bench) == [899]
    assert asked <= 4
    assert bench.now == 0


def test_a_predecessor_that_is_left_out_counts_as_missing_after_two_answers(bench: Bench) -> None:
    serve(bench, range(2000))
    serve(bench, range(2000), without=[899])
    serve(bench, range(2000), without=[899])
    bench.wait(4.9)
    assert bench.new(Fetch) == []
    bench.wait(0.2)
    assert from_ids(serve(bench, range(2000), without=[899])) == [899]
    assert origins(bench) == [899]


def test_the_second_answer_may_bring_what_the_first_ones_left_out(bench: Bench) -> None:
    hole = range(880, 905)
    serve(bench, range(2000), without=hole)
    serve(bench, range(2000), without=hole)
    serve(bench, range(2000), without=hole)
    bench.wait(5)
    assert from_ids(serve(bench, range(2000))) == [880]
    assert origins(bench) == [899]


def test_an_answer_that_ends_before_the_found_trade_proves_nothing(bench: Bench) -> None:
    serve(bench, range(2000))
    asked: list[int] = []

    for _ in range(200):
        asked += from_ids(serve(bench, range(890)))
        bench.wait(1)

    assert origins(bench) == []
    assert set(asked) == {899}
    assert 8 < len(asked) < 15

    while not serve(bench, range(2000)):
        bench.wait(1)

    assert origins(bench) == [899]


@pytest.mark.parametrize("oldest", [901, 1500, 5_000_000])
def test_the_oldest_trade_that_is_served_is_the_first_after_the_proof(bench: Bench, oldest: int) -> None:
    known = range(oldest, oldest + 100)

    for _ in range(5):
        serve(bench, known)

    assert origins(bench) == []
    bench.wait(5)
    serve(bench, known)
    assert origins(bench) == [oldest - 1]


def test_the_very_first_id_needs_no_further_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.session.bench.START_US", START_US + 10**12)
    bench = Bench([Lane("X", 50, FromTime(START_US - 10**9))])
    serve(bench, range(100))
    assert origins(bench) == [-1]


def test_a_time_query_that_finds_nothing_for_a_moment_costs_few_requests(bench: Bench) -> None:
    known = range(20_000)
    serve(bench, ())
    asked = 0

    while not origins(bench):
        asked += len(serve(bench, known))

    assert origins(bench) == [899]
    assert asked < 15


# Random tapes, random faults.


@given(
    ids=st.sets(st.integers(0, 300) | st.integers(0, 10**12), min_size=1, max_size=60),
    ties=st.integers(1, 40),
    wanted=st.integers(0, 60),
    page_rows=st.integers(2, 30),
    seed=st.integers(0, 2**32),
)
def test_it_is_the_first_one_whatever_is_left_out_for_less_than_the_proof_takes(
    ids: set[int], ties: int, wanted: int, page_rows: int, seed: int
) -> None:
    tape = [Found(trade_id, 1000 + place // ties, "us") for place, trade_id in enumerate(sorted(ids))]
    time_us = min(1000 + wanted // ties, tape[-1].time_us)
    random, now = Random(seed), 0.0
    first = FirstTrade(time_us, page_rows, 5.0)
    first.learn([trade for trade in tape if trade.time_us >= time_us and random.random() < 0.5][:page_rows])
    holey_until = random.uniform(0, 4.9)

    for _ in range(400):
        if first.settled is not None:
            break

        now = max(now, first.due or now)
        asked_id = first.from_id()
        rows = [trade for trade in tape if trade.trade_id >= asked_id][:page_rows]

        if now < holey_until:
            rows = [trade for trade in rows if random.random() < 0.5]

        if not first.take(rows, asked_id=asked_id, sent_at=now, now=now):
            now += 1.0

    assert first.settled == next(trade.trade_id for trade in tape if trade.time_us >= time_us)


@pytest.mark.parametrize("seed", range(30))
def test_a_start_by_date_while_a_replica_leaves_trades_out(seed: int) -> None:
    random = Random(seed)
    tape = make_tape(random, "X", first_id=random.choice((0, 7, 5_000_000)), count=3000, seconds=60, begins=-600)
    wanted: Row = tape.rows[random.randrange(2500)]
    exchange = ModelExchange({"X": tape}, random, [Fault("holey", 0.0, 4.9, "X", random.choice((0.5, 2.5, 4.5)))])
    driver = Driver(exchange, [Lane("X", 50, FromTime(min(wanted.time_us, START_US)))], seed=seed)
    driver.run(120)
    assert driver.origins == {0: next(row.id for row in tape.rows if row.time_us >= min(wanted.time_us, START_US)) - 1}
