"""Random schedules over real sockets against a client that only connects again and asks REST for the rest."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import anyio
import httpx
import pytest
from wsproto.events import CloseConnection, Ping, Pong, TextMessage
from wsproto.utilities import ProtocolError

from rangebar_anyio.testing import Limits, SimulatedExchange, generate_market, random_faults

from .conftest import Dial, PlainClient

pytestmark = pytest.mark.anyio

MARKET = generate_market({"BTCUSDT": "60000", "ETHUSDT": "3000"}, 400)
STREAMS = "/stream?streams=btcusdt@aggTrade/ethusdt@aggTrade"
PATIENCE_S = 0.15


async def listen(client: PlainClient, seen: set[tuple[str, int, str]]) -> None:
    """Take what comes until nothing more does."""
    text = ""

    while True:
        with anyio.fail_after(PATIENCE_S):
            event = await client.next()

        if isinstance(event, CloseConnection):
            return

        if isinstance(event, Ping):
            await client.send(Pong(payload=event.payload))

        if isinstance(event, TextMessage):
            text += event.data

            if event.message_finished:
                note(text, seen)
                text = ""


def note(text: str, seen: set[tuple[str, int, str]]) -> None:
    with suppress(ValueError, KeyError, TypeError):
        data = json.loads(text)["data"]
        seen.add((data["s"], data["a"], data["p"]))


async def stay_connected(dial: Dial, exchange: SimulatedExchange, seen: set[tuple[str, int, str]]) -> None:
    broken = (OSError, AssertionError, ProtocolError, anyio.BrokenResourceError, anyio.EndOfStream)

    while True:
        with suppress(*broken):
            async with dial(exchange.ws_url + STREAMS) as client:
                await listen(client, seen)

        await anyio.sleep(0.005)


async def fetch(http: httpx.AsyncClient, url: str) -> list[dict[str, Any]]:
    while True:
        # A connection that is reset before httpx has looked at its socket: OSError, on uvloop AttributeError.
        with suppress(httpx.TransportError, ValueError, OSError, AttributeError):
            answer = await http.get(url, timeout=PATIENCE_S)
            rows = answer.json()

            if answer.status_code == 200 and isinstance(rows, list) and len(rows) == 400:
                return rows

        await anyio.sleep(0.005)


@pytest.mark.parametrize("seed", range(4))
async def test_every_trade_comes_by_socket_or_rest(dial: Dial, seed: int) -> None:
    faults = random_faults(seed, range(800), 25, symbols=["BTCUSDT", "ETHUSDT"], longest_s=0.05)
    seen: set[tuple[str, int, str]] = set()
    fetched: set[tuple[str, int, str]] = set()

    async with SimulatedExchange(MARKET, faults=faults, limits=Limits.none()) as exchange:
        async with anyio.create_task_group() as tasks, httpx.AsyncClient(trust_env=False) as http:
            tasks.start_soon(stay_connected, dial, exchange, seen)

            with anyio.fail_after(150):
                await exchange.wait_finished()

                for tape in MARKET:
                    url = f"{exchange.rest_url}/api/v3/aggTrades?symbol={tape.symbol}&fromId=0&limit=1000"
                    fetched |= {(tape.symbol, row["a"], row["p"]) for row in await fetch(http, url)}

            tasks.cancel_scope.cancel()

    assert sum(exchange.counters.faults.values()) == 25
    assert len(fetched) == 800
    real = {key for key in seen if key[1] < 10**7 and key[1] > 1}
    assert real <= fetched
    assert real
