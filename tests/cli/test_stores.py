"""Databases and other files that the commands must spare."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import anyio
import pytest
from click.testing import CliRunner, Result

from rangebar_anyio._stores import LaneKey, RecordBars, SqliteStore
from rangebar_anyio.cli import main
from rangebar_anyio.testing._store_conformance import BEGIN, bar
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
