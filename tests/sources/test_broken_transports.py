"""Transports that are broken in one way each: the shipped check says in which."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from itertools import cycle
from typing import Any

import anyio
import httpx
import pytest

from rangebar_anyio._sources import _transport
from rangebar_anyio._sources._body import Body
from rangebar_anyio._sources._transport import ConnectRefused, HttpAnswer, Pairs, RequestLost, Transport
from rangebar_anyio._sources._websocket import RawWebSocket
from rangebar_anyio.testing import _source_conformance, check_trade_source
from rangebar_anyio.testing._source_conformance import _rest, _server, _sockets
from tests.sources.wrapped import Wrapped

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore::ResourceWarning")]


class _Around:
    """A socket around another one."""

    def __init__(self, socket: RawWebSocket) -> None:
        self.socket = socket

    async def read(self, max_bytes: int) -> bytes:
        return await self.socket.read(max_bytes)

    async def send_message(self, text: str) -> None:
        await self.socket.send_message(text)

    async def send_pong(self, payload: bytes) -> None:
        await self.socket.send_pong(payload)


class _Greedy(_Around):
    async def read(self, max_bytes: int) -> bytes:
        return await self.socket.read(65_536)


class _Late(_Around):
    """Has lost what came first."""

    is_first = True

    async def read(self, max_bytes: int) -> bytes:
        if self.is_first:
            self.is_first = False
            await self.socket.read(max_bytes)

        return await self.socket.read(max_bytes)


class _Loud(_Around):
    async def read(self, max_bytes: int) -> bytes:
        data = await self.socket.read(max_bytes)
        if not data:
            raise ConnectionResetError("gone")

        return data


class _Once(_Around):
    """Is at its end once."""

    is_over = False

    async def read(self, max_bytes: int) -> bytes:
        if self.is_over:
            raise anyio.EndOfStream

        data = await self.socket.read(max_bytes)
        self.is_over = not data
        return data


class _Dead(_Around):
    """A socket without a connection."""

    def __init__(self) -> None:
        pass

    async def read(self, max_bytes: int) -> bytes:
        return b""


class _Twice(_Around):
    async def send_message(self, text: str) -> None:
        await self.socket.send_message(text)
        await self.socket.send_message(text)


class _Forgetful(_Around):
    async def send_pong(self, payload: bytes) -> None:
        await self.socket.send_pong(b"")


class _Deaf(_Around):
    """Cannot be cancelled while it reads, for a while."""

    async def read(self, max_bytes: int) -> bytes:
        with anyio.move_on_after(1.0, shield=True):
            return await self.socket.read(max_bytes)

        return b""


class Around(Transport):
    """A transport whose sockets are others."""

    def __init__(self, kind: type[_Around]) -> None:
        super().__init__()
        self._kind = kind

    @asynccontextmanager
    async def connect(self, url: str) -> AsyncGenerator[Any, None]:
        async with super().connect(url) as socket:
            yield self._kind(socket)


class Elsewhere(Transport):
    @asynccontextmanager
    async def connect(self, url: str) -> AsyncGenerator[RawWebSocket, None]:
        async with super().connect(url.partition("?")[0]) as socket:
            yield socket


class Unlike(Transport):
    """Refusals are what it likes."""

    def __init__(self, kind: Callable[[ConnectRefused], Exception]) -> None:
        super().__init__()
        self._kind = kind

    @asynccontextmanager
    async def connect(self, url: str) -> AsyncGenerator[RawWebSocket, None]:
        try:
            async with super().connect(url) as socket:
                yield socket
        except ConnectRefused as refusal:
            raise self._kind(refusal) from None


class Grouping(Transport):
    @asynccontextmanager
    async def connect(self, url: str) -> AsyncGenerator[RawWebSocket, None]:
        async with super().connect(url) as socket:
            try:
                yield socket
            except Exception as error:  # noqa: BLE001 - as a task group does
                raise ExceptionGroup("of a task group", [error]) from None


class Hoarding(Transport):
    """Keeps its WebSockets open, all of them or those whose block was left with an exception."""

    def __init__(self, after: type[BaseException] | None) -> None:
        super().__init__()
        self._after = after
        self._kept: list[Any] = []

    @asynccontextmanager
    async def connect(self, url: str) -> AsyncGenerator[RawWebSocket, None]:
        opening = super().connect(url)
        self._kept.append(opening)
        socket = await opening.__aenter__()
        try:
            yield socket
        except BaseException as error:
            if self._after is None or not isinstance(error, self._after):
                await opening.__aexit__(type(error), error, error.__traceback__)

            raise
        else:
            if self._after is not None:
                await opening.__aexit__(None, None, None)


class Optimistic(Transport):
    """Has a socket for everybody."""

    @asynccontextmanager
    async def connect(self, url: str) -> AsyncGenerator[Any, None]:
        opening = super().connect(url)
        try:
            socket: Any = await opening.__aenter__()
        except ConnectRefused:
            yield _Dead()
            return

        try:
            yield socket
        finally:
            await opening.__aexit__(None, None, None)


class Patient(Transport):
    """A handshake that hangs cannot be given up."""

    @asynccontextmanager
    async def connect(self, url: str) -> AsyncGenerator[RawWebSocket, None]:
        with anyio.CancelScope(shield=True) as scope:
            async with super().connect(url) as socket:
                scope.shield = False
                yield socket


class Getting(Transport):
    """Answers go through a function."""

    def __init__(self, change: Callable[[HttpAnswer], HttpAnswer]) -> None:
        super().__init__()
        self._change = change

    async def get(self, url: str, params: Pairs, headers: Pairs, *, timeout_s: float) -> HttpAnswer:
        return self._change(await super().get(url, params, headers, timeout_s=timeout_s))


class Plain(Transport):
    """Requests as httpx sends them: its errors, its time-outs, its bodies."""

    async def get(self, url: str, params: Pairs, headers: Pairs, *, timeout_s: float) -> HttpAnswer:
        answer = await self._client.get(url, params=list(params), headers=list(headers), timeout=timeout_s)
        return HttpAnswer(answer.status_code, dict(answer.headers), answer.content)


class Dripped(Transport):
    """Bounds each step, and not the whole."""

    async def get(self, url: str, params: Pairs, headers: Pairs, *, timeout_s: float) -> HttpAnswer:
        self._client.timeout = httpx.Timeout(timeout_s)
        try:
            return await self._get(url, params, headers)
        except httpx.HTTPError as error:
            raise RequestLost(repr(error)) from error


class Unbounded(Transport):
    """Unpacks whatever comes."""

    async def _get(self, url: str, params: Pairs, headers: Pairs) -> HttpAnswer:
        async with self._client.stream("GET", url, params=list(params), headers=list(headers)) as response:
            body = Body(response.headers.get("content-encoding"), 1 << 40)
            await _transport._collect(response, body)
            return HttpAnswer(response.status_code, dict(response.headers), body.finish())


class Careless(Transport):
    """Closes answers that it read to their end, and no others."""

    async def _get(self, url: str, params: Pairs, headers: Pairs) -> HttpAnswer:
        asked = self._client.build_request("GET", url, params=list(params), headers=list(headers))
        response = await self._client.send(asked, stream=True)
        body = Body(response.headers.get("content-encoding"), 1 << 22)
        chunks = response.aiter_raw()
        self.kept = [response, chunks]
        async for chunk in chunks:
            body.add(chunk)

        await response.aclose()
        return HttpAnswer(response.status_code, dict(response.headers), body.finish())


class Credulous(Transport):
    """Takes half of a packed body for the whole, as httpx does."""

    async def _get(self, url: str, params: Pairs, headers: Pairs) -> HttpAnswer:
        answer = await self._client.get(url, params=list(params), headers=list(headers))
        return HttpAnswer(answer.status_code, dict(answer.headers), answer.content)


class Dropping(Transport):
    """Leaves params or headers out."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self._what = what

    async def get(self, url: str, params: Pairs, headers: Pairs, *, timeout_s: float) -> HttpAnswer:
        kept = {"params": params, "headers": headers, self._what: []}
        return await super().get(url, kept["params"], kept["headers"], timeout_s=timeout_s)


