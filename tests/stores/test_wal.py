"""A damaged write-ahead log is noticed before it costs a bar; what a loss of power leaves is not taken for damage."""

from __future__ import annotations

import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random
from struct import iter_unpack, pack, unpack
from typing import TypeAlias

import anyio
import pytest

from rangebar_anyio._errors import StoreError
from rangebar_anyio._stores import RecordBars, SqliteStore, StoreReader, salvage_store
from rangebar_anyio.testing._store_conformance import BEGIN, FORMAT, LANE, bar

Raw: TypeAlias = bytes | bytearray

HEADER, FRAME = 32, 24 + 4096
FIRST = 100


def killed(path: Path, into: Path, counts: list[int], *, written_back: bool = False) -> Path:
    """Record transactions of so many bars each, and copy what a kill would leave behind."""
    into.mkdir()
    anyio.run(_record, path, into, counts, written_back)
    return into / "s.db"


async def _record(path: Path, into: Path, counts: list[int], written_back: bool) -> None:
    async with SqliteStore(path) as store:
        epoch = await store.open([LANE])
        known = await store.load(epoch, FORMAT)
        if not known:
            await store.commit(epoch, [BEGIN])

        first = known[LANE].position.order + 1 if known else FIRST
        for count in counts:
            tape = tuple(bar(number, number) for number in range(first, first + count))
            await store.commit(epoch, [RecordBars(LANE, tape)])
            first += count

        if written_back:
            with closing(sqlite3.connect(path)) as other:
                assert other.execute("PRAGMA wal_checkpoint(FULL)").fetchone()[0] == 0

        for ending in ("", "-wal"):
            shutil.copy(f"{path}{ending}", into / f"s.db{ending}")


def last_id(path: Path) -> int:
    """Open a store, go on recording, and return the last bar that was there."""

    async def main() -> int:
        async with SqliteStore(path) as store:
            epoch = await store.open([LANE])
            known = await store.load(epoch, FORMAT)
            last = known[LANE].position.order if known else FIRST - 1
            if known:
                await store.commit(epoch, [RecordBars(LANE, (bar(last + 1, last + 1),))])

            return last

    last = anyio.run(main)
    with StoreReader(path) as reader:
        ids = [bar.first_agg_trade_id for bar in reader.bars(LANE)]
        assert ids == list(range(FIRST, last + 2)) or not ids

    return last


def log_of(path: Path) -> bytearray:
    return bytearray(path.with_name("s.db-wal").read_bytes())


def with_log(path: Path, log: Raw, place: Path) -> Path:
    """Give a copy of a store with another log."""
    place.mkdir()
    shutil.copy(path, place / "s.db")
    (place / "s.db-wal").write_bytes(log)
    return place / "s.db"


def sums(pairs: str, data: Raw, a: int, b: int) -> tuple[int, int]:
    """The checksum as SQLite's page on its file format has it."""
    for x, y in iter_unpack(pairs, data):
        a = (a + x + b) % 2**32
        b = (b + y + a) % 2**32

    return a, b


def resummed(log: Raw, magic: int) -> bytearray:
    """Write a log's checksums anew, in the order of bytes that the magic number stands for."""
    new, pairs = bytearray(log), ">II" if magic & 1 else "<II"
    new[:4] = pack(">I", magic)
    a, b = sums(pairs, new[:24], 0, 0)
    new[24:32] = pack(">II", a, b)
    for at in range(HEADER, len(log) - FRAME + 1, FRAME):
        a, b = sums(pairs, new[at : at + 8], a, b)
        a, b = sums(pairs, new[at + 24 : at + FRAME], a, b)
        new[at + 16 : at + 24] = pack(">II", a, b)

    return new


def ends_of_transactions(log: Raw) -> list[int]:
    """The offsets at which the frames of transactions end."""
    starts = range(HEADER, len(log) - FRAME + 1, FRAME)
    return [at + FRAME for at in starts if unpack(">I", log[at + 4 : at + 8])[0]]


def refused(path: Path) -> bool:
    before, said = (log_of(path), path.read_bytes()), ""
    try:
        last_id(path)
    except StoreError as error:
        said = str(error)

    if not said:
        return False

    assert re.search(r"the file is damaged: .* log s\.db-wal .*salvage_store\(THIS, NEW\)", said)
    assert (log_of(path), path.read_bytes()) == before, "nothing is written"
    return True


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """A store whose log holds eighteen transactions."""
    return killed(tmp_path / "whole.db", tmp_path / "left", [1, 1, 1, 40, 1, 1, 1, 25, *[1] * 8])


LAST = FIRST + 3 + 40 + 3 + 25 + 8 - 1


# Damage.


def test_an_undamaged_log_is_replayed(left: Path) -> None:
    assert last_id(left) == LAST


@pytest.mark.parametrize("magic", [0x377F0682, 0x377F0683])
def test_logs_of_machines_with_either_order_of_bytes(left: Path, tmp_path: Path, magic: int) -> None:
    log = resummed(log_of(left), magic)
    assert last_id(with_log(left, log, tmp_path / "whole")) == LAST
    log[HEADER + 2 * FRAME + 100] ^= 1
    assert refused(with_log(left, log, tmp_path / "damaged"))


@pytest.mark.parametrize("at", range(HEADER))
def test_any_damage_in_the_header_is_noticed(left: Path, tmp_path: Path, at: int) -> None:
    log = log_of(left)
    log[at] ^= 1 << at % 8
    assert refused(with_log(left, log, tmp_path / "damaged"))


