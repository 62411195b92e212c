"""`rangebar-anyio demo`, and the tape that it ships."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from rangebar_anyio.cli._demo_live import compare
from rangebar_anyio.cli._demo_market import THRESHOLDS, demo_tapes
from rangebar_anyio.cli._demo_tape import DEMO_TAPE, write_demo_tape
from tests.cli.conftest import COMMAND, WAIT_S, in_terminal, started


@pytest.fixture(scope="module", autouse=True)
def in_a_pipe() -> Iterator[subprocess.Popen[str]]:
    """The whole demo, which runs while the other tests of this file do."""
    with started("demo", stderr=subprocess.STDOUT) as process:
        yield process


@pytest.fixture(scope="module", autouse=True)
def in_a_terminal() -> Iterator[Future[tuple[str, int]]]:
    """The same on a narrow terminal, at the same time."""
    with ThreadPoolExecutor(1) as thread:
        yield thread.submit(in_terminal, 60, ("demo",))


def test_the_shipped_tape_is_what_its_generator_makes(tmp_path: Path) -> None:
    write_demo_tape(str(tmp_path / "BTCUSDT-demo.zip"))

    with zipfile.ZipFile(DEMO_TAPE) as shipped, zipfile.ZipFile(tmp_path / "BTCUSDT-demo.zip") as made:
        assert shipped.namelist() == made.namelist()
        assert shipped.read("BTCUSDT-demo.csv") == made.read("BTCUSDT-demo.csv")


def test_offline_it_ends_well_anywhere(tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "demo", "--offline"], cwd=tmp_path, capture_output=True, text=True, timeout=WAIT_S, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "closed at (UTC)" in done.stdout
    assert "BTCUSDT" in done.stdout
    assert "36,000 trades" in done.stderr
    assert "checksums: 1 right" in done.stderr


def test_bars_are_compared_one_by_one() -> None:
    tape = demo_tapes()[0]
    wanted = {(tape.symbol, threshold): tape.bars(threshold) for threshold in THRESHOLDS}
    lane, bars = next(iter(wanted.items()))

    assert compare(wanted, wanted).is_identical
    assert compare(wanted, wanted).equal == compare(wanted, wanted).expected == sum(map(len, wanted.values()))

    for came, equal in (
        (bars[:-1], len(bars) - 1),
        ([*bars, bars[-1]], len(bars)),
        ([*bars[:5], *bars[6:]], 5),
        ([*bars[:5], bars[4], *bars[5:]], 5),
        ([], 0),
    ):
        outcome = compare(wanted, {**wanted, lane: came})
        assert not outcome.is_identical
        assert outcome.expected - outcome.equal == len(bars) - equal
        assert len(outcome.differences) == 1

    # Who stops early has less, and what is there must be right.
    assert compare(wanted, {**wanted, lane: bars[:3]}, stopped_by="Ctrl-C").is_identical
    assert not compare(wanted, {**wanted, lane: bars[1:]}, stopped_by="Ctrl-C").is_identical


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_can_be_stopped_and_leaves_no_process(number: signal.Signals) -> None:
    with started("demo", "--backend", "trio") as process:
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        while "is open for 3 symbols" not in lines[-1]:
            lines.append(process.stdout.readline())
            assert lines[-1], lines

        process.send_signal(number)
        # The exchange shares standard output with nobody, so this ends when the demo does.
        rest = process.stdout.read()

    assert process.returncode == 0
    assert "before the end of the tape" in rest
    assert re.search(r"bars identical to offline so far: yes \(\d+ of \d+\)", rest)


def test_a_reader_that_leaves_is_no_failure() -> None:
    with started("demo") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()

    assert process.returncode == 0
    assert said == ""


def test_an_exchange_that_does_not_start_is_one_line(tmp_path: Path) -> None:
    code = (
        "import sys; sys.executable = '/bin/false' if len(sys.argv) < 3 else sys.executable\n"
        "from rangebar_anyio.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code, "demo"], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "error: the exchange did not start" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds the exchange's process in /proc")
def test_an_exchange_that_dies_is_a_failure() -> None:
    with started("demo") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        while "is open for 3 symbols" not in (line := process.stdout.readline()):
            assert line

        (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(child), signal.SIGKILL)
        process.stdout.read()
        said = process.stderr.read()

    assert process.returncode == 1
    assert said == "error: the exchange ended before its time: code -9, and it said nothing\n"


def test_its_exchange_ends_with_the_program_that_started_it() -> None:
    command = [sys.executable, "-m", "rangebar_anyio.cli._demo_exchange"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert b"ws_url" in process.stdout.readline()
        process.stdin.close()
        assert process.wait(WAIT_S) == 0


def test_in_a_pipe_it_shows_every_trouble_and_computes_its_sentence(in_a_pipe: subprocess.Popen[str]) -> None:
    assert in_a_pipe.stdout is not None
    said = in_a_pipe.stdout.read()

    assert in_a_pipe.wait(WAIT_S) == 0, said
    assert "\x1b" not in said
    assert "Traceback" not in said
    assert said.count(" ✓ ") == 4, said
    assert "(stalled)" in said
    assert "(shutdown)" in said
    count = sum(len(tape.bars(threshold)) for tape in demo_tapes() for threshold in THRESHOLDS)
    assert said.splitlines()[-1] == f"bars identical to offline: yes ({count} of {count})"
    assert len([line for line in said.splitlines() if re.search(r"USDT +(0\.25|1)% ", line)]) == count


def test_on_a_narrow_terminal_it_looks_well(in_a_terminal: Future[tuple[str, int]]) -> None:
    screen, code = in_a_terminal.result()

    assert code == 0
    assert "● live" in screen
    assert "┼" in screen
    assert "Your own:" in screen
    assert screen.rindex("\x1b[?25h") > screen.rindex("\x1b[?25l")
