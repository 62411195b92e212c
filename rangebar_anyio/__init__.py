"""Range bars from live and recorded trades: exact, resumable, on asyncio and trio.

What a program needs for offline work is imported at once and is small; whatever needs an event loop, a network or a
database is imported when it is first asked for.
"""

from __future__ import annotations

import importlib as _importlib
import typing as _typing

from rangebar_anyio._bar import Bar
from rangebar_anyio._errors import (
    AbiMismatchError,
    CheckpointMismatchError,
    ConnectionLostError,
    GapUnfillableError,
    InternalError,
    InvalidColumnError,
    InvalidStartError,
    InvalidSymbolError,
    InvalidThresholdError,
    InvalidTradeError,
    LibraryNotLoadedError,
    OutOfOrderError,
    ProtocolError,
    RangeBarError,
    ResourceBusyError,
    ResourceClosedError,
    SnapshotError,
    StoreError,
)
from rangebar_anyio._processor import RangeBarProcessor
from rangebar_anyio._trade import Trade

if _typing.TYPE_CHECKING:
    from rangebar_anyio._bar_table import BarTable
    from rangebar_anyio._handler import BarHandler, run_handler
    from rangebar_anyio._reconnect import ReconnectPolicy
    from rangebar_anyio._recorder import record
    from rangebar_anyio._session import SessionConfig, StreamStats
    from rangebar_anyio._sources._base import TradeSource
    from rangebar_anyio._sources._binance import BinanceCoinFutures, BinanceSpot, BinanceUsdFutures
    from rangebar_anyio._stores import CheckpointStore, MemoryStore, SqliteStore, StoreReader, salvage_store
    from rangebar_anyio._stream import BarStream, LastTrade, StartPoint, open_stream

__version__ = "0.1.0"

__all__ = (
    "AbiMismatchError",
    "Bar",
    "BarHandler",
    "BarStream",
    "BarTable",
    "BinanceCoinFutures",
    "BinanceSpot",
    "BinanceUsdFutures",
    "CheckpointMismatchError",
    "CheckpointStore",
    "ConnectionLostError",
    "GapUnfillableError",
    "InternalError",
    "InvalidColumnError",
    "InvalidStartError",
    "InvalidSymbolError",
    "InvalidThresholdError",
    "InvalidTradeError",
    "LastTrade",
    "LibraryNotLoadedError",
    "MemoryStore",
    "OutOfOrderError",
    "ProtocolError",
    "RangeBarError",
    "RangeBarProcessor",
    "ReconnectPolicy",
    "ResourceBusyError",
    "ResourceClosedError",
    "SessionConfig",
    "SnapshotError",
    "SqliteStore",
    "StartPoint",
    "StoreError",
    "StoreReader",
    "StreamStats",
    "Trade",
    "TradeSource",
    "__version__",
    "open_stream",
    "record",
    "run_handler",
    "salvage_store",
)

# The home of each name that is imported when it is first asked for; one line for each import under TYPE_CHECKING.
_HOMES = {
    "BarHandler": "_handler",
    "BarStream": "_stream",
    "BarTable": "_bar_table",
    "BinanceCoinFutures": "_sources._binance",
    "BinanceSpot": "_sources._binance",
    "BinanceUsdFutures": "_sources._binance",
    "CheckpointStore": "_stores",
    "LastTrade": "_stream",
    "MemoryStore": "_stores",
    "ReconnectPolicy": "_reconnect",
    "SessionConfig": "_session",
    "SqliteStore": "_stores",
    "StartPoint": "_stream",
    "StoreReader": "_stores",
    "StreamStats": "_session",
    "TradeSource": "_sources._base",
    "open_stream": "_stream",
    "record": "_recorder",
    "run_handler": "_handler",
    "salvage_store": "_stores",
}

# Modules of their own, there without an import of theirs: `rangebar_anyio.events.GapFound`.
_MODULES = ("events", "stores", "testing")


def __getattr__(name: str) -> _typing.Any:
    if name in _MODULES:
        return _importlib.import_module(f"rangebar_anyio.{name}")

    home = _HOMES.get(name)

    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    value = globals()[name] = getattr(_importlib.import_module(f"rangebar_anyio.{home}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})
