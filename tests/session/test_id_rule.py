"""RECOVERY.md, "The id rule": what is asked for, what is waited for, what counts as missing."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from rangebar_anyio import CheckpointMismatchError, GapUnfillableError, ProtocolError
from rangebar_anyio._events import (
    CatchingUp,
    GapFilled,
    GapFound,
    GapUnfillable,
    Stalled,
    TradeRejected,
    TradesDiffer,
)
from rangebar_anyio._session import CancelFetch, Connect, Disconnect, Fail, Fetch, Lane, Live, Resume
from tests.feed.wire import START_US, event, frame, offline, page, row, tape
from tests.session.bench import CALM, Bench, from_ids, lane, symbols_of


def settled(lanes: list[Lane] | None = None, **config: Any) -> tuple[Bench, int]:
    """A bench that is connected, has taken trade 100 and has nothing left to ask."""
    bench = Bench(lanes, **config)
    conn = bench.connect()
    symbols = {lane.symbol for lane in lanes or [lane_x()]}

    for symbol in sorted(symbols):
        bench.live(conn, [100], symbol)

    while bench.serve(100):
        pass

    return bench, conn


def lane_x() -> Lane:
    return lane("X")


# Below the expected.


def test_a_duplicate_is_dropped_and_counted() -> None:
    bench, conn = settled()
    before = bench.session.stats(bench.now).duplicates
    bench.live(conn, [100, 99, 100])
    assert bench.expected() == 101
    assert bench.session.stats(bench.now).duplicates == before + 3


def test_two_copies_that_differ_are_an_event_and_the_first_stays() -> None:
    bench, conn = settled()
    bench.live(conn, [101])
    bench.read(conn, event(replace(row(101), price=5)))
    assert bench.told(TradesDiffer) == [TradesDiffer("X", 101, 1)]
    assert bench.expected() == 102


def test_ids_that_restarted_are_a_mismatch_that_names_both() -> None:
    bench, conn = settled()
    late = replace(row(7), time_us=row(100).time_us + 60_000_001)
    bench.read(conn, event(late))
    assert isinstance(bench.failure, CheckpointMismatchError)
    assert "id 100" in str(bench.failure)
    assert "id 7" in str(bench.failure)


def test_a_minute_later_is_still_a_duplicate() -> None:
    bench, conn = settled()
    bench.read(conn, event(replace(row(7), time_us=row(100).time_us + 60_000_000)))
    assert bench.all(Fail) == []


# Above the expected.


def test_a_gap_is_fetched_by_id_and_told() -> None:
    bench, conn = settled()
    bench.live(conn, [105])
    assert bench.told(GapFound) == [GapFound("X", 101, 104)]
    assert from_ids(bench.serve(105)) == [101]
    assert bench.expected() == 106
    (filled,) = bench.told(GapFilled)
    assert (filled.first_id, filled.last_id) == (101, 104)


def test_live_trades_wait_for_the_gap_and_follow_it() -> None:
    """A sequence holds live trades only while its own fetch is in flight."""
    bench, conn = settled()
    bench.live(conn, [105])
    bench.live(conn, range(106, 120))
    assert bench.expected() == 101
    (fetch,) = bench.new(Fetch)
    bench.answer(fetch, tape(101, 105))
    assert bench.expected() == 120
    assert bench.new(Fetch) == []


def test_what_a_full_hold_let_go_is_fetched_again() -> None:
    """The hold is a cache: what does not fit is let go, counted and fetched again."""
    bench, conn = settled(trade_capacity=3)
    bench.live(conn, [105])
    bench.live(conn, range(106, 120))
    (fetch,) = bench.new(Fetch)
    bench.answer(fetch, tape(101, 105))
    assert bench.expected() == 106
    assert bench.session.stats(bench.now).let_go > 0
    assert from_ids(bench.serve(119)) == [106]
    assert bench.expected() == 120


def test_short_gaps_come_before_long_ones() -> None:
    names = [f"S{n}" for n in range(12)]
    bench, conn = settled([lane(name) for name in names])

    # Eight long ones take all places, then two more long ones and two short ones wait.
    for number, name in enumerate(names):
        bench.live(conn, [100 + (50 if number >= 10 else 800)], name)

    first = bench.new(Fetch)
    assert len(first) == 8
    bench.answer(first[0], tape(101, 900))
    bench.answer(first[1], tape(101, 900))
    assert set(symbols_of(bench.new(Fetch))) == {"S10", "S11"}


def plain_page(first: int) -> bytes:
    """A thousand trades that are all alike, made quickly."""
    alike = f'"p":"1.0","q":"1.0","f":1,"l":1,"T":{START_US},"m":true'
    return ("[" + ",".join(f'{{"a":{first + at},{alike}}}' for at in range(1000)) + "]").encode()


def test_one_symbol_takes_at_most_half_of_the_weight() -> None:
    """One symbol's catch-up takes at most half of the request weight, so that others have the rest."""
    bench, conn = settled([lane("X"), lane("Y")])
    bench.live(conn, [5_000_000], "X")
    begun = bench.now

    while bench.now < begun + 60:
        for fetch in bench.new(Fetch):
            begin = int(dict(fetch.params)["fromId"])
            bench.answer(fetch, plain_page(begin) if symbols_of([fetch]) == ["X"] else [])

        bench.wait(0.05)

    asked = [fetch for at, fetch in bench.log if isinstance(fetch, Fetch) and at >= begun]
    weight = sum(fetch.weight for fetch in asked if symbols_of([fetch]) == ["X"])
    assert 1300 <= weight <= 1500


