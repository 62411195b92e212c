"""`rangebar-anyio simulate`: an exchange in the foreground."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner

from rangebar_anyio.cli import main
from rangebar_anyio.cli._simulate_faults import fault_of
from rangebar_anyio.testing import Fault, FaultKind
from tests.cli.conftest import Exchange, key, keys, offline, run, started, write


def test_it_says_where_it_is_and_what_to_try(exchange: Exchange) -> None:
    assert re.search(r"^tape\s+24,000 trades of BTCUSDT ETHUSDT, 22,000 of them in the past$", exchange.said, re.M)
    tried = re.search(r"^try\s+rangebar-anyio (.*)$", exchange.said, re.M)
    assert tried is not None

    done = run(*tried[1].split(), "--seconds", "0.3")

    assert done.returncode == 0
    assert "is open for 2 symbols" in done.stderr


def test_ports_can_be_chosen_and_a_taken_one_is_an_error() -> None:
    with socket.socket() as one, socket.socket() as other:
        ports = []
        for free in (one, other):
            free.bind(("127.0.0.1", 0))
            ports.append(str(free.getsockname()[1]))

    args = ("simulate", "--generate", "XUSDT=5", "--trades", "100", "--port", ports[0], "--rest-port", ports[1])
    with started(*args) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().split()[1] == f"ws://127.0.0.1:{ports[0]}"
        url = f"http://127.0.0.1:{ports[1]}/api/v3/aggTrades?symbol=XUSDT&limit=1"
        with urllib.request.urlopen(url) as answer:
            assert answer.status == 200

        taken = run(*args)
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()

    assert process.returncode == 0
    assert "1 requests" in said
    assert taken.returncode == 1
    assert "error:" in taken.stderr
    assert "Traceback" not in taken.stderr


def test_faults_happen_and_the_bars_are_right_all_the_same(exchange: Exchange, tmp_path: Path) -> None:
    tape = exchange.tapes["BTCUSDT"]
    args = ("simulate", write(tape, tmp_path), "--fast", "--history", "500", "--no-limits", "--backend", "trio")
    faults = ("--fault", "drop@3000", "--fault", "lose@6000:5", "--fault", "rest-error@3001x1", "--rest-lag", "50")
    bars = offline(tape, 100)
    with started(*args, *faults) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        urls = dict(process.stdout.readline().split() for _ in range(2))
        done = run(
            *("stream", "BTCUSDT", "--threshold", "100", "--start", "0", "--max-bars", str(len(bars))),
            *("--ws-url", urls["WebSocket"], "--rest-url", urls["REST"]),
        )
        process.send_signal(signal.SIGTERM)
        said = process.stderr.read()

    assert keys(done.stdout) == [key(bar) for bar in bars], done.stderr
    assert process.returncode == 0
    assert "1 drop, 1 lose, 1 rest-error" in said


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("drop@5000", Fault(FaultKind.DROP, at_trade=5000)),
        ("silence@2.5s", Fault(FaultKind.SILENCE, at_s=2.5)),
        ("rest-lag@4000:1500+3000", Fault(FaultKind.REST_LAG, at_trade=4000, value=1500, lasts_trades=3000)),
        ("mute@1s+2s", Fault(FaultKind.MUTE, at_s=1.0, lasts_s=2.0)),
        ("rest-error@3s:502x4", Fault(FaultKind.REST_ERROR, at_s=3.0, value=502, count=4)),
    ],
)
def test_a_fault_is_read(text: str, fault: Fault) -> None:
    assert fault_of(text) == fault


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (("--fault", "drop"), "KIND@TRADE"),
        (("--fault", "explode@3"), "rest-lag"),
        (("--generate", "BTCUSDT"), "SYMBOL=PRICE"),
        (("--generate", "BTCUSDT=much"), "SYMBOL=PRICE"),
        (("--fast", "--rate", "5"), "one of --speed, --rate and --fast"),
        (("none.csv",), "none.csv"),
    ],
)
def test_what_cannot_be_simulated_says_why(args: tuple[str, ...], text: str) -> None:
    done = CliRunner().invoke(main, ["simulate", "--trades", "10", *args])

    assert done.exit_code == 2, done.output
    assert text in done.output


def test_a_file_that_is_no_archive_is_named(tmp_path: Path) -> None:
    (tmp_path / "X-1.csv").write_text("1,2\n")
    done = run("simulate", str(tmp_path / "X-1.csv"))

    assert done.returncode == 2
    assert "X-1.csv, line 1" in done.stderr


def test_the_kinds_of_faults_are_listed() -> None:
    done = CliRunner().invoke(main, ["simulate", "--fault", "help"])
    assert "server-shutdown" in done.output.splitlines()


@pytest.mark.parametrize("command", ["simulate", "demo"])
def test_without_the_server_library_it_says_what_to_install(command: str) -> None:
    code = "import sys; sys.modules['hypercorn'] = None; from rangebar_anyio.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, command], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "pip install 'rangebar-anyio[simulate]'" in done.stderr
    assert "Traceback" not in done.stderr
    assert command == "simulate" or "demo --offline" in done.stderr
