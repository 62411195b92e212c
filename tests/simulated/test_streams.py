"""The WebSocket side of the state machine, in virtual time: URLs, requests, events, pings and limits."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from rangebar_anyio.testing import AggTrade, Fault, FaultKind, Limits, Pace, Tape
from rangebar_anyio.testing._simulated._connection import Connection
from rangebar_anyio.testing._simulated._door import Refusal
from rangebar_anyio.testing._simulated._exchange import Exchange
from rangebar_anyio.testing._simulated._venue import COIN_M, SPOT, USD_M, Venue
from rangebar_anyio.testing._simulated._wire_orders import CloseOrder, WireOrder

TIME_US = 1_672_515_782_136_789
TEXT, PING, PONG = 1, 9, 10


def tape(symbol: str = "BTCUSDT", trades: int = 20, first_id: int = 100) -> Tape:
    return Tape(
        symbol,
        [
            AggTrade(first_id + n, 100_000 + n, 10_000_000_000, 200 + n, 205 + n, TIME_US + n * 1_000_000, n % 2 == 0)
            for n in range(trades)
        ],
    )


def opened(exchange: Exchange, path: str, query: str = "", now: float = 0.0) -> Connection:
    connection = exchange.open(path, query, now)
    assert isinstance(connection, Connection)
    return connection


def events(connection: Connection) -> list[dict[str, Any]]:
    texts = [item for item in connection.outbox if isinstance(item, str)]
    connection.outbox.clear()
    return [json.loads(text) for text in texts]


def ask(connection: Connection, text: str) -> Any:
    connection.receive_text(text)
    answer = connection.outbox.pop()
    assert isinstance(answer, str)
    return json.loads(answer)


def test_a_spot_event_is_the_documented_one() -> None:
    exchange = Exchange([tape("BNBBTC")])
    connection = opened(exchange, "/ws/bnbbtc@aggTrade")
    exchange.publish(1, 0.0)

    assert connection.outbox.pop() == (
        '{"e":"aggTrade","E":1672515782136,"s":"BNBBTC","a":100,"p":"0.00100000","q":"100.00000000",'
        '"f":200,"l":205,"T":1672515782136,"m":true,"M":true}'
    )


@pytest.mark.parametrize(("venue", "path"), [(USD_M, "/market/ws/btcusdt@aggTrade"), (COIN_M, "/ws/btcusdt@aggTrade")])
def test_a_futures_event_has_more_keys_and_milliseconds(venue: Venue, path: str) -> None:
    exchange = Exchange([tape()], venue=venue)
    connection = opened(exchange, path, "timeUnit=MICROSECOND")
    exchange.publish(1, 0.0)
    [event] = events(connection)

    assert {"nq", "st"} <= event.keys()
    assert "M" not in event
    assert event["T"] == TIME_US // 1000
    assert event["p"] == "0.001"


@pytest.mark.parametrize("unit", ["MICROSECOND", "microsecond"])
def test_microseconds_on_request(unit: str) -> None:
    exchange = Exchange([tape()])
    connection = opened(exchange, "/ws/btcusdt@aggTrade", f"timeUnit={unit}")
    exchange.publish(1, 0.0)

    assert events(connection)[0]["T"] == TIME_US


def test_combined_streams_are_wrapped() -> None:
    exchange = Exchange([tape(), tape("ETHUSDT")])
    connection = opened(exchange, "/stream", "streams=btcusdt@aggTrade/ethusdt@aggTrade")
    exchange.publish(2, 0.0)

    assert [(event["stream"], event["data"]["s"]) for event in events(connection)] == [
        ("btcusdt@aggTrade", "BTCUSDT"),
        ("ethusdt@aggTrade", "ETHUSDT"),
    ]


def test_several_raw_streams_in_one_path() -> None:
    exchange = Exchange([tape(), tape("ETHUSDT")])
    connection = opened(exchange, "/ws/btcusdt@aggTrade/ethusdt@aggTrade")
    exchange.publish(2, 0.0)

    assert [event["s"] for event in events(connection)] == ["BTCUSDT", "ETHUSDT"]


@pytest.mark.parametrize("stream", ["nosuch@aggTrade", "BTCUSDT@aggTrade", "btcusdt@trade"])
def test_unknown_streams_are_silent(stream: str) -> None:
    exchange = Exchange([tape()])
    connection = opened(exchange, f"/ws/{stream}")
    exchange.publish(20, 0.0)

    assert not connection.outbox


@pytest.mark.parametrize(
    ("venue", "path"),
    [
        (SPOT, "/"),
        (SPOT, "/nope"),
        (SPOT, "/market/ws"),
        (SPOT, "/stream/x"),
        (USD_M, "/ws/a@aggTrade"),
        (USD_M, "/stream"),
    ],
)
def test_other_paths_are_not_found(venue: Venue, path: str) -> None:
    exchange = Exchange([tape()], venue=venue)

    assert exchange.open(path, "", 0.0) == Refusal(404)
    assert exchange.counters.handshakes_refused[404] == 1
    assert exchange.counters.connections == 0


def test_a_wrong_time_unit_is_refused() -> None:
    assert Exchange([tape()]).open("/ws", "timeUnit=NANOSECOND", 0.0) == Refusal(400)


def test_subscribing_and_unsubscribing() -> None:
    exchange = Exchange([tape()])
    connection = opened(exchange, "/ws")
    exchange.publish(1, 0.0)
    assert not connection.outbox

    subscribe = '{"method":"SUBSCRIBE","params":["btcusdt@aggTrade"],"id":1}'
    assert ask(connection, subscribe) == {"result": None, "id": 1}
    assert ask(connection, '{"method":"LIST_SUBSCRIPTIONS","id":2}') == {"result": ["btcusdt@aggTrade"], "id": 2}
    exchange.publish(2, 0.0)
    assert [event["a"] for event in events(connection)] == [101, 102]

    assert ask(connection, subscribe.replace("SUB", "UNSUB")) == {"result": None, "id": 1}
    exchange.publish(1, 0.0)
    assert not connection.outbox
    assert exchange.counters.subscribe_requests == 1


def test_properties() -> None:
    connection = opened(Exchange([tape()]), "/ws")

    assert ask(connection, '{"method":"GET_PROPERTY","params":["combined"],"id":1}')["result"] is False
    assert ask(connection, '{"method":"SET_PROPERTY","params":["combined",true],"id":2}')["result"] is None
    assert connection.combined


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", 3),
        ("[]", 2),
        ('{"method":"SUBSCRIBE","params":"btcusdt@aggTrade","id":1}', 2),
        ('{"method":"SUBSCRIBE","params":[1],"id":1}', 2),
        ('{"method":"SUBSCRIBE","id":1}', 2),
        ('{"method":"DANCE","id":1}', 2),
        ('{"id":1}', 2),
        ('{"method":"SUBSCRIBE","params":[],"id":1.5}', 2),
        ('{"method":"SET_PROPERTY","params":["colour",1],"id":1}', 0),
        ('{"method":"SET_PROPERTY","params":["combined",1],"id":1}', 1),
    ],
)
def test_bad_requests(text: str, code: int) -> None:
    connection = opened(Exchange([tape()]), "/ws")

    assert ask(connection, text)["code"] == code
    assert not connection.streams


def test_at_most_so_many_streams() -> None:
    exchange = Exchange([tape()], limits=replace(Limits(), streams_per_connection=2))
    connection = opened(exchange, "/ws/a@aggTrade/b@aggTrade")
    answer = ask(connection, '{"method":"SUBSCRIBE","params":["a@aggTrade","c@aggTrade"],"id":9}')

    assert (answer["code"], answer["id"]) == (2, 9)
    assert list(connection.streams) == ["a@aggTrade", "b@aggTrade"]
    assert exchange.open("/stream", "streams=a/b/c", 0.0) == Refusal(400)
    assert exchange.counters.stream_limit_refusals == 2
    assert exchange.counters.limit_violations == 2


@pytest.mark.parametrize(("venue", "limit"), [(SPOT, 5), (USD_M, 10)])
def test_too_many_messages_in_a_second_disconnect(venue: Venue, limit: int) -> None:
    exchange = Exchange([tape()], venue=venue)
    connection = opened(exchange, f"{venue.stream_prefix}/ws")

    for n in range(3 * limit):
        exchange.receive_frame(connection, TEXT, b"", n / limit + 0.001 * n)

    assert not connection.ended

    for n in range(limit + 1):
        exchange.receive_frame(connection, (TEXT, PING, PONG)[n % 3], b"", 100.0)

    assert connection.ended
    assert [item.code for item in connection.outbox if isinstance(item, CloseOrder)] == [1008]
    assert exchange.counters.message_limit_disconnects == 1
    assert exchange.counters.most_messages_in_a_second == limit + 1


def test_who_is_disconnected_again_and_again_is_banned() -> None:
    exchange = Exchange([tape()], limits=replace(Limits(), ban_after_disconnects=2, ban_s=60.0))

    for number in range(2):
        connection = opened(exchange, "/ws")

        for _ in range(6):
            exchange.receive_frame(connection, PING, b"", float(number))

    refused = exchange.open("/ws", "", 2.0)
    assert isinstance(refused, Refusal)
    assert (refused.status, refused.headers) == (403, {"Retry-After": "59"})
    assert isinstance(exchange.open("/ws", "", 61.0), Connection)


def test_too_many_connection_attempts() -> None:
    exchange = Exchange([tape()], limits=replace(Limits(), connects_per_window=3, connect_window_s=300.0))

    for _ in range(3):
        exchange.close(opened(exchange, "/ws", now=10.0))

    refused = exchange.open("/ws", "", 309.9)
    assert isinstance(refused, Refusal)
    assert refused.status == 429
    assert isinstance(exchange.open("/ws", "", 310.1), Connection)
    assert exchange.counters.limit_violations == 1


def test_pings_and_the_pongs_they_want() -> None:
    exchange = Exchange([tape()])
    connection = opened(exchange, "/ws", now=5.0)

    assert exchange.advance(5.0) == 25.0
    assert exchange.advance(25.0) == 45.0
    [first] = connection.pings
    exchange.receive_frame(connection, PONG, b"something else", 26.0)
    exchange.receive_frame(connection, PONG, first, 26.0)
    exchange.receive_frame(connection, PONG, first, 27.0)
    assert exchange.counters.pongs_matched == 1
    assert exchange.counters.pongs_unasked == 2

    for now in (45.0, 65.0, 85.0):
        exchange.advance(now)

    assert not connection.ended
    exchange.advance(105.0)
    assert connection.ended
    assert exchange.counters.pong_timeouts == 1
    assert exchange.counters.pings_sent == 4


def test_the_newest_pong_answers_for_all() -> None:
    exchange = Exchange([tape()])
    connection = opened(exchange, "/ws")

    for now in (20.0, 40.0, 60.0):
        exchange.advance(now)

    exchange.receive_frame(connection, PONG, connection.pings[-1], 61.0)
    exchange.advance(81.0)
    exchange.advance(100.0)
    assert not connection.ended


def test_a_connection_lives_for_a_day() -> None:
    exchange = Exchange([tape()], limits=replace(Limits.none(), connection_lifetime_s=86_400.0))
    connection = opened(exchange, "/ws", now=1.0)

    assert exchange.advance(86_400.9) == 86_401.0
    assert not connection.ended
    exchange.advance(86_401.0)
    assert [item.code for item in connection.outbox if isinstance(item, CloseOrder)] == [1000]
    assert exchange.counters.lifetime_disconnects == 1


def test_a_client_that_does_not_read_is_cut() -> None:
    exchange = Exchange([tape()], limits=replace(Limits(), backlog=10))
    connection = opened(exchange, "/ws/btcusdt@aggTrade")
    exchange.publish(10, 0.0)
    assert not connection.ended
    exchange.publish(1, 0.0)
    assert connection.ended
    assert len(connection.outbox) == 1
    assert exchange.counters.slow_client_disconnects == 1


@pytest.mark.parametrize(("path", "combined"), [("/ws/btcusdt@aggTrade", False), ("/stream", True)])
def test_a_shutdown_is_announced_in_both_forms(path: str, combined: bool) -> None:
    exchange = Exchange([tape()], faults=[Fault(FaultKind.SERVER_SHUTDOWN, at_trade=1, lasts_s=3.0)])
    connection = opened(exchange, path, "streams=btcusdt@aggTrade")
    exchange.publish(2, 7.0)
    received = events(connection)
    shutdown = {"e": "serverShutdown", "E": TIME_US // 1000}

    assert received[1] == ({"stream": "!serverShutdown", "data": shutdown} if combined else shutdown)
    exchange.advance(9.9)
    assert not connection.ended
    exchange.advance(10.0)
    assert connection.ended


def test_a_pace_in_trades_a_second() -> None:
    exchange = Exchange([tape(trades=100)], pace=Pace(trades_per_s=10), limits=Limits.none(), history=40)
    connection = opened(exchange, "/ws/btcusdt@aggTrade")
    assert exchange.advance(0.0) == float("inf")
    exchange.start(1.0)
    assert exchange.advance(1.0) == pytest.approx(1.1)
    exchange.advance(2.0)
    assert [event["a"] for event in events(connection)] == list(range(140, 150))

    exchange.pause()
    exchange.advance(50.0)
    assert not connection.outbox
    exchange.start(60.0)
    exchange.advance(61.0)
    assert len(events(connection)) == 10
    exchange.advance(1000.0)
    assert exchange.playback.finished


def test_a_pace_of_the_tape_s_own_time() -> None:
    exchange = Exchange([tape(), tape("ETHUSDT")], pace=Pace(times_tape=10), limits=Limits.none())
    connection = opened(exchange, "/ws/btcusdt@aggTrade/ethusdt@aggTrade")
    exchange.start(0.0)
    assert exchange.advance(0.0) == pytest.approx(0.1)
    exchange.advance(0.55)
    assert [(event["s"], event["a"]) for event in events(connection)] == [
        (symbol, 100 + n) for n in range(6) for symbol in ("BTCUSDT", "ETHUSDT")
    ]


def test_at_an_unbounded_pace_the_slowest_reader_sets_it() -> None:
    exchange = Exchange([tape(trades=5_000)], limits=Limits.none())
    connection = opened(exchange, "/ws/btcusdt@aggTrade")
    exchange.start(0.0)

    while exchange.advance(0.0) == 0.0:
        pass

    assert 512 <= len(connection.outbox) < 1024
    connection.outbox.clear()
    assert exchange.advance(0.0) == 0.0
    exchange.close(connection)

    while exchange.advance(0.0) == 0.0:
        pass

    assert exchange.playback.position < 1500, "an outage must not cost the rest of the tape"


@pytest.mark.parametrize("wrong", [{"trades_per_s": 0}, {"times_tape": -1}, {"trades_per_s": 1, "times_tape": 1}])
def test_a_pace_that_is_none(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="pace"):
        Pace(**wrong)


def test_orders_are_not_text() -> None:
    exchange = Exchange([tape()], faults=[Fault(FaultKind.DROP, at_trade=3)])
    connection = opened(exchange, "/ws/btcusdt@aggTrade")
    exchange.publish(10, 0.0)

    assert [isinstance(item, WireOrder) for item in connection.outbox] == [False] * 3 + [True]
    assert exchange.counters.events_withheld == 7