def test_a_single_symbol_has_the_whole_share() -> None:
    """With the limits on, at least 90 % of what they allow: 3,000 a minute are half of the exchange's limit."""
    bench, conn = settled()
    bench.live(conn, [5_000_000])
    begun = bench.now

    while bench.now < begun + 20:
        for fetch in bench.new(Fetch):
            bench.answer(fetch, plain_page(int(dict(fetch.params)["fromId"])))

        bench.wait(0.05)

    weight = sum(fetch.weight for at, fetch in bench.log if isinstance(fetch, Fetch) and at >= begun)
    # Five in a hundred of a minute go at once, the rest evenly.
    assert 990 <= weight <= 150 + 2850 // 3


def test_a_gap_waits_while_two_connections_overlap() -> None:
    """While two connections overlap (rotation), a gap waits 500 ms before REST is asked."""
    bench, old = settled(rotate_after_s=50.0, rotate_spread_s=0.0)
    bench.wait(50)
    new = bench.connect()

    while bench.serve(100):
        pass

    bench.live(new, [103])
    bench.wait(0.49)
    assert bench.new(Fetch) == []
    bench.live(old, [101, 102, 103])
    assert bench.expected() == 104
    bench.wait(1)
    assert bench.new(Fetch) == []
    assert bench.told(GapFound) == []
    bench.live(new, [106])
    bench.wait(0.51)
    assert from_ids(bench.new(Fetch)) == [104]


def test_a_symbol_behind_does_not_delay_another() -> None:
    bench, conn = settled([lane("X"), lane("Y")])
    bench.live(conn, [500], "X")
    bench.live(conn, [101, 102], "Y")
    assert bench.expected(1) == 103


def test_a_sequence_behind_does_not_delay_one_at_the_live_edge() -> None:
    """A threshold added later has a sequence of its own, and sequences that meet merge."""
    bench = Bench([lane("X", 50, 99), lane("X", 80, 49)])
    conn = bench.connect()
    bench.live(conn, [100, 101])
    assert bench.expected() == 102
    while bench.serve(101):
        pass
    (sequence,) = bench.session._core.symbols[0].catchups
    assert not bench.feed.sequence(sequence).is_fetching
    bench.live(conn, [102])
    assert bench.expected() == 103
    assert bench.session.stats(bench.now).missing_trades == 0


# REST is the second witness.


