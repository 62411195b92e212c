"""Opening again: damaged rows and files, files of other programs and versions, a full disk, a read-only folder."""

from __future__ import annotations

import itertools
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import pytest

import rangebar_anyio
import rangebar_anyio._stores as stores
from rangebar_anyio._errors import StoreError
from rangebar_anyio._stores import (
    LaneKey,
    RecordBars,
    SavePosition,
    SaveSnapshot,
    Snapshot,
    SqliteStore,
    StoreReader,
    _schema,
    salvage_store,
)
from rangebar_anyio.testing._store_conformance import BEGIN, FORMAT, LANE, ORIGIN, OTHER, bar, position

pytestmark = pytest.mark.anyio
PACKAGE_FOLDER = Path(stores.__file__).parents[2]
OLD_VERSIONS = range(1, _schema.SCHEMA_VERSION)


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """A store with one lane, three bars and a snapshot."""
    path = tmp_path / "s.db"
    async with SqliteStore(path) as store:
        epoch = await store.open([LANE])
        bars = (bar(100, 110), bar(111, 120), bar(121, 130))
        snapshot = Snapshot(position(130), 135, 0, 1, b"forming")
        await store.commit(epoch, [BEGIN, RecordBars(LANE, bars), SaveSnapshot(LANE, snapshot)])

    return path


