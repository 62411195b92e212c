"""Requests: whole answers, and `RequestLost` for everything else."""

from __future__ import annotations

import gzip
from functools import partial

import anyio
from anyio.abc import SocketStream

from rangebar_anyio._sources._transport import HttpAnswer, RequestLost, Transport

from ._server import Handler, answering, head_of, serving, until_gone
from ._subject import NOWHERE, Clause, Subject, broken, require

__all__ = ("CLAUSES",)

#: In which a server that does not answer is given up, and in which any other one is heard.
_SOON_S = 0.3
_LATE_S = 20.0
_BOMB_BYTES = 64 << 20
_PACKED = b"content-encoding: gzip\r\n"


def _answer(body: bytes, *, status: str = "200 OK", head: bytes = b"", missing: int = 0) -> bytes:
    """Write an answer; `missing` bytes of the body are announced and do not come."""
    length = b"content-length: %d\r\n" % (len(body) + missing)
    return (
        b"HTTP/1.1 %b\r\nX-Mixed-Case: Yes\r\nconnection: close\r\n" % status.encode() + length + head + b"\r\n" + body
    )


async def _drips(stream: SocketStream) -> None:
    await head_of(stream)
    await stream.send(_answer(b"", missing=10_000))
    while True:
        await stream.send(b" ")
        await anyio.sleep(0.05)


def _losses() -> dict[str, tuple[Handler, float]]:
    """Name what a server does, and the time that a request to it gets."""
    packed = partial(_answer, head=_PACKED)
    bodies = {
        "garbage": b"\x00\xffnonsense\r\n\r\n",
        "a packed body that is damaged": packed(b"\x1f\x8bnonsense"),
        "half of a packed body": packed(gzip.compress(bytes(1000))[:-9]),
        "64 MiB that are packed in 300 kB": packed(gzip.compress(bytes(_BOMB_BYTES), 1)),
    }
    return {
        "an end": (answering(b"", ends=True), _LATE_S),
        "half a body": (answering(_answer(b"[{", missing=1000), ends=True), _LATE_S),
        "silence": (until_gone, _SOON_S),
        "a byte now and then": (_drips, _SOON_S),
        **{name: (answering(body), _LATE_S) for name, body in bodies.items()},
    }


async def _whole(subject: Subject) -> None:
    """An answer comes whole, whatever its status, to a request that has its params and headers."""
    answers = {
        200: _answer(b"[1]"),
        # A server may pack what it sends.
        203: _answer(gzip.compress(b"[1]"), status="203 Packed", head=_PACKED),
        503: _answer(b"[1]", status="503 Busy"),
    }
    async with subject.transport() as transport:
        for status, answer in answers.items():
            found, head = await _asked(transport, answer)
            require(found.status == status, f"get() returns the status {status}, not {found.status}")
            require(found.body == b"[1]", f"get() returns the body, unpacked: b'[1]', not {found.body[:40]!r}")
            require(found.headers.get("x-mixed-case") == "Yes", "get() returns headers by their names in lower case")
            line, _, rest = head.partition(b"\r\n")
            require(line == b"GET /api?symbol=BTCUSDT&fromId=7 HTTP/1.1", f"get() sends its params, not {line!r}")
            require(b"\r\nx-own: yes\r\n" in b"\r\n" + rest.lower(), "get() sends its headers")


async def _asked(transport: Transport, answer: bytes) -> tuple[HttpAnswer, bytes]:
    heads: list[bytes] = []

    async def handle(stream: SocketStream) -> None:
        heads.append(await head_of(stream))
        await stream.send(answer)

    params, headers = [("symbol", "BTCUSDT"), ("fromId", "7")], [("X-Own", "yes")]
    async with serving(handle) as server:
        try:
            found = await transport.get(f"http://{server.host}/api", params, headers, timeout_s=_LATE_S)
        except Exception as error:  # noqa: BLE001 - a source may raise what it likes, and must not
            broken(f"get() returns whatever a server answers: {answer[:20]!r}", error)

    return found, heads[0]


async def _lost(subject: Subject) -> None:
    """A request without a usable answer is RequestLost, soon enough, and no connection is left of it."""
    async with subject.transport() as transport:
        await _is_lost(transport, NOWHERE, "a closed port", _LATE_S)
        for name, (handler, timeout_s) in _losses().items():
            async with serving(handler) as server:
                await _is_lost(transport, server.host, name, timeout_s)
                require(await server.is_left(), f"no connection is left of a request answered with {name}")


async def _is_lost(transport: Transport, host: str, name: str, timeout_s: float) -> None:
    clause = f"a request answered with {name} raises RequestLost"
    with anyio.move_on_after(timeout_s + _LATE_S) as scope:
        try:
            await transport.get(f"http://{host}/api", [], [], timeout_s=timeout_s)
        except RequestLost as loss:
            require(str(loss) != "", f"{clause} with a text for people")
        except Exception as error:  # noqa: BLE001 - a source may raise what it likes, and must not
            broken(clause, error)
        else:
            broken(clause)

    require(not scope.cancelled_caught, f"{clause} after timeout_s, {timeout_s:g} s, at the latest")


async def _given_up(subject: Subject) -> None:
    """A request that is cancelled leaves no connection."""
    async with subject.transport() as transport, serving(until_gone) as server:
        with anyio.move_on_after(_SOON_S) as scope:
            try:
                await transport.get(f"http://{server.host}/api", [], [], timeout_s=60.0)
            except Exception as error:  # noqa: BLE001 - a source may raise what it likes, and must not
                broken("get() can be cancelled, and raises nothing of its own then", error)

        require(scope.cancelled_caught, "get() can be cancelled")
        require(await server.is_left(), "the connection of a request that was cancelled is closed")


async def _closed(subject: Subject) -> None:
    """Each transport is closed by the stream that has it, without the others; closing again is nothing."""
    source = subject.at()
    unused, used, other = source.transport(), source.transport(), source.transport()
    async with serving(answering(_answer(b"[]"))) as server:
        url = f"http://{server.host}/api"
        await used.get(url, [], [], timeout_s=_LATE_S)
        try:
            for transport in (unused, unused, used, used):
                await transport.aclose()
        except Exception as error:  # noqa: BLE001 - a source may raise what it likes, and must not
            broken("aclose() raises nothing, also when it is called again", error)

        try:
            await other.get(url, [], [], timeout_s=_LATE_S)
        except Exception as error:  # noqa: BLE001 - likewise
            broken("closing one transport of a source leaves the others usable", error)
        finally:
            await other.aclose()


CLAUSES: tuple[Clause, ...] = (_whole, _lost, _given_up, _closed)
