"""The files of a store: moved away while it is open, left over from another one, or no files at all."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest

from rangebar_anyio import open_stream
from rangebar_anyio._errors import StoreError
from rangebar_anyio._stores import (
    LaneKey,
    RecordBars,
    SqliteStore,
    StoredBar,
    StoreReader,
    _apply,
    _connection,
    salvage_store,
)
from rangebar_anyio.testing._store_conformance import BEGIN, LANE, bar
from tests.stores.test_processes import WRITER, killed_after, running
from tests.stream.fake_source import QUICK, FakeExchange, make_tape

pytestmark = pytest.mark.anyio

TAPE = [bar(number, number) for number in range(100, 140)]


async def opened(path: Path) -> tuple[SqliteStore, int]:
    """A store that holds the first bar of the tape."""
    store = SqliteStore(path)
    epoch = await store.open([LANE])
    await store.commit(epoch, [BEGIN, RecordBars(LANE, (TAPE[0],))])
    return store, epoch


def recorded(path: Path) -> list[StoredBar]:
    with StoreReader(path) as reader:
        return list(reader.bars(LANE))


def names(folder: Path) -> dict[str, int]:
    return {file.name: file.lstat().st_mode for file in folder.iterdir()}


# Moved, deleted, replaced.


def move_file(path: Path, away: Path) -> None:
    path.rename(away / path.name)


def move_all(path: Path, away: Path) -> None:
    for file in path.parent.glob("s.db*"):
        file.rename(away / file.name)


def replace_file(path: Path, away: Path) -> None:
    path.rename(away / path.name)
    shutil.copy(away / path.name, path)


def move_folder(path: Path, away: Path) -> None:
    away.rmdir()
    path.parent.rename(away)
    path.parent.mkdir()


MOVES = [move_file, move_all, replace_file, move_folder]


def put_back(path: Path, away: Path) -> None:
    for file in away.iterdir():
        file.replace(path.parent / file.name)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "away").mkdir()
    (tmp_path / "here").mkdir()
    return tmp_path / "here" / "s.db"


@pytest.mark.parametrize("move", MOVES)
async def test_nothing_is_confirmed_while_the_file_is_away(path: Path, move: Callable[[Path, Path], None]) -> None:
    away = path.parents[1] / "away"
    store, epoch = await opened(path)
    async with store:
        move(path, away)
        left = names(path.parent)
        for _ in range(2):
            with pytest.raises(StoreError, match=r"it was moved, deleted or replaced while .*; put the very file back"):
                await store.commit(epoch, [RecordBars(LANE, (TAPE[1],))])

        with pytest.raises(StoreError, match="moved, deleted or replaced"):
            await store.bars(LANE)

        assert names(path.parent) == left, "no new file is made in its place"
        put_back(path, away)
        assert await store.commit(epoch, [RecordBars(LANE, (TAPE[1],))]), "putting it back heals it"
        assert list(await store.bars(LANE)) == TAPE[:2]

    assert recorded(path) == TAPE[:2]


@pytest.mark.parametrize("move", [move_file, move_all, move_folder])
async def test_what_was_confirmed_comes_back_with_the_file(path: Path, move: Callable[[Path, Path], None]) -> None:
    """The program ends while the file is away; what was in its log is put back with it or has stayed."""
    away = path.parents[1] / "away"
    store, epoch = await opened(path)
    move(path, away)
    with pytest.raises(StoreError, match="moved, deleted or replaced"):
        await store.commit(epoch, [RecordBars(LANE, (TAPE[1],))])

    await store.aclose()
    put_back(path, away)
    assert recorded(path) == TAPE[:1]


async def test_a_deleted_file_is_not_made_again_behind_the_programs_back(path: Path) -> None:
    store, epoch = await opened(path)
    async with store:

        def fail(db: sqlite3.Connection) -> None:
            path.unlink()
            raise sqlite3.OperationalError("the connection is let go")

        assert store._writer is not None
        with pytest.raises(StoreError, match="let go"):
            await store._writer.submit(fail).wait()

        with pytest.raises(StoreError, match="moved, deleted or replaced"):
            await store.commit(epoch, [RecordBars(LANE, (TAPE[1],))])

        assert "s.db" not in names(path.parent)


async def test_a_move_in_the_middle_of_a_commit_confirms_nothing(path: Path) -> None:
    away = path.parents[1] / "away"
    store, epoch = await opened(path)
    async with store:

        def move_at_commit(statement: str) -> None:
            if statement == "COMMIT":
                move_file(path, away)

        def record(db: sqlite3.Connection) -> None:
            assert _apply.commit(db, epoch, [RecordBars(LANE, (TAPE[1],))])
            db.set_trace_callback(move_at_commit)

        assert store._writer is not None
        with pytest.raises(StoreError, match="moved, deleted or replaced"):
            await store._writer.submit(record).wait()

        put_back(path, away)
        await store._writer.submit(lambda db: db.set_trace_callback(None)).wait()
        assert await store.commit(epoch, [RecordBars(LANE, (TAPE[1],))]), "asking again is always harmless"

    assert recorded(path) == TAPE[:2]


async def test_a_file_that_is_replaced_while_it_is_opened_is_not_taken(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, _ = await opened(path)
    await store.aclose()
    connect, moves = _connection._connect, [replace_file]

    def replaced(uri: str) -> sqlite3.Connection:
        if "mode=rw" in uri and moves:
            moves.pop()(path, path.parents[1] / "away")

        return connect(uri)

    monkeypatch.setattr(_connection, "_connect", replaced)
    async with SqliteStore(path) as store:
        with pytest.raises(StoreError, match="moved, deleted or replaced"):
            await store.open([LANE])

        assert await store.open([LANE]) == 2, "asking again takes what is there now"


async def test_a_log_that_is_taken_away_costs_nothing(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What the log held is in the file before anything else is confirmed."""
    store, epoch = await opened(path)
    async with store:
        for count in (1, 3):
            (path.parent / "s.db-wal").unlink()
            assert await store.commit(epoch, [RecordBars(LANE, (TAPE[count],))])
            as_after_a_kill = path.parents[1] / "away" / f"{count}.db"
            shutil.copy(path, as_after_a_kill)
            assert recorded(as_after_a_kill) == TAPE[: count + 1]
            assert await store.commit(epoch, [RecordBars(LANE, (TAPE[count + 1],))]), "into a new log"

        assert caplog.text.count("its log was taken away while it was open") == 2

    assert recorded(path) == TAPE[:5]


