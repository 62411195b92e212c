"""What a commit is made of: each value is one thing to write, and says when it is left out or refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from ._values import LaneFormat, LaneKey, Position, Snapshot, StoredBar


@dataclass(frozen=True, slots=True)
class BeginSegment:
    """Give a lane its origin, before its first bar is delivered.

    A lane that the store knows is refused unless ``restart``; the same origin again, while nothing came after it, is
    nothing. Recorded bars that reach above the origin are refused unless ``replace`` deletes them in the same
    transaction; the segment then says how many those were and from which id on.
    """

    lane: LaneKey
    format: LaneFormat
    origin: Position
    restart: bool = False
    replace: bool = False

    def __post_init__(self) -> None:
        if self.format.time_unit is None:
            raise ValueError("a segment begins with its first trade, so its time unit is known: 'ms' or 'us', not None")


@dataclass(frozen=True, slots=True)
class SavePosition:
    """Note a finished bar. A position that is not above the stored one changes nothing."""

    lane: LaneKey
    position: Position


@dataclass(frozen=True, slots=True)
class SaveSnapshot:
    """Keep a forming bar's state; dropped unless it follows the stored position."""

    lane: LaneKey
    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class RecordBars:
    """Write bars of one lane and, with the last one, the position.

    An equal bar again is nothing. An unlike bar under the same first id, a bar that overlaps another one of the lane,
    or one that does not begin after the segment's origin is refused.
    """

    lane: LaneKey
    bars: tuple[StoredBar, ...]


Change: TypeAlias = BeginSegment | SavePosition | SaveSnapshot | RecordBars

__all__ = ("BeginSegment", "Change", "RecordBars", "SavePosition", "SaveSnapshot")
