"""RECOVERY.md, "Start": where lanes begin, what is refused, what is waited for."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest

from rangebar_anyio import InvalidSymbolError, ProtocolError
from rangebar_anyio._events import Disconnected, SnapshotIgnored, SymbolUnlisted, Waiting
from rangebar_anyio._session import (
    Connect,
    ConnectFailure,
    Fail,
    Fetch,
    FromId,
    FromTime,
    Lane,
    Live,
    Resume,
    SaveOrigin,
    starts_of,
)
from tests.feed.wire import START_US, offline, row, tape
from tests.session.bench import Bench, from_ids, lane, symbols_of

UNKNOWN = b'{"code":-1121,"msg":"Invalid symbol."}'


def live(symbol: str = "X", threshold_dbps: int = 50) -> Lane:
    return Lane(symbol, threshold_dbps, Live())


# Origins.


def test_live_begins_with_the_first_trade_and_its_origin_is_durable_before_its_first_bar() -> None:
    """The origin is durable before the first bar of a lane is delivered, also for "live"."""
    bench = Bench([live("X", 50), live("X", 90)])
    conn = bench.connect()
    bench.live(conn, range(500, 700))
    assert bench.all(SaveOrigin) == [SaveOrigin((0, 1), 499, "us")]
    assert bench.session.bars_waiting > 0
    assert bench.session.head() is None
    bench.session.origin_saved([0, 1])
    bars = bench.bars()
    assert [bar for place, bar in bars if place == 0] == offline(tape(500, 699), 50, 499)


def test_a_known_lane_needs_no_origin() -> None:
    bench = Bench([lane("X", 50, 499)])
    bench.live(bench.connect(), range(500, 700))
    assert bench.all(SaveOrigin) == []
    assert [bar for _, bar in bench.bars()] == offline(tape(500, 699), 50, 499)


def test_bars_closed_by_one_trade_come_smallest_threshold_first() -> None:
    bench = Bench([lane("X", 90, 499), lane("X", 50, 499)])
    bench.live(bench.connect(), range(500, 700))
    bars = [(int.from_bytes(bar[160:168], "little"), -place) for place, bar in bench.bars()]
    assert bars == sorted(bars)
    assert any(a[0] == b[0] for a, b in pairwise(bars))


def test_a_lane_may_begin_before_the_first_trade() -> None:
    """Origin -1 is legal."""
    bench = Bench([Lane("X", 50, FromId(0))])
    bench.serve(200)
    bench.serve(200)
    bench.origins_saved()
    assert bench.all(SaveOrigin) == [SaveOrigin((0,), -1, "us")]
    assert [bar for _, bar in bench.bars()] == offline(tape(0, 200), 50, -1)


def test_from_an_id_on() -> None:
    """An id is the first trade taken."""
    bench = Bench([Lane("X", 50, FromId(120))])
    bench.serve(300)
    assert from_ids(bench.serve(300)) == [120]
    assert bench.all(SaveOrigin) == [SaveOrigin((0,), 119, "us")]
    assert bench.expected() == 301


def test_the_newest_id_is_the_last_one_to_start_from() -> None:
    bench = Bench([Lane("X", 50, FromId(300))])
    bench.serve(300)
    bench.serve(300)
    assert bench.expected() == 301


@pytest.mark.parametrize("newest", [299, -1])
def test_an_id_beyond_the_newest_is_refused_once_two_answers_say_so(newest: int) -> None:
    bench = Bench([Lane("X", 50, FromId(300))])
    bench.serve(newest)
    bench.wait(4.9)
    assert bench.all(Fail) == []
    bench.wait(0.2)
    bench.serve(newest)
    assert isinstance(bench.failure, ValueError)
    assert "300" in str(bench.failure)


def test_one_answer_of_a_replica_that_lags_refuses_no_id() -> None:
    bench = Bench([Lane("X", 50, FromId(300)), Lane("X", 80, FromId(200))])
    bench.serve(250)
    assert bench.expected() == 200
    bench.wait(5)

    while bench.serve(320):
        pass

    assert {action.lanes: action.origin for action in bench.all(SaveOrigin)} == {(0,): 299, (1,): 199}
    assert bench.expected() == 321


def test_a_new_threshold_beside_a_known_one() -> None:
    bench = Bench([lane("X", 50, 99), Lane("X", 80, FromId(60)), live("X", 70)])

    for _ in range(4):
        bench.serve(120)

    bench.live(bench.connect(), [121])
    assert {action.lanes: action.origin for action in bench.all(SaveOrigin)} == {(1,): 59, (2,): 120}

    while bench.serve(121):
        pass

    assert len(bench.session._core.symbols[0].catchups) == 1


def test_a_lane_far_behind_keeps_no_new_one_from_beginning_live() -> None:
    """Also while REST is down, so that nobody says how far the market has come meanwhile."""
    bench = Bench([lane("X", 50, 99), live("X", 70)])
    conn = bench.connect()
    waiting = bench.new(Fetch)
    bench.live(conn, range(50_000_000, 50_000_300))
    assert bench.all(SaveOrigin) == [SaveOrigin((1,), 49_999_999, "us")]
    bench.origins_saved()
    bars = [bar for place, bar in bench.bars() if place == 1]
    assert bars == offline(tape(50_000_000, 50_000_299), 70, 49_999_999) != []

    # The one behind is fetched for as soon as REST is there.
    asked = next(fetch for fetch in waiting if from_ids([fetch]) == [100])
    bench.answer(asked, tape(100, 1099))
    assert bench.expected() == 1100
    assert from_ids(bench.new(Fetch))[:2] == [1100, 2100]


# Times.


def serve_times(bench: Bench, last: int) -> list[Fetch]:
    """Answer all requests as an exchange with trades up to ``last``, by time as well."""
    fetches = bench.new(Fetch)

    for fetch in fetches:
        params = dict(fetch.params)
        rows = tape(0, last)

        if "startTime" in params:
            rows = [trade for trade in rows if trade.time_us >= int(params["startTime"]) * 1000]
        elif "fromId" in params:
            rows = rows[int(params["fromId"]) :]
        else:
            rows = rows[-1:]

        bench.answer(fetch, rows[: int(params["limit"])])

    return fetches


def start_at(time_us: int) -> Bench:
    return Bench([Lane("X", 50, FromTime(time_us))])


def test_a_time_means_the_lowest_id_whose_time_is_not_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.session.bench.START_US", START_US + 10**12)

    # Times within one millisecond of each other: the query's milliseconds are not exact enough.
    for wanted in (row(40).time_us, row(40).time_us + 1, row(41).time_us - 700):
        bench = start_at(wanted)

        while serve_times(bench, 200):
            pass

        first = next(trade.id for trade in tape(0, 200) if trade.time_us >= wanted)
        assert bench.all(SaveOrigin) == [SaveOrigin((0,), first - 1, "us")]
        assert bench.expected() == 201


def test_a_time_without_a_trade_yet_means_the_first_later_one() -> None:
    """No trade yet: the first later one is the origin, also when the socket does not bring it and REST lags."""
    bench = start_at(START_US)
    shift = START_US - row(0).time_us
    old = [replace(trade, time_us=trade.time_us + shift - 10**9) for trade in tape(0, 99)]
    new = [replace(trade, time_us=trade.time_us + shift) for trade in tape(100, 110)]
    served: list[int] = []

    for known in (old, old, [*old, *new]):
        for _ in range(15):
            for fetch in bench.new(Fetch):
                params = dict(fetch.params)
                rows = known[-1:]

                if "fromId" in params:
                    served.append(int(params["fromId"]))
                    rows = [trade for trade in known if trade.id >= int(params["fromId"])]
                elif "startTime" in params:
                    rows = [trade for trade in known if trade.time_us >= int(params["startTime"]) * 1000]

                bench.answer(fetch, rows)

            bench.wait(3)

    assert set(served[:3]) == {100}
    assert bench.all(SaveOrigin) == [SaveOrigin((0,), 99, "us")]
    assert bench.expected() == 111


def test_a_time_in_the_future_is_refused() -> None:
    with pytest.raises(ValueError, match="future"):
        start_at(START_US + 1)


@pytest.mark.parametrize(
    ("start", "symbols", "problem"),
    [
        (datetime(2024, 1, 1), ["X"], "time zone"),  # noqa: DTZ001 - the point
        (datetime(2099, 1, 1, tzinfo=UTC), ["X"], "future"),
        (datetime(1969, 1, 1, tzinfo=UTC), ["X"], "1970"),
        (5, ["X", "Y"], "for one symbol"),
        (-1, ["X"], "at least 0"),
        (1 << 62, ["X"], "below"),
        ("yesterday", ["X"], "resume"),
        ({"Z": 5}, ["X"], "'Z'"),
    ],
)
def test_starts_that_are_refused(start: object, symbols: list[str], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        starts_of(start, symbols, START_US)


@pytest.mark.parametrize("start", [1.5, None, True, b"live"])
def test_starts_of_the_wrong_type_are_refused(start: object) -> None:
    with pytest.raises(TypeError, match="start must be"):
        starts_of(start, ["X"], START_US)


def test_starts_that_are_fine() -> None:
    aware = datetime(2023, 1, 1, 2, 0, 0, 7, tzinfo=timezone(timedelta(hours=2)))
    assert starts_of("resume", ["X", "Y"], START_US) == {"X": Live(), "Y": Live()}
    assert starts_of(aware, ["X"], START_US) == {"X": FromTime(1_672_531_200_000_007)}
    assert starts_of({"X": 5, "Y": "live"}, ["X", "Y", "Z"], START_US) == {"X": FromId(5), "Y": Live(), "Z": Live()}


# Symbols and the network.


def test_an_unknown_symbol_is_an_error_at_once_and_only_on_the_exchanges_word() -> None:
    bench = Bench([live("NOPE")])
    bench.refuse(bench.one(Fetch), 400, UNKNOWN)
    assert isinstance(bench.failure, InvalidSymbolError)
    assert bench.failure.symbol == "NOPE"


@pytest.mark.parametrize("start", [FromId(5), FromTime(START_US)])
def test_an_unknown_symbol_with_a_start_is_one_too(start: FromId | FromTime) -> None:
    bench = Bench([Lane("NOPE", 50, start)])
    bench.refuse(bench.one(Fetch), 400, UNKNOWN)
    assert isinstance(bench.failure, InvalidSymbolError)


@pytest.mark.parametrize("is_stored", [False, True])
def test_a_symbol_that_was_known_is_no_error_when_it_is_delisted(is_stored: bool) -> None:
    """Only a symbol that nobody has ever heard of is a mistake; the others of the stream go on."""
    bench = Bench([live("GONE"), live("X")])
    conn = bench.connect()
    gone, other = bench.new(Fetch)
    bench.answer(other, [row(99)])

    if is_stored:
        # It has an origin in the store before REST has said a word.
        bench.live(conn, [100], "GONE")
        bench.origins_saved()
    else:
        bench.answer(gone, [row(99)])
        bench.wait(40)
        gone = next(fetch for fetch in bench.new(Fetch) if symbols_of([fetch]) == ["GONE"])

    bench.refuse(gone, 400, UNKNOWN)
    assert bench.all(Fail) == []
    assert bench.told(SymbolUnlisted) == [SymbolUnlisted("GONE")]


def test_another_refusal_says_what_the_exchange_said() -> None:
    bench = Bench([live("BTC-USDT")])
    bench.refuse(bench.one(Fetch), 400, b'{"code":-1100,"msg":"Illegal characters found in parameter"}')
    assert isinstance(bench.failure, ProtocolError)
    assert "Illegal characters" in str(bench.failure)


@pytest.mark.parametrize(
    ("status", "code"), [(400, -1000), (400, -1007), (408, -1001), (500, -1100), (404, -1001), (451, -1050)]
)
def test_the_servers_own_trouble_is_no_refusal(status: int, code: int) -> None:
    bench = Bench([live()])
    bench.refuse(bench.one(Fetch), status, b'{"code":%d,"msg":"An unknown error occurred."}' % code)
    assert bench.all(Fail) == []
    bench.wait(2)
    assert len(bench.new(Fetch)) == 1


def test_a_page_that_is_not_found_is_no_word_about_a_symbol() -> None:
    bench = Bench([live()])
    bench.refuse(bench.one(Fetch), 404, b"<html>not found</html>")
    assert bench.all(Fail) == []


@pytest.mark.parametrize("start", [Live(), FromId(5), FromTime(START_US - 10)])
@pytest.mark.parametrize("trade_id", [2**61, 2**63, 2**70])
def test_an_id_that_no_trade_can_have_is_no_answer(start: Live | FromId | FromTime, trade_id: int) -> None:
    bench = Bench([Lane("X", 50, start)])
    trade = replace(row(7), id=trade_id)

    for _ in range(3):
        bench.answer(bench.one(Fetch), [trade])
        bench.wait(5)

    assert bench.all(Fail) == []

    bench.serve(10)
    assert bench.session._core.symbols[0].newest == 10


def test_a_stored_symbol_that_is_not_listed_any_more_does_not_stop_the_others() -> None:
    bench = Bench([lane("GONE"), lane("X")])
    gone, other = bench.new(Fetch)
    bench.refuse(gone, 400, UNKNOWN)
    bench.answer(other, tape(100, 120))
    assert bench.told(SymbolUnlisted) == [SymbolUnlisted("GONE")]
    assert bench.expected(1) == 121
    conn = bench.connect()
    bench.live(conn, [121], "X")
    assert bench.expected(1) == 122

    while bench.now < 29:
        bench.wait(1)
        assert "GONE" not in symbols_of(bench.serve(121))

    assert bench.all(Fail) == []


def test_without_a_network_it_waits_and_says_so() -> None:
    bench = Bench([live()])

    while bench.now < 100:
        for connect in bench.new(Connect):
            bench.session.connect_failed(connect.conn, ConnectFailure("network unreachable"), bench.now)

        for fetch in bench.new(Fetch):
            bench.session.request_failed(fetch.request, "network unreachable", bench.now)

        bench.collect()
        bench.wait(0.1)

    assert {event.what for event in bench.told(Waiting)} == {"connect", "request"}
    assert {event.reason for event in bench.told(Waiting)} == {"network unreachable"}
    assert not bench.told(Disconnected)[0].was_open
    assert bench.all(Fail) == []
    before = len(bench.all(Connect))

    while len(bench.all(Connect)) == before:
        bench.wait(1)

    conn = bench.connect()
    bench.live(conn, [100])
    assert bench.all(SaveOrigin) == [SaveOrigin((0,), 99, "us")]


# Snapshots.


def make_snapshot(last: int, threshold_dbps: int = 50) -> tuple[bytes, int]:
    """A forming bar after trade ``last``, and the position that it follows."""
    bench = Bench([lane("X", threshold_dbps, 99)])
    bench.live(bench.connect(), range(100, last + 1))
    snapshot = bench.session.snapshot(0)
    bars = bench.bars()
    assert snapshot is not None
    return snapshot, int.from_bytes(bars[-1][1][160:168], "little")


def test_a_snapshot_that_follows_the_position_saves_the_fetching() -> None:
    snapshot, position = make_snapshot(190)
    bench = Bench([Lane("X", 50, Resume(position, "us", None, snapshot))])
    assert from_ids(bench.new(Fetch)) == [191]
    bench.live(bench.connect(), range(191, 300))
    assert [bar for _, bar in bench.bars()] == offline(tape(position + 1, 299), 50, position)


def test_a_snapshot_that_does_not_fit_is_ignored_with_an_event() -> None:
    snapshot, position = make_snapshot(190)
    damaged = snapshot[:-1] + bytes((snapshot[-1] ^ 1,))
    other, _ = make_snapshot(190, 60)

    for bad in (damaged, other, b""):
        bench = Bench([Lane("X", 50, Resume(position, "us", None, bad))])
        assert bench.told(SnapshotIgnored)[0].symbol == "X"
        assert from_ids(bench.new(Fetch)) == [position + 1]


def test_lanes_must_be_given_and_differ() -> None:
    with pytest.raises(ValueError, match="each symbol with each threshold once"):
        Bench([live(), live()])