def test_damage_in_a_frame_is_noticed_up_to_the_last_transactions(left: Path, tmp_path: Path) -> None:
    """Wherever a bit is flipped, the store is refused, or no more is lost than a torn tail may cost."""
    random, log = Random(11), log_of(left)
    *_, safe, _, _ = ends_of_transactions(log)
    places = [random.randrange(HEADER, len(log)) for _ in range(60)]
    places += [at + field for at in range(HEADER, len(log), FRAME) for field in (2, 6, 11, 15, 19, 23)][::5]
    for number, at in enumerate(places):
        damaged = bytearray(log)
        damaged[at] ^= 1 << random.randrange(8)
        path = with_log(left, damaged, tmp_path / str(number))
        if not refused(path):
            assert at >= safe - FRAME, f"byte {at} of {len(log)}"
            assert last_id(path) >= LAST - 1


def test_a_log_that_was_overwritten_is_noticed(left: Path, tmp_path: Path) -> None:
    log = log_of(left)
    log[: 3 * FRAME] = Random(3).randbytes(3 * FRAME)
    assert refused(with_log(left, log, tmp_path / "damaged"))


def test_what_is_whole_can_be_read_and_salvaged(left: Path, tmp_path: Path) -> None:
    log = log_of(left)
    at = ends_of_transactions(log)[4]
    log[at + 30] ^= 1
    path = with_log(left, log, tmp_path / "damaged")
    with StoreReader(path) as reader:
        kept = list(reader.bars(LANE))

    assert [bar.first_agg_trade_id for bar in kept] == [100, 101, 102]
    assert refused(path)
    assert salvage_store(path, tmp_path / "new.db").kept["bars"] == 3
    assert last_id(tmp_path / "new.db") == 102


# Losses of power.


def test_a_torn_tail_is_let_through(tmp_path: Path) -> None:
    """Of the last transaction anything may be there, whole or in part, over anything that was there before."""
    whole, random = killed(tmp_path / "whole.db", tmp_path / "left", [*[1] * 8, 400]), Random(5)
    log = log_of(whole)
    *_, start, end = ends_of_transactions(log)
    assert end - start > 20 * FRAME
    for number in range(25):
        torn = bytearray(log)
        for at in range(start, end, FRAME):
            if random.random() < (0.1, 0.5, 0.9)[number % 3]:
                begin, stop = sorted(random.choices(range(FRAME + 1), k=2))
                torn[at + begin : at + stop] = random.choice([bytes(stop - begin), random.randbytes(stop - begin)])

        assert last_id(with_log(whole, torn, tmp_path / str(number))) in (FIRST + 7, FIRST + 407)


def test_what_several_losses_leave_is_let_through(tmp_path: Path) -> None:
    """A second one comes while the end of a transaction that the first one tore still lies behind."""
    left = killed(tmp_path / "whole.db", tmp_path / "first", [*[1] * 5, 300])
    tear(left, ends_of_transactions(log_of(left))[-2])
    left = killed(left, tmp_path / "second", [1])
    assert whole_up_to(log_of(left)) < ends_of_transactions(log_of(left))[-1], "an end is left over"
    left = killed(left, tmp_path / "third", [60])
    ends = ends_of_transactions(log_of(left))
    own = ends.index(whole_up_to(log_of(left)))
    tear(left, ends[own - 1])
    assert len(ends[own:]) > 1, "the end of the torn one and the one left over"
    assert last_id(left) == FIRST + 5


def tear(path: Path, at: int) -> None:
    log = log_of(path)
    log[at : at + FRAME] = bytes(FRAME)
    path.with_name("s.db-wal").write_bytes(log)


def whole_up_to(log: Raw) -> int:
    """The offset up to which SQLite reads a log of this machine."""
    pairs = ">II" if log[3] & 1 else "<II"
    a, b = unpack(">II", log[24:32])
    for at in range(HEADER, len(log) - FRAME + 1, FRAME):
        a, b = sums(pairs, log[at + 24 : at + FRAME], *sums(pairs, log[at : at + 8], a, b))
        if log[at + 8 : at + 16] != log[16:24] or log[at + 16 : at + 24] != pack(">II", a, b):
            return at

    return len(log)


@pytest.mark.parametrize("written", range(HEADER + 1))
def test_a_torn_header_over_a_log_that_was_written_back_is_let_through(tmp_path: Path, written: int) -> None:
    left = killed(tmp_path / "whole.db", tmp_path / "left", [1, 1, 30, 1], written_back=True)
    log = log_of(left)
    log += log[-FRAME:-100] + bytes(100)  # the end of a transaction that an earlier loss tore
    new = bytearray(log[:HEADER])
    new[12:24] = pack(">III", *(number + 1 for number in unpack(">II", new[12:20])), 0x12345678)
    new[24:32] = pack(">II", *sums(">II" if new[3] & 1 else "<II", new[:24], 0, 0))
    log[:written] = new[:written]
    assert last_id(with_log(left, log, tmp_path / "torn")) == FIRST + 32


@pytest.mark.parametrize("log", [b"", bytes(10), bytes(HEADER), bytes(HEADER + 3 * FRAME), bytes(HEADER + 100)])
def test_a_log_that_holds_nothing_is_let_through(left: Path, tmp_path: Path, log: bytes) -> None:
    assert last_id(with_log(left, log, tmp_path / "empty")) == FIRST - 1
