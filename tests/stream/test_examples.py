"""Each program of examples/ runs against the simulated exchange and prints the bars of its tape."""

from __future__ import annotations

import json
import re
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import anyio
import pytest

from rangebar_anyio.testing import Pace, SimulatedExchange
from tests.stream.fake_source import START_US, bars_of, make_tape

pytestmark = pytest.mark.anyio

EXAMPLES = Path(__file__).parents[2] / "examples"
# Those that open a stream.
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.py") if "open_stream" in path.read_text())
TAPE = make_tape(300)
WANTED = bars_of(TAPE, 250)


@pytest.fixture
def anyio_backend() -> str:
    """The exchange's; each program has its own."""
    return "asyncio"


async def run(name: str, exchange: SimulatedExchange, *arguments: str | Path, cwd: Path) -> CompletedProcess[bytes]:
    command: list[Any] = [sys.executable, "-W", "error", EXAMPLES / f"{name}.py", *arguments]
    with anyio.fail_after(150):
        done = await anyio.run_process(
            [*command, "--ws-url", exchange.ws_url, "--rest-url", exchange.rest_url], cwd=cwd, check=False
        )

    assert done.returncode == 0, done.stderr.decode()
    return done


@pytest.mark.parametrize("name", ["on_asyncio", "on_trio"])
async def test_one_symbol(name: str, tmp_path: Path) -> None:
    async with SimulatedExchange(TAPE) as exchange:
        done = await run(name, exchange, "BTCUSDT", "--bars", "8", cwd=tmp_path)

    lines = done.stdout.decode().splitlines()
    shown = [f"{bar.close:.2f}" if name == "on_asyncio" else str(bar.exact("close")) for bar in WANTED[:8]]
    assert len(lines) == 8
    assert all(text in line for text, line in zip(shown, lines, strict=True))
    assert done.stderr == b""


@pytest.mark.parametrize("name", ["on_asyncio", "on_trio", "manual_ack", "in_a_task_group"])
async def test_control_c_ends_it_quietly(name: str, tmp_path: Path) -> None:
    """The interrupt comes while a stream waits: nothing is printed besides bars, and every connection ends."""
    async with SimulatedExchange(TAPE, pace=Pace(trades_per_s=200)) as exchange:
        urls = ["--ws-url", exchange.ws_url, "--rest-url", exchange.rest_url]
        command = [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py"), *urls]
        async with await anyio.open_process(command, cwd=tmp_path) as process:
            await exchange.wait_until(lambda counters: counters.events_sent > 50)
            process.send_signal(signal.SIGINT)
            assert process.stderr is not None
            with anyio.fail_after(100):
                said = [part async for part in process.stderr]
                code = await process.wait()

        await exchange.wait_until(lambda counters: counters.open_connections == 0)

    assert (code, said) == (0, [])


async def test_many_symbols(tmp_path: Path) -> None:
    names = ["BTCUSDT", "ETHUSDT", "BNBUSDT"]
    tapes = [make_tape(100, symbol=name) for name in names]
    total = sum(len(bars_of(tape, threshold)) for tape in tapes for threshold in (100, 250))

    async def start_when_all_are_subscribed(exchange: SimulatedExchange) -> None:
        await exchange.wait_until(lambda counters: counters.subscribe_requests == 1)
        exchange.start()

    async with SimulatedExchange(tapes, starts="by-hand") as exchange, anyio.create_task_group() as tasks:
        tasks.start_soon(start_when_all_are_subscribed, exchange)
        done = await run("many_symbols", exchange, *names, "--bars", str(total), cwd=tmp_path)

    *lines, last = done.stdout.decode().splitlines()
    assert sorted(line.split()[0] for line in lines) == sorted(
        tape.symbol for tape in tapes for threshold in (100, 250) for _ in bars_of(tape, threshold)
    )
    # A probe of REST may be quicker than the socket.
    assert sum(map(int, re.findall(r"(\d+) (?:trades live|fetched)", last))) == 300
    assert b"Connected(connection=1, symbols=3)" in done.stderr


async def test_a_warm_start_goes_on_after_a_restart(tmp_path: Path) -> None:
    since = datetime.fromtimestamp(START_US / 1e6, UTC).isoformat()
    first = bars_of(TAPE, 250, from_id=TAPE.trade_ids[TAPE.index_of_time(START_US)])
    lines: list[str] = []
    arguments = ("--since", since, "--store", tmp_path / "positions.db", "--bars", "3")
    async with SimulatedExchange(TAPE, history=200) as exchange:
        for _ in range(2):
            lines += (await run("warm_start", exchange, *arguments, cwd=tmp_path)).stdout.decode().splitlines()

    assert [int(line.split()[1]) for line in lines] == [bar.first_agg_trade_id for bar in first[:6]]


async def test_in_a_task_group(tmp_path: Path) -> None:
    async with SimulatedExchange(TAPE, pace=Pace(trades_per_s=300)) as exchange:
        done = await run("in_a_task_group", exchange, "--seconds", "2", cwd=tmp_path)

    lines = done.stdout.decode().splitlines()
    assert "the stream was closed" in lines
    closes = [line.split()[-1] for line in lines if line.startswith("BTCUSDT")]
    assert closes == [str(bar.close) for bar in WANTED[: len(closes)]]
    assert "trades; forming:" in lines[0]


async def test_manual_acknowledgement(tmp_path: Path) -> None:
    async with SimulatedExchange(TAPE) as exchange:
        for _ in range(2):
            await run("manual_ack", exchange, "--file", tmp_path / "bars.jsonl", "--bars", "10", cwd=tmp_path)

    rows = [json.loads(line) for line in (tmp_path / "bars.jsonl").read_text().splitlines()]
    assert rows == [[bar.last_agg_trade_id, str(bar.exact("close"))] for bar in WANTED[:20]]


def test_every_example_has_its_test_and_fits_on_a_page() -> None:
    text = Path(__file__).read_text()
    for name in NAMES:
        assert f'"{name}"' in text
        assert len((EXAMPLES / f"{name}.py").read_text().splitlines()) <= 50

    assert len(NAMES) == 6
