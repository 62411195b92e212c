"""`rangebar-anyio stream`, as a person and as a pipe use it."""

from __future__ import annotations

import csv
import fcntl
import json
import os
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from rangebar_anyio.cli import main
from tests.cli.conftest import COMMAND, WAIT_S, Exchange, in_terminal, key, keys, run, started


@pytest.mark.parametrize("backend", ["asyncio", "trio", "uvloop"])
def test_a_pipe_gets_the_bars_of_the_tape_as_json_lines(exchange: Exchange, backend: str) -> None:
    done = run(
        *("stream", "btcusdt", "--threshold", "100", "--start", "0", "--max-bars", "60"),
        *("--backend", backend, *exchange.options),
    )

    assert done.returncode == 0, done.stderr
    assert keys(done.stdout) == [key(bar) for bar in exchange.offline("BTCUSDT", 100)[:60]]
    assert "is open for 1 symbol" in done.stderr
    assert re.search(r"^[\d,]+ trades in .*, 60 bars, 0 reconnects, ", done.stderr.splitlines()[-1])
    assert "\x1b" not in done.stdout + done.stderr


def test_several_symbols_and_thresholds_each_have_their_bars(exchange: Exchange) -> None:
    # More than one symbol has, so that the other one has to come too.
    count = sum(len(exchange.offline("BTCUSDT", threshold)) for threshold in (100, 250)) + 30
    done = run(
        *("stream", "BTCUSDT", "ETHUSDT", "--threshold", "250", "--threshold", "100", *exchange.options),
        *("--start", "BTCUSDT=0", "--start", "ETHUSDT=0", "--max-bars", str(count), "-q"),
    )

    assert done.returncode == 0
    assert done.stderr == ""
    for symbol in ("BTCUSDT", "ETHUSDT"):
        for threshold in (100, 250):
            came = [bar for bar in keys(done.stdout) if bar[:2] == (symbol, threshold)]
            assert came == [key(bar) for bar in exchange.offline(symbol, threshold)[: len(came)]]
            assert came


def test_a_start_in_time_begins_with_the_first_trade_from_then_on(exchange: Exchange) -> None:
    row = exchange.tapes["ETHUSDT"][3_000]
    time_us = row.timestamp_us // 1_000_000 * 1_000_000
    start = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time_us // 1_000_000))

    done = run("stream", "ETHUSDT", "--threshold", "50", "--start", start, "--max-bars", "1", *exchange.options)

    first = exchange.tapes["ETHUSDT"].index_of_time(time_us)
    assert json.loads(done.stdout)["first_agg_trade_id"] == first


def test_a_date_that_was_taken_for_an_id_is_told(exchange: Exchange) -> None:
    with started("stream", "BTCUSDT", "--start", "20260102", *exchange.options) as process:
        assert process.stderr is not None
        while "warning" not in (line := process.stderr.readline()):
            assert line

        process.send_signal(signal.SIGINT)

    assert "BTCUSDT begins with trade 20260102" in line
    assert line.endswith("for the date write --start 2026-01-02T00:00Z\n")
    assert process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_in_the_middle_ends_it_in_order_with_code_0(exchange: Exchange, number: signal.Signals) -> None:
    with started("stream", "BTCUSDT", "--threshold", "100", "--start", "0", *exchange.options) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        first = process.stdout.readline()
        process.send_signal(number)
        came = keys(first + process.stdout.read())
        said = process.stderr.read()

    assert process.returncode == 0, said
    assert came == [key(bar) for bar in exchange.offline("BTCUSDT", 100)[: len(came)]]
    assert said.splitlines()[-1].startswith("Ctrl-C: " if number == signal.SIGINT else f"{number.name}: ")
    assert "Traceback" not in said


