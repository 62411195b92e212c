"""Where positions, snapshots and recorded bars are kept."""

from __future__ import annotations

from ._base import CLOSE_DEADLINE_S, CheckpointStore, check_format
from ._changes import BeginSegment, Change, RecordBars, SavePosition, SaveSnapshot
from ._files import store_files
from ._memory import MemoryStore
from ._reader import StoreReader
from ._salvage import Salvage, salvage_store
from ._sqlite import SqliteStore
from ._values import (
    Checkpoint,
    LaneFormat,
    LaneKey,
    LaneStatus,
    Position,
    Segment,
    Snapshot,
    StoredBar,
    StoreNote,
    TimeUnit,
    pack_bar,
)

__all__ = (
    "CLOSE_DEADLINE_S",
    "BeginSegment",
    "Change",
    "Checkpoint",
    "CheckpointStore",
    "LaneFormat",
    "LaneKey",
    "LaneStatus",
    "MemoryStore",
    "Position",
    "RecordBars",
    "Salvage",
    "SavePosition",
    "SaveSnapshot",
    "Segment",
    "Snapshot",
    "SqliteStore",
    "StoreNote",
    "StoreReader",
    "StoredBar",
    "TimeUnit",
    "check_format",
    "pack_bar",
    "salvage_store",
    "store_files",
)
