"""The parts that are policy by themselves: deadlines, back-off, breaker, proof, patience."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rangebar_anyio._reconnect import Backoff, CircuitBreaker, ReconnectPolicy
from rangebar_anyio._session._patience import Patience
from rangebar_anyio._session._proof import Proof
from rangebar_anyio._session._reading import Reading
from rangebar_anyio._session._timers import Timers

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), st.integers(0, 5), st.integers(0, 50)),
        st.tuples(st.just("cancel"), st.integers(0, 5), st.just(0)),
        st.tuples(st.just("run"), st.integers(0, 20), st.just(0)),
    ),
    max_size=200,
)


@given(steps=STEPS)
def test_timers_call_what_is_due_and_nothing_else(steps: list[tuple[str, int, int]]) -> None:
    timers, plain = Timers(), dict[int, int]()
    called: list[int] = []
    now = 0

    for what, key, delay in steps:
        if what == "set":
            timers.set(key, now + delay, lambda _, key=key: called.append(key))  # type: ignore[misc]
            plain[key] = now + delay
        elif what == "cancel":
            timers.cancel(key)
            plain.pop(key, None)
        else:
            now += key
            called.clear()
            timers.run(now)
            due = [key for key, when in plain.items() if when <= now]
            assert sorted(called) == sorted(due)
            assert [plain[key] for key in called] == sorted(plain[key] for key in called)

            for key in due:
                del plain[key]

        assert timers.next() == min(plain.values(), default=None)
        assert all(timers.is_set(key) == (key in plain) for key in range(6))


def test_a_deadline_that_is_moved_a_million_times_takes_no_memory() -> None:
    timers = Timers()

    for when in range(10_000):
        timers.set("same", when, lambda _: None)

    assert len(timers._heap) < 100


def test_a_deadline_that_sets_itself_again_is_called_once_a_run() -> None:
    timers, calls = Timers(), list[float]()

    def call(now: float) -> None:
        calls.append(now)
        timers.set("again", now, call)

    timers.set("again", 1.0, call)
    timers.run(5.0)
    assert calls == [5.0]
    assert timers.next() == 5.0


def test_backoff_without_jitter() -> None:
    backoff = Backoff(1.0, 60.0)
    assert [backoff.next_delay() for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    backoff.reset()
    assert backoff.next_delay() == 1
    backoff.attempts = 100_000
    assert backoff.next_delay() == 60


def test_backoff_with_jitter_stays_within_half_and_all() -> None:
    backoff = Backoff(1.0, 60.0, Random(3))
    delays = [backoff.next_delay() for _ in range(200)]
    assert all(0.5 * full <= delay <= full for delay, full in zip(delays, [1, 2, 4, 8, 16, 32], strict=False))
    assert min(delays[6:]) >= 30
    assert max(delays[6:]) <= 60
    assert len(set(delays)) == 200


def test_breaker_opens_after_failures_in_a_row_and_lets_one_through_to_try() -> None:
    breaker = CircuitBreaker(3, Backoff(1.0, 8.0))

    for _ in range(2):
        breaker.failed(0.0)

    breaker.succeeded()

    for _ in range(2):
        breaker.failed(0.0)

    assert breaker.wait(0.0) == 0
    breaker.failed(0.0)
    assert breaker.is_open
    assert breaker.wait(0.25) == 0.75
    assert breaker.wait(1.0) == 0
    breaker.passed()
    assert breaker.wait(1.0) is None
    breaker.failed(1.5)
    assert breaker.wait(1.5) == 2
    breaker.passed()
    breaker.withdrawn()
    assert breaker.wait(3.5) == 0
    breaker.passed()
    breaker.succeeded()
    assert not breaker.is_open
    assert breaker.wait(3.5) == 0


def test_proof_needs_the_very_id_asked_for_late_enough() -> None:
    proof = Proof(5.0)
    assert proof.due(10) is None
    assert proof.add(10, 20, asked_id=3, sent_at=0.0, now=1.0) is None
    assert proof.due(10) == 6.0
    assert proof.add(10, 20, asked_id=10, sent_at=5.9, now=6.5) is None
    assert proof.add(10, 20, asked_id=9, sent_at=7.0, now=7.5) is None
    assert proof.add(10, 15, asked_id=10, sent_at=6.0, now=7.5) == 14
    assert proof.add(15, 20, asked_id=10, sent_at=6.0, now=7.5) is None
    proof.forget_below(15)
    assert proof.due(15) == 12.5
    proof.forget_below(16)
    assert proof.due(15) is None


def test_further_jumps_of_a_page_are_first_answers_too_unless_another_page_names_the_id() -> None:
    proof = Proof(5.0)
    proof.add(10, 12, asked_id=3, sent_at=0.0, now=1.0)
    proof.note([(15, 18), (20, 25), (30, 33)], range(12, 15), now=1.0)
    assert proof.others(10, 5.9) == []
    assert proof.others(10, 6.0) == [15, 20, 30]
    # Later answers: 20 exists after all, and 30 is no news.
    proof.note([(30, 33)], [12, 20, 21], now=7.0)
    assert proof.others(10, 9.0) == [15, 30]
    # The answer to another id says nothing about this one, however late.
    assert proof.add(15, 18, asked_id=10, sent_at=8.0, now=8.5) is None
    assert proof.add(15, 17, asked_id=15, sent_at=8.0, now=8.5) == 16
    proof.forget_below(17)
    assert proof.others(0, 9.0) == [30]
    proof.forget_below(None)
    assert proof.others(0, 9.0) == []


def test_a_proof_remembers_no_more_than_it_needs_whatever_a_server_makes_up() -> None:
    proof = Proof(5.0)

    for number in range(50):
        ids = range(number * 10**6, number * 10**6 + 1000, 2)
        proof.note([(first, first + 1) for first in ids], [], now=0.0)

    assert len(proof.others(-1, 10.0)) == 1000


def test_a_wait_for_what_is_read_stands_still_while_nothing_is() -> None:
    timers, calls = Timers(), list[float]()
    reading = Reading(timers)
    pauses = [(3.0, 600.0), (604.0, 604.5), (605.0, 700.0)]

    def run(until: float) -> None:
        while (when := timers.next()) is not None and when <= until:
            timers.run(when)

    reading.wait("reply", 10.0, 0.0, calls.append)
    reading.wait("ping", 60.0, 0.0, calls.append)

    for left_at, back_at in pauses:
        run(left_at)
        reading.leave(left_at)
        run(back_at)
        reading.come_back(back_at)

    assert calls == []
    run(1000.0)
    # All of the short one after each absence; 3, 4 and half a second of the long one were over before the last.
    assert calls == [710.0, 752.5]
    assert reading.time(1000.0) == 1000.0 - 597.0 - 0.5 - 95.0


def test_a_reader_who_rests_often_keeps_no_wait_alive_for_ever() -> None:
    timers, calls = Timers(), list[float]()
    reading = Reading(timers)
    reading.wait("ping", 60.0, 0.0, calls.append)

    for begin in range(0, 100, 20):
        while (when := timers.next()) is not None and when <= begin + 15:
            timers.run(when)

        reading.leave(begin + 15.0)
        reading.come_back(begin + 20.0)

    assert calls == [75.0]


def test_patience_ends_at_the_timeout_and_not_by_failures() -> None:
    patience = Patience(10.0, None)
    assert patience.after_failure() == 0.5
    assert patience.after_lag(100.0) == 1.0
    assert patience.after_lag(101.0) == 2.0
    assert patience.after_lag(109.0) == 1.0
    assert patience.after_lag(110.0) is None
    patience.reset()
    assert patience.after_lag(111.0) == 0.5


@pytest.mark.parametrize(
    "wrong",
    [
        {"first_delay_s": 0},
        {"first_delay_s": 61.0},
        {"max_delay_s": float("inf")},
        {"max_delay_s": float("nan")},
        {"max_attempts": 0},
        {"connect_share": 0},
        {"connect_share": 1.1},
        {"weight_share": -0.5},
        {"gap_timeout_s": 0},
        {"on_missing": "ignore"},
    ],
)
def test_a_policy_that_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ReconnectPolicy(**wrong)  # type: ignore[arg-type]
