"""`rangebar-anyio record`, `export` and `status`: a database that is written and read at the same time."""

from __future__ import annotations

import csv
import json
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from rangebar_anyio.cli._table import counted
from tests.cli.conftest import Exchange, in_terminal, key, keys, run, started

LANES = ("BTCUSDT", "--threshold", "100", "--start", "0")


def exported(db: Path, *args: str) -> list[tuple[object, ...]]:
    done = run("export", str(db), *args)
    assert done.returncode == 0, done.stderr
    return keys(done.stdout)


def test_runs_follow_each_other_without_a_seam(exchange: Exchange, tmp_path: Path) -> None:
    db = tmp_path / "bars.db"

    for count in ("1", "9"):
        done = run("record", *LANES, "--db", str(db), "--max-bars", count, *exchange.options)
        assert done.returncode == 0, done.stderr
        assert done.stdout == ""
        assert f", {counted(int(count), 'bar')} written to {db}, " in done.stderr

    assert exported(db) == [key(bar) for bar in exchange.offline("BTCUSDT", 100)[:10]]


def test_a_kill_in_the_middle_loses_and_doubles_nothing(exchange: Exchange, tmp_path: Path) -> None:
    db = tmp_path / "bars.db"
    with started("record", *LANES, "--threshold", "50", "--db", str(db), *exchange.options) as process:
        # Its first transaction is there, and it is still writing.
        _await_bars(db, process)
        process.kill()

    done = run("record", *LANES, "--threshold", "50", "--db", str(db), "--max-bars", "150", *exchange.options)
    assert done.returncode == 0, done.stderr

    for threshold in (100, 50):
        came = exported(db, "--threshold", str(threshold), "-q")
        assert came == [key(bar) for bar in exchange.offline("BTCUSDT", threshold)[: len(came)]]
        assert came


def _await_bars(db: Path, writer: subprocess.Popen[str]) -> None:
    while not _bars_in(db):
        assert writer.poll() is None
        time.sleep(0.02)


def _bars_in(db: Path) -> int:
    try:
        with closing(sqlite3.connect(f"file:{db}?mode=ro", uri=True)) as reader:
            return int(reader.execute("SELECT count(*) FROM bars").fetchone()[0])
    except sqlite3.Error:
        return 0


def test_export_and_status_work_while_a_recorder_writes(exchange: Exchange, tmp_path: Path) -> None:
    db = tmp_path / "bars.db"
    with started("record", *LANES, "--db", str(db), *exchange.options) as process:
        _await_bars(db, process)
        came = exported(db)
        table, lines = run("status", str(db)), run("status", str(db), "--format", "jsonl")
        second = run("record", *LANES, "--db", str(db), *exchange.options)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        said = process.stderr.read()

    assert process.returncode == 0, said
    assert came == [key(bar) for bar in exchange.offline("BTCUSDT", 100)[: len(came)]]
    assert came
    assert second.returncode == 1
    assert f"process {process.pid} is writing to it" in second.stderr

    assert table.returncode == 0
    for text in ("BTCUSDT", "0.1%", "s ago", "record", "binance-spot@127.0.0.1"):
        assert text in table.stdout

    status = json.loads(lines.stdout)
    assert (status["symbol"], status["threshold_dbps"], status["reader"]) == ("BTCUSDT", 100, "record")
    assert status["bars"] >= len(came)
    assert exported(db)[status["bars"] - 1][3] == status["position"]


