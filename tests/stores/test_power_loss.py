"""Loss of power, at any moment, on a disk that keeps only what it was told to keep.

A recorder runs under ``strace``, which writes down every file operation with its data. From that log come the disks
that a loss of power may leave behind: what was synced is there; of the writes since then any subset is missing and the
last one is torn; of the folder's changes since its last sync any number is missing from the end. Opening such a disk
must give the recorder's tape up to some bar, at or after the last bar that it had been told was safe.

``POWER_LOSSES=5000 pytest tests/stores/test_power_loss.py`` looks at more disks than the few of an ordinary run.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import anyio
import pytest

import rangebar_anyio._stores as stores
from rangebar_anyio._errors import StoreError
from rangebar_anyio._stores import RecordBars, SqliteStore, StoredBar, StoreReader
from rangebar_anyio.testing._store_conformance import FORMAT, LANE, ORIGIN, bar

PACKAGE_FOLDER = Path(stores.__file__).parents[2]
LOSSES = int(os.environ.get("POWER_LOSSES", "150"))

# Opens the store three times, so that the log is made, written back in the middle and deleted again and again.
RECORDER = """
import anyio, os, sys
from rangebar_anyio._stores import *
from rangebar_anyio.testing._store_conformance import BEGIN, FORMAT, LANE, bar

async def run(first, count):
    async with SqliteStore(sys.argv[1]) as store:
        epoch = await store.open([LANE])
        await store._writer.submit(lambda db: db.execute("PRAGMA wal_autocheckpoint = 25")).wait()
        if not await store.load(epoch, FORMAT):
            await store.commit(epoch, [BEGIN])
        for number in range(first, first + count):
            await store.commit(epoch, [RecordBars(LANE, (bar(number, number),))])
            os.write(1, b"%d\\n" % number)

for start in (100, 140, 180):
    anyio.run(run, start, 40)
"""

STRACE = ("strace", "-f", "-y", "-xx", "-s", "100000", "-e")
CALLS = "openat,pwrite64,write,ftruncate,fsync,fdatasync,unlink,unlinkat,rename,renameat,renameat2"


@dataclass(frozen=True)
class Operation:
    kind: str
    path: str = ""
    offset: int = 0
    data: bytes = b""


def unhex(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


def whole_lines(log: Path) -> Iterator[str]:
    """Give the calls in the order in which they ended, each in one line."""
    begun: dict[str, str] = {}
    with log.open() as lines:
        for line in lines:
            pid, _, call = line.rstrip("\n").partition(" ")
            if call.endswith("<unfinished ...>"):
                begun[pid] = call.removesuffix("<unfinished ...>").rstrip()
            elif match := re.match(r"\s*<\.\.\. \w+ resumed>", call):
                yield begun.pop(pid) + call[match.end() :]
            else:
                yield call.strip()


def operation(call: str, folder: str) -> Operation | None:
    match = re.match(r"(\w+)\((.*)\)\s+= (-?\d+)", call)
    if match is None or int(match[3]) < 0:
        return None

    name, arguments = match[1], match[2]
    if name == "openat":
        path = unhex(re.findall(r'"([^"]*)"', arguments)[0]).decode()
        return Operation("create", path) if path.startswith(folder) and "O_CREAT" in arguments else None

    if name in ("unlink", "unlinkat"):
        return Operation("unlink", unhex(re.findall(r'"([^"]*)"', arguments)[0]).decode())

    if name.startswith("rename"):
        old, new = (unhex(text) for text in re.findall(r'"([^"]*)"', arguments))
        return Operation("rename", old.decode(), 0, new)

    path = arguments.partition("<")[2].partition(">")[0]
    path = unhex(path).decode() if path.startswith("\\x") else path
    if name in ("fsync", "fdatasync"):
        return Operation("sync", path)

    if name == "ftruncate":
        return Operation("truncate", path, int(arguments.rpartition(",")[2]))

    data = unhex(re.findall(r'"([^"]*)"', arguments)[0])
    if name == "write":
        return Operation("told", "", int(data)) if re.match(r"1<|1,", arguments) else Operation("append", path, 0, data)

    return Operation("write", path, int(arguments.rpartition(",")[2]), data)


@dataclass
class File:
    synced: bytes = b""
    pending: list[Operation] = field(default_factory=list)

    def content(self, kept: list[Operation]) -> bytes:
        content = bytearray(self.synced)
        for change in kept:
            if change.kind == "truncate":
                del content[change.offset :]
                content.extend(bytes(max(0, change.offset - len(content))))
            else:
                content.extend(bytes(max(0, change.offset - len(content))))
                content[change.offset : change.offset + len(change.data)] = change.data

        return bytes(content)


@dataclass
class Disk:
    """One folder: what is safe, and what has been asked for since."""

    folder: str
    names: dict[str, File] = field(default_factory=dict)
    changes: list[dict[str, File | None]] = field(default_factory=list)
    told: int = ORIGIN.order

    def file(self, path: str) -> File | None:
        return self.names_after(len(self.changes)).get(path)

    def names_after(self, count: int) -> dict[str, File]:
        """Give the folder with some of its changes since the last sync."""
        names: dict[str, File | None] = {**self.names}
        for change in self.changes[:count]:
            names |= change

        return {name: file for name, file in names.items() if file is not None}

    def do(self, op: Operation) -> None:
        file = self.file(op.path)
        if op.kind == "told":
            self.told = op.offset
        elif op.kind == "sync" and op.path == self.folder:
            self.names = self.names_after(len(self.changes))
            self.changes.clear()
        elif op.kind == "create" and file is None:
            self.changes.append({op.path: File()})
        elif file is None or op.kind == "create":
            pass
        elif op.kind == "unlink":
            self.changes.append({op.path: None})
        elif op.kind == "rename":
            self.changes.append({op.path: None, op.data.decode(): file})
        elif op.kind == "sync":
            file.synced = file.content(file.pending)
            file.pending.clear()
        else:
            assert op.kind in ("write", "truncate"), op
            file.pending.append(op)

    def after_power_loss(self, random: Random) -> dict[str, bytes]:
        names = self.names_after(random.randint(0, len(self.changes)))
        return {name: torn(file, random) for name, file in names.items()}


def torn(file: File, random: Random) -> bytes:
    share = random.choice((0.0, 0.5, 0.9, 1.0))
    kept = [change for change in file.pending if random.random() < share]
    if kept and kept[-1].kind == "write":
        last = kept[-1]
        size = random.choice((0, 512, random.randint(0, len(last.data)), len(last.data)))
        kept[-1] = Operation("write", last.path, last.offset, last.data[:size])

    return file.content(kept)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[Operation]]:
    """The folder of a recorder and all its file operations."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")

    folder, trace = tmp_path_factory.mktemp("recorder"), tmp_path_factory.mktemp("trace") / "log"
    run = subprocess.run(
        [*STRACE, f"trace={CALLS}", "-o", str(trace), sys.executable, "-c", RECORDER, str(folder / "s.db")],
        env={**os.environ, "PYTHONPATH": str(PACKAGE_FOLDER)},
        capture_output=True,
        text=True,
        check=False,
    )
    if "ptrace" in run.stderr.lower():
        pytest.skip("this machine does not allow tracing")

    assert run.returncode == 0, run.stderr
    found = (operation(line, str(folder)) for line in whole_lines(trace))
    ours = ("s.db", "s.db-wal", "s.db.draft", "s.db.draft-wal", "s.db.draft-journal")
    wanted = {str(folder / name) for name in ours} | {str(folder), ""}
    return str(folder), [op for op in found if op is not None and op.path in wanted]


