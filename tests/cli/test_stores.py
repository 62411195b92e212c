"""Databases and other files that the commands must spare, and what they say of damage in a database."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import anyio
import pytest
from click.testing import CliRunner, Result

from rangebar_anyio._stores import LaneKey, RecordBars, SqliteStore, StoredBar, pack_bar
from rangebar_anyio.cli import main
from rangebar_anyio.testing._store_conformance import BEGIN, bar, position
from tests.cli.conftest import keys

LANE = LaneKey("record", "binance-spot", "BTCUSDT", 250)
OTHER = LaneKey("record", "binance-spot", "ETHUSDT", 250)
COUNT = 2500


def run(*args: object) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with bars of two symbols."""
    path = tmp_path_factory.mktemp("filled") / "bars.db"
    tape = tuple(bar(number, number) for number in range(100, 100 + COUNT))

    async def fill() -> None:
        async with SqliteStore(path) as store:
            epoch = await store.open([LANE, OTHER])
            await store.commit(epoch, [replace(BEGIN, lane=LANE), RecordBars(LANE, tape)])
            await store.commit(epoch, [replace(BEGIN, lane=OTHER), RecordBars(OTHER, tape[:10])])

    anyio.run(fill)
    return path


@pytest.fixture
def db(filled: Path, tmp_path: Path) -> Path:
    """A database of the test's own."""
    return Path(shutil.copy(filled, tmp_path))


def damage(db: Path, *statements: str) -> None:
    with closing(sqlite3.connect(db, isolation_level=None)) as file:
        for statement in statements:
            assert file.execute(statement).rowcount > 0


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


# What is spared.


def at(db: Path, ending: str) -> str:
    return f"{db}{ending}"


def by_a_linked_folder(db: Path, ending: str) -> str:
    (db.parent / "link").symlink_to(db.parent)
    return f"{db.parent}/link/{db.name}{ending}"


def by_a_long_way(db: Path, ending: str) -> str:
    return os.path.join(os.path.relpath(db.parent), "..", db.parent.name, f"{db.name}{ending}")


Lead: TypeAlias = Callable[[Path, str], str]


@pytest.mark.parametrize("lead", [at, by_a_linked_folder, by_a_long_way])
@pytest.mark.parametrize("ending", ["", "-wal", "-shm", "-journal", ".lock", ".draft", ".draft-wal"])
def test_an_export_spares_the_database_and_its_companions(db: Path, ending: str, lead: Lead) -> None:
    before = contents(db.parent)
    done = run("export", db, "-o", lead(db, ending))
    assert done.exit_code == 2
    assert "would write over" in done.stderr
    assert contents(db.parent) == before


def test_an_export_spares_the_database_under_any_name(db: Path) -> None:
    link, hard, part = db.with_name("link.db"), db.with_name("hard.db"), db.with_name("bars.csv.part")
    link.symlink_to(db)
    os.link(db, hard)
    part.symlink_to(db)
    before = contents(db.parent)
    for args in ((link, db), (db, link), (db, hard), (link, f"{db}-wal"), (db, db.with_name("bars.csv"))):
        done = run("export", args[0], "-o", args[1])
        assert done.exit_code == 2, args
        assert "would write over" in done.stderr

    assert contents(db.parent) == before
    assert run("export", link, "-o", db.with_name("out.csv")).exit_code == 0


@pytest.mark.parametrize("ending", ["", "-wal", ".lock"])
@pytest.mark.parametrize("exists", [True, False])
def test_a_stream_spares_its_database(db: Path, ending: str, exists: bool) -> None:
    path = db if exists else db.with_name("new.db")
    before = contents(db.parent)
    done = run("stream", "BTCUSDT", "--db", path, "-o", f"{path}{ending}", "--ws-url", "ws://127.0.0.1:1")
    assert done.exit_code == 2
    assert "would write over" in done.stderr
    assert contents(db.parent) == before


@pytest.mark.parametrize("written", ["A-1.csv", "A-1.csv.CHECKSUM", "link.csv", "A-2"])
def test_a_replay_spares_what_it_reads(tmp_path: Path, written: str) -> None:
    for name in ("A-1.csv", "A-2.part"):
        (tmp_path / name).write_text("1,1.0,1.0,1,1,1700000000000,true\n")

    (tmp_path / "link.csv").symlink_to(tmp_path / "A-1.csv")
    before = contents(tmp_path)
    done = run("replay", tmp_path / "A-1.csv", tmp_path / "A-2.part", "-o", tmp_path / written)
    assert done.exit_code == 2
    assert "would write over" in done.stderr
    assert contents(tmp_path) == before


def test_a_pipe_is_written_to_and_stays_one(db: Path) -> None:
    pipe, came = db.with_name("pipe.jsonl"), list[str]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: came.append(pipe.read_text()))
    reader.start()
    done = run("export", db, "-o", pipe)
    reader.join()
    assert done.exit_code == 0, done.stderr
    assert len(keys(came[0])) == COUNT + 10
    assert pipe.is_fifo()


# What is damaged.

