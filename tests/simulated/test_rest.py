"""The REST side of the state machine, in virtual time: paging, weights, refusals, lag, and what goes wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from rangebar_anyio.testing import AggTrade, Fault, FaultKind, Limits, Pace, Tape
from rangebar_anyio.testing._simulated._exchange import Exchange
from rangebar_anyio.testing._simulated._rest import RestAnswer
from rangebar_anyio.testing._simulated._venue import COIN_M, SPOT, USD_M, Venue

MS = 1_700_000_000_000
MICRO = {"x-mbx-time-unit": "MICROSECOND"}


def tape(trades: int = 3_000, first_id: int = 1_000) -> Tape:
    """One trade every 10 ms, 7 µs after the full millisecond."""
    rows = [AggTrade(first_id + n, 10**8, 2 * 10**8, n, n, (MS + 10 * n) * 1000 + 7, False) for n in range(trades)]
    return Tape("BTCUSDT", rows)


def past(**options: Any) -> Exchange:
    return Exchange([tape()], history=3_000, **options)


def get(
    exchange: Exchange, query: str, now: float = 0.0, path: str = "/api/v3/aggTrades", **headers: str
) -> RestAnswer:
    return exchange.request(path, query, headers, now)


def ids(answer: RestAnswer) -> list[int]:
    assert answer.status == 200, answer
    return [row["a"] for row in json.loads(answer.body)]


def test_a_spot_row_is_the_documented_one() -> None:
    rows = [AggTrade(26129, 1_633_102, 470_443_515, 27781, 27781, 1_498_793_709_153_000, True)]
    answer = get(Exchange([Tape("BTCUSDT", rows)], history=1), "symbol=BTCUSDT")

    assert answer.body == (
        b'[{"a":26129,"p":"0.01633102","q":"4.70443515","f":27781,"l":27781,"T":1498793709153,"m":true,"M":true}]'
    )


@pytest.mark.parametrize(("venue", "keys"), [(SPOT, "apqflTmM"), (USD_M, "apqflTm"), (COIN_M, "apqflTm")])
def test_each_venue_has_its_path_weight_and_keys(venue: Venue, keys: str) -> None:
    exchange = past(venue=venue)
    answer = exchange.request(f"{venue.rest_root}/aggTrades", "symbol=BTCUSDT&limit=1", MICRO, 0.0)
    weight = 4 if venue is SPOT else 20

    assert "".join(json.loads(answer.body)[0]) == keys
    assert answer.headers["X-MBX-USED-WEIGHT-1M"] == str(weight)
    assert (json.loads(answer.body)[0]["T"] > 10**14) == (venue is SPOT)
    assert exchange.request("/elsewhere/aggTrades", "symbol=BTCUSDT", {}, 0.0).status == 404


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", range(3_500, 4_000)),
        ("&limit=3", range(3_997, 4_000)),
        ("&limit=5000", range(3_000, 4_000)),
        ("&fromId=1100", range(1_100, 1_600)),
        ("&fromId=1100&limit=1000", range(1_100, 2_100)),
        ("&fromId=0&limit=2", range(1_000, 1_002)),
        ("&fromId=3999", range(3_999, 4_000)),
        ("&fromId=4000", range(0)),
        (f"&startTime={MS}&limit=2", range(1_000, 1_002)),
        (f"&startTime={MS + 1}&limit=2", range(1_001, 1_003)),
        (f"&startTime={MS * 1000 + 8}&limit=2", range(1_001, 1_003)),
        (f"&startTime={MS + 10}&endTime={MS + 30}", range(1_001, 1_004)),
        (f"&startTime={MS * 1000 + 7}&endTime={MS * 1000 + 10_007}", range(1_000, 1_002)),
        (f"&startTime={MS * 1000 + 7}&endTime={MS * 1000 + 10_006}", range(1_000, 1_001)),
        (f"&endTime={MS + 30}&limit=2", range(1_002, 1_004)),
        (f"&startTime={MS + 10**6}", range(0)),
    ],
)
def test_paging(query: str, expected: range) -> None:
    assert ids(get(past(), "symbol=BTCUSDT" + query)) == list(expected)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", -1102),
        ("symbol=", -1102),
        ("symbol=btcusdt", -1100),
        ("symbol=NOSUCH", -1121),
        ("symbol=BTCUSDT&fromId=x", -1100),
        ("symbol=BTCUSDT&limit=-1", -1100),
        ("symbol=BTCUSDT&limit=0", -1102),
        ("symbol=BTCUSDT&fromId=", -1105),
        ("symbol=BTCUSDT&fromId=1&startTime=1", -1128),
        ("symbol=BTCUSDT&startTime=2&endTime=1", -1127),
        ("symbol=BTCUSDT&colour=red", -1104),
    ],
)
def test_errors(query: str, code: int) -> None:
    answer = get(past(), query)

    assert answer.status == 400
    assert json.loads(answer.body)["code"] == code
    assert json.loads(answer.body)["msg"]


def test_an_invalid_symbol_in_the_exchange_s_own_words() -> None:
    assert get(past(), "symbol=NOSUCH").body == b'{"code":-1121,"msg":"Invalid symbol."}'


def test_exchange_info_knows_which_symbols_exist() -> None:
    exchange = past(listed=["QUIETUSDT"])
    info = "/api/v3/exchangeInfo"

    assert json.loads(get(exchange, "symbol=QUIETUSDT", path=info).body)["symbols"][0]["symbol"] == "QUIETUSDT"
    assert len(json.loads(get(exchange, "", path=info).body)["symbols"]) == 2
    assert json.loads(get(exchange, "symbol=NOSUCH", path=info).body)["code"] == -1121
    assert ids(get(exchange, "symbol=QUIETUSDT")) == []
    assert exchange.counters.weight_used == 64


def test_ping_and_time() -> None:
    exchange = past()
    last_us = (MS + 29_990) * 1000 + 7

    assert get(exchange, "", path="/api/v3/ping").body == b"{}"
    assert json.loads(get(exchange, "", path="/api/v3/time").body) == {"serverTime": last_us // 1000}
    exchange.start(100.0)
    assert json.loads(exchange.request("/api/v3/time", "", MICRO, 102.5).body) == {"serverTime": last_us + 2_500_000}


def test_429_then_418() -> None:
    exchange = past(limits=replace(Limits(), weight_per_minute=12, patience=2, ban_s=100.0))
    statuses = [get(exchange, "symbol=BTCUSDT", 30.0).status for _ in range(6)]

    assert statuses == [200, 200, 200, 429, 429, 418]
    assert exchange.counters.answers == {200: 3, 429: 2, 418: 1}
    assert exchange.counters.limit_violations == 3
    assert get(exchange, "symbol=BTCUSDT", 129.9).status == 418
    assert get(exchange, "symbol=BTCUSDT", 130.0).status == 200


def test_retry_after_is_the_rest_of_the_minute() -> None:
    exchange = past(limits=replace(Limits(), weight_per_minute=4))
    get(exchange, "symbol=BTCUSDT", 70.0)
    refused = get(exchange, "symbol=BTCUSDT", 70.5)

    assert refused.headers["Retry-After"] == "50"
    assert refused.headers["X-MBX-USED-WEIGHT-1M"] == "8"
    assert json.loads(refused.body)["code"] == -1003
    assert get(exchange, "symbol=BTCUSDT", 120.0).headers["X-MBX-USED-WEIGHT-1M"] == "4"


def test_the_future_is_unknown() -> None:
    exchange = Exchange([tape()], history=10)
    assert ids(get(exchange, "symbol=BTCUSDT"))[-1] == 1_009
    exchange.publish(5, 0.0)
    assert ids(get(exchange, "symbol=BTCUSDT"))[-1] == 1_014


def test_the_database_lags() -> None:
    exchange = Exchange([tape()], history=10, rest_lags_s=(2.0,), pace=Pace(trades_per_s=1), limits=Limits.none())
    exchange.start(0.0)
    newest = []

    for now in range(6):
        exchange.advance(float(now))
        newest.append(ids(get(exchange, "symbol=BTCUSDT", float(now)))[-1])

    assert newest == [1_009, 1_009, 1_009, 1_010, 1_011, 1_012]
    assert ids(get(exchange, "symbol=BTCUSDT&fromId=1013", 5.0)) == []
    assert ids(get(exchange, "symbol=BTCUSDT&fromId=1013", 7.0)) == [1_013, 1_014]


def test_unlike_databases_take_turns() -> None:
    exchange = Exchange([tape()], rest_lags_s=(0.0, 100.0))
    exchange.publish(3, 0.0)

    assert [len(ids(get(exchange, "symbol=BTCUSDT", 1.0))) for _ in range(4)] == [3, 0, 3, 0]


def test_a_fault_makes_the_database_lag_for_a_while() -> None:
    exchange = Exchange([tape()], faults=[Fault(FaultKind.REST_LAG, at_trade=2, value=60_000, lasts_trades=3)])
    known = []

    for _ in range(6):
        exchange.publish(1, 0.0)
        known.append(len(ids(get(exchange, "symbol=BTCUSDT", 1.0))))

    assert known == [1, 2, 0, 0, 5, 6]


def test_a_stale_replica_answers_every_second_request() -> None:
    exchange = Exchange([tape()], faults=[Fault(FaultKind.REST_STALE, at_trade=0, lasts_s=50.0)])
    exchange.publish(4, 0.0)

    assert [len(ids(get(exchange, "symbol=BTCUSDT", 1.0))) for _ in range(4)] == [0, 4, 0, 4]
    assert [len(ids(get(exchange, "symbol=BTCUSDT", 50.0))) for _ in range(2)] == [4, 4]


def test_ids_no_longer_served() -> None:
    faults = [
        Fault(FaultKind.IDS_GONE, at_trade=0, ids=(0, 1_499)),
        Fault(FaultKind.IDS_GONE, at_trade=0, ids=(1_501, 1_509)),
    ]
    exchange = past(faults=faults)
    exchange.advance(0.0)

    assert ids(get(exchange, "symbol=BTCUSDT&fromId=1200&limit=3")) == [1_500, 1_510, 1_511]
    assert ids(get(exchange, f"symbol=BTCUSDT&endTime={MS + 5_100}&limit=3")) == [1_500, 1_510]
    other = past(faults=[replace(faults[0], symbol="ETHUSDT")])
    other.advance(0.0)
    assert ids(get(other, "symbol=BTCUSDT&fromId=1200&limit=1")) == [1_200]


def test_only_the_newest_trades_are_served_and_the_oldest_of_them_goes() -> None:
    exchange = Exchange([tape()], history=2_000, rest_keeps=100)

    assert ids(get(exchange, "symbol=BTCUSDT&fromId=1200&limit=2")) == [2_900, 2_901]
    assert ids(get(exchange, f"symbol=BTCUSDT&startTime={MS}&limit=2")) == [2_900, 2_901]
    assert len(ids(get(exchange, "symbol=BTCUSDT&limit=1000"))) == 100
    exchange.publish(5, 0.0)
    assert ids(get(exchange, "symbol=BTCUSDT&fromId=2900&limit=2")) == [2_905, 2_906]
    assert ids(get(exchange, f"symbol=BTCUSDT&endTime={MS + 5_100}")) == []


@pytest.mark.parametrize("keeps", [0, -5])
def test_at_least_one_trade_is_kept(keeps: int) -> None:
    with pytest.raises(ValueError, match=f"rest_keeps must be at least 1.*{keeps}"):
        past(rest_keeps=keeps)


def test_milliseconds_where_microseconds_were_asked_for() -> None:
    exchange = past(faults=[Fault(FaultKind.WRONG_UNIT, at_s=0.0, lasts_s=5.0)])
    exchange.start(0.0)
    exchange.advance(0.0)

    def time(now: float) -> int:
        body = exchange.request("/api/v3/aggTrades", "symbol=BTCUSDT&fromId=1000&limit=1", MICRO, now).body
        number: int = json.loads(body)[0]["T"]
        return number

    assert time(4.9) == MS
    assert time(5.0) == MS * 1000 + 7


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (FaultKind.REST_ERROR, None, {"status": 503}),
        (FaultKind.REST_ERROR, 502, {"status": 502}),
        (FaultKind.REST_SLOW, None, {"delay_s": 0.5}),
        (FaultKind.REST_SLOW, 0, {"delay_s": 0.0}),
        (FaultKind.REST_TIMEOUT, None, {"status": 0, "delay_s": 10.0}),
        (FaultKind.REST_CUT, None, {"cut": True}),
        (FaultKind.REST_MALFORMED, 1, {"body": b"<html><body>Just a moment...</body></html>"}),
        (FaultKind.REST_MALFORMED, 2, {"body": b""}),
    ],
)
def test_answers_that_fail(kind: FaultKind, value: int | None, expected: dict[str, object]) -> None:
    exchange = past(faults=[Fault(kind, at_trade=0, value=value, count=2)])
    exchange.advance(0.0)
    answers = [get(exchange, "symbol=BTCUSDT") for _ in range(3)]

    for answer in answers[:2]:
        assert {name: getattr(answer, name) for name in expected} == expected

    assert len(ids(answers[2])) == 500
    assert (answers[2].delay_s, answers[2].cut) == (0.0, False)
    assert exchange.counters.faults == {str(kind): 1}


def test_half_a_body_is_no_json() -> None:
    exchange = past(faults=[Fault(FaultKind.REST_MALFORMED, at_trade=0)])
    exchange.advance(0.0)

    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        json.loads(get(exchange, "symbol=BTCUSDT").body)

    assert len(ids(get(exchange, "symbol=BTCUSDT"))) == 500, "without an end it strikes once"
