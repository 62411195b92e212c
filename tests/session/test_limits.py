"""RECOVERY.md, "Connections and limits": request weight, 429 and 418, failures of REST."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rangebar_anyio._events import Waiting
from rangebar_anyio._session import Budget, CancelFetch, Fail, Fetch, Limits
from rangebar_anyio._sources._binance_rules import coin_futures_rules, spot_rules, usd_futures_rules
from tests.feed.wire import page, row, tape
from tests.session.bench import Bench, from_ids, lane

LIMITS = Limits(weight=6000, heaviest=4, connects=300, connect_window_s=300.0)


@pytest.mark.parametrize("status", [429, 418])
@pytest.mark.parametrize("seconds", [1, 30, 259_200])
def test_a_ban_is_obeyed_to_the_second(status: int, seconds: int) -> None:
    bench = Bench([lane(f"S{n}") for n in range(20)])
    fetch, *others = bench.new(Fetch)
    bench.refuse(fetch, status, b'{"code":-1003,"msg":"no"}', retry_after=str(seconds))
    assert bench.told(Waiting)[-1] == Waiting("request", seconds, f"HTTP {status}: no (-1003)")

    # Answers that were under way do not end it.
    for other in others:
        bench.answer(other, [])

    assert bench.new(Fetch) == []
    bench.wait(seconds - 0.001)
    assert bench.new(Fetch) == []
    bench.wait(0.001)
    assert len(bench.new(Fetch)) == 8


def test_a_ban_without_a_time_is_waited_out() -> None:
    rules = spot_rules()
    assert rules.read_answer(429, {}, b"").wait_s == 60
    assert rules.read_answer(418, {}, b"").wait_s == 120
    assert rules.read_answer(418, {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, b"").wait_s == 120
    assert rules.read_answer(429, {"retry-after": "0"}, b"").wait_s == 1


def test_a_ban_counts_for_every_stream_of_the_process() -> None:
    rules = spot_rules()
    budget = Budget(rules.limits)
    one, other = Bench(budget=budget), Bench(budget=budget)
    one.refuse(one.one(Fetch), 429, b"", retry_after="50")
    other.answer(other.one(Fetch), [])
    other.connect()
    assert other.new(Fetch) == []
    other.wait(50)
    assert len(other.new(Fetch)) == 1


def test_the_firewall_is_left_alone_for_five_minutes() -> None:
    bench = Bench()
    bench.refuse(bench.one(Fetch), 403, b"<html>")
    bench.wait(299.9)
    assert bench.new(Fetch) == []
    bench.wait(0.2)
    assert len(bench.new(Fetch)) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504, 302, 408])
def test_what_is_the_exchanges_fault_is_asked_again_with_backoff(status: int) -> None:
    bench = Bench()

    for _ in range(4):
        bench.refuse(bench.one(Fetch), status)
        bench.wait(16)

    bench.answer(bench.one(Fetch), tape(100, 120))
    assert bench.expected() == 121
    assert bench.session.stats(bench.now).request_failures == 4


def test_a_request_without_an_answer_is_given_up_and_sent_again() -> None:
    bench = Bench(request_timeout_s=15.0)
    fetch = bench.one(Fetch)
    bench.wait(15)
    assert bench.all(CancelFetch) == [CancelFetch(fetch.request)]
    bench.wait(1)
    again = bench.one(Fetch)
    bench.answer(fetch, tape(100, 110))
    assert bench.expected() == 100
    bench.answer(again, tape(100, 110))
    assert bench.expected() == 111


@pytest.mark.parametrize("body", [b"", b"<html>", b'[{"a":1}', b"{}", b"null", page([row(101), row(100)])])
def test_an_answer_that_is_no_page_is_asked_for_again(body: bytes) -> None:
    bench = Bench()
    bench.answer(bench.one(Fetch), body)
    assert bench.expected() == 100
    bench.wait(1)
    bench.answer(bench.one(Fetch), tape(100, 110))
    assert bench.expected() == 111


def test_a_rest_that_is_down_is_tried_by_one_request_at_a_time() -> None:
    """A breaker opens after five failures in a row; one request tries whether the exchange is back."""
    bench = Bench([lane(f"S{n}") for n in range(50)])

    while fetches := bench.new(Fetch):
        for fetch in fetches:
            bench.session.request_failed(fetch.request, "network unreachable", bench.now)

        bench.collect()

    assert len(bench.all(Fetch)) < 20
    # The first failure is told, and when nothing is asked any more.
    assert waits_for_requests(bench) == [0, 1]

    for wait in (1, 2, 4, 8, 16, 30, 30):
        bench.wait(wait - 0.001)
        assert bench.new(Fetch) == []
        bench.wait(0.002)
        bench.session.request_failed(bench.one(Fetch).request, "network unreachable", bench.now)

    assert waits_for_requests(bench) == pytest.approx([0, 1, 2, 4, 8, 16, 30, 30])
    bench.wait(30.1)
    bench.answer(bench.one(Fetch), [])
    assert len(bench.new(Fetch)) == 8


def waits_for_requests(bench: Bench) -> list[float]:
    return [event.seconds for event in bench.told(Waiting) if event.what == "request"]


def test_a_rest_that_fails_now_and_then_is_told_now_and_then() -> None:
    bench = Bench([lane(f"S{n}") for n in range(50)])
    fetches = bench.new(Fetch)
    for _ in range(40):
        bench.session.request_failed(fetches[0].request, "network unreachable", bench.now)
        bench.answer(fetches[1], [])
        bench.wait(1)
        fetches = [*fetches[2:], *bench.new(Fetch)]

    assert waits_for_requests(bench) == [0, 0]


def test_when_the_breaker_opens_and_how_long_it_waits_is_set() -> None:
    bench = Bench(
        [lane(f"S{n}") for n in range(50)], breaker_after=2, breaker_first_wait_s=0.01, breaker_max_wait_s=0.02
    )
    fetches = bench.new(Fetch)

    for fetch in fetches[:2]:
        bench.session.request_failed(fetch.request, "network unreachable", bench.now)

    bench.collect()
    bench.new(Fetch)
    assert bench.told(Waiting) == [Waiting("request", wait, "network unreachable") for wait in (0.0, 0.01)]

    for wait in (0.01, 0.02, 0.02):
        bench.wait(wait - 0.001)
        assert bench.new(Fetch) == []
        bench.wait(0.002)
        bench.session.request_failed(bench.one(Fetch).request, "network unreachable", bench.now)


def test_what_the_exchange_counted_is_believed() -> None:
    """Corrected by X-MBX-USED-WEIGHT-1M for others behind the same address."""
    bench = Bench([lane(f"S{n}") for n in range(50)])
    fetches = bench.new(Fetch)

    for fetch in fetches:
        bench.answer(fetch, [], x_mbx_used_weight_1m="5698")

    assert bench.new(Fetch) == []
    bench.wait(59.9)
    assert bench.new(Fetch) == []
    bench.wait(0.2)
    assert len(bench.new(Fetch)) == 8


@pytest.mark.parametrize("text", ["", "many", "-5", "9" * 30])
def test_a_strange_weight_is_ignored(text: str) -> None:
    assert spot_rules().used_weight({"x-mbx-used-weight-1m": text}) is None


@given(data=st.data())
def test_no_minute_sees_more_than_the_share(data: st.DataObject) -> None:
    """Attempts and weight of one process share at most half of the exchange's limits, in any window."""
    random = Random(data.draw(st.integers(0, 10**6)))
    share = data.draw(st.sampled_from((0.1, 0.5, 1.0)))
    budget = Budget(LIMITS, weight_share=share, connect_share=share)
    now, sent, connects = 0.0, [], []

    for _ in range(600):
        is_probe = random.random() < 0.5
        wait = budget.request_wait(4, now, is_probe=is_probe)

        if wait > 0:
            now += wait * random.choice((1.0, 1.0, 0.5, 3.0))
        elif random.random() < 0.05:
            now += random.uniform(0, 100)
        else:
            budget.take_request(4, now, is_probe=is_probe)
            sent.append((now, is_probe))

        if budget.connect_wait(now) <= 0:
            budget.take_connect(now)
            connects.append(now)

    for at, _ in sent[::7]:
        assert 4 * sum(at <= other < at + 60 for other, _ in sent) <= 6000 * share
        assert 4 * sum(at <= other < at + 60 for other, is_probe in sent if is_probe) <= 1500

    for at in connects[::7]:
        assert sum(at <= other < at + 300 for other in connects) <= 300 * share