BARS = "UPDATE bars SET packed = zeroblob(176) WHERE symbol = 'BTCUSDT' AND first_agg_trade_id"


def exported(text: str) -> list[int]:
    return [json.loads(line)["first_agg_trade_id"] for line in text.splitlines()]


def test_an_export_stops_at_a_damaged_bar_and_says_how_to_go_on(db: Path) -> None:
    damage(db, f"{BARS} = 1200")
    out = db.with_name("bars.csv")
    for args in ((), ("-o", out)):
        done = run("export", db, *args)
        assert done.exit_code == 1
        assert "first_agg_trade_id 1200 is damaged" in done.stderr
        assert "--skip-damaged" in done.stderr

    assert not out.exists()


@pytest.mark.parametrize(
    "where", ["IN (100, 1200, 1201, 2599)", "BETWEEN 100 AND 1150", "BETWEEN 1090 AND 2599", "> 0"]
)
def test_an_export_leaves_out_what_is_damaged_and_says_so(db: Path, where: str) -> None:
    damage(db, f"{BARS} {where}")
    with closing(sqlite3.connect(db)) as file:
        gone = {row[0] for row in file.execute("SELECT first_agg_trade_id FROM bars WHERE packed = zeroblob(176)")}

    done = run("export", db, "--symbol", "BTCUSDT", "--skip-damaged", "-q")
    assert done.exit_code == 0
    assert exported(done.stdout) == [number for number in range(100, 100 + COUNT) if number not in gone]
    listed = ", ".join(map(str, sorted(gone)[:10])) + (", ..." if len(gone) > 10 else "")
    assert done.stderr == (
        f"damaged bars left out: {len(gone):,} of record/binance-spot/BTCUSDT/250, at first_agg_trade_id {listed}\n"
    )


@pytest.mark.parametrize(
    ("statement", "said", "needs_check"),
    [
        ("UPDATE positions SET position_order = position_order + 1000", "position is damaged", False),
        ("UPDATE positions SET updated_us = 'yesterday'", "position is damaged", False),
        ("DELETE FROM positions", "position is damaged", False),
        ("UPDATE segments SET replaced_bars = 7", "segments of lane", False),
        (f"{BARS} = 2599", "last recorded bar", False),
        (f"{BARS} IN (1200, 1300)", "damaged bars: 2, the first one at first_agg_trade_id 1200", True),
    ],
)
def test_status_tells_damage_by_its_exit_code(db: Path, statement: str, said: str, needs_check: bool) -> None:
    for args in ((), ("--check",), ("--format", "jsonl", "--check")):
        assert run("status", db, *args).exit_code == 0

    damage(db, statement)
    for form in ("table", "jsonl"):
        quick, thorough = run("status", db, "--format", form), run("status", db, "--format", form, "--check")
        assert (quick.exit_code, thorough.exit_code) == (0 if needs_check else 1, 1), quick.output
        assert (said in quick.stdout) is not needs_check
        assert said in thorough.stdout


def test_status_tells_of_a_damaged_forming_bar(db: Path) -> None:
    snapshot = f"'record', 'binance-spot', 'BTCUSDT', 250, {99 + COUNT}, x'00', '', 1, 0, 1, x'', 0, x'00'"
    damage(db, f"INSERT INTO snapshots VALUES ({snapshot})")
    done = run("status", db)
    assert done.exit_code == 1
    assert "the forming bar is damaged" in done.stdout


LATEST = 253_402_300_799_999_999


TIMES: list[tuple[int | str, str]] = [
    (LATEST, "9999-12-31 23:59:59"),
    (0, "1970-01-01 00:00:00"),
    (LATEST + 1, f"{LATEST + 1} us"),
    (2**63 - 1, f"{2**63 - 1} us"),
    ("'never'", "none yet"),
]


@pytest.mark.parametrize(("time_us", "shown"), TIMES)
def test_status_shows_any_time(db: Path, time_us: int | str, shown: str) -> None:
    """The largest that a bar can have, and what somebody wrote into a column that is for people."""
    damage(db, "DELETE FROM bars WHERE first_agg_trade_id < 2599", f"UPDATE bars SET close_time_us = {time_us}")
    done = run("status", db)
    assert done.exit_code == 0, done.output
    assert shown in done.stdout
    (line,) = [line for line in run("status", db, "--format", "jsonl").stdout.splitlines() if "BTC" in line]
    assert json.loads(line)["last_close_time_us"] == (time_us if isinstance(time_us, int) else None)


def test_the_latest_time_of_a_bar_can_be_exported(tmp_path: Path) -> None:
    path = tmp_path / "bars.db"
    fields = bar(100, 101).fields() | {"open_time_us": LATEST, "close_time_us": LATEST}

    async def fill() -> None:
        async with SqliteStore(path) as store:
            tape = (StoredBar(pack_bar(fields), position(101)),)
            await store.commit(await store.open([LANE]), [replace(BEGIN, lane=LANE), RecordBars(LANE, tape)])

    anyio.run(fill)
    done = run("export", path)
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["close_time"] == "9999-12-31T23:59:59.999999Z"
    assert "9999-12-31 23:59:59" in run("status", path).stdout
