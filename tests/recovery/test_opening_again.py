"""A recorder's database that is full, read-only, damaged or newer: a clear line, and what is there stays.

Each test runs the commands as a user would, against an exchange in a process of its own.
"""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from rangebar_anyio import StoreError, StoreReader, salvage_store
from rangebar_anyio.testing import Tape, write_archive_csv

from .house import ROOT, Market, exchange_of, recorded_bars, wanted_bars

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the store needs the locks of a POSIX system")

#: All of it in the past, so that a recording takes no longer than reading it.
MARKET = Market(seed=5, trades=4000, symbols=1, history=4000)
LANES = ("BTCUSDT", "--threshold", "10", "--threshold", "40", "--start", "0")
PLAIN = "from rangebar_anyio.cli import main; main()"
WAIT_S = 60


@dataclass(frozen=True)
class House:
    """An exchange, the bars of its tape, and the commands."""

    tape: Tape
    urls: tuple[str, ...]

    @property
    def wanted(self) -> dict[tuple[str, int], list[bytes]]:
        return wanted_bars([self.tape], (10, 40))

    @property
    def count(self) -> int:
        return sum(map(len, self.wanted.values()))

    def record(self, db: Path, *words: str, program: str = PLAIN) -> subprocess.CompletedProcess[str]:
        return run("record", *LANES, "--db", str(db), "-q", *self.urls, *words, program=program)

    def record_all(self, db: Path) -> str:
        """Record what is missing, and compare; what the command said."""
        said = ""
        had = sum(map(len, recorded_bars(db).values()))
        if had < self.count:
            done = self.record(db, "--max-bars", str(self.count - had))
            assert done.returncode == 0, done.stderr
            said = done.stderr

        assert recorded_bars(db) == self.wanted
        return said


def run(*words: str, program: str = PLAIN) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, timeout=WAIT_S, check=False, cwd=ROOT
    )


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with exchange_of(MARKET) as (ws_url, rest_url, _):
        yield House(MARKET.tapes()[0], ("--ws-url", ws_url, "--rest-url", rest_url))