def test_rest_is_asked_at_the_start_before_any_connection() -> None:
    bench = Bench()
    assert from_ids(bench.serve(150)) == [100]
    assert bench.expected() == 151


def test_quiet_is_asked_about_after_30_s_doubling_to_15_minutes() -> None:
    bench, _ = settled()
    begun = bench.now

    while bench.now < begun + 5000:
        bench.wait(0.5)
        bench.serve(100)

    times = sorted({round(at - begun) for at, action in bench.log if isinstance(action, Fetch) and at > begun})
    waits = [later - at for at, later in zip([0, *times], times, strict=False)]
    # The connection as a whole is looked at as well, a moment apart.
    waits = [wait for wait in waits if wait > 8]
    assert 28 <= waits[0] <= 45
    assert waits[-1] >= 890
    assert all(900 >= later >= wait - 8 for wait, later in pairwise(waits))


def test_a_quiet_market_is_no_fault() -> None:
    bench, conn = settled()

    for number in range(2000):
        bench.wait(5)
        bench.serve(100)

        if number % 4 == 0:
            bench.ping(conn)

    assert bench.all(Disconnect) == []
    assert len(bench.all(Connect)) == 1


def test_a_loss_at_the_tail_is_found_without_a_later_trade() -> None:
    bench, conn = settled()

    for _ in range(50):
        bench.wait(1)
        bench.read(conn, frame(b"", 9))
        bench.serve(105)

    assert bench.expected() == 106
    assert bench.told(Stalled) == [Stalled(conn, "X")]
    # Trades that the socket did not bring are pushed and the connection is replaced.
    assert len(bench.all(Connect)) == 2


def test_a_trade_that_rest_has_a_moment_earlier_is_no_stall() -> None:
    bench, conn = settled()

    while not bench.serve(105):
        bench.wait(1)

    bench.wait(4)
    bench.live(conn, [105, 106])
    bench.wait(10)
    assert bench.told(Stalled) == []


def test_a_gap_that_lags_is_no_silence_of_the_socket() -> None:
    bench, conn = settled()
    bench.live(conn, [105])

    for number in range(106, 180):
        bench.live(conn, [number])
        bench.serve(100)
        bench.wait(1)

    for _ in range(30):
        bench.serve(179)
        bench.wait(1)

    assert bench.expected() == 180
    assert bench.told(Stalled) == []


def test_one_silent_symbol_of_many_is_noticed() -> None:
    bench, conn = settled([lane("X"), lane("Y")])
    number = 101

    for _ in range(60):
        bench.live(conn, [number], "Y")
        number += 1
        bench.wait(1)
        bench.serve(number - 1)

    assert bench.told(Stalled) == [Stalled(conn, "X")]


def test_a_live_lane_without_a_first_trade_is_watched_too() -> None:
    bench = Bench([Lane("X", 50, Live())])
    conn = bench.connect()
    bench.serve(500)

    for _ in range(45):
        bench.wait(1)
        bench.serve(510)

    assert bench.told(Stalled) == [Stalled(conn, "X")]


def test_probes_are_paced_below_a_quarter_of_the_limit() -> None:
    bench = Bench([lane(f"S{n:03}") for n in range(600)])
    bench.connect()

    while bench.now < 150:
        bench.serve(99)
        bench.wait(0.05)

    times = [(at, fetch.weight) for at, fetch in bench.log if isinstance(fetch, Fetch)]
    for begin, _ in times[::50]:
        assert sum(weight for at, weight in times if begin <= at < begin + 60) <= 1500

    assert {*symbols_of(bench.all(Fetch))} == {f"S{n:03}" for n in range(600)}