def test_a_hang_up_leaves_a_whole_parquet_file(exchange: Exchange, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "bars.parquet"
    args = ("stream", "BTCUSDT", "--threshold", "100", "--start", "0", "-o", str(path), *exchange.options)
    with started(*args) as process:
        assert process.stderr is not None
        # The catch-up has brought bars.
        while "fetched in" not in (line := process.stderr.readline()):
            assert line

        process.send_signal(signal.SIGHUP)
        said = process.stderr.read()

    assert process.returncode == 0, said
    assert os.listdir(tmp_path) == ["bars.parquet"]
    assert parquet.read_table(path).num_rows > 0


def test_a_hang_up_that_is_ignored_ends_nothing(exchange: Exchange) -> None:
    args = ("stream", "BTCUSDT", "--threshold", "100", "--start", "0", "--max-bars", "60", *exchange.options)
    command = ["/bin/sh", "-c", 'trap "" HUP; exec "$@"', "sh", *COMMAND, *args]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(signal.SIGHUP)
        came = keys(first + process.stdout.read())

    assert process.returncode == 0
    assert len(came) == 60


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_a_second_signal_ends_even_a_program_stuck_in_a_full_pipe(exchange: Exchange) -> None:
    with started("stream", "BTCUSDT", "--threshold", "5", "--start", "0", *exchange.options) as process:
        assert process.stdout is not None
        deadline = time.monotonic() + WAIT_S
        # Nobody reads, so the pipe fills and the next write never returns.
        while _unread(process.stdout.fileno()) < 60_000 or _sleeps_in(process) != "pipe_write":
            assert time.monotonic() < deadline
            time.sleep(0.01)

        process.send_signal(signal.SIGINT)
        _wait_for(lambda: not _pending(process, signal.SIGINT), deadline)
        assert process.poll() is None
        # What the kernel has handed over Python may not have looked at yet, and would take two for one.
        while process.poll() is None:
            assert time.monotonic() < deadline
            process.send_signal(signal.SIGINT)
            time.sleep(0.05)

    assert process.returncode == 130


def _unread(fd: int) -> int:
    size: int = struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, b"\0\0\0\0"))[0]
    return size


def _sleeps_in(process: subprocess.Popen[str]) -> str:
    name = Path(f"/proc/{process.pid}/wchan").read_text()
    # A kernel that does not tell is taken at our first look's word.
    return "pipe_write" if name in ("", "0") or "pipe_write" in name else name


def _pending(process: subprocess.Popen[str], number: int) -> bool:
    status = Path(f"/proc/{process.pid}/status").read_text()
    masks = [int(line.split()[1], 16) for line in status.splitlines() if line.startswith(("SigPnd", "ShdPnd"))]
    return any(mask & 1 << (number - 1) for mask in masks)


def _wait_for(holds: object, deadline: float) -> None:
    assert callable(holds)
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_reader_that_leaves_ends_it_without_a_word(exchange: Exchange) -> None:
    # No bar will close any more after the first look, so only watching the pipe can tell.
    with started("stream", "BTCUSDT", "--threshold", "500", "--start", "0", *exchange.options) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith("{")
        process.stdout.close()
        said = process.stderr.read()
        assert process.wait(WAIT_S) == 0

    assert "Traceback" not in said
    assert "rror" not in said


@pytest.mark.parametrize("start", [(), ("--start", "0")])
def test_a_typo_in_the_symbol_is_one_line_and_code_2(exchange: Exchange, start: tuple[str, ...]) -> None:
    done = run("stream", "BTCUDST", *start, *exchange.options)

    assert done.returncode == 2
    assert done.stdout == ""
    assert "'BTCUDST' is not known to the exchange" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert len([line for line in done.stderr.splitlines() if "error" in line]) == 1


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (("BTC USDT",), "BTC USDT"),
        (("BTCUSDT", "--threshold", "0"), "0.25 %"),
        (("BTCUSDT", "--threshold", "0.25"), "--threshold: threshold_dbps '0.25' is no whole number"),
        (("BTCUSDT", "--threshold", "100,250"), "several are --threshold 100 --threshold 250"),
        (("BTCUSDT", "--threshold", "abc"), "so write 250 for 0.25 %"),
        (("BTCUSDT,ETHUSDT",), "separate symbols with spaces: BTCUSDT ETHUSDT"),
        (("BTCUSDT", "--restart"), "it needs --db"),
        (("BTCUSDT", "--seconds", "nan"), "'--seconds': nan is no number that ends"),
        (("BTCUSDT", "ETHUSDT", "--start", "BTCUSDT=1", "--start", "btcusdt=2"), "BTCUSDT has several starts"),
        (("BTCUSDT", "--start", "yesterday"), "is no time"),
        (("BTCUSDT", "--start", "2026-01-02"), "2026-01-02T00:00Z"),
        (("BTCUSDT", "--start", "2126-01-02T00:00Z"), "--start '2126-01-02T00:00Z' lies in the future"),
        (("BTCUSDT", "ETHUSDT", "--start", "7"), "--start BTCUSDT=7 --start ETHUSDT=7"),
        (("BTCUSDT", "--start", "7", "--start", "8"), "BTCUSDT has one --start, not 2"),
        (("BTCUSDT", "XUSDT", "--start", "7", "--start", "8"), "several starts name their symbols"),
        (("BTCUSDT", "--start", "XUSDT=8"), "XUSDT"),
        (("BTCUSDT", "--ws-url", "http://127.0.0.1:1"), "ws://"),
        (("BTCUSDT", "--format", "parquet"), "-o FILE"),
        (("BTCUSDT", "--format", "parquet", "-o", "x", "--db", "y"), "use record, then export"),
        (("BTCUSDT", "--backend", "curio"), "curio"),
        ((), "SYMBOLS"),
    ],
)
def test_what_cannot_be_asked_for_says_why(
    args: tuple[str, ...], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["stream", *args])

    assert done.exit_code == 2, done.output
    assert text in done.output
    assert list(tmp_path.iterdir()) == []


