"""Through proxies, TLS of one's own, and clients that are handed in."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import httpx
import pytest
import trustme
from anyio.abc import ByteStream
from anyio.streams.buffered import BufferedByteReceiveStream

from rangebar_anyio import BinanceSpot, ReconnectPolicy, open_stream
from rangebar_anyio.events import Disconnected, StreamEvent
from rangebar_anyio.testing import Limits, SimulatedExchange
from tests.live.front import Behaviour, fronted, listening, pass_on, request_head
from tests.stream.chaos import HASTY
from tests.stream.fake_source import bars_of, make_tape
from tests.stream.reading import read_until

pytestmark = pytest.mark.anyio

TAPE = make_tape(200)
WANTED = bars_of(TAPE, 250)
#: A stream's sockets each take a connection of the pool for their life.
ROOM = httpx.Limits(max_connections=None)


@dataclass
class Proxy:
    """A proxy: where it listens, and where it was asked to go."""

    port: int = 0
    asked: list[tuple[str, int]] = field(default_factory=list)
    heads: list[bytes] = field(default_factory=list)


@asynccontextmanager
async def http_proxy() -> AsyncIterator[Proxy]:
    """CONNECT for tunnels; requests with a whole URL are sent on with their path."""
    proxy = Proxy()

    async def handle(stream: ByteStream) -> None:
        head = await request_head(stream)
        proxy.heads.append(head)
        method, target, _ = head.split(b"\r\n")[0].split(b" ")
        url = httpx.URL(("http://" if method == b"CONNECT" else "") + target.decode())
        assert url.port is not None
        proxy.asked.append((method.decode(), url.port))
        if method == b"CONNECT":
            await stream.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await pass_on(stream, url.port)
            return

        async with await anyio.connect_tcp(url.host, url.port) as other:
            await other.send(head.replace(target, url.raw_path, 1).replace(b"\r\n", b"\r\nconnection: close\r\n", 1))
            async for data in other:
                await stream.send(data)

    async with listening(handle) as proxy.port:
        yield proxy


@asynccontextmanager
async def socks_proxy() -> AsyncIterator[Proxy]:
    """SOCKS 5 without a password."""
    proxy = Proxy()

    async def handle(stream: ByteStream) -> None:
        buffered = BufferedByteReceiveStream(stream)
        version, methods = await buffered.receive_exactly(2)
        assert version == 5
        await buffered.receive_exactly(methods)
        await stream.send(b"\x05\x00")
        *_, kind = await buffered.receive_exactly(4)
        size = {1: 4, 3: None, 4: 16}[kind]
        await buffered.receive_exactly((await buffered.receive_exactly(1))[0] if size is None else size)
        port = int.from_bytes(await buffered.receive_exactly(2), "big")
        proxy.asked.append(("SOCKS", port))
        await stream.send(b"\x05\x00\x00\x01\x7f\x00\x00\x01" + port.to_bytes(2, "big"))
        await pass_on(stream, port)

    async with listening(handle) as proxy.port:
        yield proxy


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def client_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def reasons(events: list[StreamEvent]) -> list[str]:
    return [event.reason for event in events if isinstance(event, Disconnected)]


async def read_through(source: BinanceSpot, **options: Any) -> None:
    with anyio.fail_after(100):
        async with open_stream("BTCUSDT", source=source, start=TAPE.trade_ids[0], config=HASTY, **options) as bars:
            assert [await bars.receive() for _ in WANTED] == WANTED


def exchange_of(tls: ssl.SSLContext | None = None) -> SimulatedExchange:
    return SimulatedExchange(TAPE, history=100, limits=Limits.none(), tls=tls)


async def assert_usable(client: httpx.AsyncClient, exchange: SimulatedExchange) -> None:
    """The client belongs to the program: it is open, and no connection of the stream is left in it."""
    assert not client.is_closed
    assert (await client.get(f"{exchange.rest_url}/api/v3/ping")).status_code == 200


PROXIES: dict[str, tuple[Callable[[], Any], str]] = {"http": (http_proxy, "http"), "socks5": (socks_proxy, "socks5")}


@pytest.mark.parametrize("name", PROXIES)
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_through_a_proxy(name: str, tls: bool, authority: trustme.CA) -> None:
    """Both the socket and the requests, with TLS from end to end where there is TLS."""
    make, scheme = PROXIES[name]
    async with make() as proxy, exchange_of(server_context(authority) if tls else None) as exchange:
        url = f"{scheme}://127.0.0.1:{proxy.port}"
        async with httpx.AsyncClient(proxy=url, verify=client_context(authority), limits=ROOM) as client:
            await read_through(BinanceSpot(ws_url=exchange.ws_url, rest_url=exchange.rest_url, client=client))
            await assert_usable(client, exchange)

    ports = {int(url.rpartition(":")[2]) for url in (exchange.ws_url, exchange.rest_url)}
    assert {port for _, port in proxy.asked} == ports
    assert len(proxy.asked) >= 2


async def test_proxies_of_the_environment_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with http_proxy() as proxy, exchange_of() as exchange:
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)

        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        await read_through(BinanceSpot(ws_url=exchange.ws_url, rest_url=exchange.rest_url))

    assert len({port for _, port in proxy.asked}) == 2


async def test_a_proxy_that_refuses_is_a_refused_attempt() -> None:
    async def refuse(stream: ByteStream) -> None:
        await request_head(stream)
        await stream.send(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")

    events: list[StreamEvent] = []
    async with exchange_of() as exchange, listening(refuse) as port:
        async with httpx.AsyncClient(proxy=f"http://127.0.0.1:{port}", limits=ROOM) as client:
            source = BinanceSpot(ws_url=exchange.ws_url, rest_url=exchange.rest_url, client=client)
            async with open_stream("BTCUSDT", source=source, config=HASTY, on_event=events.append) as bars:
                await read_until(bars, lambda: bool(reasons(events)))

    refused = [event for event in events if isinstance(event, Disconnected)]
    assert all("407" in event.reason and not event.was_open for event in refused)


async def test_a_tls_context_of_ones_own(authority: trustme.CA) -> None:
    async with exchange_of(server_context(authority)) as exchange:
        async with httpx.AsyncClient(verify=client_context(authority), limits=ROOM) as client:
            await read_through(BinanceSpot(ws_url=exchange.ws_url, rest_url=exchange.rest_url, client=client))
            await assert_usable(client, exchange)


async def test_a_certificate_that_nobody_vouches_for_is_never_talked_to(authority: trustme.CA) -> None:
    events: list[StreamEvent] = []
    async with exchange_of(server_context(authority)) as exchange:
        source = BinanceSpot(ws_url=exchange.ws_url, rest_url=exchange.rest_url)
        async with open_stream("BTCUSDT", source=source, config=HASTY, on_event=events.append) as bars:
            await read_until(bars, lambda: any("CERTIFICATE_VERIFY_FAILED" in reason for reason in reasons(events)))

        assert (exchange.counters.connection_attempts, exchange.counters.requests) == (0, 0)


async def test_headers_of_ones_own_go_with_everything() -> None:
    heads: list[bytes] = []

    async def listen(stream: ByteStream) -> None:
        heads.append(await request_head(stream))
        await stream.send(b"HTTP/1.1 503 Soon\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")

    async with exchange_of() as exchange:
        async with fronted(exchange.ws_url, [listen]) as ws, fronted(exchange.rest_url, [listen]) as rest:
            async with httpx.AsyncClient(headers={"x-team": "seven"}, limits=ROOM) as client:
                await read_through(BinanceSpot(ws_url=ws.ws_url, rest_url=rest.http_url, client=client))

    assert len(heads) == 2
    assert all(b"x-team: seven" in head for head in heads)


async def test_a_client_serves_one_stream_after_the_other_and_several_at_once() -> None:
    async with exchange_of() as exchange, httpx.AsyncClient(limits=ROOM) as client:
        source = BinanceSpot(ws_url=exchange.ws_url, rest_url=exchange.rest_url, client=client)
        for _ in range(2):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(read_through, source)
                tasks.start_soon(read_through, source)

            await assert_usable(client, exchange)


async def test_a_closed_client_is_a_plain_error_or_a_wait(caplog: pytest.LogCaptureFixture) -> None:
    """A program's own mistake must not end in a traceback of tasks."""
    client = httpx.AsyncClient()
    await client.aclose()
    events: list[StreamEvent] = []
    async with exchange_of() as exchange:
        source = BinanceSpot(ws_url=exchange.ws_url, rest_url=exchange.rest_url, client=client)
        policy = ReconnectPolicy(first_delay_s=0.01, max_delay_s=0.02)
        async with open_stream("BTCUSDT", source=source, reconnect=policy, on_event=events.append) as bars:
            await read_until(bars, lambda: any("closed" in reason for reason in reasons(events)))


async def test_garbage_instead_of_tls_costs_an_attempt_each(authority: trustme.CA) -> None:
    """On the socket's port and on that of the requests: an alert, noise, plain HTTP, and an end in the middle."""

    def sending(data: bytes) -> Behaviour:
        async def behave(stream: ByteStream) -> None:
            await stream.receive()
            await stream.send(data)

        return behave

    garbage = [
        sending(data)
        for data in (b"\x15\x03\x01\x00\x02\x02\x28", b"\x16\x03\x03\xff\xff" * 99, b"HTTP/1.1 400 \r\n\r\n")
    ]
    garbage.append(sending(b"\x16\x03\x03\x00\x7a\x02"))
    async with exchange_of(server_context(authority)) as exchange:
        async with fronted(exchange.ws_url, garbage) as ws, fronted(exchange.rest_url, garbage) as rest:
            async with httpx.AsyncClient(verify=client_context(authority), limits=ROOM) as client:
                source = BinanceSpot(
                    ws_url=ws.ws_url.replace("ws", "wss", 1),
                    rest_url=rest.http_url.replace("http", "https", 1),
                    client=client,
                )
                await read_through(source)

            assert ws.seen >= 5
            assert rest.seen >= 5