def test_a_long_catch_up_goes_side_by_side_and_in_order() -> None:
    bench, conn = settled()
    bench.live(conn, [20_000])
    fetches = bench.new(Fetch)
    assert from_ids(fetches) == [101 + 1000 * n for n in range(8)]

    for fetch in reversed(fetches[1:]):
        begin = int(dict(fetch.params)["fromId"])
        bench.answer(fetch, tape(begin, begin + 999))
        # At most 8 pages in the house: those that wait for the first one count.
        assert bench.new(Fetch) == []

    assert bench.expected() == 101
    bench.wait(2)
    bench.answer(fetches[0], tape(101, 1100))
    assert bench.expected() == 8101
    assert bench.told(CatchingUp)[-1].done == 8000
    assert bench.told(CatchingUp)[-1].total == 19_900
    assert from_ids(bench.new(Fetch)) == [8101 + 1000 * n for n in range(8)]


def test_a_catch_up_without_a_known_end_asks_how_far_it_is() -> None:
    bench = Bench()
    (fetch,) = bench.new(Fetch)
    bench.answer(fetch, tape(100, 1099))
    fetches = bench.new(Fetch)
    assert [dict(fetch.params).get("fromId") for fetch in fetches] == [None, "1100"]
    bench.answer(fetches[0], [row(5000)])
    assert from_ids(bench.new(Fetch)) == [2100, 3100, 4100]


# Lag.


def test_lag_is_waited_for_as_long_as_it_takes() -> None:
    """An empty or short answer is lag: asked again with back-off; longer than any retry count."""
    bench, conn = settled()
    bench.live(conn, [105])

    for _ in range(2000):
        bench.serve(102)
        bench.wait(5)

    assert bench.expected() == 103
    assert bench.told(GapUnfillable) == []
    bench.wait(15)
    bench.serve(105)
    assert bench.expected() == 106


def test_lag_is_asked_about_with_backoff() -> None:
    bench, conn = settled()
    before = len(bench.all(Fetch))
    bench.live(conn, [105])

    while bench.now < 100:
        bench.serve(100)
        bench.wait(0.1)

    times = bench.times(Fetch)[before:]
    waits = [later - at for at, later in pairwise(times)]
    assert waits[:5] == pytest.approx([0.5, 1, 2, 4, 8], abs=0.11)
    assert max(waits) <= 15.2


def test_gap_timeout_turns_lag_into_an_error() -> None:
    bench, conn = settled(policy=replace(CALM, gap_timeout_s=20.0))
    bench.live(conn, [105])
    begun = bench.now

    while not bench.all(Fail):
        bench.serve(102)
        bench.wait(0.1)

    assert isinstance(bench.failure, GapUnfillableError)
    assert (bench.failure.first_id, bench.failure.last_id) == (103, 104)
    assert 19 < bench.now - begun < 22


def test_lag_does_not_count_while_the_reader_is_away() -> None:
    """Nothing is asked then, so nothing lags."""
    bench = Bench([lane("X", 5), lane("Y", 50)], bar_capacity=3, policy=replace(CALM, gap_timeout_s=20.0))
    conn = bench.connect()
    while bench.serve(99):
        pass

    bench.live(conn, [105], "Y")
    bench.serve(99)
    bench.wait(10)
    bench.live(conn, range(100, 200), "X")
    assert bench.session.is_paused
    bench.wait(600)
    bench.bars()
    begun = bench.now

    while not bench.all(Fail):
        bench.serve(99)
        bench.wait(0.1)

    assert isinstance(bench.failure, GapUnfillableError)
    assert 9 < bench.now - begun < 12


def test_a_stale_replica_is_lag_and_no_evidence() -> None:
    bench, conn = settled()
    bench.live(conn, [110])

    for last in (104, 102, 100, 104, 101):
        bench.serve(last)
        bench.wait(20)

    assert bench.expected() == 105
    bench.serve(110)
    assert bench.expected() == 111


# What is missing.


def ask_again(bench: Bench, seconds: float = 5.0) -> Fetch:
    bench.wait(seconds)
    return bench.one(Fetch)