def tamper(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        assert db.execute(statement).rowcount > 0, "the statement changed something"


async def loads(path: Path) -> stores.Checkpoint:
    async with SqliteStore(path) as store:
        return (await store.load(await store.open([LANE]), FORMAT))[LANE]


DAMAGE = [
    "UPDATE positions SET position_order = 129",
    "UPDATE positions SET position = x'00'",
    "UPDATE positions SET position_text = CAST(x'ff41' AS TEXT)",
    "UPDATE positions SET time_unit = 'ms'",
    "UPDATE positions SET same_timestamp_gate = 0",
    "UPDATE positions SET segment = 7",
    "UPDATE positions SET updated_us = 1.5",
    "UPDATE positions SET origin_order = NULL WHERE 0 OR 1",
    "UPDATE positions SET checksum = x''",
    "UPDATE positions SET symbol = 'ETHUSDT'",
    "DELETE FROM positions",
]


@pytest.mark.parametrize("statement", [s for s in DAMAGE if "NULL" not in s])
async def test_a_damaged_position_is_made_again_from_the_last_recorded_bar(path: Path, statement: str) -> None:
    tamper(path, statement)
    known = await loads(path)
    assert (known.position, known.origin, known.format, known.segment) == (position(130), ORIGIN, FORMAT, 1)
    assert known.snapshot is not None, "it still follows the same bar"
    assert [note.kind for note in known.notes] == ["position-remade"]
    assert "id 130" in known.notes[0].text
    assert (await loads(path)).notes == (), "what was made again is in the file"


@pytest.mark.parametrize("statement", DAMAGE[:4])
async def test_a_damaged_position_without_bars_names_the_lane_and_restart_overrides(path: Path, statement: str) -> None:
    tamper(path, "DELETE FROM bars")
    tamper(path, statement)
    async with SqliteStore(path) as store:
        epoch = await store.open([LANE])
        for _ in range(2):
            with pytest.raises(StoreError, match=r"position of lane default/.*/250 is damaged.*restart=True"):
                await store.load(epoch, FORMAT)

        with pytest.raises(StoreError, match="damaged"):
            await store.commit(epoch, [SavePosition(LANE, position(140))])

        (status,) = [s for s in await store.lanes() if s.lane == LANE]
        assert status.checkpoint is None
        assert "damaged" in status.problem
        await store.commit(epoch, [replace(BEGIN, origin=position(500), restart=True)])
        known = (await store.load(epoch, FORMAT))[LANE]
        assert (known.position, known.segment, known.notes) == (position(500), 2, ())
        assert (await store.segments(LANE))[1].previous is None, "nobody knows how far it was"


async def test_a_damaged_checkpoint_loses_no_recorded_bar(path: Path) -> None:
    tamper(path, "UPDATE positions SET position_order = 7")
    tamper(path, "UPDATE segments SET origin_order = 7")
    async with SqliteStore(path) as store:
        epoch = await store.open([LANE])
        with pytest.raises(StoreError, match="the recorded bars are safe"):
            await store.load(epoch, FORMAT)

        await store.commit(epoch, [replace(BEGIN, origin=position(130), restart=True)])
        assert [b.last_agg_trade_id for b in await store.bars(LANE)] == [110, 120, 130]
        with pytest.raises(StoreError, match="segments of lane"):
            await store.segments(LANE)


async def test_a_damaged_or_stale_snapshot_is_ignored_and_noted(path: Path) -> None:
    tamper(path, "UPDATE snapshots SET data = x'01'")
    known = await loads(path)
    assert (known.snapshot, known.position) == (None, position(130))
    assert [note.kind for note in known.notes] == ["snapshot-damaged"]
    async with SqliteStore(path) as store:
        epoch = await store.open([LANE])
        await store.commit(epoch, [SaveSnapshot(LANE, Snapshot(position(130), 135, 0, 1, b"forming"))])
        await store.commit(epoch, [SavePosition(LANE, position(140))])

    known = await loads(path)
    assert known.snapshot is None
    assert [note.kind for note in known.notes] == ["snapshot-stale"]
    assert "id 130" in known.notes[0].text
    assert "id 140" in known.notes[0].text


@pytest.mark.parametrize("column", ["packed = zeroblob(176)", "position = x'00'", "first_agg_trade_id = 112"])
async def test_a_damaged_bar_is_named_and_the_others_can_be_read(path: Path, column: str) -> None:
    tamper(path, f"UPDATE bars SET {column} WHERE first_agg_trade_id = 111")
    async with SqliteStore(path) as store:
        with pytest.raises(StoreError, match=r"bar of lane .*/250 at first_agg_trade_id 11[12] is damaged"):
            await store.bars(LANE)

        assert list(await store.bars(LANE, limit=1)) == [bar(100, 110)]
        assert list(await store.bars(LANE, after_id=120)) == [bar(121, 130)]
        epoch = await store.open([LANE])
        await store.commit(epoch, [RecordBars(LANE, (bar(131, 140),))])
        with pytest.raises(StoreError, match="damaged recorded bar"):
            await store.commit(epoch, [RecordBars(LANE, (bar(113, 113),))])


async def test_a_damaged_last_bar_cannot_stand_in_for_the_position(path: Path) -> None:
    tamper(path, "UPDATE bars SET packed = zeroblob(176) WHERE first_agg_trade_id = 121")
    tamper(path, "UPDATE positions SET position_order = 7")
    with pytest.raises(StoreError, match="damaged"):
        await loads(path)


async def test_a_lane_that_has_only_bars_is_listed(path: Path) -> None:
    tamper(path, "DELETE FROM positions")
    tamper(path, "DELETE FROM segments")
    with StoreReader(path) as reader:
        (status,) = reader.lanes()
        assert (status.checkpoint, status.bars, status.problem) == (None, 3, "it has bars and no checkpoint")

    async with SqliteStore(path) as store:
        epoch = await store.open([LANE])
        with pytest.raises(StoreError, match="recorded bars up to id 130"):
            await store.commit(epoch, [BEGIN])

        await store.commit(epoch, [replace(BEGIN, origin=position(130))])


def contents(folder: Path) -> dict[str, bytes]:
    """Give what is in a folder, but for the lock and what SQLite's readers leave: the shared memory, an empty log."""
    files = {file.name: file.read_bytes() for file in folder.iterdir() if not file.name.endswith((".lock", "-shm"))}
    return {name: data for name, data in files.items() if data}


def spoiled(whole: bytearray, damage: str) -> bytes:
    if damage == "header":
        whole[:16] = b"x" * 16
    elif damage == "schema":
        whole[100:140] = b"\xff" * 40
    elif damage == "middle":
        for start in range(4096, len(whole), 4096):
            whole[start : start + 12] = b"\xee" * 12
    elif damage == "cut":
        del whole[len(whole) - 4096 - 100 :]
    else:
        whole[:] = os.urandom(len(whole))

    return bytes(whole)


@pytest.mark.parametrize("damage", ["header", "schema", "middle", "cut", "garbage"])
async def test_a_damaged_file_is_never_written_to(path: Path, tmp_path: Path, damage: str) -> None:
    async_path = anyio.Path(path)
    await async_path.write_bytes(spoiled(bytearray(await async_path.read_bytes()), damage))
    before = contents(tmp_path)
    for _ in range(2):
        async with SqliteStore(path) as store:
            with pytest.raises(StoreError, match=r"s\.db: the file is damaged: .*nothing was written.*salvage_store"):
                await store.open([LANE])

    assert contents(tmp_path) == before


async def test_damage_that_appears_while_the_store_is_open_ends_all_writing(path: Path) -> None:
    async with SqliteStore(path) as store:
        epoch = await store.open([LANE])

        def spoil(db: sqlite3.Connection) -> None:
            error = sqlite3.DatabaseError("database disk image is malformed")
            error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise error

        assert store._writer is not None
        with pytest.raises(StoreError, match="is damaged"):
            await store._writer.submit(spoil).wait()

        before = contents(path.parent)
        for _ in range(2):
            with pytest.raises(StoreError, match="is damaged"):
                await store.commit(epoch, [SavePosition(LANE, position(200))])

    assert contents(path.parent) == before, "not even closing writes the log back"


async def test_salvage_as_the_message_says(path: Path, tmp_path: Path) -> None:
    tape = [bar(first, first) for first in range(131, 2131)]
    async with SqliteStore(path) as store:
        await store.commit(await store.open([LANE]), [RecordBars(LANE, tuple(tape))])

    tamper(path, "UPDATE bars SET packed = zeroblob(176) WHERE first_agg_trade_id = 140")
    file = anyio.Path(path)
    data = bytearray(await file.read_bytes())
    middle = data.index(bar(1000, 1000).packed) // 4096 * 4096
    data[middle : middle + 100] = b"\xee" * 100
    await file.write_bytes(data)
    with pytest.raises(StoreError, match=r"rangebar_anyio\.salvage_store\(THIS, NEW\)"):
        await loads(path)

    assert rangebar_anyio.salvage_store is salvage_store
    new = tmp_path / "new.db"
    report = salvage_store(path, new)
    assert await file.read_bytes() == data
    assert (report.unreadable, report.damaged["bars"]) == (("bars",), 1)
    assert 1970 < report.kept["bars"] < 2002
    known = await loads(new)
    assert (known.position, [note.kind for note in known.notes]) == (position(2130), ["snapshot-stale"])
    async with SqliteStore(new) as store:
        kept = await store.bars(LANE, limit=10_000)
        assert len(kept) == report.kept["bars"]
        assert set(kept) < {bar(100, 110), bar(111, 120), bar(121, 130), *tape}
        await store.commit(await store.open([LANE]), [RecordBars(LANE, (bar(2131, 2140),))])

    with pytest.raises(StoreError, match="there is a file already; give a new path"):
        salvage_store(path, new)


@pytest.mark.parametrize("version", OLD_VERSIONS)
async def test_an_old_store_is_salvaged_as_it_is(path: Path, tmp_path: Path, version: int) -> None:
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    old_store(old, path, version)
    report = salvage_store(old, new)
    assert report.kept == {"positions": 1, "segments": 1, "snapshots": version - 1, "bars": 3}
    assert (await loads(new)).position == position(130)


async def test_nothing_to_salvage(tmp_path: Path) -> None:
    await anyio.Path(tmp_path / "s.db").write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError, match="nothing could be salvaged: file is not a database"):
        salvage_store(tmp_path / "s.db", tmp_path / "new.db")

    assert not (tmp_path / "new.db").exists()


