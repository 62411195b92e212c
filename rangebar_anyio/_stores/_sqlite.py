"""The default store: one SQLite file, written by a thread of its own, readable by anybody at any time."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from functools import partial
from sqlite3 import Connection
from typing import Any, TypeVar

import anyio
from anyio.lowlevel import checkpoint

from rangebar_anyio._errors import StoreError

from . import _apply, _files, _forks, _load
from ._base import CLOSE_DEADLINE_S, CheckpointStore
from ._changes import Change
from ._reader import StoreReader
from ._thread import Call, Helper
from ._values import Checkpoint, LaneFormat, LaneKey, LaneStatus, Segment, StoredBar
from ._writer import Writer, join

T = TypeVar("T")
#: What closing gets although the deadline has passed: enough for what does not hang.
_LEAST_S = 0.1
_log = logging.getLogger("rangebar_anyio.store")


class SqliteStore(CheckpointStore):
    """Keep positions, snapshots and recorded bars in one SQLite file, with full durability.

    ``path`` is the file; it is made when the first lane is opened, its folder has to exist, and the folder must be on a
    local disk (SQLite's write-ahead log does not work over a network). A relative one belongs to the working directory
    in which the store is made. What was confirmed survives a kill and a loss of power; while the file is moved, deleted
    or replaced, nothing is confirmed until it is back. Within a process every store of one path shares one writer;
    between processes the first one to open a lane holds ``<path>.lock``, and a second one gets a ``StoreError`` that
    names it. Reading needs no lock, here or with :class:`StoreReader`.

    Example::

        async with SqliteStore("bars.db") as store, open_stream("BTCUSDT", store=store) as bars: ...
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._given = _files.text_path("path", path)
        self._absolute = os.path.abspath(self._given)
        self._path: str | None = None
        self._writer: Writer | None = None
        self._helper = Helper("store reader")
        self._openings: dict[int, tuple[object, frozenset[LaneKey]]] = {}
        self._given_up: dict[Call[Any], float] = {}
        self._closed = False
        self._pid = os.getpid()

    @property
    def path(self) -> str:
        """The path that the store was made with."""
        return self._given

    def __repr__(self) -> str:
        return f"SqliteStore({self._given!r})"

    async def open(self, lanes: Collection[LaneKey]) -> int:
        writer = await self._ready()
        wanted, owner = frozenset(lanes), object()
        writer.claim(wanted, owner)
        try:
            epoch = await self._ask(writer, partial(_apply.take_epoch, lanes=wanted))
            self._check_usable()
        except BaseException:
            writer.unclaim(owner)
            raise

        self._openings[epoch] = (owner, wanted)
        return epoch

    async def load(self, epoch: int, wanted: LaneFormat) -> Mapping[LaneKey, Checkpoint]:
        writer = await self._ready()
        if epoch not in self._openings:
            raise StoreError(f"epoch {epoch} is not open in this store", store=self._given)

        _, lanes = self._openings[epoch]
        return await self._ask(writer, partial(_apply.load, lanes=lanes, wanted=wanted))

    async def commit(self, epoch: int, changes: Sequence[Change]) -> bool:
        writer = await self._ready()
        return await self._ask(writer, partial(_apply.commit, epoch=epoch, changes=tuple(changes)))

    def release(self, epoch: int) -> None:
        owner, _ = self._openings.pop(epoch, (None, None))
        if owner is not None and self._writer is not None and os.getpid() == self._pid:
            self._writer.unclaim(owner)

    async def lanes(self) -> Sequence[LaneStatus]:
        return await self._read(_load.lanes, [])

    async def segments(self, lane: LaneKey) -> Sequence[Segment]:
        return await self._read(partial(_load.all_segments, lane=lane), [])

    async def bars(self, lane: LaneKey, *, after_id: int = -1, limit: int = 1000) -> Sequence[StoredBar]:
        return await self._read(partial(_load.bars_after, lane=lane, after_id=after_id, limit=limit), [])

    async def aclose(self, *, deadline_s: float = CLOSE_DEADLINE_S) -> None:
        _forks.check_process(self._pid, self._given)
        writer, already, self._closed = self._writer, self._closed, True
        for epoch in list(self._openings):
            self.release(epoch)

        if already or writer is None:
            self._helper.stop()
            await checkpoint()
            return

        self._helper.stop()
        leaving = writer.leave()
        with anyio.move_on_after(self._left_of(deadline_s)):
            await leaving.wait()

        if not leaving.done:
            _log.warning("%s: the store did not finish within %g s and was left behind", self._given, deadline_s)
            raise StoreError(
                f"it did not finish within {deadline_s:g} s and was left behind; what was not confirmed may be missing",
                remedy="check the disk",
                store=self._given,
            )

    def _left_of(self, deadline_s: float) -> float:
        """Take off what others waited in vain: a stream that gave this store up and the store share one deadline."""
        waited = max((seconds for call, seconds in self._given_up.items() if not call.done), default=0.0)
        return max(deadline_s - waited, min(deadline_s, _LEAST_S))

    def _check_usable(self) -> None:
        _forks.check_process(self._pid, self._given)
        if self._closed:
            raise anyio.ClosedResourceError

    async def _locate(self) -> str:
        self._check_usable()
        if self._path is None:
            self._path = await self._helper.call(partial(_resolve, self._absolute))
            self._check_usable()

        return self._path

    async def _ready(self) -> Writer:
        path = await self._locate()
        if self._writer is None:
            self._writer = join(path)

        return self._writer

    async def _ask(self, writer: Writer, run: Callable[[Connection], T]) -> T:
        call, began = writer.submit(run), anyio.current_time()
        try:
            return await call.wait()
        finally:
            if not call.done:
                self._given_up = {other: seconds for other, seconds in self._given_up.items() if not other.done}
                self._given_up[call] = anyio.current_time() - began

    async def _read(self, query: Callable[[Connection], T], nothing: T) -> T:
        path = await self._locate()
        return await self._helper.call(partial(_query, path, self._writer, query, nothing))


def _resolve(absolute: str) -> str:
    path = os.path.realpath(absolute)
    _forks.refuse_inherited(path)
    return path


def _query(path: str, writer: Writer | None, query: Callable[[Connection], T], nothing: T) -> T:
    if writer is not None:
        writer.check_place()

    # A connection for each question: it sees the newest commits, and nothing is left open between questions.
    _files.refuse_special(path)
    if not os.path.exists(path) or os.path.getsize(path) == 0:
        return nothing

    with closing(StoreReader(path)) as reader:
        return reader.ask(query)


__all__ = ("SqliteStore",)