def test_two_answers_five_seconds_apart_prove_that_an_id_is_missing() -> None:
    bench, conn = settled()
    bench.live(conn, [105])
    bench.answer(bench.one(Fetch), [row(103), row(104), row(105)])
    assert bench.expected() == 101
    bench.wait(4.99)
    assert bench.new(Fetch) == []
    fetch = ask_again(bench, 0.02)
    assert from_ids([fetch]) == [101]
    bench.answer(fetch, [row(103), row(104), row(105)])
    assert bench.told(GapUnfillable) == [GapUnfillable("X", 101, 102)]
    assert bench.expected() == 106
    assert bench.session.stats(bench.now).missing_trades == 2


def test_missing_trades_count_on_the_bar_they_fall_in() -> None:
    bench = Bench([lane("X", 50, 99)])
    conn = bench.connect()
    bench.live(conn, [*range(100, 140), *range(145, 200)])

    while bench.expected() != 200:
        bench.serve(199, without=range(140, 145))
        bench.wait(1)

    rows = [trade for trade in tape(100, 199) if not 140 <= trade.id < 145]
    bars = [bar for _, bar in bench.bars()]
    assert bars == offline(rows, 50, 99)
    assert sum(int.from_bytes(bar[168:176], "little") for bar in bars) == 5


def test_what_both_answers_leave_out_is_missing_and_no_more() -> None:
    bench, conn = settled()
    bench.live(conn, [105])
    bench.answer(bench.one(Fetch), [row(105)])
    bench.answer(ask_again(bench), [row(103), row(104), row(105)])
    assert bench.told(GapUnfillable) == [GapUnfillable("X", 101, 102)]
    assert bench.expected() == 106


def test_one_answer_is_no_proof() -> None:
    bench, conn = settled()
    bench.live(conn, [105])
    bench.answer(bench.one(Fetch), [row(105)])
    bench.answer(ask_again(bench), tape(101, 105))
    assert bench.told(GapUnfillable) == []
    assert bench.expected() == 106


def test_lag_between_two_answers_is_neither_proof_nor_the_end_of_one() -> None:
    bench, conn = settled()
    bench.live(conn, [105])
    bench.answer(bench.one(Fetch), [row(105)])
    bench.answer(ask_again(bench), [])
    bench.answer(ask_again(bench), [row(105)])
    assert bench.told(GapUnfillable) == [GapUnfillable("X", 101, 104)]


def test_a_jump_inside_a_page_is_evidence_and_not_a_new_gap() -> None:
    bench, conn = settled()
    bench.live(conn, [110])
    rows = [trade for trade in tape(101, 110) if trade.id not in (105, 106)]
    bench.answer(bench.one(Fetch), rows)
    assert bench.expected() == 105
    fetch = ask_again(bench)
    assert from_ids([fetch]) == [105]
    bench.answer(fetch, [trade for trade in rows if trade.id >= 105])
    assert bench.expected() == 111
    assert len(bench.told(GapFound)) == 1
    assert bench.told(GapUnfillable) == [GapUnfillable("X", 105, 106)]


def serve_all(bench: Bench, last: int, without: set[int]) -> None:
    while bench.serve(last, without=sorted(without)):
        pass


def test_several_holes_of_one_page_are_proven_side_by_side() -> None:
    """One page is the first answer for all of them; five seconds later each id is asked for, all at once."""
    holes = {105, 106, 110, *range(120, 130), 140}
    bench, conn = settled()
    bench.live(conn, [200])
    begun = bench.now
    serve_all(bench, 200, holes)
    assert bench.expected() == 105
    bench.wait(4.99)
    assert bench.new(Fetch) == []
    bench.wait(0.02)
    fetches = bench.new(Fetch)
    assert from_ids(fetches) == [105, 110, 120, 140]

    for fetch in reversed(fetches):
        assert bench.told(GapUnfillable) == []
        from_id = int(dict(fetch.params)["fromId"])
        bench.answer(fetch, [trade for trade in tape(from_id, 200) if trade.id not in holes])

    assert bench.expected() == 201
    assert bench.now - begun < 5.1
    assert bench.new(Fetch) == []
    assert [(gone.first_id, gone.last_id) for gone in bench.told(GapUnfillable)] == [
        (105, 106), (110, 110), (120, 129), (140, 140),
    ]  # fmt: skip
    assert bench.session.stats(bench.now).missing_trades == len(holes)


