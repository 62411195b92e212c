"""What a handshake offers and does not, and a server that refuses it: five minutes without a further attempt."""

from __future__ import annotations

import anyio
import pytest
from anyio.abc import ByteStream

from rangebar_anyio import BinanceSpot, ReconnectPolicy, open_stream
from rangebar_anyio._stream._budgets import budget_for
from rangebar_anyio.events import Disconnected, StreamEvent, Waiting
from rangebar_anyio.testing import Limits, SimulatedExchange
from tests.live.front import fronted, request_head, until_gone
from tests.stream.chaos import HASTY
from tests.stream.fake_source import bars_of, make_tape
from tests.stream.reading import read_until, take

pytestmark = pytest.mark.anyio

TAPE = make_tape(100)
WANTED = bars_of(TAPE, 250)


async def test_compression_is_not_offered() -> None:
    """No extension is, so a server that compresses all the same breaks the protocol."""
    heads: list[bytes] = []

    async def look(stream: ByteStream) -> None:
        heads.append(await request_head(stream))

    async with SimulatedExchange(TAPE, history=len(TAPE), limits=Limits.none()) as exchange:
        async with fronted(exchange.ws_url, [look]) as front:
            source = BinanceSpot(ws_url=front.ws_url, rest_url=exchange.rest_url)
            with anyio.fail_after(100):
                async with open_stream("BTCUSDT", source=source, start=1000, config=HASTY) as bars:
                    assert [await bars.receive() for _ in WANTED] == WANTED
                    while not heads:
                        await anyio.sleep(0.01)

    names = [line.partition(b":")[0].lower() for line in heads[0].split(b"\r\n")]
    assert b"sec-websocket-key" in names
    assert b"sec-websocket-extensions" not in names


@pytest.mark.parametrize("status", ["403 Forbidden", "429 Too Many Requests"])
async def test_a_refused_handshake_is_told_and_not_tried_again_for_five_minutes(status: str) -> None:
    """Bars go on by REST as long as there is a past."""
    events: list[StreamEvent] = []

    async def refuse(stream: ByteStream) -> None:
        await request_head(stream)
        await stream.send(b"HTTP/1.1 " + status.encode() + b"\r\ncontent-length: 0\r\n\r\n")
        await until_gone(stream)

    async with SimulatedExchange(TAPE, history=len(TAPE), limits=Limits.none()) as exchange:
        async with fronted(exchange.ws_url, [refuse]) as front:
            source = BinanceSpot(ws_url=front.ws_url, rest_url=exchange.rest_url)
            async with open_stream("BTCUSDT", source=source, start=1000, config=HASTY, on_event=events.append) as bars:
                assert await take(bars, len(WANTED)) == WANTED
                await read_until(bars, lambda: any(isinstance(event, Disconnected) for event in events))

                # Many times what the policy's own back-off would wait.
                with anyio.move_on_after(0.5):
                    await bars.receive()

                assert (bars.stats.connects, bars.stats.connect_failures, front.seen) == (1, 1, 1)

    waits = [event.seconds for event in events if isinstance(event, Waiting) and event.what == "connect"]
    assert waits[0] == 300.0
    assert sum(290 < wait <= 300 for wait in waits) == 2


@pytest.mark.parametrize(("shares", "connects", "weight"), [((0.5, 0.5), 150, 3000), ((0.1, 0.2), 30, 1200)])
async def test_the_policys_shares_are_the_budgets(shares: tuple[float, float], connects: int, weight: int) -> None:
    budget = budget_for(BinanceSpot().rules(), ReconnectPolicy(connect_share=shares[0], weight_share=shares[1]))
    now = began = anyio.current_time()
    attempts = sent = 0
    while budget.connect_wait(now) == 0:
        budget.take_connect(now)
        attempts += 1

    while now < began + 60:
        if (wait := budget.request_wait(4, now, is_probe=False)) > 0:
            now += wait
        else:
            budget.take_request(4, now, is_probe=False)
            sent += 4

    assert attempts == connects
    assert weight * 0.9 <= sent <= weight
