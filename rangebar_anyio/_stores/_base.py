"""The contract of a checkpoint store, and the helpers that every implementation needs.

A store never decides what a stream does: it keeps, per lane, where the lane began, how far it is finished and, if it
can, the forming bar, and it keeps bars for ``record``. One rule stands above the others: **what was confirmed is
kept, and what was not confirmed may be there or not, but never half of it.** Everything that a stream needs to be
killed at any instruction follows from it, since writing the same thing again is always harmless.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from types import TracebackType
from typing import Self

from rangebar_anyio._errors import CheckpointMismatchError

from ._changes import Change
from ._values import Checkpoint, LaneFormat, LaneKey, LaneStatus, Segment, StoredBar

CLOSE_DEADLINE_S = 5.0


class CheckpointStore(ABC):
    """Keep the positions of lanes, so that a program that was killed goes on as if nothing had happened.

    Every asynchronous method is a checkpoint, works on trio and asyncio, and can be cancelled at any moment: the store
    stays usable, and a write that was under way happens completely or not at all, perhaps later. Every error that is
    not the caller's misuse is a :exc:`~rangebar_anyio.StoreError`: the call is not confirmed, and asking again, which
    is always harmless, tries again. Using a store after it was closed raises :exc:`anyio.ClosedResourceError`; using
    it in a forked child raises ``StoreError``.

    Example::

        epoch = await store.open([lane])
        try:
            known = await store.load(epoch, wanted)
            if lane not in known:
                await store.commit(epoch, [BeginSegment(lane, format, origin)])
            await store.commit(epoch, [SavePosition(lane, position)])
        finally:
            store.release(epoch)
    """

    @abstractmethod
    async def open(self, lanes: Collection[LaneKey]) -> int:
        """Claim lanes and return a new epoch, higher than every earlier one of each of these lanes.

        From here on, a write to one of these lanes under an earlier epoch does nothing, also when it was asked for
        before and comes late. A lane belongs to one opening at a time within a process: a second one raises
        ``StoreError`` until :meth:`release`. All lanes are claimed or none. If this raises or is cancelled, no lane
        is claimed.
        """

    @abstractmethod
    async def load(self, epoch: int, wanted: LaneFormat) -> Mapping[LaneKey, Checkpoint]:
        """Return what is stored for the lanes of this opening; a lane that the store does not know is left out.

        Raises :exc:`~rangebar_anyio.CheckpointMismatchError`, naming both values, for the first lane that is not of the
        wanted format (a wanted ``time_unit`` of ``None`` fits both). Venue, symbol, threshold and reader are the lane's
        key: another one is another lane, never a mismatch. A damaged position is made again from the last recorded bar
        and noted; without a recorded bar it is a ``StoreError`` that names the lane, and ``BeginSegment(restart=True)``
        still works. A stream that restarts does not have to call this.
        """

    @abstractmethod
    async def commit(self, epoch: int, changes: Sequence[Change]) -> bool:
        """Write all changes, of one lane or many, durably and in one transaction, in the given order.

        Returns ``True`` when they are on the disk. Returns ``False``, and has changed nothing, when one of the lanes
        has been opened again since, or was never opened under this epoch: the caller does not own it. A position is
        never lowered, except by a ``BeginSegment(restart=True)``; a change that would lower it, or a snapshot that
        does not follow the stored position, is left out, and the others are written. What :class:`BeginSegment` and
        :class:`RecordBars` refuse raises ``StoreError``, and so does a lane that has no origin yet; an unlike format
        raises :exc:`~rangebar_anyio.CheckpointMismatchError`. Then nothing is written. Equal changes again change
        nothing, so a caller that does not know whether a write happened repeats it.
        """

    @abstractmethod
    def release(self, epoch: int) -> None:
        """Give the lanes of an opening back, at once and without waiting.

        Writes that were asked for before are still carried out, in order, before anything that a later opening does.
        Releasing an unknown or released epoch does nothing.
        """

    @abstractmethod
    async def lanes(self) -> Sequence[LaneStatus]:
        """Return every lane in the store, in the order of its key, also while another process writes."""

    @abstractmethod
    async def segments(self, lane: LaneKey) -> Sequence[Segment]:
        """Return the segments of a lane, the oldest first, also while another process writes."""

    @abstractmethod
    async def bars(self, lane: LaneKey, *, after_id: int = -1, limit: int = 1000) -> Sequence[StoredBar]:
        """Return recorded bars in order: at most ``limit``, those whose ``first_agg_trade_id`` is above ``after_id``.

        For the next page pass the last bar's ``last_agg_trade_id``. Reading needs no claim and no lock. A damaged row
        raises ``StoreError`` that names it.
        """

    @abstractmethod
    async def aclose(self, *, deadline_s: float = CLOSE_DEADLINE_S) -> None:
        """Finish what was asked for, release every lane and free the store, in no more than ``deadline_s`` seconds.

        Closing begins at once, also when this call is cancelled. A store that hangs past the deadline raises
        ``StoreError`` that says so; the store is closed for the caller all the same, delays the end of the process no
        further, and a write that still comes late does no harm. Closing twice is fine.
        """

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        try:
            await self.aclose()
        except Exception as close_error:
            if exc is None:
                raise

            exc.add_note(f"closing the store failed too: {close_error}")


def check_format(lane: LaneKey, stored: LaneFormat, wanted: LaneFormat) -> None:
    """Raise :exc:`~rangebar_anyio.CheckpointMismatchError` for the first value in which two formats differ."""
    pairs = (
        ("rule version", stored.rule_version, wanted.rule_version),
        ("same-timestamp gate", stored.same_timestamp_gate, wanted.same_timestamp_gate),
        ("time unit", stored.time_unit, stored.time_unit if wanted.time_unit is None else wanted.time_unit),
    )
    for field, old, new in pairs:
        if old != new:
            raise CheckpointMismatchError(lane=str(lane), field=field, stored=old, found=new)


__all__ = ("CLOSE_DEADLINE_S", "CheckpointStore", "check_format")
