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
from tests.live.front import listening
from tests.live.test_networks import PROXIES
from tests.stream.chaos import HASTY

pytestmark = pytest.mark.anyio

#: What a client hello begins with: a handshake record.
HELLO = b"\x16"


class Mute:
    """A server that takes the hello of each TLS handshake and never answers it."""

    def __init__(self) -> None:
        self.port = 0
        self.begun = 0
        self.ended = 0
        self._changed = anyio.Event()

    async def serve(self, stream: SocketStream) -> None:
        assert (await stream.receive()).startswith(HELLO)
        self._count(begun=1)
        try:
            while await stream.receive():
                pass
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            self._count(ended=1)

    def _count(self, *, begun: int = 0, ended: int = 0) -> None:
        self.begun += begun
        self.ended += ended
        self._changed.set()
        self._changed = anyio.Event()

    async def has_begun(self, count: int) -> None:
        while self.begun < count:
            await self._changed.wait()

    async def have_all_ended(self) -> None:
        with anyio.fail_after(5):
            while self.ended < self.begun:
                await self._changed.wait()


@asynccontextmanager
async def mute() -> AsyncIterator[Mute]:
    """Such a server; meanwhile Python's collector closes nothing in the culprit's place."""
    server = Mute()
    gc.disable()
    try:
        async with listening(server.serve) as server.port:
            yield server
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
    async with mute() as server:
        source = BinanceSpot(ws_url=f"wss://127.0.0.1:{server.port}", rest_url=f"https://127.0.0.1:{server.port}")
        async with open_stream("BTCUSDT", source=source, start=1000, config=HASTY):
            await server.has_begun(2)

        await server.have_all_ended()


@pytest.mark.parametrize("way", ["direct", *PROXIES])
@pytest.mark.parametrize("kind", ["socket", "request"])
async def test_a_cancelled_handshake_closes_its_socket(kind: str, way: str) -> None:
    """Also behind a proxy, and with a client that the program goes on to use."""
    async with mute() as server, client_of(way) as client:
        transport = Transport(client)

        async def open_one() -> None:
            if kind == "request":
                await transport.get(f"https://127.0.0.1:{server.port}/", [], [], timeout_s=60.0)
            else:
                async with transport.connect(f"wss://127.0.0.1:{server.port}/"):
                    pass

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(open_one)
            await server.has_begun(1)
            tasks.cancel_scope.cancel()

        await server.have_all_ended()
        await transport.aclose()


async def test_a_request_whose_time_is_up_in_its_handshake_closes_its_socket() -> None:
    async with mute() as server:
        transport = Transport()
        with pytest.raises(RequestLost, match="TimeoutError"):
            await transport.get(f"https://127.0.0.1:{server.port}/", [], [], timeout_s=0.2)

        await server.have_all_ended()
        await transport.aclose()