def test_more_holes_than_places_in_the_house_take_no_further_waiting() -> None:
    holes = set(range(102, 142, 2))
    bench, conn = settled()
    bench.live(conn, [201])
    begun = bench.now
    serve_all(bench, 201, holes)
    bench.wait(5.01)
    serve_all(bench, 201, holes)
    assert bench.expected() == 202
    assert bench.now - begun < 5.1
    assert bench.session.stats(bench.now).missing_trades == len(holes)


def test_each_hole_needs_its_own_second_answer() -> None:
    """What the first answer left out and the second one to that id has is taken; nothing else is proven for it."""
    bench, conn = settled()
    bench.live(conn, [130])
    serve_all(bench, 130, {105, 110, 120})
    bench.wait(5.01)
    first, second, third = bench.new(Fetch)
    assert from_ids([first, second, third]) == [105, 110, 120]
    bench.answer(first, [trade for trade in tape(105, 130) if trade.id not in (105, 110, 120)])
    # 105 is proven. 110 was left out by two answers five seconds apart, and neither was asked for it.
    assert bench.expected() == 110
    bench.answer(second, [trade for trade in tape(110, 130) if trade.id != 120])
    bench.answer(third, [trade for trade in tape(120, 130) if trade.id != 120])
    assert bench.expected() == 131
    assert [gone.first_id for gone in bench.told(GapUnfillable)] == [105, 120]


def test_an_id_that_any_answer_names_is_not_missing_for_what_was_left_out_before() -> None:
    bench, conn = settled()
    bench.live(conn, [130])
    serve_all(bench, 130, {105, 110})
    bench.wait(5.01)
    first, second = bench.new(Fetch)
    # This answer has 110, and what it leaves out the first one had.
    bench.answer(first, [trade for trade in tape(105, 130) if trade.id not in (105, 107)])
    assert bench.expected() == 110
    bench.answer(second, [trade for trade in tape(110, 130) if trade.id != 110])
    # Its first answer counts from here, though one of five seconds ago left it out as well.
    assert bench.expected() == 110
    bench.wait(4.9)
    assert bench.new(Fetch) == []
    bench.wait(0.2)
    assert from_ids(bench.serve(130)) == [110]
    assert bench.expected() == 131
    assert [gone.first_id for gone in bench.told(GapUnfillable)] == [105]


def test_lag_at_one_hole_keeps_the_others_waiting_and_proves_nothing() -> None:
    bench, conn = settled()
    bench.live(conn, [130])
    serve_all(bench, 130, {105, 110})
    bench.wait(5.01)
    first, second = bench.new(Fetch)
    bench.answer(second, [trade for trade in tape(110, 130) if trade.id != 110])
    bench.answer(first, [])
    assert bench.expected() == 105
    assert bench.told(GapUnfillable) == []

    for _ in range(20):
        serve_all(bench, 130, {105, 110})
        bench.wait(1)

    assert bench.expected() == 131
    assert [gone.first_id for gone in bench.told(GapUnfillable)] == [105, 110]


def test_a_side_by_side_request_that_fails_is_sent_again() -> None:
    bench, conn = settled()
    bench.live(conn, [130])
    serve_all(bench, 130, {105, 110})
    bench.wait(5.01)
    first, second = bench.new(Fetch)
    bench.session.request_failed(second.request, "network unreachable", bench.now)
    bench.collect()
    bench.answer(first, [trade for trade in tape(105, 130) if trade.id not in (105, 110)])
    assert bench.expected() == 110
    bench.wait(1)
    serve_all(bench, 130, {105, 110})
    assert bench.expected() == 131


