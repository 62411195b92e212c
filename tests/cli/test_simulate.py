"""`rangebar-anyio simulate`: an exchange in the foreground."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from rangebar_anyio.cli import main
from rangebar_anyio.cli._simulate_faults import fault_of
from rangebar_anyio.cli._simulate_tapes import generated_tapes, markets_of, read_tapes, symbols_of_files
from rangebar_anyio.testing import Fault, FaultKind, generate_tape
from tests.cli.conftest import COMMAND, WAIT_S, Exchange, key, keys, offline, run, started, write


def test_it_says_where_it_is_and_what_to_try(exchange: Exchange) -> None:
    assert re.search(r"^tape\s+24,000 trades of BTCUSDT ETHUSDT, 22,000 of them in the past$", exchange.said, re.M)
    tried = re.search(r"^try\s+rangebar-anyio (.*)$", exchange.said, re.M)
    assert tried is not None

    with started(*tried[1].split(), stdout=subprocess.DEVNULL) as process:
        assert process.stderr is not None
        while "is open for 2 symbols" not in (line := process.stderr.readline()):
            assert line

        process.send_signal(signal.SIGINT)
        process.stderr.read()

    assert process.returncode == 0


def test_ports_can_be_chosen_and_a_taken_one_is_an_error() -> None:
    with reserved_ports(2) as ports:
        args = ("simulate", "--generate", "XUSDT=5", "--trades", "100", "--port", ports[0], "--rest-port", ports[1])
        said, taken = use_ports(args, ports)

    assert "1 request, " in said
    assert taken.returncode == 1
    assert taken.stderr == f"error: port {ports[0]}: address already in use\n"


@contextmanager
def reserved_ports(count: int) -> Iterator[list[str]]:
    """Ports that nobody else is given meanwhile: bound here, and free for those who bind them by their number."""
    with ExitStack() as sockets:
        bound = [sockets.enter_context(socket.socket()) for _ in range(count)]
        for one in bound:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(("127.0.0.1", 0))

        yield [str(one.getsockname()[1]) for one in bound]


def use_ports(args: tuple[str, ...], ports: list[str]) -> tuple[str, subprocess.CompletedProcess[str]]:
    """Run an exchange on these ports and a second one beside it; what the first one said and how the second ended."""
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
    return said, taken


def test_faults_happen_and_the_bars_are_right_all_the_same(exchange: Exchange, tmp_path: Path) -> None:
    tape = exchange.tapes["BTCUSDT"]
    args = ("simulate", write(tape, tmp_path), "--fast", "--history", "500", "--no-limits", "--backend", "trio")
    faults = ("--fault", "drop@2500", "--fault", "lose@5500:5", "--fault", "rest-error@2501x1", "--rest-lag", "50")
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
        (("--generate", "BTCUSDT=inf"), "SYMBOL=PRICE"),
        (("--generate", "BTCUSDT=nan"), "SYMBOL=PRICE"),
        (("--generate", "BTC/USDT=5"), "SYMBOL=PRICE"),
        (("--generate", "BTCUSDT=1e-9"), "a price is from 0.000001 to 10,000,000"),
        (("--generate", "BTCUSDT=5", "--generate", "btcusdt=6"), "BTCUSDT has a market already"),
        (("--fault", "drop@30"), "--fault drop@30: only 8 trades will be played"),
        (("--fault", "drop@3x0"), "x0 would be never"),
        (("--fault", "drop@3:5"), "drop takes no :VALUE"),
        (("--fault", "rest-error@3s:42"), "status is from 400 to 599"),
        (("--rate", "inf"), "'--rate': inf is no number that ends"),
        (("--speed", "nan"), "'--speed': nan"),
        (("--fast", "--rate", "5"), "one of --speed, --rate and --fast"),
        (("none.csv",), "none.csv"),
    ],
)
def test_what_cannot_be_simulated_says_why(args: tuple[str, ...], text: str) -> None:
    done = CliRunner().invoke(main, ["simulate", "--trades", "10", "--history", "12", *args])

    assert done.exit_code == 2, done.output
    assert text in done.output


@pytest.mark.parametrize(
    "text",
    [
        "1,2\n",
        "1,5x,1,1,1,1735689600000000,True,True\n",
        "9,5,1,1,1,1735689700000000,True,True\n3,5,1,1,1,1735689800000000,True,True\n",
    ],
)
def test_a_file_that_is_no_archive_is_told_as_replay_tells_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "X-1.csv"
    path.write_text(text)
    done, replayed = run("simulate", str(path)), run("replay", str(path))

    assert done.returncode == replayed.returncode == 2
    assert done.stderr.splitlines()[-1] == replayed.stderr.splitlines()[-1]
    assert "X-1.csv: " in done.stderr


def test_one_symbol_is_one_file(tmp_path: Path) -> None:
    path = tmp_path / "X-1.csv"
    path.write_text("1,5,1,1,1,1735689600000000,True,True\n")

    twice = run("simulate", str(path), str(path))
    both = run("simulate", str(path), "--generate", "X=5")

    assert twice.returncode == both.returncode == 2
    assert f"{path} and {path} are both of X" in twice.stderr
    assert "is of this symbol already" in both.stderr


def test_an_archive_is_read_as_it_was_written(tmp_path: Path) -> None:
    tape = generate_tape(3_000, symbol="XUSDT")
    assert read_tapes(symbols_of_files([write(tape, tmp_path)])) == [tape]


@pytest.mark.parametrize(("price", "tick"), [("60000", "0.01"), ("5", "0.001"), ("0.00001234", "0.00000001")])
def test_a_cheap_market_has_small_steps(price: str, tick: str) -> None:
    (market,) = markets_of([f"PEPEUSDT={price}"])
    assert market.tick_size == Decimal(tick)

    (tape,) = generated_tapes([market], 2_000, 0)
    assert tape[0].price_e8 == pytest.approx(float(price) * 1e8, rel=0.01)
    assert len({row.price_e8 for row in tape}) > 20
    # Most of it is still to come, however short it is.
    assert tape.index_of_time(time.time_ns() // 1000) < 1_500


def test_the_first_trade_that_is_played_is_number_0(tmp_path: Path) -> None:
    tape = generate_tape(3_000, symbol="XUSDT", first_agg_trade_id=0)
    args = ("simulate", write(tape, tmp_path), "--history", "2000", "--fast", "--no-limits", "--fault", "drop@400")
    with started(*args) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        urls = dict(process.stdout.readline().split() for _ in range(2))
        done = run(
            *("stream", "XUSDT", "--threshold", "50", "--start", "2000", "--max-bars", "20"),
            *("--ws-url", urls["WebSocket"], "--rest-url", urls["REST"]),
        )
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()

    assert "connection 1 ended: " in done.stderr
    assert "faults: 1 drop" in said


def test_a_reader_that_leaves_ends_it_without_a_word(tmp_path: Path) -> None:
    path = write(generate_tape(500, symbol="XUSDT"), tmp_path)
    with started("simulate", path) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()

    assert process.returncode == 0
    assert said == "reading 1 file ...\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_an_announcement_that_finds_no_room_is_one_line(tmp_path: Path) -> None:
    path = write(generate_tape(500, symbol="XUSDT"), tmp_path)
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*COMMAND, "simulate", path], stdout=full, stderr=subprocess.PIPE, text=True, timeout=WAIT_S, check=False
        )

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "error: standard output: no space left on device"
    assert "Traceback" not in done.stderr


def test_the_kinds_of_faults_are_told_with_their_values() -> None:
    lines = CliRunner().invoke(main, ["simulate", "--fault", "help"]).output.splitlines()

    assert [line.split()[0] for line in lines] == [kind for kind in FaultKind if kind is not FaultKind.IDS_GONE]
    assert lines[0] == "drop             the connection ends without a close frame"
    assert "rest-error       requests are answered with an HTTP error  [:VALUE status, 400 to 599]" in lines


@pytest.mark.parametrize("command", ["simulate", "demo"])
def test_without_the_server_library_it_says_what_to_install(command: str) -> None:
    code = "import sys; sys.modules['hypercorn'] = None; from rangebar_anyio.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, command], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "pip install 'rangebar-anyio[simulate]'" in done.stderr
    assert "Traceback" not in done.stderr
    assert command == "simulate" or "demo --offline" in done.stderr
