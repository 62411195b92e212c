"""The callback interface: the same bars as the loop's, and the same promises."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import anyio
import pytest

from rangebar_anyio import Bar, BarHandler, BarStream, BinanceSpot, InvalidSymbolError, MemoryStore, run_handler
from rangebar_anyio.events import GapFilled, StreamEvent
from rangebar_anyio.testing import Limits, SimulatedExchange
from tests.stream.chaos import HASTY
from tests.stream.fake_source import bars_of, make_tape

pytestmark = pytest.mark.anyio

TAPE = make_tape(200)
WANTED = bars_of(TAPE, 250)
EXAMPLE = Path(__file__).parents[2] / "examples" / "with_a_handler.py"


class Plain(BarHandler):
    """Everything plain; closes the stream from outside after its last bar."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.got: list[Bar] = []
        self.events: list[StreamEvent] = []

    def on_open(self, bars: BarStream) -> None:
        self.bars = bars

    def on_bar(self, bar: Bar) -> Any:
        self.got.append(bar)
        return self.bars.aclose() if len(self.got) == self.most else None

    def on_event(self, event: StreamEvent) -> None:
        self.events.append(event)
        raise RuntimeError("of no importance")


class Failing(BarHandler):
    """Fails at its third bar."""

    def __init__(self) -> None:
        self.got: list[Bar] = []

    async def on_bar(self, bar: Bar) -> None:
        await anyio.sleep(0)
        if len(self.got) == 2:
            raise KeyError("mine")

        self.got.append(bar)


def exchange_of() -> SimulatedExchange:
    return SimulatedExchange(TAPE, history=100, limits=Limits.none())


async def run(handler: BarHandler, exchange: SimulatedExchange, **options: Any) -> None:
    source = BinanceSpot(exchange.ws_url, exchange.rest_url)
    with anyio.fail_after(100):
        await run_handler(handler, "BTCUSDT", source=source, start=TAPE.trade_ids[0], config=HASTY, **options)


async def test_every_bar_reaches_a_plain_handler_and_events_too() -> None:
    handler = Plain(len(WANTED))
    async with exchange_of() as exchange:
        await run(handler, exchange)

    assert handler.got == WANTED
    assert any(isinstance(event, GapFilled) for event in handler.events)


async def test_a_bar_whose_handler_failed_comes_again() -> None:
    store, failing, going_on = MemoryStore(), Failing(), Plain(len(WANTED) - 2)
    async with exchange_of() as exchange:
        with pytest.raises(KeyError, match="mine") as raised:
            await run(failing, exchange, store=store)

        await run(going_on, exchange, store=store)

    assert raised.value.__cause__ is None
    assert failing.got + going_on.got == WANTED


async def test_cancelling_it_leaves_the_bar_unfinished() -> None:
    class Cancelling(BarHandler):
        async def on_bar(self, bar: Bar) -> None:
            scope.cancel()
            await anyio.sleep_forever()

    store, going_on = MemoryStore(), Plain(len(WANTED))
    async with exchange_of() as exchange:
        with anyio.CancelScope() as scope:
            await run(Cancelling(), exchange, store=store)

        assert scope.cancelled_caught
        await run(going_on, exchange, store=store)

    assert going_on.got == WANTED


async def test_what_is_no_handler_is_refused() -> None:
    for value in (print, Plain, None):
        with pytest.raises(TypeError, match="BarHandler"):
            await run_handler(value, "BTCUSDT")  # type: ignore[arg-type]

    with pytest.raises(TypeError):
        BarHandler()  # type: ignore[abstract]

    with pytest.raises(InvalidSymbolError):
        await run_handler(Failing(), "BTC USDT")

    with pytest.raises(TypeError, match="write on_event"):
        await run_handler(Failing(), "BTCUSDT", on_event=print)


@pytest.mark.skipif(not EXAMPLE.exists(), reason="the tests run without the examples beside them")
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_example(tmp_path: Path) -> None:
    async with SimulatedExchange(TAPE) as exchange:
        urls = ["--ws-url", exchange.ws_url, "--rest-url", exchange.rest_url]
        command = [sys.executable, "-W", "error", str(EXAMPLE), "BTCUSDT", "--bars", "5", *urls]
        with anyio.fail_after(150):
            done = await anyio.run_process(command, cwd=tmp_path)

    lines = [line for line in done.stdout.decode().splitlines() if not line.startswith("  ")]
    assert [line.split(":")[0] for line in lines] == [f"BTCUSDT closed at {bar.exact('close')}" for bar in WANTED[:5]]
    assert done.stderr == b""
