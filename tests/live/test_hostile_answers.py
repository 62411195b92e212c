"""REST that answers anything but trades: asked again, bounded in memory and time, and no bar is wrong for it."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from itertools import repeat
from random import Random
from typing import Any

import anyio
import pytest
from anyio.abc import ByteStream, SocketAttribute

from rangebar_anyio import BinanceSpot, ProtocolError, StreamStats, open_stream
from rangebar_anyio._session import _patience, _query
from rangebar_anyio._sources._body import Body, RequestLost
from rangebar_anyio._sources._positions import TradePosition
from rangebar_anyio.testing import Limits, Pace, SimulatedExchange
from rangebar_anyio.testing._simulated._texts import rows_text
from tests.live.front import Behaviour, fronted, request_head
from tests.stream.chaos import HASTY
from tests.stream.fake_source import bars_of, make_tape

TAPE = make_tape(200)
WANTED = bars_of(TAPE, 250)
#: Some answers have no end, so that only the time-out ends them.
CONFIG = replace(HASTY, request_timeout_s=2.0, breaker_first_wait_s=0.01, breaker_max_wait_s=0.2)
#: Far less than what some answers hold; the longest that is taken has 4 MiB.
MEMORY_BYTES = 32 * 1024 * 1024
FIRST = TAPE.trade_ids[0]
TRUE = json.loads(rows_text(list(TAPE)[:5], microseconds=True, futures=False))


def body(content: bytes, *headers: str, status: str = "200 OK") -> Behaviour:
    """Answer a request with this body."""
    lines = (f"HTTP/1.1 {status}", f"content-length: {len(content)}", "connection: close", *headers)

    async def behave(stream: ByteStream) -> None:
        await request_head(stream)
        await stream.send("\r\n".join(lines).encode() + b"\r\n\r\n" + content)

    return behave


def rows(*changes: dict[str, object], without: str = "") -> Behaviour:
    """Answer with rows that look like trades but for these changes."""
    made = []
    for at, change in enumerate(changes):
        trade = {**TRUE[at], **change}
        made.append({key: value for key, value in trade.items() if key != without})

    return body(json.dumps(made).encode())


def unended(head: bytes, piece: bytes, *, pause_s: float = 0) -> Behaviour:
    """Answer without end."""

    async def behave(stream: ByteStream) -> None:
        await request_head(stream)
        await stream.send(head)
        for _ in repeat(None):
            await stream.send(piece)
            await anyio.sleep(pause_s)

    return behave


async def reset_in_the_middle(stream: ByteStream) -> None:
    await request_head(stream)
    await stream.send(b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n[{")
    # A reset instead of an orderly end.
    stream.extra(SocketAttribute.raw_socket).setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")


async def silent(stream: ByteStream) -> None:
    await request_head(stream)
    await anyio.sleep_forever()


def packed(content: bytes) -> Behaviour:
    return body(gzip.compress(content), "content-encoding: gzip")


OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"
CHUNK = b"10000\r\n" + b"[" * 65536 + b"\r\n"

ANSWERS: dict[str, Behaviour] = {
    "html": body(b"<!doctype html><title>Just a moment...</title>", "content-type: text/html"),
    "nothing": body(b""),
    "null": body(b"null"),
    "number": body(b"42"),
    "object": body(b"{}"),
    "error-with-200": body(b'{"code":-1003,"msg":"Too many requests."}'),
    "unknown-symbol-with-200": body(b'{"code":-1121,"msg":"Invalid symbol."}'),
    "list-of-lists": body(b'[[1000,"1","1"]]'),
    "half": body(b'[{"a":1000,"p":"1'),
    "deep": body(b"[" * 200_000),
    "not-utf8": body(b"\xff\xfe[]"),
    "two-values": body(b"[][]"),
    "id-as-text": rows({"a": "1000"}),
    "id-as-float": rows({"a": 1000.0}),
    "id-null": rows({"a": None}),
    "id-below-zero": rows({"a": -5}),
    "id-above-all": rows({"a": 2**61}),
    "id-of-64-bits": rows({"a": 2**64 - 1}),
    "id-endless": body(b'[{"a":' + b"9" * 100_000 + b"}]"),
    "time-as-text": rows({"T": "1700000000000000"}),
    "descending-ids": rows({}, {"a": FIRST - 1}),
    "repeated-ids": rows({}, {"a": FIRST}),
    "before-what-was-asked": rows({"a": 1}, {"a": 2}),
    **{f"without-{key}": rows({}, {}, without=key) for key in "apqTm"},
    "500-html": body(b"<h1>Oops</h1>", status="500 Internal Server Error"),
    "502": body(b"", status="502 Bad Gateway"),
    "404-html": body(b"<h1>Not found</h1>", status="404 Not Found"),
    "400-html": body(b"<h1>Bad</h1>", status="400 Bad Request"),
    "407": body(b"", status="407 Proxy Authentication Required"),
    "204": body(b"", status="204 No Content"),
    "302": body(b"", "location: http://127.0.0.1:9/", status="302 Found"),
    "302-to-itself": body(b"", "location: /", status="302 Found"),
    "status-nonsense": body(b"", status="twohundred"),
    "429-for-nothing": body(b"", "retry-after: 0", status="429 Too Many Requests"),
    "429-dated": body(b"", "retry-after: 0x1", "x-mbx-used-weight-1m: 99e99", status="503 No"),
    "weight-nonsense": body(b"[]", "x-mbx-used-weight-1m: -5", "X-MBX-USED-WEIGHT-1M: many"),
    "gigantic": unended(OK + b"content-length: 9999999999\r\n\r\n", b" " * 65536),
    "endless-chunks": unended(CHUNKED, CHUNK),
    "dripping": unended(CHUNKED, b"1\r\n \r\n", pause_s=0.01),
    "chunks-nonsense": unended(CHUNKED, b"zz\r\n"),
    "headers-endless": unended(OK, b"x-more: " + b"y" * 60_000 + b"\r\n"),
    "silent": silent,
    "reset": reset_in_the_middle,
    "length-too-long": body(b"[]", "content-length: 5"),
    "gzip-bomb": packed(bytes(100_000_000)),
    "gzip-damaged": body(gzip.compress(b"[]")[:-6] + b"xxxxxx", "content-encoding: gzip"),
    "gzip-half": body(gzip.compress(b"[]" * 999)[:-9], "content-encoding: gzip"),
    "gzip-goes-on": unended(OK + b"content-encoding: gzip\r\n\r\n" + gzip.compress(b"[]"), bytes(65536)),
    "packed-otherwise": body(b"\x1b\x03\x00", "content-encoding: br"),
    **{f"noise-{seed}": body(Random(seed).randbytes(3000)) for seed in range(4)},
}


#: Usable where only the newest id was asked for: the exchange's word is taken.
BELIEVED = {"before-what-was-asked", "weight-nonsense"}
#: Goes on behind a position, so that the first request is for trades.
RESUMED = {("BTCUSDT", 250): TradePosition(FIRST - 1, "us", None).to_bytes()}


@pytest.fixture(autouse=True)
def nothing_printed(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    yield
    assert capfd.readouterr() == ("", "")


@pytest.fixture(autouse=True)
def hasty_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits that are no part of any policy, a hundred times as quick as a real exchange wants them."""
    monkeypatch.setattr(_query, "_FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(_patience, "_FIRST_S", 0.01)


async def survive(answer: Behaviour, start: Any, *, times: int = 3) -> StreamStats:
    """Read the whole tape although the first requests, whatever they ask, are answered so."""
    tracemalloc.start()
    try:
        async with (
            SimulatedExchange(
                TAPE, history=140, limits=Limits.none(), starts="at-once", pace=Pace(trades_per_s=400)
            ) as exchange,
            fronted(exchange.rest_url, [answer] * times) as front,
        ):
            source = BinanceSpot(ws_url=exchange.ws_url, rest_url=front.http_url)
            with anyio.fail_after(100):
                async with open_stream("BTCUSDT", source=source, start=start, config=CONFIG) as bars:
                    assert [await bars.receive() for _ in WANTED] == WANTED
                    stats = bars.stats

        assert tracemalloc.get_traced_memory()[1] < MEMORY_BYTES
    finally:
        tracemalloc.stop()

    return stats


@pytest.mark.anyio
@pytest.mark.parametrize("name", ANSWERS)
async def test_whatever_rest_answers_is_asked_again(name: str) -> None:
    stats = await survive(ANSWERS[name], RESUMED)

    assert stats.missing_trades == 0
    assert stats.disconnects == 0


@pytest.mark.anyio
@pytest.mark.parametrize("name", sorted(ANSWERS.keys() - BELIEVED))
async def test_a_start_waits_for_a_usable_answer(name: str) -> None:
    """The same while the id to start from is still being asked for."""
    await survive(ANSWERS[name], FIRST, times=1)


@pytest.mark.anyio
async def test_a_request_refused_in_the_exchanges_own_words_is_an_error() -> None:
    """Asking again would be no use, and might cost a ban."""
    answer = body(b'{"code":-1100,"msg":"Illegal characters."}', status="400 Bad Request")
    with pytest.raises(ProtocolError, match="Illegal characters"):
        await survive(answer, RESUMED)


def test_a_body_is_bounded_while_it_is_unpacked() -> None:
    bomb = gzip.compress(bytes(50_000_000))
    taken = Body("gzip", 1000)
    tracemalloc.start()
    try:
        with pytest.raises(RequestLost, match="longer than 1000"):
            taken.add(bomb)

        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_body_of_just_the_limit_is_whole_however_it_is_cut() -> None:
    for encoding, sent in (("gzip", gzip.compress(bytes(1000))), (None, bytes(1000)), ("identity", bytes(1000))):
        taken = Body(encoding, 1000)
        for at in range(len(sent)):
            taken.add(sent[at : at + 1])

        assert taken.finish() == bytes(1000)