def test_the_log_is_complete(log: tuple[str, list[Operation]]) -> None:
    """The log, carried out to its end, gives the very files: nothing was missed."""
    folder, operations = log
    disk = Disk(folder)
    for op in operations:
        disk.do(op)

    real = {str(p): p.read_bytes() for p in Path(folder).iterdir() if not p.name.endswith(("-shm", ".lock"))}
    names = disk.names_after(len(disk.changes))
    assert {name: file.content(file.pending) for name, file in names.items()} == real
    assert [op.offset for op in operations if op.kind == "told"] == list(range(100, 220))
    assert sum(op.kind == "sync" and op.path.endswith("s.db") for op in operations) > 10, "logs were written back"


def test_any_loss_of_power_leaves_a_prefix_of_the_tape(log: tuple[str, list[Operation]], tmp_path: Path) -> None:
    found = lose_power(*log, tmp_path)
    assert len(set(found)) > min(LOSSES, 200) / 10, "the losses were spread over the tape"


@pytest.mark.parametrize("unsynced", ["s.db-wal", "s.db"])
def test_a_store_that_does_not_sync_is_found_out(
    log: tuple[str, list[Operation]], tmp_path: Path, unsynced: str
) -> None:
    folder, operations = log
    careless = [op for op in operations if (op.kind, op.path) != ("sync", f"{folder}/{unsynced}")]
    with pytest.raises((AssertionError, StoreError)):
        lose_power(folder, careless, tmp_path)


def lose_power(folder: str, operations: list[Operation], tmp_path: Path) -> list[int]:
    """Try many disks, and return the last bar on each."""
    random = Random(os.environ.get("POWER_LOSS_SEED", "1"))
    moments = sorted(random.choices(range(len(operations) + 1), k=LOSSES))
    disk, done, found = Disk(folder), 0, []
    for number, moment in enumerate(moments):
        for op in operations[done:moment]:
            disk.do(op)

        done = moment
        place = tmp_path / str(number)
        place.mkdir()
        for name, content in disk.after_power_loss(random).items():
            (place / Path(name).name).write_bytes(content)

        try:
            last = anyio.run(reopened, place / "s.db")
            assert last >= disk.told, f"bar {disk.told} had been told safe, and {last} is the last one"
        except BaseException as error:
            error.add_note(f"after {moment} of {len(operations)} operations, with {disk.told} told safe: {place}")
            raise

        found.append(last)
        shutil.rmtree(place)

    return found


async def reopened(path: Path) -> int:
    """Open what is left, go on recording, and return the last bar that was there."""
    async with SqliteStore(path) as store:
        epoch = await store.open([LANE])
        known = await store.load(epoch, FORMAT)
        recorded = list(await store.bars(LANE))
        if not known:
            assert recorded == []
            return ORIGIN.order

        last = known[LANE].position.order
        assert known[LANE].notes == ()
        assert recorded == tape(last)
        await store.commit(epoch, [RecordBars(LANE, (bar(last + 1, last + 1),))])

    with StoreReader(path) as reader:
        assert list(reader.bars(LANE)) == tape(last + 1)

    return last


def tape(last: int) -> list[StoredBar]:
    return [bar(number, number) for number in range(100, last + 1)]
