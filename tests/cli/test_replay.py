"""`rangebar-anyio replay`, as a person and as a pipe use it."""

from __future__ import annotations

import csv
import fcntl
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import termios
import zipfile
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from time import sleep

import pytest
from click.testing import CliRunner

from rangebar_anyio import Bar, RangeBarProcessor, Trade
from rangebar_anyio.cli import main
from tests.cli.conftest import COMMAND, in_terminal, started

Row = tuple[int, str, str, int, int, int, str]

BASE_US = 1_735_689_600_000_000
PRICES = ("100.00", "100.10", "100.30", "100.31", "100.00", "99.90", "100.20", "100.21", "100.60", "100.10")


def rows(count: int, *, first_id: int = 1000) -> list[Row]:
    """A small tape whose ids follow each other and whose bars are a few trades long."""
    return [
        (
            first_id + i,
            PRICES[(first_id + i) % len(PRICES)],
            f"0.{1 + i % 7}",
            5 * (first_id + i),
            5 * (first_id + i) + i % 3,
            BASE_US + 1_000 * (first_id + i),
            "True" if i % 3 else "False",
        )
        for i in range(count)
    ]


def offline(tape: Sequence[Row], threshold_dbps: int, symbol: str) -> list[Bar]:
    """The bars that the processor gives for the same trades, one by one."""
    processor = RangeBarProcessor(threshold_dbps, symbol=symbol)
    trades = (Trade(row[0], row[1], row[2], row[5], row[6] == "True", row[3], row[4]) for row in tape)
    return [bar for trade in trades if (bar := processor.push(trade)) is not None]


def spot(row: Row) -> str:
    return ",".join(map(str, row)) + ",True\n"


def spot_lower(row: Row) -> str:
    return ",".join(map(str, row)).replace("True", "true").replace("False", "false") + ",true\n"


