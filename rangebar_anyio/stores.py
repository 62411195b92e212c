"""What a program needs to write a `CheckpointStore` of its own: the values it is given, and the changes it carries out.

The stores themselves (`CheckpointStore`, `MemoryStore`, `SqliteStore`, `StoreReader`) are at home in `rangebar_anyio`,
the check that an implementation is held against, `check_checkpoint_store`, in `rangebar_anyio.testing`.
"""

from __future__ import annotations

from ._stores import (
    CLOSE_DEADLINE_S,
    BeginSegment,
    Change,
    Checkpoint,
    LaneFormat,
    LaneKey,
    LaneStatus,
    Position,
    RecordBars,
    Salvage,
    SavePosition,
    SaveSnapshot,
    Segment,
    Snapshot,
    StoredBar,
    StoreNote,
    TimeUnit,
    check_format,
    pack_bar,
)

__all__ = (
    "CLOSE_DEADLINE_S",
    "BeginSegment",
    "Change",
    "Checkpoint",
    "LaneFormat",
    "LaneKey",
    "LaneStatus",
    "Position",
    "RecordBars",
    "Salvage",
    "SavePosition",
    "SaveSnapshot",
    "Segment",
    "Snapshot",
    "StoreNote",
    "StoredBar",
    "TimeUnit",
    "check_format",
    "pack_bar",
)