def test_with_a_database_the_next_run_goes_on_where_this_one_ended(exchange: Exchange, tmp_path: Path) -> None:
    output, db = tmp_path / "bars.csv", tmp_path / "stream.db"
    args = ("stream", "BTCUSDT", "--threshold", "100", "--start", "0", "--db", str(db), "-o", str(output))

    for _ in range(2):
        done = run(*args, "--max-bars", "7", *exchange.options)
        assert done.returncode == 0, done.stderr
        assert done.stdout == ""
        assert f", 7 bars written to {output}, " in done.stderr

    with open(output, newline="") as file:
        rows = list(csv.DictReader(file))

    assert [int(row["last_agg_trade_id"]) for row in rows] == [
        bar.last_agg_trade_id for bar in exchange.offline("BTCUSDT", 100)[:14]
    ]


def test_restart_forgets_where_it_stood(exchange: Exchange, tmp_path: Path) -> None:
    args = ("stream", "BTCUSDT", "--threshold", "100", "--db", str(tmp_path / "stream.db"), "--max-bars", "3")

    first = run(*args, "--start", "0", *exchange.options)
    again = run(*args, "--start", "0", "--restart", *exchange.options)

    assert first.stdout == again.stdout
    assert "begins anew" in again.stderr


def test_seconds_end_it(exchange: Exchange) -> None:
    done = run("stream", "BTCUSDT", "--threshold", "5000", "--seconds", "0.2", *exchange.options)

    assert done.returncode == 0
    assert done.stderr.splitlines()[-1].startswith("--seconds 0.2: ")


def test_without_a_network_it_waits_says_so_and_can_be_ended() -> None:
    nowhere = ("--ws-url", "ws://127.0.0.1:9", "--rest-url", "http://127.0.0.1:9")
    with started("stream", "BTCUSDT", *nowhere) as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        said += process.stderr.read()

    assert process.returncode == 0
    assert "never connected" in said.splitlines()[-1]
    assert "Traceback" not in said


@pytest.mark.parametrize("columns", [150, 60])
def test_a_terminal_gets_a_table_and_status_lines(exchange: Exchange, columns: int) -> None:
    of_a_wide_one = ("closed at (UTC)", "gaps filled", "Ctrl-C ends") if columns == 150 else ()
    screen, code = in_terminal(
        columns,
        ("stream", "BTCUSDT", "ETHUSDT", "--threshold", "250", *exchange.options),
        ("--start", "BTCUSDT=0", "--start", "ETHUSDT=0"),
        until=("▲", "┼", "● live", "trades/s", *of_a_wide_one),
    )

    assert code == 0, screen
    assert "Ctrl-C: " in screen
    # The cursor is shown again.
    assert screen.rindex("\x1b[?25h") > screen.rindex("\x1b[?25l")


def test_a_terminal_that_cannot_move_its_cursor_gets_log_lines(exchange: Exchange) -> None:
    screen, code = in_terminal(
        100,
        ("stream", "BTCUSDT", "--threshold", "250", "--start", "0", "--max-bars", "3", *exchange.options),
        term="dumb",
    )

    assert code == 0
    assert "connection 1 is open for 1 symbol" in screen
    assert "\x1b[?25l" not in screen
