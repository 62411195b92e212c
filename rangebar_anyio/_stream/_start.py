"""Where each lane of a stream begins: what the caller asked for, held against what the store knows. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._session import Lane, Live, Resume, Start, starts_of
from .._sources._positions import TradePosition
from .._stores import Checkpoint, LaneKey

__all__ = ("LanePlan", "Wishes", "read_start")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What `start=` asks for: by symbol, and the positions that the caller kept itself, by symbol and threshold."""

    by_symbol: Mapping[str, Start]
    positions: Mapping[tuple[str, int], Resume]
    is_live: bool

    def plan(self, key: LaneKey, checkpoint: Checkpoint | None, *, restart: bool) -> LanePlan:
        """Decide where one lane begins: a known one resumes, unless it is told to begin anew."""
        own = self.positions.get((key.symbol, key.threshold_dbps))
        forgets = checkpoint is not None and (restart or self.is_live or own is not None)
        if checkpoint is not None and not forgets:
            return LanePlan(key, Lane(key.symbol, key.threshold_dbps, _resume(checkpoint)), checkpoint, False, False)

        start = own or self.by_symbol[key.symbol]
        return LanePlan(key, Lane(key.symbol, key.threshold_dbps, start), checkpoint, True, forgets)


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


def read_start(start: Any, lanes: Sequence[tuple[str, int]], wall_us: int) -> Wishes:
    """Read `start=`.

    Raises:
        ValueError, TypeError: with the field, the value and the remedy, for anything that no lane could begin with.
    """
    symbols = list(dict.fromkeys(symbol for symbol, _ in lanes))
    if not isinstance(start, Mapping):
        return Wishes(starts_of(start, symbols, wall_us), {}, start == "live")

    positions = {lane: _position(lane, data, lanes) for lane, data in start.items() if isinstance(lane, tuple)}
    by_symbol = {symbol: value for symbol, value in start.items() if not isinstance(symbol, tuple)}
    # A lane of a mapping that says nothing of it resumes if it is known, and begins live if it is not.
    return Wishes(
        starts_of(by_symbol, symbols, wall_us) if by_symbol else dict.fromkeys(symbols, Live()), positions, False
    )


def _position(lane: Any, data: Any, lanes: Sequence[tuple[str, int]]) -> Resume:
    if lane not in lanes:
        raise ValueError(f"start names the lane {lane!r}, which is not among {', '.join(map(repr, lanes))}")

    if not isinstance(data, bytes):
        raise TypeError(f"start[{lane!r}] must be the bytes of a bar's position, not {data!r}")

    try:
        position = TradePosition.from_bytes(data)
    except ValueError as error:
        raise ValueError(f"start[{lane!r}] is not the position of a bar of this source: {error}") from None

    return Resume(position.agg_trade_id, position.unit, position.time_us)


def _resume(checkpoint: Checkpoint) -> Resume:
    position = TradePosition.from_bytes(checkpoint.position.data)
    snapshot = None if checkpoint.snapshot is None else checkpoint.snapshot.data
    return Resume(position.agg_trade_id, position.unit, position.time_us, snapshot)