async def test_a_log_that_is_taken_away_under_a_reader_confirms_nothing_meanwhile(path: Path) -> None:
    store, epoch = await opened(path)
    async with store:
        assert store._writer is not None
        await store._writer.submit(lambda db: db.execute("PRAGMA busy_timeout = 1")).wait()
        with closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            assert reader.execute("SELECT count(*) FROM bars").fetchone() == (1,)
            (path.parent / "s.db-wal").unlink()
            for _ in range(2):
                with pytest.raises(StoreError, match=r"its log was moved or deleted .*; end the programs that read it"):
                    await store.commit(epoch, [RecordBars(LANE, (TAPE[1],))])

        assert await store.commit(epoch, [RecordBars(LANE, (TAPE[1],))])

    assert recorded(path) == TAPE[:2]


# Left over.


@pytest.fixture
def left_over(path: Path) -> Path:
    """The log of a recorder that was killed, without its file."""
    with running(WRITER, path) as process:
        killed_after(process, 10)

    path.rename(path.parents[1] / "away" / "s.db")
    return path


def begin(path: Path) -> None:
    async def main() -> None:
        async with SqliteStore(path) as store:
            await store.open([LANE])

    anyio.run(main)


@pytest.mark.parametrize("empty_file", [False, True])
@pytest.mark.parametrize("ending", ["-wal", "-journal"])
def test_no_store_is_begun_beside_the_log_of_another(left_over: Path, ending: str, empty_file: bool) -> None:
    wal = left_over.with_name("s.db-wal")
    log = wal.rename(left_over.with_name(f"s.db{ending}"))
    content = log.read_bytes()
    if empty_file:
        left_over.touch()

    for _ in range(2):
        with pytest.raises(
            StoreError, match=rf"s\.db: .* the log of one: s\.db{ending} .*; put the file back .* move s"
        ):
            begin(left_over)

    with pytest.raises(StoreError, match="there is no store here"):
        StoreReader(left_over)

    assert log.read_bytes() == content, "reading and refusing touch nothing"
    log.rename(wal)
    (left_over.parents[1] / "away" / "s.db").rename(left_over)
    assert len(recorded(left_over)) >= 10, "as the message says: put back, everything is there"


