"""Where each lane of a stream begins: what the caller asked for, held against what the store knows. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._errors import CheckpointMismatchError, InvalidStartError, StoreError
from .._events import PositionForgotten, SnapshotIgnored, StreamEvent
from .._session import Lane, Live, Resume, Start, starts_of
from .._sources._positions import TradePosition
from .._stores import Checkpoint, LaneKey

__all__ = ("SNAPSHOT_VERSION", "LanePlan", "Wishes", "read_start")

#: Goes up when the engine writes a forming bar in another way.
SNAPSHOT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Wishes:
    """What `start=` asks for: by symbol, and the positions that the caller kept itself, by symbol and threshold."""

    by_symbol: Mapping[str, Start]
    positions: Mapping[tuple[str, int], Resume]
    live: frozenset[str]

    def plan(self, key: LaneKey, checkpoint: Checkpoint | None, *, restart: bool) -> LanePlan:
        """Decide where one lane begins: a known one resumes, unless it is told to begin anew."""
        forgets = self.forgets(key, restart=restart)
        if checkpoint is not None and not forgets:
            return LanePlan(key, Lane(key.symbol, key.threshold_dbps, _resume(checkpoint)), checkpoint, False, False)

        start = self.positions.get((key.symbol, key.threshold_dbps)) or self.by_symbol[key.symbol]
        return LanePlan(key, Lane(key.symbol, key.threshold_dbps, start), checkpoint, True, forgets)

    def forgets(self, key: LaneKey, *, restart: bool) -> bool:
        """Whether a lane begins anew whatever the store knows of it."""
        return restart or key.symbol in self.live or (key.symbol, key.threshold_dbps) in self.positions


@dataclass(frozen=True, slots=True)
class LanePlan:
    """One lane: its key in the store, how the session begins it, and what the store had.

    `is_new` means that the origin still has to be written; `forgets` that a known position is given up for it.
    """

    key: LaneKey
    lane: Lane
    checkpoint: Checkpoint | None
    is_new: bool
    forgets: bool

    def opening_events(self) -> Iterator[StreamEvent]:
        """Give what there is to say of what the store had, before anything is fetched."""
        if self.checkpoint is None or self.is_new:
            return

        reasons = [note.text for note in self.checkpoint.notes if note.kind != "position-remade"]
        if (snapshot := self.checkpoint.snapshot) is not None and snapshot.version != SNAPSHOT_VERSION:
            reasons.append(f"it has version {snapshot.version}, this program writes {SNAPSHOT_VERSION}")

        for reason in reasons:
            yield SnapshotIgnored(self.key.symbol, self.key.threshold_dbps, reason)

    def check_follows_recorded(self) -> None:
        """Raise `StoreError` if a known lane goes on behind ids that belong into the recorded bars of its segment.

        A stream of the same reader that does not record moves the position and leaves no bar.
        """
        if self.checkpoint is None or self.is_new or (last := self.checkpoint.last_bar) is None:
            return

        recorded, position = last.last_agg_trade_id, self.checkpoint.position.order
        if last.first_agg_trade_id > self.checkpoint.origin.order and position > recorded:
            raise StoreError(
                f"bars of lane {self.key} are recorded up to trade {recorded}, and a stream that does not record has "
                f"moved its position to {position} since, so the bars between would be missing",
                remedy=f"record with restart=True and start={recorded + 1}, and give the other stream its own reader",
            )

    def forgotten(self, origin: int) -> Iterator[StreamEvent]:
        """Give the event of a known lane that begins anew after `origin`, if ids are skipped or repeated."""
        if self.checkpoint is None or not self.forgets:
            return

        known = self.checkpoint.position.order
        skipped = (known + 1, origin) if origin > known else None
        repeated = (origin + 1, known) if origin < known else None
        if skipped or repeated:
            yield PositionForgotten(self.key.symbol, self.key.threshold_dbps, origin, skipped, repeated)


def read_start(start: Any, lanes: Sequence[tuple[str, int]], wall_us: int) -> Wishes:
    """Read `start=`.

    Raises:
        InvalidStartError, TypeError: with value and remedy, for anything that no lane could begin with.
    """
    symbols = list(dict.fromkeys(symbol for symbol, _ in lanes))
    if not isinstance(start, Mapping):
        return Wishes(starts_of(start, symbols, wall_us), {}, frozenset(symbols if _says(start, "live") else ()))

    named = {_upper(name): value for name, value in start.items()}
    positions = {lane: _position(lane, data, lanes) for lane, data in named.items() if isinstance(lane, tuple)}
    by_symbol = {symbol: value for symbol, value in named.items() if not isinstance(symbol, tuple)}
    # A lane of a mapping that says nothing of it resumes if it is known, and begins live if it is not.
    starts = starts_of(by_symbol, symbols, wall_us) if by_symbol else dict.fromkeys(symbols, Live())
    return Wishes(starts, positions, frozenset(name for name, value in by_symbol.items() if _says(value, "live")))


def _says(value: object, word: str) -> bool:
    return isinstance(value, str) and value == word


def _upper(name: Any) -> Any:
    """Write a symbol, or a lane's, as the exchange does."""
    if isinstance(name, tuple) and name:
        return (_upper(name[0]), *name[1:])

    return name.upper() if isinstance(name, str) else name


def _position(lane: Any, data: Any, lanes: Sequence[tuple[str, int]]) -> Resume:
    if lane not in lanes:
        raise InvalidStartError(lane, "is not among the lanes", f"name {' or '.join(map(repr, lanes))}")

    if not isinstance(data, bytes):
        raise TypeError(f"start[{lane!r}] must be the bytes of a bar's position, not {data!r}")

    try:
        position = TradePosition.from_bytes(data)
    except ValueError as error:
        raise InvalidStartError(data, f"for {lane!r} is not the position of a bar of this source: {error}") from None

    return Resume(position.agg_trade_id, position.unit, position.time_us)


def _resume(checkpoint: Checkpoint) -> Resume:
    try:
        position = TradePosition.from_bytes(checkpoint.position.data)
    except ValueError as error:
        raise CheckpointMismatchError(
            lane=str(checkpoint.lane), field="position", stored=checkpoint.position.text, found=str(error)
        ) from None

    snapshot = checkpoint.snapshot
    usable = None if snapshot is None or snapshot.version != SNAPSHOT_VERSION else snapshot.data
    return Resume(position.agg_trade_id, position.unit, position.time_us, usable)
