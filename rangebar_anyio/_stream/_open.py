"""`open_stream`: what a program says it wants, checked, and the block in which it has it."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from random import Random
from typing import Any, Literal, TypeAlias

from .._errors import CheckpointMismatchError, StoreError
from .._events import StreamEvent
from .._feed import Feed
from .._reconnect import ReconnectPolicy
from .._session import Resume, Session, SessionConfig
from .._sources._base import TradeSource
from .._sources._binance import BinanceSpot
from .._stores import Checkpoint, CheckpointStore, LaneKey, SqliteStore
from ._arguments import (
    at_least,
    callback,
    flag,
    having,
    of_type,
    one_of,
    store_of,
    symbols_of,
    text,
    thresholds_of,
)
from ._budgets import budget_for
from ._closing import Closing
from ._keeper import Keeper, lane_format
from ._running import run_stream
from ._start import LanePlan, read_start
from ._stream import BarStream

__all__ = ("StartPoint", "open_stream")

#: Where a lane that the store does not know begins.
StartPoint: TypeAlias = Literal["resume", "live"] | datetime | int

_SNAPSHOT_SECONDS = 30.0
_DEFAULT_POLICY = ReconnectPolicy()


def open_stream(
    symbols: str | Iterable[str],
    *,
    threshold_dbps: int | Iterable[int] = 250,
    source: TradeSource | None = None,
    store: CheckpointStore | str | os.PathLike[str] | None = None,
    start: StartPoint | Mapping[str, StartPoint] | Mapping[tuple[str, int], bytes] = "resume",
    bar_buffer: int = 100,
    trade_buffer: int = 5000,
    reconnect: ReconnectPolicy = _DEFAULT_POLICY,
    on_event: Callable[[StreamEvent], object] | None = None,
    ack: Literal["auto", "manual"] = "auto",
    restart: bool = False,
    replace: bool = False,
    reader: str = "default",
    save_every: int = 1,
    config: SessionConfig | None = None,
) -> AbstractAsyncContextManager[BarStream]:
    """Open a stream of range bars for the length of an `async with` block, on trio or asyncio.

    Guaranteed: whatever the network, the exchange and the process do, the bars of each lane (one symbol at one
    threshold) are those of the uninterrupted tape, in order, each once; or again, the last one only, if the program
    ended before the store knew that it was finished. A slow reader pauses the feed; nothing is dropped. Leaving the
    block ends every task and socket. An exception of the body leaves the block as itself.

    Args:
        symbols: one or many, as the exchange names them (`"BTCUSDT"`).
        threshold_dbps: width of the bars in decimal basis points, one or many; 250 is 0.25 %.
        source: where trades come from; `BinanceSpot()` by default.
        store: a path (SQLite) or a `CheckpointStore` that remembers what is finished; without one, every start is new.
        start: for lanes that the store does not know: `"resume"` or `"live"` begins with the next trade, an aware
            `datetime` or an aggregate trade id fetches from there. `"live"` also forgets what the store knows.
            A mapping gives each symbol its own, or each `(symbol, threshold_dbps)` a `bar.position` that the program
            kept.
        bar_buffer: closed bars that wait for the reader before the feed pauses, over all lanes.
        trade_buffer: live trades that wait while a gap before them is fetched, over all symbols.
        reconnect: back-off and the share of the exchange's limits; see `ReconnectPolicy`.
        on_event: called in the reader's task, in order, with what happens besides bars. Without it only a server that
            cannot be reached is told of, once in an outage, as a warning in the log `rangebar_anyio`.
        ack: `"auto"` finishes a bar when the next one is asked for, `"manual"` when the program calls `bars.ack(bar)`.
        restart: forget what the store knows and begin anew; what is skipped or repeated is an event and a row.
        replace: with a start at or below recorded bars, delete those.
        reader: name under which positions are kept; two programs with different names do not move each other's.
        save_every: bars that are finished before their positions are written; 1 writes each.
        config: the session's own numbers (time-outs, intervals), for tests and special networks.

    Raises:
        ValueError, TypeError: an argument out of its range, before anything is opened.
        InvalidSymbolError, InvalidThresholdError, InvalidStartError: likewise.
        StoreError, CheckpointMismatchError: on entering, when the store cannot be used for these lanes.

    Example:
        ```python
        async with open_stream("BTCUSDT", threshold_dbps=250, store="bars.db") as bars:
            async for bar in bars:
                print(bar.close_time, bar.close)
        ```
    """
    names, thresholds = symbols_of(symbols), thresholds_of(threshold_dbps)
    lanes = [(name, threshold) for name in names for threshold in thresholds]
    wanted = _Wanted(
        lanes=lanes,
        source=having("source", source or BinanceSpot(), ("rules", "transport"), "BinanceSpot()"),
        store=store_of(store),
        start=start,
        bar_buffer=at_least("bar_buffer", bar_buffer, 1),
        trade_buffer=at_least("trade_buffer", trade_buffer, 1),
        on_event=callback("on_event", on_event),
        ack=one_of("ack", ack, ("auto", "manual")),
        restart=flag("restart", restart),
        replace=flag("replace", replace),
        reader=text("reader", reader),
        save_every=at_least("save_every", save_every, 1),
        config=_config(config, reconnect, has_store=store is not None),
    )
    read_start(start, lanes, _wall_us())
    return _opened(wanted)


@dataclass(frozen=True, slots=True)
class _Wanted:
    lanes: Sequence[tuple[str, int]]
    source: TradeSource
    store: CheckpointStore | str | os.PathLike[str] | None
    start: Any
    bar_buffer: int
    trade_buffer: int
    on_event: Callable[[StreamEvent], object] | None
    ack: Literal["auto", "manual"]
    restart: bool
    replace: bool
    reader: str
    save_every: int
    config: SessionConfig


@asynccontextmanager
async def _opened(wanted: _Wanted) -> AsyncGenerator[BarStream, None]:
    rules = wanted.source.rules()
    keys = [LaneKey(wanted.reader, rules.venue, symbol, threshold) for symbol, threshold in wanted.lanes]
    closing = Closing()
    async with _claimed(wanted.store, keys, closing) as (store, epoch):
        plans = await _plans(wanted, store, epoch, keys)
        keeper = Keeper(store, epoch, plans, replace=wanted.replace)
        await keeper.begin_at_own_positions()
        with Feed(bar_capacity=wanted.bar_buffer, trade_capacity=wanted.trade_buffer) as feed:
            budget = budget_for(rules, wanted.config.policy)
            session = Session(wanted.config, rules, feed, [plan.lane for plan in plans], budget, Random())

            def make(settle: Callable[[], None], start_soon: Callable[..., None]) -> BarStream:
                stream = BarStream(
                    session,
                    keeper,
                    plans,
                    on_event=wanted.on_event,
                    ack=wanted.ack,
                    save_every=wanted.save_every,
                    settle=settle,
                    start_soon=start_soon,
                )
                for plan in plans:
                    stream._tell(plan.opening_events())
                    if isinstance(plan.lane.start, Resume):
                        stream._tell(plan.forgotten(plan.lane.start.position))

                return stream

            async with run_stream(session, wanted.source.transport(), make, _wall_us(), closing) as stream:
                yield stream


@asynccontextmanager
async def _claimed(
    store: CheckpointStore | str | os.PathLike[str] | None, keys: Sequence[LaneKey], closing: Closing
) -> AsyncGenerator[tuple[CheckpointStore | None, int], None]:
    """Own the lanes for the length of a block; a store that was named by its path is opened and closed here."""
    if store is None:
        yield None, 0
        return

    if isinstance(store, CheckpointStore):
        epoch = await store.open(keys)
        try:
            yield store, epoch
        finally:
            store.release(epoch)

        return

    own = SqliteStore(store)
    try:
        yield own, await own.open(keys)
    except BaseException as error:
        await closing.aclose(own, error)
        raise
    else:
        await closing.aclose(own, None)


async def _plans(wanted: _Wanted, store: CheckpointStore | None, epoch: int, keys: Sequence[LaneKey]) -> list[LanePlan]:
    wishes = read_start(wanted.start, wanted.lanes, _wall_us())
    known: Mapping[LaneKey, Checkpoint] = {}
    if store is not None:
        try:
            known = await store.load(epoch, lane_format(None))
        except (StoreError, CheckpointMismatchError):
            # What nobody goes on from may be damaged or of another kind.
            if not all(wishes.forgets(key, restart=wanted.restart) for key in keys):
                raise

    return [wishes.plan(key, known.get(key), restart=wanted.restart) for key in keys]


def _config(config: SessionConfig | None, policy: ReconnectPolicy | None, *, has_store: bool) -> SessionConfig:
    config = of_type("config", config, SessionConfig) or SessionConfig()
    policy = of_type("reconnect", policy, ReconnectPolicy)
    # One that was given counts, not the default over that of a `config`.
    if policy is not None and policy is not _DEFAULT_POLICY:
        config = replace(config, policy=policy)

    if has_store and config.snapshot_every_s is None:
        config = replace(config, snapshot_every_s=_SNAPSHOT_SECONDS)

    return config


def _wall_us() -> int:
    return time.time_ns() // 1000