def test_ids_no_longer_served_are_missing_by_the_same_proof() -> None:
    """``fromId`` can answer from a later id than asked when old ids are no longer served."""
    bench = Bench([lane("X", 50, 99)])

    while bench.expected() != 5001:
        bench.serve(5000, first=4500)
        bench.wait(0.5)

    assert bench.told(GapUnfillable) == [GapUnfillable("X", 100, 4499)]
    assert 5 <= bench.now < 7


def test_a_trade_that_the_parser_refuses_is_missing_too_and_its_text_told() -> None:
    bench, conn = settled()
    bench.live(conn, [104])
    refused = b'{"a":102,"p":"-1","q":"1","f":1,"l":1,"T":1,"m":true},'
    bad = page([row(101)])[:-1] + b"," + refused + page([row(103), row(104)])[1:]
    bench.answer(bench.one(Fetch), bad)
    assert bench.expected() == 102
    bad = b"[" + refused + page([row(103), row(104)])[1:]
    bench.answer(ask_again(bench), bad)
    assert bench.expected() == 105
    assert bench.told(GapUnfillable) == [GapUnfillable("X", 102, 102)]
    assert '"p":"-1"' in bench.told(TradeRejected)[0].text


def test_an_unfillable_gap_is_raised_by_choice_after_the_bars_before_it() -> None:
    bench = Bench([lane("X", 50, 99)], policy=replace(CALM, on_missing="raise"))
    conn = bench.connect()
    bench.live(conn, [*range(100, 140), 145])

    while not bench.all(Fail):
        bench.serve(145, without=range(140, 145))
        bench.wait(1)

    assert isinstance(bench.failure, GapUnfillableError)
    assert (bench.failure.first_id, bench.failure.last_id) == (140, 144)
    assert [bar for _, bar in bench.bars()] == offline(tape(100, 139), 50, 99) != []

    # A restart with the default goes past it.
    again = Bench([lane("X", 50, 99)])

    while again.expected() != 146:
        again.serve(145, without=range(140, 145))
        again.wait(1)


# Units.


def test_milliseconds_in_a_microsecond_lane_are_a_protocol_error() -> None:
    bench = Bench()
    conn = bench.connect()
    bench.read(conn, event(row(100), unit="ms"))
    assert isinstance(bench.failure, ProtocolError)
    assert bench.expected() == 100


def test_a_page_in_milliseconds_is_one_too() -> None:
    bench = Bench()
    bench.answer(bench.one(Fetch), page([row(100)], "ms"))
    assert isinstance(bench.failure, ProtocolError)
    assert bench.expected() == 100


def test_microseconds_are_cut_in_a_millisecond_lane() -> None:
    bench = Bench([Lane("X", 50, Resume(99, "ms"))])
    conn = bench.connect()
    bench.live(conn, range(100, 200))
    cut = [replace(trade, time_us=trade.time_us // 1000 * 1000) for trade in tape(100, 199)]
    assert [bar for _, bar in bench.bars()] == offline(cut, 50, 99)


# What must not happen.


def test_requests_that_are_no_longer_needed_are_given_up() -> None:
    bench, conn = settled()
    bench.live(conn, [8000])
    fetches = bench.new(Fetch)
    assert len(fetches) == 8
    bench.answer(fetches[0], tape(101, 300))
    assert {gone.request for gone in bench.all(CancelFetch)} == {fetch.request for fetch in fetches[1:]}
    assert from_ids(bench.new(Fetch))[0] == 301


def test_a_live_id_far_above_what_rest_knows_is_not_believed() -> None:
    bench, conn = settled()
    bench.live(conn, [101 + 10_000_001])
    assert bench.new(Fetch) == []
    bench.live(conn, [101])
    assert bench.expected() == 102


def test_times_of_the_tape_need_not_ascend() -> None:
    """An hour-long hole in time with consecutive ids is a halt of the exchange and no loss."""
    bench, conn = settled()
    bench.read(conn, event(replace(row(101), time_us=START_US + 3_600_000_000)))
    assert bench.expected() == 102
    assert bench.new(Fetch) == []
