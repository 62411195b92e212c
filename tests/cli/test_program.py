"""What every command has in common: one line for what goes wrong, a true exit code, whatever its streams are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from rangebar_anyio.cli import main
from tests.cli.conftest import COMMAND, WAIT_S, Exchange, key, keys, run, started

FULL = "/dev/full"

needs_full = pytest.mark.skipif(not os.path.exists(FULL), reason="needs a device that is always full")


def redirected(where: str, *args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a shell, with redirections that only a shell can do."""
    return subprocess.run(
        ["/bin/sh", "-c", f'"$@" {where}', "sh", *COMMAND, *args],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
        env={**os.environ, **environment},
    )


@needs_full
@pytest.mark.parametrize(
    "args", [("--help",), ("simulate", "--fault", "help"), ("demo", "--offline"), ("stream", "--help")]
)
def test_output_that_finds_no_room_is_one_line_and_code_1(args: tuple[str, ...]) -> None:
    done = redirected(f">{FULL}", *args)

    assert done.returncode == 1
    assert done.stderr == "error: standard output: no space left on device\n"


@pytest.mark.parametrize("args", [("--help",), ("demo", "--offline"), ("replay", "{file}")])
def test_closed_output_is_one_line_and_code_1(args: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "BTCUSDT-1.csv"
    file.write_text("1,5,1,1,1,1735689600000000,True,True\n2,6,1,2,2,1735689600000001,True,True\n")
    done = redirected(">&-", *(arg.format(file=file) for arg in args))

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "error: standard output is closed"
    assert "Traceback" not in done.stderr


def test_a_file_never_becomes_the_output_that_was_closed(exchange: Exchange, tmp_path: Path) -> None:
    db = tmp_path / "bars.db"
    args = ("BTCUSDT", "--threshold", "100", "--start", "0", "--max-bars", "5", "--db", str(db), *exchange.options)
    done = redirected(">&- 2>&-", "record", *args)

    assert done.returncode == 0
    assert keys(run("export", str(db)).stdout) == [key(bar) for bar in exchange.offline("BTCUSDT", 100)[:5]]


@needs_full
def test_a_log_that_finds_no_room_ends_no_work(exchange: Exchange, tmp_path: Path) -> None:
    db = tmp_path / "bars.db"
    args = ("BTCUSDT", "--threshold", "100", "--start", "0", "--max-bars", "5", "--db", str(db), *exchange.options)
    done = redirected(f"2>{FULL}", "record", *args)

    assert done.returncode == 0
    assert len(run("export", str(db)).stdout.splitlines()) == 5


def test_a_log_that_nobody_reads_any_more_ends_no_recorder(exchange: Exchange, tmp_path: Path) -> None:
    db = tmp_path / "bars.db"
    args = ("BTCUSDT", "--threshold", "100", "--start", "0", "--max-bars", "60", "--db", str(db), *exchange.options)
    with started("record", *args, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(WAIT_S) == 0

    assert len(run("export", str(db)).stdout.splitlines()) == 60


def test_signs_that_an_encoding_lacks_end_nothing() -> None:
    done = redirected("", "demo", "--offline", PYTHONIOENCODING="ascii")

    assert done.returncode == 0
    assert "? 58" in done.stdout


def test_data_is_the_same_in_every_encoding(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("".join(f"{n},{100 + n},1,{n},{n},{1735689600000000 + n},True,True\n" for n in range(9)))
    command = [*COMMAND, "replay", str(path), "--symbol", "币安", "--format", "csv"]
    outputs = {
        subprocess.run(
            command, capture_output=True, timeout=WAIT_S, check=True, env={**os.environ, "PYTHONIOENCODING": encoding}
        ).stdout
        for encoding in ("ascii", "utf-8")
    }

    assert len(outputs) == 1
    assert "币安" in outputs.pop().decode()


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (("stream",), "error: Missing argument 'SYMBOLS...'; see rangebar-anyio stream --help"),
        (("stream", "X", "--treshold", "5"), "error: No such option '--treshold'"),
        (("strem",), "error: No such command 'strem'"),
        (("record", "X"), "error: Missing option '--db'; see rangebar-anyio record --help"),
        (("stream", "X", "--market", "margin"), "error: Invalid value for '--market': 'margin' is not one of"),
    ],
)
def test_what_cannot_be_asked_for_is_one_line_and_code_2(args: tuple[str, ...], text: str) -> None:
    done = CliRunner().invoke(main, args, prog_name="rangebar-anyio")

    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.startswith(text)
    assert len(done.stderr.splitlines()) == 1


def test_without_a_command_it_helps() -> None:
    done = CliRunner().invoke(main, [], prog_name="rangebar-anyio")

    assert done.exit_code == 2
    assert "replay" in done.output


def test_the_package_can_be_run_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rangebar_anyio", "--version"],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=True,
    )
    assert done.stdout.startswith("rangebar-anyio, version ")
