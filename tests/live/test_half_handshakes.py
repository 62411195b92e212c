"""A TLS handshake that is given up half-way leaves no socket, whoever should have closed it."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import httpx
import pytest
from anyio.abc import SocketStream

from rangebar_anyio import BinanceSpot, open_stream
from rangebar_anyio._sources._transport import RequestLost, Transport
from rangebar_anyio.testing._source_conformance._server import Server, serving, until_gone
from tests.live.test_networks import PROXIES
from tests.stream.chaos import HASTY

pytestmark = pytest.mark.anyio

#: What a client hello begins with: a handshake record.
HELLO = b"\x16"


@asynccontextmanager
async def mute() -> AsyncIterator[tuple[Server, anyio.Semaphore]]:
    """A server that takes the hello of each TLS handshake and never answers it, and what counts the hellos.

    Meanwhile Python's collector closes nothing in the culprit's place.
    """
    hellos = anyio.Semaphore(0)

    async def take_hello(stream: SocketStream) -> None:
        assert (await stream.receive()).startswith(HELLO)
        hellos.release()
        await until_gone(stream)

    gc.disable()
    try:
        async with serving(take_hello) as server:
            yield server, hellos
    finally:
        gc.enable()


@asynccontextmanager
async def client_of(way: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client that goes there directly or through a proxy."""
    if way == "direct":
        async with httpx.AsyncClient() as client:
            yield client
    else:
        make, scheme = PROXIES[way]
        async with make() as proxy, httpx.AsyncClient(proxy=f"{scheme}://127.0.0.1:{proxy.port}") as client:
            yield client


async def test_leaving_the_block_closes_handshakes_under_way() -> None:
    async with mute() as (server, hellos):
        source = BinanceSpot(ws_url=f"wss://{server.host}", rest_url=f"https://{server.host}")
        async with open_stream("BTCUSDT", source=source, start=1000, config=HASTY):
            await hellos.acquire()
            await hellos.acquire()

        assert await server.is_left()


@pytest.mark.parametrize("way", ["direct", *PROXIES])
@pytest.mark.parametrize("kind", ["socket", "request"])
async def test_a_cancelled_handshake_closes_its_socket(kind: str, way: str) -> None:
    """Also behind a proxy, and with a client that the program goes on to use."""
    async with mute() as (server, hellos), client_of(way) as client:
        transport = Transport(client)

        async def open_one() -> None:
            if kind == "request":
                await transport.get(f"https://{server.host}/", [], [], timeout_s=60.0)
            else:
                async with transport.connect(f"wss://{server.host}/"):
                    pass

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(open_one)
            await hellos.acquire()
            tasks.cancel_scope.cancel()

        assert await server.is_left()
        await transport.aclose()


async def test_a_request_whose_time_is_up_in_its_handshake_closes_its_socket() -> None:
    async with mute() as (server, hellos):
        transport = Transport()
        with pytest.raises(RequestLost, match="it takes too long"):
            await transport.get(f"https://{server.host}/", [], [], timeout_s=2.0)

        await hellos.acquire()
        assert await server.is_left()
        await transport.aclose()
