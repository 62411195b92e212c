"""Ctrl-C between any two lines of `receive()`: what raised has given nothing, and nothing is given twice."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

import anyio
import pytest

from rangebar_anyio import Bar, BarStream, MemoryStore, RangeBarError, open_stream
from rangebar_anyio._stream import _keeper, _stream
from tests.stream.fake_source import QUICK, FakeExchange, bars_of, make_tape
from tests.stream.reading import WAIT_S, until

pytestmark = pytest.mark.anyio

TAPE = make_tape(150)
WANTED = bars_of(TAPE, 250)
#: Bars received with an interrupt somewhere among them.
COUNT = 2
#: What runs for each bar. `receive` itself is left out: at its last line a bar counts as given, and the
#: interpreter looks for one at calls and loops only, of which there is none behind the flag.
WORK = (
    *(_stream.BarStream._next, _stream.BarStream._take, _stream.BarStream._bar),
    *(_stream.BarStream._finish_given, _stream.BarStream._note_given, _stream.BarStream._save),
    *(_keeper.Keeper.save_finished, _keeper.Keeper._write_finished, _keeper.Keeper.note_finished),
)


class Interrupter:
    """Raises `KeyboardInterrupt` at the so many-th line that runs in some functions."""

    def __init__(self, line: int, codes: frozenset[CodeType]) -> None:
        self.left = line
        self._codes = codes

    def __enter__(self) -> Interrupter:
        sys.settrace(self._call)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    @property
    def has_come(self) -> bool:
        return self.left < 0

    def _call(self, frame: FrameType, _event: str, _arg: object) -> Callable[..., Any] | None:
        return self._line if frame.f_code in self._codes else None

    def _line(self, _frame: FrameType, event: str, _arg: object) -> Callable[..., Any] | None:
        if event == "line":
            self.left -= 1
            if self.has_come:
                sys.settrace(None)
                raise KeyboardInterrupt

        return self._line


def stream(store: MemoryStore, **options: Any) -> Any:
    exchange = FakeExchange([TAPE], history=150)
    exchange.venue = "fake"
    return open_stream("BTCUSDT", source=exchange, start=1000, config=QUICK, store=store, **options)


async def read(bars: BarStream, got: list[Bar], ack: str) -> None:
    while len(got) < COUNT:
        got.append(await bars.receive())
        if ack == "manual":
            await bars.ack(got[-1])


@pytest.mark.parametrize("ack", ["auto", "manual"])
@pytest.mark.parametrize("goes_on", [True, False], ids=["goes-on", "leaves"])
async def test_an_interrupt_at_any_line_loses_no_bar_and_doubles_none(ack: Any, goes_on: bool) -> None:
    codes = frozenset(function.__code__ for function in WORK)
    for line in range(1000):
        got: list[Bar] = []
        store = MemoryStore()
        async with stream(store, ack=ack, bar_buffer=5) as bars:
            await until(lambda: bars.stats.bars_waiting == 5)
            with Interrupter(line, codes) as interrupter:
                try:
                    await read(bars, got, ack)
                except KeyboardInterrupt:
                    if goes_on:
                        await read(bars, got, ack)

        async with stream(MemoryStore(continues=store)) as bars:
            rest = [await bars.receive() for _ in range(COUNT)]

        # The block was left without an exception, so what was given is finished; unless the program has to say so
        # itself, and the interrupt came while it did.
        if ack == "manual" and got[-1:] == rest[:1]:
            del got[-1]

        assert got + rest == WANTED[: len(got) + COUNT], f"line {line}"
        if not interrupter.has_come:
            assert line > 40
            return

    pytest.fail("the interrupt has come every time")


async def test_what_is_interrupted_half_way_gives_its_bar_and_then_ends() -> None:
    """Inside the session nobody can go on, only with what is closed already; a stream opened again can."""
    async with stream(MemoryStore(), bar_buffer=1) as bars:
        await until(lambda: bars.stats.bars_waiting == 1)
        first = await bars.receive()
        pop = bars._session.pop

        def interrupted(now: float) -> bool:
            pop(now)
            raise KeyboardInterrupt

        bars._session.pop = interrupted
        with pytest.raises(KeyboardInterrupt):
            await bars.receive()

        bars._session.pop = pop
        got = [first]
        with pytest.raises(RangeBarError, match="interrupted"), anyio.fail_after(WAIT_S):
            while True:
                got.append(await bars.receive())

    assert got == WANTED