class Packed(Transport):
    """Leaves the unpacking to others."""

    async def _get(self, url: str, params: Pairs, headers: Pairs) -> HttpAnswer:
        async with self._client.stream("GET", url, params=list(params), headers=list(headers)) as response:
            body = b"".join([chunk async for chunk in response.aiter_raw()])
            return HttpAnswer(response.status_code, dict(response.headers), body)


class Speechless(Transport):
    async def get(self, url: str, params: Pairs, headers: Pairs, *, timeout_s: float) -> HttpAnswer:
        try:
            return await super().get(url, params, headers, timeout_s=timeout_s)
        except RequestLost:
            raise RequestLost from None


class Deaf(Transport):
    """A request that is cancelled gets an answer of its own."""

    async def get(self, url: str, params: Pairs, headers: Pairs, *, timeout_s: float) -> HttpAnswer:
        if timeout_s < 60:
            return await super().get(url, params, headers, timeout_s=timeout_s)

        with anyio.move_on_after(1.0, shield=True):
            await super().get(url, params, headers, timeout_s=timeout_s)

        return HttpAnswer(0, {}, b"")


class Endless(Transport):
    async def aclose(self) -> None:
        await super().aclose()
        await anyio.sleep_forever()


class Stubborn(Transport):
    """A request cannot be cancelled."""

    async def get(self, url: str, params: Pairs, headers: Pairs, *, timeout_s: float) -> HttpAnswer:
        with anyio.CancelScope(shield=True):
            return await super().get(url, params, headers, timeout_s=min(timeout_s, 1.0))

        raise AssertionError("nobody cancels this scope")