def test_a_new_store_begins_when_the_log_is_away(left_over: Path) -> None:
    left_over.with_name("s.db-wal").unlink()
    begin(left_over)
    assert recorded(left_over) == []


def test_an_empty_log_is_no_log(path: Path) -> None:
    path.with_name("s.db-wal").touch()
    begin(path)
    assert recorded(path) == []


def test_nothing_is_salvaged_into_a_place_with_a_log(left_over: Path) -> None:
    away = left_over.parents[1] / "away" / "s.db"
    with pytest.raises(StoreError, match=r"s\.db-wal may hold what was recorded last"):
        salvage_store(away, left_over)

    assert not left_over.exists()


# No files, and no names of files.


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_device_link(path: Path) -> None:
    path.symlink_to("/dev/null")


def make_socket(path: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as server:
        server.bind(str(path))


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (make_pipe, "a named pipe"),
        (make_device_link, "a device"),
        (make_socket, "a socket"),
        (Path.mkdir, "a folder"),
    ],
)
async def test_what_is_no_regular_file_is_refused_untouched(
    tmp_path: Path, make: Callable[[Path], None], what: str
) -> None:
    path = tmp_path / "s.db"
    make(path)
    before = names(tmp_path)
    message = f"a store is a regular file, and this is {what}; give another path"
    async with SqliteStore(path) as store:
        for call in (lambda: store.open([LANE]), store.lanes):
            with pytest.raises(StoreError, match=message):
                await call()

    for read in (StoreReader, lambda path: salvage_store(path, tmp_path / "new.db")):
        with pytest.raises(StoreError, match=message):
            read(path)

    assert names(tmp_path) == before, "not even a lock file"
    assert "null.lock" not in names(Path("/dev"))


@pytest.mark.parametrize("use", [SqliteStore, StoreReader, lambda path: salvage_store(path, path)])
def test_what_names_no_file_is_refused(use: Callable[[Any], object]) -> None:
    with pytest.raises(TypeError, match=r"must be a str or a PathLike .*, not b'bars\.db'; write os\.fsdecode"):
        use(b"bars.db")

    for name in ("", "bars\0.db"):
        with pytest.raises(ValueError, match=r"must name a file, not '.*'; such as"):
            use(name)


async def test_a_relative_path_belongs_to_the_folder_where_the_store_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    store = SqliteStore("s.db")
    monkeypatch.chdir(tmp_path / "there")
    async with store:
        await store.open([LANE])
        assert store.path == "s.db"

    assert names(tmp_path / "here").keys() == {"s.db", "s.db.lock"}
    assert names(tmp_path / "there").keys() == set()


@pytest.mark.parametrize("place", range(3))
def test_a_name_that_no_file_can_hold_is_refused(place: int) -> None:
    parts = ["reader", "venue", "symbol"]
    field, parts[place] = parts[place], "\ud800"
    with pytest.raises(ValueError, match=rf"{field} must be text that UTF-8 can hold, not '\\ud800'; give another"):
        LaneKey(parts[0], parts[1], parts[2], 250)


async def test_a_stream_refuses_such_a_name_before_it_opens_anything(path: Path) -> None:
    exchange = FakeExchange([make_tape(20)], history=20)
    with pytest.raises(ValueError, match="reader must be text that UTF-8 can hold"):
        async with open_stream("BTCUSDT", source=exchange, store=path, reader="a\udcff", config=QUICK):
            pass

    assert names(path.parent) == {}
