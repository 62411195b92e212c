"""Rows for people: what is left out where there is little room, and what never is."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import cast

import pytest
from rich.console import Console

from rangebar_anyio import Bar
from rangebar_anyio._stores import Checkpoint, LaneKey, LaneStatus, Position
from rangebar_anyio.cli._status import _table
from rangebar_anyio.cli._table import TablePrinter
from rangebar_anyio.testing import generate_tape
from tests.cli.conftest import offline

NOW_US = 1_800_000_000_000_000


def bars_of(symbol: str) -> list[Bar]:
    return offline(generate_tape(2_000, symbol=symbol, halt_s=0, step_volatility=0.0004), 100)[:2]


def printed(width: int, *symbols: str) -> list[str]:
    file = io.StringIO()
    printer = TablePrinter(Console(file=file, width=width), symbols=symbols)
    for symbol in symbols or ("BTCUSD_250328", "BTCUSD_250627"):
        for bar in bars_of(symbol):
            printer.write(bar)

    return file.getvalue().splitlines()


def test_symbols_that_differ_at_their_ends_look_different() -> None:
    lines = printed(120, "BTCUSD_250328", "BTCUSD_250627")

    assert len(lines) == 5
    assert [line.split()[2] for line in lines[1:]] == ["BTCUSD_250328"] * 2 + ["BTCUSD_250627"] * 2
    assert {line.index("0.1%") for line in lines[1:]} == {lines[0].index("bar") - 1}


def test_a_symbol_that_nobody_announced_gets_room_and_a_new_header() -> None:
    lines = printed(120)
    assert lines[0].startswith("closed at")
    assert "BTCUSD_250328" in lines[1]
    assert len(lines) == 5


@pytest.mark.parametrize("width", [20, 60, 80, 100, 120, 140, 200])
def test_high_and_low_come_and_go_together(width: int) -> None:
    (header, *_) = printed(width, "BTCUSDT")
    assert ("high" in header) == ("low" in header)


def status(symbol: str, order: int) -> LaneStatus:
    lane = LaneKey("record", "binance-spot@127.0.0.1:45677", symbol, 250)
    checkpoint = cast("Checkpoint", SimpleNamespace(position=Position(b"", order)))
    return LaneStatus(lane, checkpoint, 12_345, NOW_US, NOW_US)


@pytest.mark.parametrize("width", [1, 10, 40, 80, 120, 1000])
def test_the_status_keeps_the_symbol_and_stays_within_the_screen(width: int) -> None:
    lines = _table([status("BTCUSD_250328", 7), status("ETHUSDT", -1)], NOW_US, width).plain.splitlines()

    assert [line.split()[0] for line in lines] == ["symbol", "BTCUSD_250328", "ETHUSDT"]
    assert all(len(line) <= max(width, 13) for line in lines)
    assert ("venue" in lines[0]) == (width >= 120)
    if width >= 80:
        assert "12,345" in lines[1]
        assert "0 s ago" in lines[1]
        assert "the beginning" in lines[2]