class OnceOnly(Transport):
    is_closed = False

    async def aclose(self) -> None:
        if self.is_closed:
            raise RuntimeError("closed already")

        self.is_closed = True
        await super().aclose()


def _is_error(answer: HttpAnswer) -> HttpAnswer:
    if answer.status >= 500:
        raise RequestLost("the server is at fault")

    return answer


def _shouted(answer: HttpAnswer) -> HttpAnswer:
    return replace(answer, headers={name.title(): text for name, text in answer.headers.items()})


TRANSPORTS: dict[str, tuple[Callable[[], Transport], str]] = {
    "reads more than it may": (partial(Around, _Greedy), "at most max_bytes bytes"),
    "loses what came first": (partial(Around, _Late), "from the first byte on"),
    "raises at the end": (partial(Around, _Loud), "nothing at its end, however it ends; there it raises"),
    "sends twice": (partial(Around, _Twice), "sends one text message"),
    "pongs without payload": (partial(Around, _Forgetful), "sends the payload back"),
    "reads on when cancelled": (partial(Around, _Deaf), "can be cancelled during a read"),
    "leaves the query out": (Elsewhere, "asks for the path and query"),
    "refuses in its own way": (
        partial(Unlike, lambda refusal: OSError(refusal.text)),
        "raises ConnectRefused (OSError",
    ),
    "refuses without a status": (
        partial(Unlike, lambda refusal: ConnectRefused(refusal.text)),
        "HTTP 200 raises ConnectRefused with the status 200, not 0",
    ),
    "refuses without a word": (
        partial(Unlike, lambda refusal: ConnectRefused("", status=refusal.status)),
        "with a text for people",
    ),
    "puts errors into groups": (Grouping, "leaves the block of connect() as itself"),
    "keeps its WebSockets": (partial(Hoarding, None), "closes the connection"),
    "keeps what raised": (partial(Hoarding, Exception), "a connection whose block raised is closed"),
    "keeps what was cancelled": (partial(Hoarding, BaseException), "cancelled during a read is closed"),
    "connects to nobody": (Optimistic, "a handshake answered with a closed port raises ConnectRefused"),
    "ends once": (partial(Around, _Once), "nothing at its end, however it ends; there it raises"),
    "waits for a handshake": (Patient, "connect() can be cancelled during its handshake"),
    "has room for few": (lambda: Transport(httpx.AsyncClient()), "101 connections can be open side by side"),
    "raises for 503": (partial(Getting, _is_error), "get() returns whatever a server answers: b'HTTP/1.1 503"),
    "is always well": (partial(Getting, lambda answer: replace(answer, status=200)), "the status 203, not 200"),
    "leaves answers packed": (Packed, "get() returns the body, unpacked"),
    "loses without a word": (Speechless, "raises RequestLost with a text for people"),
    "answers when cancelled": (Deaf, "get() can be cancelled"),
    "never closes": (Endless, "there it hangs"),
    "tells other quantities": (
        partial(Getting, lambda answer: replace(answer, body=answer.body.replace(b'"q":"', b'"q":"1'))),
        "the bars of the whole tape, as they are offline",
    ),
    "shouts its headers": (partial(Getting, _shouted), "by their names in lower case"),
    "sends no params": (partial(Dropping, "params"), "get() sends its params"),
    "sends no headers": (partial(Dropping, "headers"), "get() sends its headers"),
    "loses in its own way": (Plain, "answered with a closed port raises RequestLost (ConnectError"),
    "unpacks everything": (Unbounded, "64 MiB that are packed in 300 kB raises RequestLost"),
    "takes half for the whole": (Credulous, "half of a packed body raises RequestLost"),
    "leaves answers open": (Careless, "no connection is left of a request answered with a packed body that is damaged"),
    "bounds each step": (Dripped, "a byte now and then raises RequestLost after timeout_s"),
    "asks on when cancelled": (Stubborn, "get() can be cancelled"),
    "is closed once": (OnceOnly, "aclose() raises nothing"),
}