@pytest.fixture(scope="module")
def half(house: House, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("half") / "bars.db"
    assert house.record(path, "--max-bars", str(house.count // 2)).returncode == 0
    return path


@pytest.fixture
def db(half: Path, tmp_path: Path) -> Path:
    """A database with the first half of the bars."""
    return Path(shutil.copy(half, tmp_path))


@pytest.fixture(scope="module")
def whole(house: House, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with all of them."""
    path = tmp_path_factory.mktemp("whole") / "bars.db"
    house.record_all(path)
    return path


def prefixes(found: dict[tuple[str, int], list[bytes]], wanted: dict[tuple[str, int], list[bytes]]) -> bool:
    return all(wanted[lane][: len(bars)] == bars for lane, bars in found.items())


# Reading back.


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_what_is_exported_is_what_replay_makes_of_the_archive(
    house: House, whole: Path, tmp_path: Path, form: str
) -> None:
    """The same tape, once through sockets, REST, store and export, once through a file: the same bytes."""
    if form == "parquet":
        pytest.importorskip("pyarrow")

    archive = tmp_path / "BTCUSDT-aggTrades-2026-01-01.csv"
    write_archive_csv(house.tape, archive)
    for threshold in (10, 40):
        exported, replayed = tmp_path / f"exported.{form}", tmp_path / f"replayed.{form}"
        done = run("export", str(whole), "--threshold", str(threshold), "-o", str(exported), "-q")
        assert (done.returncode, done.stderr) == (0, "")
        done = run("replay", str(archive), "--threshold", str(threshold), "-o", str(replayed))
        assert done.returncode == 0, done.stderr
        assert exported.stat().st_size > 1000
        if form == "parquet":
            from pyarrow import parquet

            assert parquet.read_table(exported).equals(parquet.read_table(replayed))
        else:
            assert exported.read_bytes() == replayed.read_bytes()


# The disk.

#: What a full disk looks like to one process: no file may grow beyond this.
FULL = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (%d, %d))\n" + PLAIN


def test_a_disk_that_is_full_ends_the_recording_and_loses_nothing(house: House, tmp_path: Path) -> None:
    db = tmp_path / "bars.db"
    limits = (90_000, 130_000, 170_000)
    before = 0
    for limit in limits:
        done = house.record(db, "--max-bars", str(house.count), program=FULL % (limit, limit))
        assert done.returncode == 1
        assert str(db) in done.stderr
        assert "disk" in done.stderr
        assert "Traceback" not in done.stderr
        found = recorded_bars(db)
        assert prefixes(found, house.wanted)
        assert sum(map(len, found.values())) >= before
        before = sum(map(len, found.values()))

    assert 0 < before < house.count
    house.record_all(db)


#: The administrator may write anywhere, so the program becomes nobody, once everything is imported.
NOBODY = """
import os
import rangebar_anyio._recorder, rangebar_anyio._feed, rangebar_anyio._sources._binance, rangebar_anyio._stores
import rangebar_anyio.cli._record, rangebar_anyio.cli._export, rangebar_anyio.cli._status
import rangebar_anyio.cli._follow, rangebar_anyio.cli._screen, rangebar_anyio.cli._table, anyio._backends._asyncio
import difflib, json, rich.table, rangebar_anyio.cli._stored, rangebar_anyio.cli._outputs, rangebar_anyio.cli._format
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
"""


def test_a_folder_that_cannot_be_written_to(house: House, db: Path) -> None:
    """Recording is refused in a line; reading works."""
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to other users
        folder = Path(name)
        shutil.copy(db, folder)
        folder.chmod(0o555)
        try:
            for file in ("bars.db", "new.db"):
                done = house.record(folder / file, program=NOBODY + PLAIN)
                assert done.returncode == 1, done.stderr
                assert f"{file}: Permission denied; check the folder and its permissions" in done.stderr

            exported = run("export", str(folder / "bars.db"), "-q", program=NOBODY + PLAIN)
            shown = run("status", str(folder / "bars.db"), program=NOBODY + PLAIN)
            assert (exported.returncode, shown.returncode) == (0, 0), exported.stderr + shown.stderr
            assert len(exported.stdout.splitlines()) == house.count // 2
        finally:
            folder.chmod(0o755)


# Versions and formats.


def test_a_store_of_a_newer_program_is_refused_untouched(house: House, db: Path) -> None:
    with closing(sqlite3.connect(db)) as shell:
        shell.execute("PRAGMA user_version = 99")

    before = db.read_bytes()
    for done in (house.record(db), run("export", str(db)), run("status", str(db))):
        assert done.returncode == 1
        assert "schema version 99, and this program knows versions up to" in done.stderr
        assert "use the newer rangebar-anyio that wrote it" in done.stderr

    assert db.read_bytes() == before


def test_bars_by_another_rule_are_refused_and_a_restart_overrides(house: House, db: Path) -> None:
    """As a program would that makes other bars of the same trades."""
    other = "import rangebar_anyio._stream._keeper as keeper; keeper.RULE_VERSION = 2\n" + PLAIN
    done = house.record(db, program=other)
    assert done.returncode == 1
    assert "rule version" in done.stderr
    assert "--restart" in done.stderr
    done = house.record(db, "--restart", "--replace", "--max-bars", "5", program=other)
    assert done.returncode == 0, done.stderr
    assert prefixes(recorded_bars(db), house.wanted)


# Damage.


def execute(db: Path, *statements: str) -> None:
    with closing(sqlite3.connect(db)) as shell:
        for statement in statements:
            shell.execute(statement)

        shell.commit()


POSITION = "UPDATE positions SET position_order = position_order + 700 WHERE threshold_dbps = 10"


@pytest.mark.parametrize(
    "statements",
    [
        (POSITION,),
        ("UPDATE positions SET position = x'00', origin_text = 'nonsense'",),
        ("DELETE FROM positions",),
        ("UPDATE positions SET checksum = x'00'", "DELETE FROM snapshots"),
        ("UPDATE snapshots SET data = x'00'",),
        ("UPDATE segments SET origin_order = 5",),
    ],
)
def test_a_damaged_row_costs_no_bar(house: House, db: Path, statements: Sequence[str]) -> None:
    """A position is made again from the last recorded bar; a snapshot is fetched again; the end is the whole tape."""
    execute(db, *statements)
    said = house.record_all(db)
    assert ("was damaged and was made again" in said) == ("positions" in statements[0])


def test_a_row_damaged_while_the_recording_goes_on(house: House, tmp_path: Path) -> None:
    """Another program writes into the positions again and again; no bar is lost, doubled or skipped for it."""
    db = tmp_path / "bars.db"
    assert house.record(db, "--max-bars", "3").returncode == 0
    words = ("record", *LANES, "--db", str(db), "-q", *house.urls, "--max-bars", str(house.count - 3))
    command = [sys.executable, "-c", PLAIN, *words]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as recorder:
        damaged = 0
        while recorder.poll() is None:
            execute(db, "PRAGMA busy_timeout = 5000", POSITION)
            damaged += 1
            # SQLite's lock is not a fair one, and the recorder must get it too.
            time.sleep(0.05)

        assert recorder.stderr is not None
        said = recorder.stderr.read().splitlines()

    # It may have been damaged before it was opened.
    assert all("was damaged and was made again" in line for line in said), said
    assert recorder.returncode == 0

    assert damaged > 1
    assert recorded_bars(db) == house.wanted


def test_a_damaged_position_without_bars_names_the_lane_and_restart_overrides(house: House, tmp_path: Path) -> None:
    db = tmp_path / "bars.db"
    wide = ("BTCUSDT", "--threshold", "90000", "--start", "0", "--db", str(db), "-q", *house.urls)
    record_until_it_has_a_position(db, *wide)
    execute(db, "UPDATE positions SET position = x'00'")
    done = run("record", *wide)
    assert done.returncode == 1
    assert "BTCUSDT/90000 is damaged" in done.stderr
    assert "--restart" in done.stderr
    assert run("status", str(db)).returncode == 1
    record_until_it_has_a_position(db, *wide, "--restart")
    assert run("status", str(db)).returncode == 0


def record_until_it_has_a_position(db: Path, *words: str) -> None:
    command = [sys.executable, "-c", PLAIN, "record", *words]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as recorder:
        while not has_a_position(db):
            assert recorder.poll() is None
            time.sleep(0.02)

        recorder.send_signal(signal.SIGINT)
        assert recorder.stderr is not None
        said = recorder.stderr.read()

    assert recorder.returncode == 0, said


def has_a_position(db: Path) -> bool:
    """Whether there is a lane, and one that can be gone on with."""
    try:
        with StoreReader(db) as store:
            lanes = store.lanes()
    except StoreError:
        # It is only being made.
        return False

    return bool(lanes) and all(status.checkpoint is not None and not status.problem for status in lanes)


@pytest.mark.parametrize("where", ["header", "body"])
def test_a_damaged_file_is_left_alone_and_salvaged_as_the_message_says(
    house: House, db: Path, tmp_path: Path, where: str
) -> None:
    """Nothing is written to it; what is whole goes into a new file, and the recording goes on there."""
    data = bytearray(db.read_bytes())
    place, size = (40, 20) if where == "header" else (len(data) // 8192 * 4096, 3 * 4096)
    data[place : place + size] = bytes(number % 251 for number in range(size))
    db.write_bytes(data)
    done = house.record(db, "--max-bars", "1")
    assert done.returncode == 1
    assert "the file is damaged" in done.stderr
    assert "salvage_store(THIS, NEW)" in done.stderr
    assert db.read_bytes() == data

    new = tmp_path / "new.db"
    if where == "header":
        # Nobody can tell any more where its tables are.
        with pytest.raises(StoreError, match="nothing could be salvaged: unsupported file format"):
            salvage_store(db, new)

        return

    kept = salvage_store(db, new).kept["bars"]
    assert db.read_bytes() == data
    done = house.record(new, "--max-bars", "20")
    assert (done.returncode, done.stderr) == (0, "")
    found = recorded_bars(new)
    assert sum(map(len, found.values())) >= kept + 20
    for lane, bars in found.items():
        assert bars == [bar for bar in house.wanted[lane] if bar in bars]