def futures(row: Row) -> str:
    return ",".join(map(str, (*row[:5], row[5] // 1000, row[6].lower()))) + "\n"


FUTURES_HEADER = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n"


def write(path: Path, tape: Sequence[Row], line: Callable[[Row], str] = spot, header: str = "") -> str:
    text = header + "".join(map(line, tape))
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as zipped:
            zipped.writestr(path.stem + ".csv", text)
    else:
        path.write_text(text)

    return str(path)


@dataclass(frozen=True)
class Done:
    """What a command left behind, named as `subprocess` does."""

    returncode: int
    stdout: str
    stderr: str


def replay(*args: str) -> Done:
    """Run the command in this process: none of these tests needs a process of its own."""
    result = CliRunner().invoke(main, ["replay", *args])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return Done(result.exit_code, result.stdout, result.stderr)


def test_a_process_of_its_own_does_the_same(tmp_path: Path) -> None:
    path = write(tmp_path / "AUSDT-1.csv", rows(300))
    done = subprocess.run([*COMMAND, "replay", path], capture_output=True, text=True, timeout=50, check=False)

    assert done.returncode == 0
    assert done.stdout == replay(path).stdout


def test_a_reader_that_leaves_is_no_failure(tmp_path: Path) -> None:
    path = write(tmp_path / "AUSDT-1.csv", rows(40_000))
    with started("replay", path) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()

    assert process.returncode == 0
    assert "Traceback" not in said
    assert "rror" not in said


def replaying(path: Path, *args: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "rangebar_anyio.cli", "replay", str(path), *args]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_until_blocked(pid: int, pipe: int) -> None:
    """Wait until a process has emptied a pipe and sleeps in the kernel for more of it.

    A signal that comes between Python's last look for signals and the system call is not seen before that call returns.
    """
    waiting = array("i", [1])
    while waiting[0] or Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "S":
        fcntl.ioctl(pipe, termios.FIONREAD, waiting)
        sleep(0.01)


def seen(bar: Bar) -> dict[str, object]:
    """What a line must say of a bar, exactly."""
    names = ("open", "high", "low", "close", "volume", "turnover", "vwap", "buy_volume", "sell_volume")
    values: dict[str, object] = {name: bar.exact(name).normalize() for name in names}
    for name in ("first_agg_trade_id", "last_agg_trade_id", "individual_trade_count", "missing_trades", "open_time_us"):
        values[name] = bar[name]

    return values


def read_jsonl(text: str) -> list[dict[str, object]]:
    lines = [json.loads(line, parse_float=Decimal) for line in text.splitlines()]
    names = seen_names()
    return [{name: _exact(line[name]) for name in names} for line in lines]


def seen_names() -> list[str]:
    return list(seen(offline(rows(30), 250, "X")[0]))


def _exact(value: object) -> object:
    return value.normalize() if isinstance(value, Decimal) else value


@pytest.mark.parametrize(
    ("name", "line", "header"),
    [
        ("BTCUSDT-aggTrades-2025-01-01.csv", spot, ""),
        ("BTCUSDT-aggTrades-2025-01-01.zip", spot, ""),
        ("BTCUSDT-aggTrades-2025-01-01.csv", spot_lower, ""),
        ("BTCUSDT-aggTrades-2025-01-01.zip", futures, FUTURES_HEADER),
    ],
)
def test_every_layout_of_the_archive_gives_the_bars_of_its_trades(
    tmp_path: Path, name: str, line: Callable[[Row], str], header: str
) -> None:
    tape = rows(2000)
    path = write(tmp_path / name, tape, line, header)

    done = replay(path, "--threshold", "250")

    assert done.returncode == 0, done.stderr
    expected = [{key: _exact(value) for key, value in seen(bar).items()} for bar in offline(tape, 250, "BTCUSDT")]
    found = read_jsonl(done.stdout)
    # In milliseconds two of our times may meet, so only the ids and sums of whole bars are compared there.
    assert found == expected
    assert len(found) > 100


def test_json_numbers_are_the_exact_decimals(tmp_path: Path) -> None:
    path = write(tmp_path / "AUSDT-aggTrades-2025-01-01.csv", rows(300))

    line = json.loads(replay(path).stdout.splitlines()[0], parse_float=str, parse_int=str)

    bar = offline(rows(300), 250, "AUSDT")[0]
    assert Decimal(line["turnover"]) == bar.exact("turnover")
    assert line["symbol"] == "AUSDT"
    assert datetime.fromisoformat(line["close_time"]) == bar.close_time.astimezone(UTC)


def test_several_thresholds_come_in_the_order_of_their_closes(tmp_path: Path) -> None:
    path = write(tmp_path / "AUSDT-x.csv", rows(3000))

    lines = [json.loads(line) for line in replay(path, "--threshold", "400", "--threshold", "100").stdout.splitlines()]

    order = [(line["last_agg_trade_id"], line["threshold_dbps"]) for line in lines]
    assert order == sorted(order)
    assert {threshold for _, threshold in order} == {100, 400}


def test_csv_and_parquet_hold_the_same_bars(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    import pyarrow.parquet

    path = write(tmp_path / "AUSDT-x.csv", rows(2000))
    bars = offline(rows(2000), 250, "AUSDT")

    assert replay(path, "-o", str(tmp_path / "bars.csv")).returncode == 0
    assert replay(path, "-o", str(tmp_path / "bars.parquet")).returncode == 0

    with open(tmp_path / "bars.csv", newline="") as file:
        from_csv = list(csv.DictReader(file))

    assert [Decimal(row["close"]) for row in from_csv] == [bar.exact("close") for bar in bars]
    table = pyarrow.parquet.read_table(tmp_path / "bars.parquet").to_pylist()
    assert [row["close"] for row in table] == [bar.close for bar in bars]
    assert [row["close_time"] for row in table] == [bar.close_time for bar in bars]
    assert [row["turnover_imbalance"] for row in table] == [bar.turnover_imbalance for bar in bars]


def test_a_chunk_boundary_is_not_seen(tmp_path: Path) -> None:
    tape = rows(40_000)
    path = write(tmp_path / "AUSDT-x.csv", tape)
    assert os.path.getsize(path) > 2 * 2**20

    found = read_jsonl(replay(path).stdout)

    assert [line["last_agg_trade_id"] for line in found] == [
        bar.last_agg_trade_id for bar in offline(tape, 250, "AUSDT")
    ]


def test_files_that_follow_each_other_are_one_tape(tmp_path: Path) -> None:
    tape = rows(3000)
    first, second = write(tmp_path / "A-1.csv", tape[:1700]), write(tmp_path / "A-2.zip", tape[1700:])

    found = read_jsonl(replay(first, second, "--symbol", "A").stdout)

    assert [line["open_time_us"] for line in found] == [bar.open_time_us for bar in offline(tape, 250, "A")]


def test_repeated_rows_are_dropped_and_counted(tmp_path: Path) -> None:
    tape = rows(500)
    path = write(tmp_path / "AUSDT-x.csv", [*tape[:100], tape[99], tape[98], *tape[100:]])

    done = replay(path)

    assert read_jsonl(done.stdout) == [
        {key: _exact(value) for key, value in seen(bar).items()} for bar in offline(tape, 250, "AUSDT")
    ]
    assert "2 dropped" in done.stderr


def test_a_gap_is_reported_with_its_range_and_marked_on_the_bar(tmp_path: Path) -> None:
    tape = [row for row in rows(500) if not 1200 <= row[0] <= 1204]
    done = replay(write(tmp_path / "AUSDT-x.csv", tape))

    assert "trades 1200 to 1204 never came (5 missing)" in done.stderr
    marked = [line for line in read_jsonl(done.stdout) if line["missing_trades"]]
    assert [line["missing_trades"] for line in marked] == [5]
    last_id = marked[0]["last_agg_trade_id"]
    assert isinstance(last_id, int)
    assert last_id >= 1205


def test_a_gap_between_files_is_one_too(tmp_path: Path) -> None:
    tape = rows(600)
    done = replay(write(tmp_path / "A-1.csv", tape[:300]), write(tmp_path / "A-3.csv", tape[400:]))

    assert "trades 1300 to 1399 never came" in done.stderr


def test_files_in_the_wrong_order_are_named_both_before_any_bar(tmp_path: Path) -> None:
    tape = rows(600)
    first, second = write(tmp_path / "A-1.csv", tape[:300]), write(tmp_path / "A-2.csv", tape[300:])

    done = replay(second, first)

    assert done.returncode == 2
    assert done.stdout == ""
    assert first in done.stderr
    assert second in done.stderr


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ("1300,1x0.5,1,1,1,1735689600000000,True,True", "column 2 (price)"),
        ("1300,-0.5,1,1,1,1735689600000000,True,True", "column 2 (price)"),
        ("1300,100.123456789,1,1,1,1735689600000000,True,True", "column 2 (price)"),
        ("1300,100,-1,1,1,1735689600000000,True,True", "column 3 (quantity)"),
        ("1300,100,1,1,1,yesterday,True,True", "column 6"),
        ("1300,100,1,1,1,1735689600000000,maybe,True", "column 7 (is_buyer_maker)"),
        ("1300,100,1", "fewer than 7 columns"),
    ],
)
def test_a_bad_row_is_named_by_line_column_and_text(tmp_path: Path, row: str, column: str) -> None:
    path = tmp_path / "AUSDT-x.csv"
    path.write_text("".join(map(spot, rows(300))) + row + "\n" + "".join(map(spot, rows(5, first_id=1301))))

    done = replay(str(path))

    assert done.returncode == 2
    assert f"{path}: line 301" in done.stderr
    assert column in done.stderr
    assert row in done.stderr


def test_a_file_of_bytes_is_not_shown_whole(tmp_path: Path) -> None:
    path = tmp_path / "AUSDT-x.csv"
    path.write_bytes(bytes(range(256)) * 20)

    done = replay(str(path))

    assert done.returncode == 2
    assert "which is no text" in done.stderr
    assert len(done.stderr) < 300


def test_bars_without_a_symbol_are_told(tmp_path: Path) -> None:
    path = write(tmp_path / "renamed.csv", rows(30))

    assert "say it with --symbol" in replay(path).stderr
    assert "no symbol" not in replay(path, "--symbol", "AUSDT").stderr


def test_a_failure_leaves_no_file_behind(tmp_path: Path) -> None:
    path = tmp_path / "AUSDT-x.csv"
    path.write_text("".join(map(spot, rows(300))) + "rubbish\n")

    done = replay(str(path), "-o", str(tmp_path / "out.csv"))

    assert done.returncode == 2
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["AUSDT-x.csv"]


def test_the_checksum_beside_an_archive_is_compared(tmp_path: Path) -> None:
    path = write(tmp_path / "AUSDT-aggTrades-2025-01-01.zip", rows(300))
    digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    beside = Path(path + ".CHECKSUM")

    beside.write_text(f"{digest}  AUSDT-aggTrades-2025-01-01.zip\n")
    right = replay(path)
    beside.write_text(f"{'0' * 64}  AUSDT-aggTrades-2025-01-01.zip\n")
    wrong = replay(path)
    beside.write_text("<html>not found</html>")
    none = replay(path)

    assert right.returncode == 0
    assert "checksums: 1 right" in right.stderr
    assert wrong.returncode == 2
    assert wrong.stdout == ""
    assert digest in wrong.stderr
    assert none.returncode == 2


@pytest.mark.parametrize("names", [(), ("a.csv", "b.csv")])
def test_a_zip_must_hold_one_table(tmp_path: Path, names: tuple[str, ...]) -> None:
    path = tmp_path / "AUSDT-x.zip"
    with zipfile.ZipFile(path, "w") as zipped:
        for name in names:
            zipped.writestr(name, "")

    done = replay(str(path))

    assert done.returncode == 2
    assert "one CSV file is expected inside" in done.stderr


def damaged_zips() -> list[tuple[bytes, str]]:
    """Zip files that can be opened and not be read, with what is to be said."""

    def packed(method: int) -> bytearray:
        memory = io.BytesIO()
        with zipfile.ZipFile(memory, "w", method) as zipped:
            zipped.writestr("a.csv", "".join(map(spot, rows(3000))))

        return bytearray(memory.getvalue())

    encrypted, unknown, damaged = (
        packed(zipfile.ZIP_DEFLATED),
        packed(zipfile.ZIP_DEFLATED),
        packed(zipfile.ZIP_DEFLATED),
    )
    encrypted[6] |= 1
    encrypted[encrypted.index(b"PK\1\2") + 8] |= 1
    unknown[8] = unknown[unknown.index(b"PK\1\2") + 10] = 99
    damaged[40:400] = bytes(360)
    return [
        (bytes(encrypted), "encrypted"),
        (bytes(unknown), "another method than deflate"),
        (bytes(packed(zipfile.ZIP_LZMA)), "another method than deflate"),
        (bytes(damaged), "AUSDT-x.zip: "),
    ]


@pytest.mark.parametrize(("content", "text"), damaged_zips(), ids=["encrypted", "unknown", "lzma", "damaged"])
def test_a_zip_that_cannot_be_read_is_one_line(tmp_path: Path, content: bytes, text: str) -> None:
    path = tmp_path / "AUSDT-x.zip"
    path.write_bytes(content)

    done = replay(str(path))

    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert text in done.stderr
    assert "Traceback" not in done.stderr


def test_a_pipe_alone_is_read_once(tmp_path: Path) -> None:
    tape = rows(300)
    fifo = tmp_path / "AUSDT-x"
    os.mkfifo(fifo)

    with replaying(fifo) as process, open(fifo, "w") as pipe:
        pipe.write("".join(map(spot, tape)))
        pipe.close()
        out, _ = process.communicate(timeout=50)

    assert process.returncode == 0
    assert read_jsonl(out) == [seen(bar) for bar in offline(tape, 250, "AUSDT")]


def test_a_pipe_among_others_is_refused(tmp_path: Path) -> None:
    fifo = tmp_path / "AUSDT-x"
    os.mkfifo(fifo)
    done = replay(str(fifo), write(tmp_path / "AUSDT-2.csv", rows(3)))

    assert done.returncode == 2
    assert "is no regular file" in done.stderr


@pytest.mark.parametrize(
    ("number", "name"), [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM"), (signal.SIGHUP, "SIGHUP")]
)
def test_an_interrupt_is_one_line_and_the_code_of_its_signal(tmp_path: Path, number: signal.Signals, name: str) -> None:
    fifo = tmp_path / "AUSDT-x"
    os.mkfifo(fifo)
    out = tmp_path / "out.csv"

    # Opened for writing, the pipe has a reader, which waits for more until it is interrupted.
    with replaying(fifo, "-o", str(out)) as process, open(fifo, "w") as pipe:
        pipe.write("".join(map(spot, rows(300))))
        pipe.flush()
        wait_until_blocked(process.pid, pipe.fileno())
        process.send_signal(number)
        _, said = process.communicate(timeout=50)

    assert process.returncode == 128 + number
    assert said == f"stopped by {name}\n"
    assert list(tmp_path.iterdir()) == [fifo]


def test_what_is_read_is_not_written_over(tmp_path: Path) -> None:
    path = write(tmp_path / "AUSDT-1.csv", rows(30))
    before = Path(path).read_bytes()

    done = replay(path, "-o", path)

    assert done.returncode == 2
    assert "write over" in done.stderr
    assert Path(path).read_bytes() == before


def test_a_symbol_with_a_comma_is_one_field(tmp_path: Path) -> None:
    done = replay(write(tmp_path / "x.csv", rows(300)), "--symbol", 'a,"b', "--format", "csv")

    assert {row["symbol"] for row in csv.DictReader(done.stdout.splitlines())} == {'a,"b'}


def test_what_cannot_be_opened_says_so(tmp_path: Path) -> None:
    damaged = tmp_path / "A-1.zip"
    damaged.write_bytes(b"no zip")
    for path, text in ((tmp_path / "none.csv", "no such file"), (tmp_path, "is a folder"), (damaged, "is no zip file")):
        done = replay(str(path))
        assert done.returncode == 2
        assert text in done.stderr


def test_two_symbols_are_not_one_tape(tmp_path: Path) -> None:
    done = replay(write(tmp_path / "AUSDT-1.csv", rows(3)), write(tmp_path / "BUSDT-1.csv", rows(3, first_id=2000)))

    assert done.returncode == 2
    assert "AUSDT" in done.stderr
    assert "BUSDT" in done.stderr


def test_a_threshold_out_of_range_says_what_it_counts(tmp_path: Path) -> None:
    done = replay(write(tmp_path / "AUSDT-1.csv", rows(3)), "--threshold", "0")

    assert done.returncode == 2
    assert "threshold_dbps 0" in done.stderr
    assert "0.25 %" in done.stderr


def test_an_empty_archive_has_no_bars(tmp_path: Path) -> None:
    done = replay(write(tmp_path / "AUSDT-1.csv", []))

    assert done.returncode == 0
    assert done.stdout == ""
    assert "0 trades" in done.stderr.replace("\x1b", "")


def test_forming_bars_come_last_and_are_marked(tmp_path: Path) -> None:
    path = write(tmp_path / "AUSDT-1.csv", rows(333))

    lines = [json.loads(line) for line in replay(path, "--forming").stdout.splitlines()]

    assert [line["is_closed"] for line in lines] == [True] * (len(lines) - 1) + [False]
    assert lines[-1]["last_agg_trade_id"] == 1332


def test_a_pipe_gets_json_lines_and_no_progress(tmp_path: Path) -> None:
    done = replay(write(tmp_path / "AUSDT-1.csv", rows(300)))

    assert done.stdout.startswith("{")
    assert "\x1b" not in done.stdout + done.stderr
    assert "replaying" not in done.stderr


def test_a_terminal_gets_a_table_and_a_progress_bar(tmp_path: Path) -> None:
    path = write(tmp_path / "AUSDT-1.csv", rows(9_000))
    screen, code = in_terminal(120, ("replay", path, "--threshold", "250"))

    assert code == 0
    assert "replaying" in screen
    assert "closed at (UTC)" in screen
    assert "▲" in screen
    assert "9,000" in screen