async def test_a_transport_for_all_streams_is_found() -> None:
    """Closing one closes the others, if they are the same."""

    def sharing(ws_url: str, rest_url: str) -> Wrapped:
        only = Transport()
        return Wrapped(ws_url, rest_url, make_transport=lambda: only)

    with pytest.raises(AssertionError, match="leaves the others usable"):
        await check_trade_source(sharing)


#: What these would wait for in vain is not waited for as long as on a slow machine.
HURRIED: dict[str, tuple[Any, str, float]] = {
    "keeps its WebSockets": (_server, "_LEAVING_S", 3.0),
    "keeps what raised": (_server, "_LEAVING_S", 3.0),
    "keeps what was cancelled": (_server, "_LEAVING_S", 3.0),
    "leaves answers open": (_server, "_LEAVING_S", 3.0),
    "waits for a handshake": (_transport, "_CONNECT_SECONDS", 2.0),
    "has room for few": (_sockets, "_SIDE_BY_SIDE_S", 3.0),
    "bounds each step": (_rest, "_LATE_S", 5.0),
    "never closes": (_source_conformance, "_PATIENCE_S", 5.0),
}


# Each meets one event loop, in turn: the check itself runs on all of them in test_conformance.py.
@pytest.mark.parametrize(("name", "anyio_backend"), list(zip(TRANSPORTS, cycle(("asyncio", "trio")), strict=False)))
async def test_broken_transports_are_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name in HURRIED:
        monkeypatch.setattr(*HURRIED[name])

    make, said = TRANSPORTS[name]
    made: list[Transport] = []

    def making() -> Transport:
        made.append(make())
        return made[-1]

    with pytest.raises(AssertionError, match=r"^the source breaks its contract: ") as caught:
        await check_trade_source(partial(Wrapped, make_transport=making))

    assert said in str(caught.value)
    for transport in made:
        await transport._client.aclose()