@pytest.fixture(scope="module")
def database(exchange: Exchange, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with two symbols and two thresholds."""
    db = tmp_path_factory.mktemp("database") / "bars.db"
    count = sum(len(exchange.offline("BTCUSDT", threshold)) for threshold in (100, 250)) + 30
    done = run(
        *("record", "BTCUSDT", "ETHUSDT", "--threshold", "100", "--threshold", "250", "--db", str(db)),
        *("--start", "BTCUSDT=0", "--start", "ETHUSDT=0", "--max-bars", str(count), "-q", *exchange.options),
    )
    assert done.returncode == 0
    assert done.stderr == ""
    return db


def test_every_format_has_the_same_bars(database: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    import pyarrow.parquet

    bars = exported(database)
    for name in ("bars.csv", "bars.parquet", "bars.jsonl"):
        assert run("export", str(database), "-o", str(tmp_path / name)).returncode == 0

    assert keys((tmp_path / "bars.jsonl").read_text()) == bars
    with open(tmp_path / "bars.csv", newline="") as file:
        assert [Decimal(row["turnover"]) for row in csv.DictReader(file)] == [bar[4] for bar in bars]

    table = pyarrow.parquet.read_table(tmp_path / "bars.parquet").to_pylist()
    assert [(row["symbol"], row["threshold_dbps"], row["last_agg_trade_id"]) for row in table] == [
        (bar[0], bar[1], bar[3]) for bar in bars
    ]
    assert run("export", str(database), "--format", "csv").stdout == (tmp_path / "bars.csv").read_text()


def test_export_takes_what_is_asked_for(exchange: Exchange, database: Path) -> None:
    eth = exported(database, "--symbol", "ethusdt", "--threshold", "250")
    assert eth == [key(bar) for bar in exchange.offline("ETHUSDT", 250)[: len(eth)]]
    assert eth

    for args, text in (
        (("--symbol", "XUSDT"), "XUSDT"),
        (("--threshold", "7"), "7"),
        (("--format", "parquet"), "-o"),
        (("--venue", "x", "--symbol", "ETHUSDT"), "no venue 'x'"),
        (("--reader", "x"), "no reader 'x' in this database; it has record"),
    ):
        done = run("export", str(database), *args)
        assert done.returncode == 2
        assert text in done.stderr


def test_bars_of_one_name_recorded_twice_are_not_mixed(exchange: Exchange, tmp_path: Path) -> None:
    db = tmp_path / "bars.db"
    assert run("record", *LANES, "--db", str(db), "--max-bars", "3", *exchange.options).returncode == 0
    with closing(sqlite3.connect(db)) as copy, copy:
        columns = "venue, symbol, threshold_dbps, segment, time_unit"
        assert copy.execute(f"SELECT {columns} FROM positions").fetchall()
        # What a second venue would look like; its rows need no valid checksum to be in the way.
        for table in ("bars", "positions"):
            names = [row[1] for row in copy.execute(f"PRAGMA table_info({table})")]
            values = ", ".join("'elsewhere'" if name == "venue" else name for name in names)
            copy.execute(f"INSERT INTO {table} SELECT {values} FROM {table}")

    done = run("export", str(db))

    assert done.returncode == 2
    assert "choose with --venue" in done.stderr
    assert run("status", str(db)).returncode == 1


def test_restart_needs_replace_to_record_ids_again(exchange: Exchange, tmp_path: Path) -> None:
    db = tmp_path / "bars.db"
    args = ("record", *LANES, "--db", str(db), *exchange.options)
    assert run(*args, "--max-bars", "8").returncode == 0

    alone = run(*args, "--replace")
    assert alone.returncode == 2
    assert "it needs --restart" in alone.stderr

    refused = run(*args, "--restart")
    assert refused.returncode == 1
    assert "--replace" in refused.stderr
    assert len(exported(db)) == 8

    assert run(*args, "--restart", "--replace", "--max-bars", "4").returncode == 0
    assert exported(db) == [key(bar) for bar in exchange.offline("BTCUSDT", 100)[:4]]


@pytest.mark.parametrize("command", ["export", "status"])
def test_what_is_no_database_says_so(command: str, tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database" * 1000)
    for name, text in (("none.db", "no store here"), ("text.db", "file is not a database")):
        done = run(command, str(tmp_path / name))
        assert done.returncode == 1
        assert text in done.stderr
        assert str(tmp_path / name) in done.stderr
        assert "Traceback" not in done.stderr

    assert not (tmp_path / "none.db").exists()


def test_a_reader_that_leaves_an_export_is_no_failure(database: Path) -> None:
    with started("export", str(database)) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()

    assert process.returncode == 0
    assert "rror" not in said


def test_a_terminal_shows_what_is_recorded(exchange: Exchange, tmp_path: Path) -> None:
    db = tmp_path / "bars.db"
    screen, code = in_terminal(
        120, ("record", *LANES, "--db", str(db)), exchange.options, until=("closed at (UTC)", "┼")
    )
    assert code == 0, screen

    screen, code = in_terminal(120, ("status", str(db)))
    assert code == 0
    assert "last bar closed (UTC)" in screen
    assert "s ago" in screen
