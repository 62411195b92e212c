"""A WebSocket peer that does its worst once: one reconnect later every bar of the tape is there."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import repeat
from random import Random
from typing import Any

import anyio
import pytest
from anyio.abc import ByteStream

from rangebar_anyio import BinanceSpot, SessionConfig, StreamStats, open_stream
from rangebar_anyio.testing import Limits, Pace, SimulatedExchange
from tests.live.front import Behaviour, frame, fronted, request_head, shake_hands, until_gone
from tests.stream.chaos import HASTY
from tests.stream.fake_source import bars_of, make_tape

pytestmark = pytest.mark.anyio

TAPE = make_tape(200)
WANTED = bars_of(TAPE, 250)
#: Far less than what some peers send.
MEMORY_BYTES = 16 * 1024 * 1024
TRADES_PER_S = 400


async def subscribed(stream: ByteStream) -> None:
    """Do all that is right up to the confirmation of the subscription."""
    await shake_hands(stream)
    await stream.receive()
    await stream.send(frame(b'{"result":null,"id":1}'))


def raw(*pieces: bytes, times: int = 1) -> Behaviour:
    """Answer the subscription, then send these bytes over and over, and stay."""

    async def behave(stream: ByteStream) -> None:
        await subscribed(stream)
        for piece in [piece for _ in repeat(None, times) for piece in pieces]:
            await stream.send(piece)

        await until_gone(stream)

    return behave


def answering(*pieces: bytes) -> Behaviour:
    """Answer the handshake with these bytes, and stay."""

    async def behave(stream: ByteStream) -> None:
        await request_head(stream)
        for piece in pieces:
            await stream.send(piece)

        await until_gone(stream)

    return behave


async def drip(stream: ByteStream) -> None:
    """A byte now and then, for ever."""
    await subscribed(stream)
    for byte in repeat(b'{"e":"aggTrade",', 1000):
        for one in byte:
            await stream.send(bytes((one,)))
            await anyio.sleep(0.01)


async def dripping_handshake(stream: ByteStream) -> None:
    await request_head(stream)
    await stream.send(b"HTTP/1.1 101 Switching Protocols\r\n")
    while True:
        await stream.send(b"x-more: y\r\n")
        await anyio.sleep(0.01)


async def silent(stream: ByteStream) -> None:
    await until_gone(stream)


async def gone_at_once(stream: ByteStream) -> None:
    """Not one byte."""


async def unread(stream: ByteStream) -> None:
    """Pings without end, and nobody who reads the pongs."""
    await subscribed(stream)
    with anyio.move_on_after(5):
        while True:
            await stream.send(frame(b"p" * 125, opcode=9) * 500)


async def endless_body(stream: ByteStream) -> None:
    await request_head(stream)
    await stream.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n")
    while True:
        await stream.send(b"<p>welcome</p>" * 5000)


async def endless_header(stream: ByteStream) -> None:
    await request_head(stream)
    await stream.send(b"HTTP/1.1 101 Switching Protocols\r\nx-more: ")
    while True:
        await stream.send(b"y" * 60_000)


def text(value: object) -> bytes:
    return frame(json.dumps(value).encode())


def trade(**changes: Any) -> bytes:
    row = TAPE[0]
    event = {
        "e": "aggTrade", "E": row.timestamp_us, "s": "BTCUSDT", "a": row.agg_trade_id, "p": "100", "q": "1",
        "f": 1, "l": 1, "T": row.timestamp_us, "m": True,
    }  # fmt: skip
    return text({**event, **changes})


def noise(seed: int, size: int) -> bytes:
    return Random(seed).randbytes(size)


CLOSE_CODES = (0, 999, 1000, 1001, 1005, 1006, 1008, 1012, 1015, 3000, 4999, 65535)

NO_IDS: tuple[object, ...] = (-1, 2**63, 2**64, 1e6, "7", None, True, [], 10**30)
FAR_IDS = (10**9, 2**62, 2**63 - 1)
NO_TRADES: dict[str, tuple[object, ...]] = {
    "p": ("", "0", "-1", "NaN", "1e5", "9" * 40, 1.5, None),
    "q": ("", "-1", "Infinity", "0x10", {}, "1" * 5000),
    "T": (-1, 2**63, "now", None, 1.5),
    "m": (0, "true", None),
}

HANDSHAKES: dict[str, Behaviour] = {
    "nothing-at-all": gone_at_once,
    "http-200": answering(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"),
    "http-200-endless": endless_body,
    "redirect": answering(b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n"),
    "redirect-to-itself": answering(b"HTTP/1.1 301 Moved\r\nlocation: /\r\ncontent-length: 0\r\n\r\n"),
    "redirect-nowhere": answering(b"HTTP/1.1 307 Moved\r\nlocation: ht!tp:\\\\\x01\r\ncontent-length: 0\r\n\r\n"),
    "http-500": answering(b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n"),
    "http-0.9": answering(b"<html>hello</html>\r\n\r\n"),
    "status-nonsense": answering(b"HTTP/1.1 999999 What\r\n\r\n"),
    "header-nonsense": answering(b"HTTP/1.1 101 Yes\r\n: :\x00\r\n\r\n"),
    "header-endless": endless_header,
    "tls-alert": answering(b"\x15\x03\x01\x00\x02\x02\x28"),
    "zeros": answering(bytes(100_000)),
    "noise": answering(noise(1, 100_000)),
}

#: Neither right nor wrong so far: only the time-out ends them.
HANGING: dict[str, Behaviour] = {
    "no-answer": silent,
    "header-dripping": dripping_handshake,
    "continue-for-ever": answering(*[b"HTTP/1.1 100 Continue\r\n\r\n"] * 200),
}

#: Against the protocol: the connection is given up at once.
BROKEN: dict[str, Behaviour] = {
    "reserved-opcode": raw(frame(b"", opcode=3)),
    "reserved-bits": raw(frame(b"{}", rsv=4)),
    "compressed": raw(frame(b"\xaaV\x4a\xd4\xb6\x02\x00", rsv=4)),
    "masked": raw(frame(b"{}", mask=True)),
    "length-of-2-to-the-63": raw(b"\x81\x7f" + (1 << 63).to_bytes(8, "big")),
    "length-just-below": raw(b"\x81\x7f" + ((1 << 63) - 1).to_bytes(8, "big"), bytes(60_000)),
    "length-not-shortest": raw(b"\x81\x7e\x00\x05hello"),
    "one-gigabyte": raw(b"\x81\x7f" + (1 << 30).to_bytes(8, "big"), *[bytes(60_000)] * 200),
    "endless-fragments": raw(frame(b"[", fin=False), *[frame(b"1," * 30_000, opcode=0, fin=False)] * 200),
    "continuation-of-nothing": raw(frame(b"{}", opcode=0)),
    "message-inside-a-message": raw(frame(b"{", fin=False), frame(b"}")),
    "long-ping": raw(frame(bytes(126), opcode=9)),
    "fragmented-ping": raw(frame(b"hi", opcode=9, fin=False)),
    "text-not-utf8": raw(frame(b"\xff\xfe{}")),
    "error-reply": raw(text({"code": 2, "msg": "Invalid request", "id": 1})),
    "error-flood": raw(text({"code": 2, "msg": "x" * 2000, "id": 99}) * 20, times=50),
    "close-empty": raw(frame(b"", opcode=8)),
    "close-one-byte": raw(frame(b"\x03", opcode=8)),
    **{f"close-{code}": raw(frame(code.to_bytes(2, "big") + b"bye", opcode=8)) for code in CLOSE_CODES},
    "close-not-utf8": raw(frame(b"\x03\xe8\xff\xff", opcode=8)),
    "data-after-close": raw(frame(b"\x03\xe8", opcode=8) + trade(a=5), *[noise(3, 50_000)] * 20),
    "tls-inside": raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + noise(4, 512)),
    "http-inside": raw(b"HTTP/1.1 200 OK\r\n\r\n" * 100),
}

#: Within the protocol and still nothing to be used: counted, and the connection may stay.
REFUSED: dict[str, Behaviour] = {
    "binary": raw(frame(noise(2, 5_000), opcode=2), times=50),
    "json-deep": raw(frame(b"[" * 100_000)),
    "json-half": raw(frame(b'{"e":"aggTrade","s":"BTCUSDT","a":1000,"p":"1')),
    "other-symbols": raw(trade(s="ETHUSDT") * 100, trade(s="") * 100, trade(s="btcusdt") * 100, times=10),
    "ids-of-all-sorts": raw(*(trade(a=a) for a in NO_IDS)),
    "id-far-above": raw(*(trade(a=a) for a in FAR_IDS)),
    "trades-of-all-sorts": raw(
        *(trade(**{key: value}) for key, values in NO_TRADES.items() for value in values),
    ),
}

#: Legal, and a nuisance.
NUISANCES: dict[str, Behaviour] = {
    "empty-fragments": raw(frame(b"[", fin=False), frame(b"", opcode=0, fin=False) * 5_000, times=20),
    "ping-flood": raw(frame(b"p" * 125, opcode=9) * 400, times=50),
    "ping-flood-unread": unread,
    "pong-flood": raw(frame(b"p" * 125, opcode=10) * 400, times=50),
    "reply-flood": raw(text({"result": None, "id": 77}) * 2_000, times=50),
    "replies-of-other-shapes": raw(text({"result": [1], "id": "x"}), text({"id": -1}), text({"id": 1e99})),
    "unknown-message-flood": raw(text({"hello": [1, 2, {}]}) * 1_000, text("x") * 1_000, times=50),
    "shutdown-flood": raw(text({"e": "serverShutdown", "E": 1}) * 500, times=5),
    "dripping": drip,
    **{f"noise-{seed}": raw(noise(seed, 40_000), times=3) for seed in range(20, 28)},
}


@asynccontextmanager
async def hostile(behaviour: Behaviour) -> AsyncIterator[BinanceSpot]:
    """An exchange that goes on trading, and whose first WebSocket connection behaves so."""
    async with SimulatedExchange(
        TAPE, history=140, limits=Limits.none(), starts="at-once", pace=Pace(trades_per_s=TRADES_PER_S)
    ) as exchange:
        async with fronted(exchange.ws_url, [behaviour]) as front:
            yield BinanceSpot(ws_url=front.ws_url, rest_url=exchange.rest_url)


async def survive(behaviour: Behaviour, *, connects: int = 1, config: SessionConfig = HASTY) -> StreamStats:
    """Read the whole tape past a peer that behaves so; every bar is right and little memory was needed.

    Returns the counters as soon as a connection stands that is at least the so many-th.
    """
    tracemalloc.start()
    try:
        async with hostile(behaviour) as source:
            with anyio.fail_after(100):
                async with open_stream("BTCUSDT", source=source, start=TAPE.trade_ids[0], config=config) as bars:
                    assert [await bars.receive() for _ in WANTED] == WANTED
                    while not (bars.stats.connections and bars.stats.connects >= connects):
                        await anyio.sleep(0.01)

                    stats = bars.stats

        assert tracemalloc.get_traced_memory()[1] < MEMORY_BYTES
    finally:
        tracemalloc.stop()

    assert stats.heap_bytes < MEMORY_BYTES
    return stats


@pytest.fixture(autouse=True)
def nothing_printed(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    yield
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", HANDSHAKES)
async def test_whatever_answers_a_handshake_costs_one_attempt(name: str) -> None:
    stats = await survive(HANDSHAKES[name], connects=2)

    assert (stats.connects, stats.connect_failures, stats.disconnects) == (2, 1, 0)


@pytest.mark.parametrize("name", HANGING)
async def test_a_handshake_without_an_end_costs_no_more_than_its_time(name: str) -> None:
    stats = await survive(HANGING[name], connects=2, config=replace(HASTY, connect_timeout_s=2.0))

    # On a busy machine a true one may take as long.
    assert stats.connect_failures >= 1
    assert (stats.connects, stats.disconnects) == (stats.connect_failures + 1, 0)


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_protocol_costs_one_reconnect(name: str) -> None:
    stats = await survive(BROKEN[name], connects=2)

    assert (stats.connects, stats.connect_failures, stats.disconnects) == (2, 0, 1)


@pytest.mark.parametrize("name", REFUSED)
async def test_what_cannot_be_used_is_refused_and_counted(name: str) -> None:
    stats = await survive(REFUSED[name])

    assert stats.refused > 0
    assert stats.disconnects + stats.rotations <= 1


@pytest.mark.parametrize("name", NUISANCES)
async def test_a_nuisance_costs_a_reconnect_at_most(name: str) -> None:
    stats = await survive(NUISANCES[name])

    assert stats.connect_failures == 0
    assert stats.disconnects + stats.rotations <= 1