async def test_a_file_of_another_program_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE theirs (x)")

    before = contents(tmp_path)
    async with SqliteStore(path) as store:
        with pytest.raises(StoreError, match="SQLite file of another program; give another path"):
            await store.open([LANE])

    assert contents(tmp_path) == before


async def test_an_older_program_refuses_a_newer_store(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {_schema.SCHEMA_VERSION + 1}")

    before = contents(path.parent)
    async with SqliteStore(path) as store:
        with pytest.raises(StoreError, match="schema version 4, and this program knows versions up to 3; use"):
            await store.open([LANE])

    with pytest.raises(StoreError, match="schema version 4"):
        StoreReader(path)

    assert contents(path.parent) == before


def old_store(path: Path, new: Path, version: int) -> None:
    """Make a store of an older schema version, by its own statements, with the rows of a new one."""
    with closing(sqlite3.connect(path)) as db:
        for statement in itertools.chain(*_schema.STEPS[:version]):
            db.execute(statement)

        db.execute(f"PRAGMA application_id = {_schema.APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {version}")
        db.execute(f"ATTACH '{new}' AS new")
        for (table,) in db.execute("SELECT name FROM main.sqlite_schema WHERE type = 'table'").fetchall():
            columns = ", ".join(row[1] for row in db.execute(f"PRAGMA main.table_info({table})"))
            db.execute(f"INSERT INTO main.{table} SELECT {columns} FROM new.{table}")

        db.commit()


@pytest.mark.parametrize("version", OLD_VERSIONS)
async def test_an_old_store_migrates_forward(path: Path, tmp_path: Path, version: int) -> None:
    old = tmp_path / "old.db"
    old_store(old, path, version)
    with StoreReader(old) as reader:
        (status,) = reader.lanes()
        assert status.checkpoint is not None, "a reader reads it as it is"
        assert (status.checkpoint.position, status.problem) == (position(130), "")
        assert len(list(reader.bars(LANE))) == 3
        (segment,) = reader.segments(LANE)
        assert (segment.origin, segment.replaced_from) == (ORIGIN, None)

    known = await loads(old)
    assert (known.position, known.snapshot is None) == (position(130), version == 1)
    with closing(sqlite3.connect(old)) as db, closing(sqlite3.connect(path)) as new:
        schema = "SELECT type, name, sql FROM sqlite_schema WHERE sql NOT NULL ORDER BY name"
        assert db.execute(schema).fetchall() == new.execute(schema).fetchall()
        assert db.execute("PRAGMA user_version").fetchone() == (_schema.SCHEMA_VERSION,)


async def test_a_migration_that_fails_leaves_the_old_store(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "old.db"
    old_store(old, path, 1)
    with monkeypatch.context() as patch:
        patch.setattr(_schema, "STEPS", (*_schema.STEPS, ("CREATE TABLE half (x)", "not a statement")))
        patch.setattr(_schema, "SCHEMA_VERSION", _schema.SCHEMA_VERSION + 1)
        with pytest.raises(StoreError, match="syntax error"):
            await loads(old)

    assert (await loads(old)).position == position(130)


async def test_a_full_disk_is_an_error_and_asking_again_tries_again(path: Path) -> None:
    tape = tuple(bar(first, first) for first in range(131, 1131))
    async with SqliteStore(path) as store:
        epoch = await store.open([LANE])
        assert store._writer is not None

        def fill(db: sqlite3.Connection) -> None:
            pages = db.execute("PRAGMA page_count").fetchone()[0]
            db.execute(f"PRAGMA max_page_count = {pages + 2}")

        await store._writer.submit(fill).wait()
        with pytest.raises(StoreError, match="full; free some space; the write can then be asked for again"):
            await store.commit(epoch, [RecordBars(LANE, tape)])

        assert len(await store.bars(LANE)) == 3
        assert await store.commit(epoch, [RecordBars(LANE, tape)]), "the limit was the old connection's"
        assert len(await store.bars(LANE, limit=5000)) == 1003


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    folder.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if not mounted or mounted.returncode:
        pytest.skip("this user cannot mount a small disk")

    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


async def until_refused(commit: Callable[[int], Awaitable[bool]]) -> int:
    for number in range(10_000):
        try:
            await commit(number)
        except StoreError:
            return number

    raise AssertionError("the disk never was full")


async def test_a_disk_that_is_really_full_loses_nothing(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    with small_disk(disk):
        async with SqliteStore(disk / "s.db") as store:
            epoch = await store.open([LANE])
            await store.commit(epoch, [BEGIN])

            async def commit(number: int) -> bool:
                first = 100 + 20 * number
                return await store.commit(epoch, [RecordBars(LANE, tuple(bar(n, n) for n in range(first, first + 20)))])

            ballast = anyio.Path(disk / "ballast")
            await ballast.write_bytes(bytes(300_000))
            count = await until_refused(commit)
            with pytest.raises(StoreError, match="disk"):
                await commit(count)

            await ballast.unlink()
            assert await commit(count), "asking again, with room, writes it"
            recorded = await store.bars(LANE, limit=100_000)
            assert [b.first_agg_trade_id for b in recorded] == list(range(100, 100 + 20 * (count + 1)))


READ_ONLY = """
import anyio, fcntl, os, sys, urllib.parse
from rangebar_anyio._errors import StoreError
from rangebar_anyio._stores import *
from rangebar_anyio.testing._store_conformance import LANE

async def main():
    if os.getuid() == 0:  # the administrator may write anywhere, so become nobody, once everything is imported
        os.setgid(65534)
        os.setuid(65534)
    async with SqliteStore(sys.argv[1]) as store:
        print(len(await store.bars(LANE)))
        try:
            await store.open([LANE])
        except StoreError as error:
            print(error)

anyio.run(main)
"""


@pytest.mark.parametrize("file", ["s.db", "new.db"])
async def test_a_read_only_folder_is_an_error_and_can_still_be_read(path: Path, file: str) -> None:
    with TemporaryDirectory() as name:  # pytest's own folders are closed to other users
        folder = anyio.Path(name)
        shutil.copy(path, folder)
        await folder.chmod(0o555)
        done = await anyio.run_process(
            [sys.executable, "-c", READ_ONLY, str(folder / file)],
            env={**os.environ, "PYTHONPATH": str(PACKAGE_FOLDER), "PYTHONDONTWRITEBYTECODE": "1"},
            check=False,
        )
        await folder.chmod(0o755)

    assert done.returncode == 0, done.stderr.decode()
    bars, error = done.stdout.decode().splitlines()
    assert bars == ("3" if file == "s.db" else "0")
    assert error.endswith(f"{file}: Permission denied; check the folder and its permissions")


async def test_a_missing_folder_is_an_error_and_asking_again_tries_again(tmp_path: Path) -> None:
    async with SqliteStore(tmp_path / "later" / "s.db") as store:
        with pytest.raises(StoreError, match="No such file or directory; check the folder"):
            await store.open([LANE])

        (tmp_path / "later").mkdir()
        assert await store.open([LANE]) == 1


async def test_another_program_that_holds_the_write_lock(path: Path) -> None:
    async with SqliteStore(path) as store:
        epoch = await store.open([LANE])
        assert store._writer is not None
        await store._writer.submit(lambda db: db.execute("PRAGMA busy_timeout = 1")).wait()
        with closing(sqlite3.connect(path, isolation_level=None)) as shell:
            shell.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError, match="another program holds the file's write lock"):
                await store.commit(epoch, [SavePosition(LANE, position(200))])

            shell.execute("ROLLBACK")

        assert await store.commit(epoch, [SavePosition(LANE, position(200))])


async def test_a_reader_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no store here; check the path"):
        StoreReader(tmp_path / "no.db")

    async with SqliteStore(tmp_path / "no.db") as store:
        assert [*await store.lanes(), *await store.bars(LANE), *await store.segments(OTHER)] == []

    assert not (tmp_path / "no.db").exists(), "reading makes no file"


async def test_names_that_sql_could_misread_come_back_as_they_are(tmp_path: Path) -> None:
    lane = LaneKey("a'b\"; --", "v\x00é", "Ω", 1)
    async with SqliteStore(tmp_path / "s.db") as store:
        epoch = await store.open([lane])
        await store.commit(epoch, [replace(BEGIN, lane=lane), RecordBars(lane, (bar(100, 2**62),))])
        (status,) = await store.lanes()
        assert status.lane == lane
        assert list(await store.bars(lane)) == [bar(100, 2**62)]
