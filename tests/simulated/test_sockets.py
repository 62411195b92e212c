"""The simulated exchange over real sockets, with httpx and httpx-ws, on every event loop."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import anyio
import httpx
import pytest
import trustme
from httpx_ws import AsyncWebSocketSession, WebSocketDisconnect, WebSocketUpgradeError, aconnect_ws
from wsproto.events import CloseConnection, Ping, Pong, TextMessage

from rangebar_anyio.testing import (
    AggTrade,
    Fault,
    FaultKind,
    Limits,
    Pace,
    SimulatedExchange,
    Tape,
    generate_market,
    generate_tape,
)

pytestmark = pytest.mark.anyio

BTC = "/ws/btcusdt@aggTrade"
TAPE = generate_tape(400, first_agg_trade_id=0)
WAIT_S = 60.0


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=WAIT_S, trust_env=False) as client:
        yield client


def by_hand(*faults: Fault, tape: Tape = TAPE, **options: Any) -> SimulatedExchange:
    return SimulatedExchange(tape, starts="by-hand", faults=faults, **options)


def ids(texts: list[str]) -> list[int]:
    return [json.loads(text)["a"] for text in texts]


async def rest_ids(http: httpx.AsyncClient, exchange: SimulatedExchange, query: str = "") -> list[int]:
    answer = await http.get(f"{exchange.rest_url}/api/v3/aggTrades?symbol=BTCUSDT&limit=1000{query}")
    assert answer.status_code == 200
    return [row["a"] for row in answer.json()]


def causes(error: BaseException | None) -> list[BaseException]:
    return [] if error is None else [error, *causes(error.__cause__ or error.__context__)]


@asynccontextmanager
async def websocket(url: str, http: httpx.AsyncClient, **options: Any) -> AsyncIterator[AsyncWebSocketSession]:
    session: AsyncWebSocketSession

    async with aconnect_ws(url, http, **options) as session:
        yield session


# Streams.


async def test_the_whole_tape_comes_as_fast_as_the_client_reads(http: httpx.AsyncClient) -> None:
    async with SimulatedExchange(TAPE, history=100) as exchange:
        async with websocket(f"{exchange.ws_url}{BTC}?timeUnit=MICROSECOND", http) as ws:
            events = [await ws.receive_json() for _ in range(300)]

        assert [(e["a"], e["T"]) for e in events] == [(r.agg_trade_id, r.timestamp_us) for r in list(TAPE)[100:]]
        await exchange.wait_finished()
        assert await rest_ids(http, exchange) == list(range(400))


async def test_combined_streams_of_many_symbols(http: httpx.AsyncClient) -> None:
    market = generate_market({"BTCUSDT": "60000", "ETHUSDT": "3000", "BNBUSDT": "600"}, 50)
    names = "/".join(f"{tape.symbol.lower()}@aggTrade" for tape in market)

    async with SimulatedExchange(market) as exchange:
        async with websocket(f"{exchange.ws_url}/stream?streams={names}", http) as ws:
            events = [await ws.receive_json() for _ in range(150)]

    for tape in market:
        mine = [event["data"]["a"] for event in events if event["stream"] == f"{tape.symbol.lower()}@aggTrade"]
        assert mine == list(tape.trade_ids)


async def test_1024_streams_fit_into_one_url(http: httpx.AsyncClient) -> None:
    names = "/".join(["btcusdt@aggTrade", *(f"symbol{n}usdt@aggTrade" for n in range(1024))])

    async with SimulatedExchange(TAPE) as exchange:
        async with websocket(f"{exchange.ws_url}/stream?streams={names.rpartition('/')[0]}", http) as ws:
            assert (await ws.receive_json())["data"]["a"] == 0

        with pytest.raises(WebSocketUpgradeError):
            async with websocket(f"{exchange.ws_url}/stream?streams={names}", http):
                pytest.fail("one stream too many")


async def test_subscribing_starts_the_tape(http: httpx.AsyncClient) -> None:
    async with SimulatedExchange(TAPE) as exchange:
        async with websocket(f"{exchange.ws_url}/ws", http) as ws:
            assert exchange.position == 0
            await ws.send_text('{"method":"SUBSCRIBE","params":["btcusdt@aggTrade"],"id":"x"}')
            assert await ws.receive_json() == {"result": None, "id": "x"}
            assert (await ws.receive_json())["a"] == 0
            await ws.send_text("nonsense")
            answers = [await ws.receive_json() for _ in range(400)]
            assert [answer["code"] for answer in answers if "code" in answer] == [3]


@pytest.mark.parametrize(("venue", "root"), [("usd-m", "/fapi/v1"), ("coin-m", "/dapi/v1")])
async def test_futures(http: httpx.AsyncClient, venue: Any, root: str) -> None:
    prefix = "/market" if venue == "usd-m" else ""

    async with SimulatedExchange(TAPE, venue=venue, history=10) as exchange:
        async with websocket(f"{exchange.ws_url}{prefix}{BTC}", http) as ws:
            assert "nq" in await ws.receive_json()

        answer = await http.get(f"{exchange.rest_url}{root}/aggTrades?symbol=BTCUSDT&fromId=0&limit=3")
        assert [row["a"] for row in answer.json()] == [0, 1, 2]
        assert answer.headers["x-mbx-used-weight-1m"] == "20"


async def test_at_a_pace_no_trade_is_late_or_lost(dial: Any) -> None:
    async with by_hand(pace=Pace(trades_per_s=4_000)) as exchange:
        async with dial(exchange.ws_url + BTC) as client:
            exchange.start()
            assert ids(await client.texts(400)) == list(range(400))
            await exchange.wait_finished()
            assert exchange.position == 400


async def test_pausing_and_publishing_by_hand(dial: Any) -> None:
    async with by_hand() as exchange, dial(exchange.ws_url + BTC) as client:
        exchange.publish(3)
        assert ids(await client.texts(3)) == [0, 1, 2]
        assert exchange.position == 3
        exchange.start()
        assert ids(await client.texts(397)) == list(range(3, 400))


# Manners.


async def test_pings_are_answered_by_a_client_with_manners(dial: Any) -> None:
    limits = replace(Limits(), ping_interval_s=0.01, pong_timeout_s=WAIT_S, messages_per_s=1e9)

    # Not httpx-ws: it fails where a ping comes while it closes.
    async with by_hand(limits=limits) as exchange:
        async with dial(exchange.ws_url + BTC) as client:
            for _ in range(5):
                ping = await client.next()
                assert isinstance(ping, Ping)
                await client.send(ping.response())

            with anyio.fail_after(WAIT_S):
                await exchange.wait_until(lambda counters: counters.pongs_matched == 5)

    assert exchange.counters.pongs_unasked == 0
    assert exchange.counters.limit_violations == 0


async def test_a_ping_carries_a_payload_and_without_its_pong_the_connection_ends(dial: Any) -> None:
    limits = replace(Limits(), ping_interval_s=0.02, pong_timeout_s=1.0)

    async with by_hand(limits=limits) as exchange, dial(exchange.ws_url + BTC) as client:
        ping = await client.next()
        assert isinstance(ping, Ping)
        assert ping.payload
        await client.send(Pong(payload=b"not " + bytes(ping.payload)))
        assert await client.until_close() == 1008
        assert exchange.counters.pong_timeouts == 1
        assert exchange.counters.pongs_unasked == 1


@pytest.mark.parametrize("event", [Ping(payload=b"p"), Pong(payload=b"p"), TextMessage(data="{}")])
async def test_too_many_messages_disconnect(dial: Any, event: Any) -> None:
    async with by_hand(clock=lambda: 30.0) as exchange, dial(exchange.ws_url + BTC) as client:
        for _ in range(6):
            await client.send(event)

        assert await client.until_close() == 1008
        assert exchange.counters.message_limit_disconnects == 1
        assert exchange.counters.most_messages_in_a_second == 6


async def test_a_client_s_ping_is_answered(dial: Any) -> None:
    async with by_hand() as exchange, dial(exchange.ws_url + BTC) as client:
        await client.send(Ping(payload=b"hello"))
        pong = await client.next()
        assert isinstance(pong, Pong)
        assert pong.payload == b"hello"


async def test_a_client_s_close_is_answered(dial: Any) -> None:
    async with by_hand() as exchange, dial(exchange.ws_url + BTC) as client:
        await client.send(CloseConnection(code=1000))
        assert await client.until_close() == 1000

        with anyio.fail_after(WAIT_S):
            await exchange.wait_until(lambda counters: counters.open_connections == 0)


async def test_connection_attempts_are_limited(http: httpx.AsyncClient) -> None:
    async with by_hand(limits=replace(Limits(), connects_per_window=1)) as exchange:
        async with websocket(exchange.ws_url + BTC, http):
            with pytest.raises(WebSocketUpgradeError) as refused:
                async with websocket(exchange.ws_url + BTC, http):
                    pytest.fail("one attempt too many")

    assert refused.value.response.status_code == 429
    assert refused.value.response.headers["retry-after"] == "300"


async def test_the_end_of_a_connection_s_life_is_clean(dial: Any) -> None:
    limits = replace(Limits(), connection_lifetime_s=0.1)

    async with by_hand(limits=limits) as exchange, dial(exchange.ws_url + BTC) as client:
        assert await client.until_close() == 1000
        assert exchange.counters.lifetime_disconnects == 1


# REST.


async def test_weights_and_both_refusals(http: httpx.AsyncClient) -> None:
    limits = replace(Limits(), weight_per_minute=4, patience=1)

    async with by_hand(limits=limits, clock=lambda: 30.0) as exchange:
        url = f"{exchange.rest_url}/api/v3/aggTrades?symbol=BTCUSDT"
        answers = [await http.get(url) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 429, 418]
    assert [answer.headers.get("retry-after") for answer in answers] == [None, "30", "120"]
    assert answers[0].headers["x-mbx-used-weight-1m"] == "4"


async def test_the_unit_follows_the_header(http: httpx.AsyncClient) -> None:
    async with by_hand(history=1) as exchange:
        url = f"{exchange.rest_url}/api/v3/aggTrades?symbol=BTCUSDT"
        milli = (await http.get(url)).json()[0]["T"]
        micro = (await http.get(url, headers={"X-MBX-TIME-UNIT": "MICROSECOND"})).json()[0]["T"]

    assert micro == TAPE[0].timestamp_us
    assert milli == micro // 1000


async def test_errors_have_a_code(http: httpx.AsyncClient) -> None:
    async with by_hand() as exchange:
        answer = await http.get(f"{exchange.rest_url}/api/v3/exchangeInfo?symbol=NOSUCH")

    assert answer.status_code == 400
    assert answer.json() == {"code": -1121, "msg": "Invalid symbol."}


async def test_the_database_lags_behind_the_socket(http: httpx.AsyncClient, dial: Any) -> None:
    now = [0.0]

    async with by_hand(rest_lags_s=[5.0], history=10, clock=lambda: now[0]) as exchange:
        async with dial(exchange.ws_url + BTC) as client:
            exchange.publish(5)
            assert ids(await client.texts(5)) == [10, 11, 12, 13, 14]

        assert await rest_ids(http, exchange, "&fromId=5") == [5, 6, 7, 8, 9]
        now[0] = 5.0
        assert await rest_ids(http, exchange, "&fromId=5") == list(range(5, 15))


# The connection ends.


@pytest.mark.parametrize(
    ("kind", "ends"),
    [(FaultKind.DROP, anyio.EndOfStream), (FaultKind.RESET, anyio.BrokenResourceError)],
)
async def test_a_connection_ends_at_its_trade(
    http: httpx.AsyncClient, dial: Any, kind: FaultKind, ends: type[Exception]
) -> None:
    async with by_hand(Fault(kind, at_trade=50)) as exchange:
        async with dial(exchange.ws_url + BTC) as client:
            exchange.publish(50)
            assert ids(await client.texts(50)) == list(range(50))
            exchange.publish(50)

            with pytest.raises(ends):
                await client.until_end()

        assert await rest_ids(http, exchange, "&fromId=0") == list(range(100))


async def test_a_close_with_a_code(http: httpx.AsyncClient) -> None:
    async with by_hand(Fault(FaultKind.CLOSE, at_trade=2, value=1012)) as exchange:
        async with websocket(exchange.ws_url + BTC, http) as ws:
            exchange.publish(3)
            assert [(await ws.receive_json())["a"] for _ in range(2)] == [0, 1]

            with pytest.raises(WebSocketDisconnect) as closed:
                await ws.receive_text()

    assert closed.value.code == 1012


@pytest.mark.parametrize("cut", [0, 1, 2, 60, None])
async def test_a_frame_is_cut_anywhere(cut: int | None) -> None:
    async with by_hand(Fault(FaultKind.CUT_FRAME, at_trade=3, value=cut)) as exchange:
        port = int(exchange.ws_url.rpartition(":")[2])

        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            await stream.send(
                b"GET /ws/btcusdt@aggTrade HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
            )
            received = await stream.receive()
            exchange.publish(5)

            with anyio.fail_after(WAIT_S), suppress(anyio.BrokenResourceError):
                while True:
                    received += await stream.receive()

    # A reset may overtake what was sent before it, so less can have come; more never.
    _, _, frames = received.partition(b"\r\n\r\n")
    assert frames.count(b'"e":"aggTrade"') <= 4
    assert b'"a":4,' not in frames
    assert not frames.endswith(b'"a":3,"M":true}')


async def test_half_open_silence_is_not_even_an_end(http: httpx.AsyncClient, dial: Any) -> None:
    limits = replace(Limits(), ping_interval_s=0.01, pong_timeout_s=1.0)

    async with by_hand(limits=limits) as exchange, dial(exchange.ws_url + BTC) as client:
        exchange.publish(2)
        assert ids(await client.texts(2)) == [0, 1]
        exchange.inject(Fault(FaultKind.SILENCE, at_trade=0))
        exchange.publish(20)

        with anyio.fail_after(WAIT_S):
            await exchange.wait_until(lambda counters: counters.open_connections == 0)

        assert exchange.counters.pong_timeouts == 1
        await client.send(Ping(payload=b"anyone?"))

        with anyio.move_on_after(0.1) as patience:
            while isinstance(await client.next(), Ping):
                pass

        assert patience.cancelled_caught, "a half-open connection says nothing"
        assert await rest_ids(http, exchange) == list(range(22))


async def test_pings_without_trades(dial: Any) -> None:
    limits = replace(Limits(), ping_interval_s=0.01)

    async with by_hand(Fault(FaultKind.MUTE, at_trade=2), limits=limits) as exchange:
        async with dial(exchange.ws_url + BTC) as client:
            exchange.publish(2)
            await client.texts(2)
            exchange.publish(20)
            assert [isinstance(await client.next(), Ping) for _ in range(4)] == [True] * 4

        async with dial(exchange.ws_url + BTC) as client:
            exchange.publish(1)
            assert ids(await client.texts(1)) == [22]


async def test_shutdown_is_announced_and_then_comes(dial: Any) -> None:
    async with by_hand(Fault(FaultKind.SERVER_SHUTDOWN, at_trade=1, lasts_s=0.05)) as exchange:
        async with dial(exchange.ws_url + BTC) as client:
            exchange.publish(2)
            texts = await client.texts(3)
            assert [json.loads(text)["e"] for text in texts] == ["aggTrade", "serverShutdown", "aggTrade"]
            assert await client.until_close() == 1001


async def test_everything_is_cut_at_once(http: httpx.AsyncClient, dial: Any) -> None:
    async with by_hand(history=1) as exchange:
        await rest_ids(http, exchange)

        async with dial(exchange.ws_url + BTC) as one, dial(exchange.ws_url + BTC) as two:
            exchange.inject(Fault(FaultKind.CUT_ALL, at_trade=0))

            for client in (one, two):
                with pytest.raises(anyio.BrokenResourceError):
                    await client.until_end()

        assert await rest_ids(http, exchange) == [0]
        assert exchange.counters.faults == {"cut-all": 1}


# What comes is not what should.


@pytest.mark.parametrize("kind", [FaultKind.FRAGMENT, FaultKind.DRIBBLE])
async def test_bytes_are_cut_and_messages_stay_whole(dial: Any, kind: FaultKind) -> None:
    async with by_hand(Fault(kind, at_trade=5, value=30)) as exchange, dial(exchange.ws_url + BTC) as client:
        exchange.publish(60)
        assert ids(await client.texts(60)) == list(range(60))


@pytest.mark.parametrize("sort", range(6))
async def test_garbage_frames_are_garbage_to_wsproto(dial: Any, sort: int) -> None:
    async with by_hand(Fault(FaultKind.GARBAGE_FRAME, at_trade=2, value=sort)) as exchange:
        async with dial(exchange.ws_url + BTC) as client:
            exchange.publish(2)
            assert ids(await client.texts(2)) == [0, 1]
            exchange.publish(2)
            event = await client.next()
            assert isinstance(event, CloseConnection)
            assert event.code == 1002


# No connection comes about.


async def test_a_port_that_refuses_and_listens_again(http: httpx.AsyncClient) -> None:
    async with by_hand(history=1) as exchange:
        exchange.inject(Fault(FaultKind.REFUSE, at_trade=0, lasts_trades=5, side="ws"))

        async def knock() -> None:
            while True:
                # Who came just before the port closed is reset instead.
                with suppress(httpx.ReadError, httpx.RemoteProtocolError):
                    async with websocket(exchange.ws_url + BTC, http):
                        await anyio.sleep(0.001)

        with pytest.raises(httpx.ConnectError), anyio.fail_after(WAIT_S):
            await knock()

        assert await rest_ids(http, exchange) == [0]
        exchange.publish(5)

        with anyio.fail_after(WAIT_S):
            while True:
                try:
                    async with websocket(exchange.ws_url + BTC, http):
                        break
                except httpx.ConnectError:
                    await anyio.sleep(0.001)


async def test_a_handshake_can_fail(http: httpx.AsyncClient) -> None:
    async with by_hand(Fault(FaultKind.HANDSHAKE_ERROR, at_trade=0, value=502)) as exchange:
        exchange.publish(1)

        with pytest.raises(WebSocketUpgradeError) as refused:
            async with websocket(exchange.ws_url + BTC, http):
                pytest.fail("refused")

        assert refused.value.response.status_code == 502

        async with websocket(exchange.ws_url + BTC, http):
            assert exchange.counters.connections == 1


async def test_tls_and_its_failure() -> None:
    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    fault = Fault(FaultKind.TLS_FAILURE, at_trade=1, side="ws")

    async with by_hand(fault, tls=server, history=1) as exchange:
        async with httpx.AsyncClient(verify=trusting, trust_env=False) as http:
            assert exchange.ws_url.startswith("wss://")
            assert await rest_ids(http, exchange) == [0]

            with pytest.raises(httpx.ConnectError) as failed:
                async with websocket(exchange.ws_url + BTC, http):
                    pytest.fail("no handshake")

            assert any(isinstance(cause, ssl.SSLError) for cause in causes(failed.value))

            async with websocket(exchange.ws_url + BTC, http) as ws:
                exchange.publish(1)
                assert (await ws.receive_json())["a"] == 1


# REST fails.


async def test_an_answer_that_never_comes(http: httpx.AsyncClient) -> None:
    async with by_hand(history=1) as exchange:
        exchange.inject(Fault(FaultKind.REST_TIMEOUT, at_trade=0))

        # Only the wait for the answer is short: a busy machine may take its time to connect.
        with pytest.raises(httpx.ReadTimeout):
            await http.get(
                f"{exchange.rest_url}/api/v3/aggTrades?symbol=BTCUSDT", timeout=httpx.Timeout(WAIT_S, read=0.05)
            )

        assert await rest_ids(http, exchange) == [0]


@pytest.mark.parametrize("fault", [FaultKind.REST_CUT, FaultKind.REST_TIMEOUT])
async def test_an_answer_that_breaks_off(http: httpx.AsyncClient, fault: FaultKind) -> None:
    async with by_hand(history=1) as exchange:
        exchange.inject(Fault(fault, at_trade=0, value=1))

        with pytest.raises(httpx.TransportError):
            await rest_ids(http, exchange)

        assert await rest_ids(http, exchange) == [0]


async def test_a_slow_answer_comes(http: httpx.AsyncClient) -> None:
    async with by_hand(Fault(FaultKind.REST_SLOW, at_trade=1, value=20), history=1) as exchange:
        exchange.publish(1)
        assert await rest_ids(http, exchange) == [0, 1]
        assert exchange.counters.faults == {"rest-slow": 1}


# The block itself.


async def test_an_exception_of_the_body_leaves_as_itself(dial: Any) -> None:
    with pytest.raises(ZeroDivisionError):
        async with by_hand() as exchange, dial(exchange.ws_url + BTC):
            raise ZeroDivisionError


async def test_cancelling_ends_everything(dial: Any) -> None:
    with anyio.CancelScope() as scope:
        async with by_hand() as exchange, dial(exchange.ws_url + BTC) as client:
            exchange.publish(1)
            await client.texts(1)
            scope.cancel()
            await anyio.sleep_forever()

    assert scope.cancelled_caught


async def test_a_closed_exchange_listens_no_more(dial: Any) -> None:
    async with by_hand() as exchange:
        url = exchange.ws_url + BTC

    with pytest.raises(OSError):  # noqa: PT011  # its text is the platform's
        async with dial(url):
            pytest.fail("nobody is there")


@pytest.mark.parametrize("shape", [lambda tape: tape, lambda tape: [tape], lambda tape: {"BTCUSDT": tape}])
async def test_tapes_come_in_three_shapes(http: httpx.AsyncClient, shape: Callable[[Tape], Any]) -> None:
    tape = Tape("BTCUSDT", [AggTrade(5, 100, 100, 5, 5, 1_700_000_000_000_000, True)])

    async with SimulatedExchange(shape(tape), history=1) as exchange:
        assert await rest_ids(http, exchange) == [5]
