"""What a stream keeps in its store: origins before the first bar, positions of finished bars, forming bars."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence

import anyio

from .._errors import StoreError
from .._session import Resume, SaveOrigin, TimeUnit
from .._sources._positions import TradePosition
from .._stores import (
    BeginSegment,
    Change,
    CheckpointStore,
    LaneFormat,
    Position,
    RecordBars,
    SavePosition,
    SaveSnapshot,
    Snapshot,
    StoredBar,
)
from ._start import SNAPSHOT_VERSION, LanePlan

__all__ = ("RULE_VERSION", "Keeper", "lane_format")

#: Goes up when the same trades would give other bars.
RULE_VERSION = 1

_log = logging.getLogger("rangebar_anyio")


class Keeper:
    """Collects what has to be written and writes it when the reader's task asks for it.

    Everything stays noted until a write of it was confirmed, so a write that failed or was cancelled is written again
    by the next call; writing the same twice, also side by side, changes nothing in a store. So nothing here is locked,
    and no interrupt leaves anything behind that a later call would stumble over. Without a store everything is
    confirmed at once.
    """

    def __init__(self, store: CheckpointStore | None, epoch: int, plans: Sequence[LanePlan], *, replace: bool) -> None:
        self._store = store
        self._epoch = epoch
        self._plans = plans
        self._replace = replace
        self._origins: deque[SaveOrigin] = deque()
        self._finished: dict[int, Position] = {}
        self._bars: dict[int, deque[StoredBar]] = {}
        self._stored = {
            place: plan.checkpoint.position
            for place, plan in enumerate(plans)
            if plan.checkpoint is not None and not plan.is_new
        }
        self._noted = 0
        self._written = 0
        self._is_saving_snapshots = False

    @property
    def has_origins(self) -> bool:
        """Whether origins wait to be written."""
        return bool(self._origins)

    @property
    def finished_unsaved(self) -> int:
        """Bars that are finished and not yet in the store."""
        return self._noted - self._written

    def note_origin(self, action: SaveOrigin) -> None:
        """Keep in mind an origin that has to be durable before a bar of its lanes is given out."""
        self._origins.append(action)

    def note_finished(self, place: int, position: TradePosition) -> None:
        """Keep in mind that a lane is finished up to here; an earlier bar finished late changes nothing."""
        if self._store is None:
            return

        known = self._finished.get(place) or self._stored.get(place)
        if known is None or position.agg_trade_id > known.order:
            self._finished[place] = _position_of(position)
            self._noted += 1

    def note_recorded(self, place: int, position: TradePosition, packed: bytes) -> None:
        """Keep in mind a finished bar that is to be written itself, in one transaction with its position."""
        self._bars.setdefault(place, deque()).append(StoredBar(packed, _position_of(position)))
        self.note_finished(place, position)

    def keeps_in(self, store: CheckpointStore) -> bool:
        """Whether this is the store that everything goes to."""
        return self._store is store

    async def begin_at_own_positions(self) -> None:
        """Write the origins of lanes whose position the program brought itself."""
        for place, plan in enumerate(self._plans):
            start = plan.lane.start
            if plan.is_new and isinstance(start, Resume):
                self.note_origin(SaveOrigin((place,), start.position, start.unit, start.last_time_us))
                await self.save_origin()

    async def save_origin(self) -> SaveOrigin:
        """Write the oldest origin that waits, and return it once it is durable.

        Raises:
            StoreError: it is not, and waits still.
        """
        action = self._origins[0]
        origin = _position_of(TradePosition(action.origin, action.unit, action.time_us))
        await self._commit([self._segment(place, action, origin) for place in action.lanes])
        self._origins.popleft()
        self._stored.update(dict.fromkeys(action.lanes, origin))
        return action

    def _segment(self, place: int, action: SaveOrigin, origin: Position) -> BeginSegment:
        plan = self._plans[place]
        return BeginSegment(plan.key, lane_format(action.unit), origin, restart=plan.forgets, replace=self._replace)

    async def save_finished(self) -> None:
        """Write every finished position, and every recorded bar, that is not in the store yet, in one transaction.

        Raises:
            StoreError: nothing was written; all of it waits still.
        """
        if self._finished or any(self._bars.values()):
            await self._write_finished()

    async def _write_finished(self) -> None:
        writing, noted = dict(self._finished), self._noted
        bars = {place: tuple(waiting) for place, waiting in self._bars.items() if waiting}
        recording: list[Change] = [RecordBars(self._plans[place].key, waiting) for place, waiting in bars.items()]
        # A position that a bar brought already changes nothing.
        await self._commit(
            [*recording, *(SavePosition(self._plans[at].key, position) for at, position in writing.items())]
        )
        for place, recorded in bars.items():
            self._forget_recorded(place, recorded[-1])

        for place, position in writing.items():
            self._note_stored(place, position)

        self._written = max(self._written, noted)

    def _forget_recorded(self, place: int, last: StoredBar) -> None:
        waiting = self._bars[place]
        while waiting and waiting[0].position.order <= last.position.order:
            waiting.popleft()

    def _note_stored(self, place: int, position: Position) -> None:
        """Note what the store has; another task may have written more meanwhile."""
        known = self._stored.get(place)
        if known is None or position.order > known.order:
            self._stored[place] = position

        if self._finished.get(place) is position:
            del self._finished[place]

    def snapshot(self, place: int, forming: bytes, data: bytes, delivered_id: int | None) -> SaveSnapshot | None:
        """Return a lane's forming bar as a change to the store; `None` unless it follows the stored position.

        `forming` are the bar's 176 bytes, `data` the engine's snapshot, `delivered_id` the last id of the last bar that
        left the engine, which is the one that this bar follows.
        """
        stored = self._stored.get(place)
        if self._store is None or stored is None or place in self._finished:
            return None

        if delivered_id is not None and delivered_id != stored.order:
            return None

        last_id, missing = (int.from_bytes(forming[at : at + 8], "little", signed=True) for at in (160, 168))
        return SaveSnapshot(self._plans[place].key, Snapshot(stored, last_id, missing, SNAPSHOT_VERSION, data))

    async def save_snapshots(self, changes: Sequence[SaveSnapshot]) -> None:
        """Write forming bars; a failure is logged and raises nothing, since it only costs fetching."""
        # Behind a store that hangs they would pile up.
        if self._is_saving_snapshots:
            return

        self._is_saving_snapshots = True
        try:
            if changes:
                await self._commit(changes)
        except StoreError as error:
            _log.warning("forming bars were not saved: %s", error)
        finally:
            self._is_saving_snapshots = False

    async def _commit(self, changes: Sequence[Change]) -> None:
        if self._store is None:
            return

        try:
            is_ours = await self._store.commit(self._epoch, changes)
        except anyio.ClosedResourceError:
            raise StoreError(
                "the store was closed while a stream was open on it", remedy="leave the stream's block first"
            ) from None

        if not is_ours:
            raise StoreError(
                "these lanes were opened again since, so this stream no longer owns their positions",
                remedy="run one stream a lane, or give each its own reader name",
            )


def lane_format(unit: TimeUnit | None) -> LaneFormat:
    """Return what has to stay the same for a lane of this program; no unit fits both."""
    return LaneFormat(unit, same_timestamp_gate=True, rule_version=RULE_VERSION)


def _position_of(position: TradePosition) -> Position:
    return Position(position.to_bytes(), position.agg_trade_id, str(position))
