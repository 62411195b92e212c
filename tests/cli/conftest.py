"""One simulated exchange for the tests of the command line, and how they run commands against it."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

from rangebar_anyio import Bar
from rangebar_anyio.testing import Tape, generate_tape, write_archive_csv

COMMAND = (sys.executable, "-m", "rangebar_anyio.cli")
WAIT_S = 150

#: Trades of the two tapes: those of the past are had at once, the others take longer than any test.
TRADES = 12_000
HISTORY = 22_000
RATE = 20


@dataclass(frozen=True)
class Exchange:
    """An exchange's process: its tapes, where it is, and what it said on standard output."""

    tapes: dict[str, Tape]
    ws_url: str
    rest_url: str
    said: str

    @property
    def options(self) -> tuple[str, ...]:
        return "--ws-url", self.ws_url, "--rest-url", self.rest_url

    def offline(self, symbol: str, threshold_dbps: int) -> list[Bar]:
        """The bars of the whole tape."""
        return offline(self.tapes[symbol], threshold_dbps)


def offline(tape: Tape, threshold_dbps: int) -> list[Bar]:
    return tape.bars(threshold_dbps)


def run(*args: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, without a terminal."""
    return subprocess.run([*COMMAND, *args], capture_output=True, text=True, timeout=WAIT_S, check=False)


def started(*args: str, **options: int) -> subprocess.Popen[str]:
    """Start a command, without a terminal."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.Popen([*COMMAND, *args], text=True, **pipes)  # type: ignore[call-overload, no-any-return]


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """A running exchange with two symbols; for one file, or its tape would be over before the last one."""
    folder = tmp_path_factory.mktemp("exchange")
    tapes = {
        symbol: generate_tape(
            TRADES, seed=11, symbol=symbol, start_price=price, first_agg_trade_id=0, halt_s=0, step_volatility=0.0003
        )
        for symbol, price in (("BTCUSDT", "60000"), ("ETHUSDT", "3000"))
    }
    paths = [write(tape, folder) for tape in tapes.values()]
    args = ("simulate", *paths, "--history", str(HISTORY), "--rate", str(RATE), "--no-limits")
    with started(*args, stderr=subprocess.DEVNULL) as process:
        try:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(4)]
            urls = dict(line.split(maxsplit=1) for line in lines)
            yield Exchange(tapes, urls["WebSocket"].strip(), urls["REST"].strip(), "".join(lines))
        finally:
            process.send_signal(signal.SIGINT)

    assert process.returncode == 0


def write(tape: Tape, folder: Path) -> str:
    path = folder / f"{tape.symbol}-aggTrades-x.csv"
    write_archive_csv(tape, path)
    return os.fspath(path)


def key(bar: Bar) -> tuple[object, ...]:
    return bar.symbol, bar.threshold_dbps, bar.first_agg_trade_id, bar.last_agg_trade_id, bar.exact("turnover")


def keys(text: str) -> list[tuple[object, ...]]:
    names = ("symbol", "threshold_dbps", "first_agg_trade_id", "last_agg_trade_id", "turnover")
    return [tuple(json.loads(line, parse_float=Decimal)[name] for name in names) for line in text.splitlines()]


def in_terminal(
    columns: int, *args: tuple[str, ...], until: tuple[str, ...] = (), term: str = "xterm-256color"
) -> tuple[str, int]:
    """Run a command on a pseudo-terminal, and give what was on its screen and the exit code.

    With `until` it is interrupted when all of these texts have been on the screen.
    """
    main_end, their_end = pty.openpty()
    fcntl.ioctl(their_end, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    command = [*COMMAND, *(arg for some in args for arg in some)]
    with subprocess.Popen(
        command, stdin=their_end, stdout=their_end, stderr=their_end, env={**environment, "TERM": term}
    ) as process:
        os.close(their_end)
        awaited, screen = [text.encode() for text in until], b""
        try:
            while chunk := read_some(main_end):
                screen += chunk
                if awaited and all(text in screen for text in awaited):
                    process.send_signal(signal.SIGINT)
                    awaited = []
        except BaseException:
            # Else leaving the block would wait for a command that nobody ends.
            process.kill()
            raise
        finally:
            os.close(main_end)

    return screen.decode("utf-8", "replace"), process.returncode


def read_some(fd: int) -> bytes:
    try:
        return os.read(fd, 65536)
    except OSError:  # Linux says EIO when the other end of a pty is closed.
        return b""