def test_waiting_as_long_as_told_is_enough() -> None:
    budget = Budget(LIMITS)
    now = 1e9

    for _ in range(1000):
        wait = budget.request_wait(4, now, is_probe=True)
        now += wait
        assert wait == 0 or budget.request_wait(4, now, is_probe=True) < 1e-6
        budget.take_request(4, now, is_probe=True)


@pytest.mark.parametrize("make", [spot_rules, usd_futures_rules, coin_futures_rules])
def test_every_market_can_ask_at_all(make: object) -> None:
    rules = make()  # type: ignore[operator]
    bench = Bench(rules=rules)
    conn = bench.connect()
    bench.serve(104)
    bench.live(conn, [400])

    for _ in range(10):
        bench.serve(400)
        bench.wait(16)

    assert bench.expected() == 401
    assert bench.all(Fail) == []
    assert from_ids(bench.all(Fetch))[0] == 100


def test_the_markets_differ_as_documented() -> None:
    spot, usd, coin = spot_rules(), usd_futures_rules(), coin_futures_rules()
    assert [rules.venue for rules in (spot, usd, coin)] == ["binance-spot", "binance-usdm", "binance-coinm"]
    assert usd.connect_url(["BTCUSDT"]) == "wss://fstream.binance.com/market/ws/btcusdt@aggTrade"
    assert coin.connect_url(["BTCUSD_PERP"]) == "wss://dstream.binance.com/ws/btcusd_perp@aggTrade"
    assert usd.page_request("BTCUSDT", 7).url == "https://fapi.binance.com/fapi/v1/aggTrades"
    assert coin.newest_request("BTCUSD_PERP").params == (("symbol", "BTCUSD_PERP"), ("limit", "1"))
    assert spot.page_request("BTCUSDT", 7).headers == (("X-MBX-TIME-UNIT", "MICROSECOND"),)
    assert usd.page_request("BTCUSDT", 7).headers == ()
    assert (spot.page_request("X", 7).weight, usd.page_request("X", 7).weight) == (4, 20)
    assert (spot.limits.weight, usd.limits.weight) == (6000, 2400)
    assert spot_rules("wss://data-stream.binance.vision").venue == "binance-spot"
    assert spot_rules("ws://127.0.0.1:9", venue="mine").venue == "mine"
