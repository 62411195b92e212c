"""The reader's side of a stream: bars out, acknowledgements in. Every wait of the reader's task is in this file."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Literal

import anyio
from anyio.abc import ObjectReceiveStream

from .._bar import Bar
from .._errors import RangeBarError
from .._events import StreamEvent
from .._session import Notify, Resume, SaveOrigin, SaveSnapshots, Session, StreamStats, TimeUnit
from .._sources._positions import TradePosition, packed_after
from .._stores import CheckpointStore, SaveSnapshot
from ._keeper import Keeper
from ._last_trade import LastTrade, last_trade_of
from ._start import LanePlan

__all__ = ("BarStream",)

_log = logging.getLogger("rangebar_anyio")

#: Events of a reader that is away: enough to see what happened, and bounded.
_EVENTS_KEPT = 1000


class BarStream(ObjectReceiveStream[Bar]):
    """Closed range bars, lane by lane exactly those of the uninterrupted tape, in order and each once.

    Made by `open_stream`. One task at a time receives; `async for` ends when the stream is closed.

    A bar is *finished* when the next one is asked for, or the block is left without an exception: from then on a
    restart does not bring it again. `receive()` that raises, also by cancellation, has given nothing, and the next call
    gives that bar.
    """

    def __init__(
        self,
        session: Session,
        keeper: Keeper,
        plans: Sequence[LanePlan],
        *,
        on_event: Callable[[StreamEvent], object] | None,
        ack: Literal["auto", "manual"],
        save_every: int,
        settle: Callable[[], None],
        start_soon: Callable[..., None],
    ) -> None:
        self._session = session
        self._keeper = keeper
        self._plans = plans
        self._places = {(plan.key.symbol, plan.key.threshold_dbps): place for place, plan in enumerate(plans)}
        self._on_event = on_event
        self._is_manual = ack == "manual"
        self._save_every = save_every
        self._settle = settle
        self._start_soon = start_soon
        self._guard: AbstractContextManager[object] = anyio.ResourceGuard("receiving bars from")
        self._wake = anyio.Event()
        self._events: deque[StreamEvent] = deque(maxlen=_EVENTS_KEPT)
        self._units: dict[int, TimeUnit] = {
            place: plan.lane.start.unit for place, plan in enumerate(plans) if isinstance(plan.lane.start, Resume)
        }
        self._last_given: dict[int, Bar] = {}
        self._outstanding: tuple[int, Bar] | None = None
        self._events_lost = 0
        self._failure: Exception | None = None
        self._is_ending = False
        self._is_closed = False
        self._last_stats: StreamStats | None = None

    # --- for the program ---------------------------------------------------------------------------------------------

    async def receive(self) -> Bar:
        """Finish the bar given last, then return the next one.

        Raises:
            anyio.EndOfStream: `aclose()` was called; the bar given last is finished.
            StoreError: finishing that bar could not be saved; no bar was given, and asking again tries again.
            RangeBarError: the stream failed (`ConnectionLostError`, `GapUnfillableError`, ...), after its last bar.
            anyio.ClosedResourceError: the block was left.
            anyio.BusyResourceError: another task is receiving.
        """
        with self._guard:
            await anyio.lowlevel.checkpoint()
            self._raise_if_closed()
            await self._finish_outstanding()
            while True:
                # The block may have been left by another task during any wait.
                self._raise_if_closed()
                self._tell_events()
                # From here to the return nothing waits: a cancellation comes before a bar is taken, or after.
                bar = None if self._is_ending else self._take()
                if bar is not None:
                    return bar

                if self._keeper.has_origins:
                    await self._save_origins()
                    continue

                self._raise_if_over()
                await self._wait()

    async def ack(self, bar: Bar) -> None:
        """Finish a bar and all earlier ones of its lane; for streams opened with `ack="manual"`.

        Returns once the store has it.

        Raises:
            ValueError: the bar was not given by this stream.
            RuntimeError: the stream acknowledges by itself.
            StoreError: it could not be saved; acknowledging again tries again.
        """
        await anyio.lowlevel.checkpoint()
        self._raise_if_closed()
        if not self._is_manual:
            raise RuntimeError('ack() belongs to open_stream(..., ack="manual"); this stream finishes bars by itself')

        self._keeper.note_finished(*self._place_of(bar))
        if self._keeper.finished_unsaved >= self._save_every:
            await self._keeper.save_finished()

    def receive_nowait(self) -> Bar:
        """Return a bar that waits already; for streams opened with `ack="manual"`, that take many at a time.

        Raises:
            anyio.WouldBlock: none waits, or `aclose()` was called: `receive()` says more.
            RuntimeError: the stream acknowledges by itself, which takes time.
            anyio.ClosedResourceError: the block was left.
            anyio.BusyResourceError: another task is receiving.
        """
        with self._guard:
            self._raise_if_closed()
            if not self._is_manual:
                raise RuntimeError('receive_nowait() belongs to open_stream(..., ack="manual")')

            bar = None if self._is_ending else self._take()
            if bar is None:
                raise anyio.WouldBlock

            return bar

    async def aclose(self) -> None:
        """End the stream: the pending or next `receive()` finishes the bar given last and raises `EndOfStream`."""
        self._is_ending = True
        self.wake()
        await anyio.lowlevel.checkpoint()

    def forming(self, symbol: str, threshold_dbps: int) -> Bar | None:
        """Return the bar of a lane that has not closed yet, marked by `is_closed` being False; `None` after a close.

        Raises:
            KeyError: no such lane in this stream.
        """
        self._raise_if_closed()
        place = self._places.get((symbol.upper(), threshold_dbps))
        if place is None:
            known = ", ".join(f"{name} at {threshold}" for name, threshold in self._places)
            raise KeyError(f"no lane {symbol!r} at {threshold_dbps} dbps in this stream; it has {known}")

        raw = self._session.forming(place)
        return None if raw is None else self._bar(place, raw, is_closed=False)

    def last_trade(self, symbol: str) -> LastTrade | None:
        """Return the newest trade that went into a symbol's bars; `None` before the first one.

        Raises:
            KeyError: no such symbol in this stream.
        """
        self._raise_if_closed()
        try:
            return last_trade_of(self._session.symbol(symbol.upper()))
        except KeyError:
            known = ", ".join(dict.fromkeys(name for name, _ in self._places))
            raise KeyError(f"no symbol {symbol!r} in this stream; it has {known}") from None

    @property
    def stats(self) -> StreamStats:
        """Everything counted since the opening, as one frozen value; after the block, as it was at its end."""
        return self._last_stats or self._session.stats(anyio.current_time())

    # --- for `record` ------------------------------------------------------------------------------------------------

    def check_records_to(self, store: CheckpointStore) -> None:
        """Raise `ValueError` unless bars of this stream can be written to a store together with their positions."""
        if not (self._is_manual and self._keeper.keeps_in(store)):
            raise ValueError(
                "record(stream, store) writes a bar and its position in one transaction, so both must be the stream's: "
                'open_stream(..., store=store, ack="manual", reader="record")'
            )

    async def record_bars(self, bars: Sequence[Bar]) -> None:
        """Finish bars by writing them and their positions in one transaction.

        Raises:
            ValueError: a bar was not given by this stream.
            StoreError: nothing was written; the next call, or leaving the block, writes them too.
        """
        self._raise_if_closed()
        for (place, position), bar in [(self._place_of(bar), bar) for bar in bars]:
            self._keeper.note_recorded(place, position, bar._raw)

        await self._keeper.save_finished()

    # --- for the stream's own tasks ----------------------------------------------------------------------------------

    def wake(self) -> None:
        """Have the reader look again."""
        self._wake.set()

    def on_bars(self) -> None:
        self._wake.set()

    def on_notify(self, action: Notify) -> None:
        self.tell((action.event,))

    def tell(self, events: Iterable[StreamEvent]) -> None:
        """Keep events until the reader's task comes by."""
        if self._on_event is None:
            return

        for event in events:
            self._events_lost += len(self._events) == _EVENTS_KEPT
            self._events.append(event)
            self.wake()

    def on_origin(self, action: SaveOrigin) -> None:
        for place in action.lanes:
            self._units[place] = action.unit

        self._keeper.note_origin(action)
        self.wake()

    def on_snapshots(self, action: SaveSnapshots) -> None:
        """Take the forming bars down now, and have them written without anybody waiting for it."""
        changes = [change for place in action.lanes if (change := self._snapshot(place)) is not None]
        if changes:
            self._start_soon(self._keeper.save_snapshots, changes)

    def _snapshot(self, place: int) -> SaveSnapshot | None:
        # A bar that waits, or that the program has not finished, stands between the store and the forming one.
        if self._session.bars_waiting or (self._outstanding is not None and self._outstanding[0] == place):
            return None

        forming, data = self._session.forming(place), self._session.snapshot(place)
        if forming is None or data is None:
            return None

        given = self._last_given.get(place)
        return self._keeper.snapshot(place, forming, data, None if given is None else given.last_agg_trade_id)

    def on_fail(self, error: Exception) -> None:
        if self._failure is None:
            self._failure = error

        self.wake()

    # --- inside ------------------------------------------------------------------------------------------------------

    def _place_of(self, bar: Bar) -> tuple[int, TradePosition]:
        """Find the lane and the position of a bar that was given."""
        place = self._places.get((bar.symbol, bar.threshold_dbps), -1)
        given = self._last_given.get(place)
        if given is not None and bar.is_closed and bar.last_agg_trade_id <= given.last_agg_trade_id:
            with suppress(ValueError):  # a bar made offline has a position of another kind
                return place, TradePosition.from_bytes(bar.position)

        raise ValueError(f"{bar!r} was not given by this stream; acknowledge bars that receive() returned")

    async def _wait(self) -> None:
        self._wake = anyio.Event()
        await self._wake.wait()

    async def _finish_outstanding(self) -> None:
        self._note_outstanding()
        if self._keeper.finished_unsaved >= self._save_every or self._is_ending:
            await self._keeper.save_finished()

    def _note_outstanding(self) -> None:
        if self._outstanding is not None:
            place, bar = self._outstanding
            self._keeper.note_finished(place, TradePosition.from_bytes(bar.position))
            self._outstanding = None

    async def _save_origins(self) -> None:
        while self._keeper.has_origins:
            saved = await self._keeper.save_origin()
            self._session.origin_saved(saved.lanes)
            for place in saved.lanes:
                self.tell(self._plans[place].forgotten(saved.origin))

    def _take(self) -> Bar | None:
        head = self._session.head()
        if head is None:
            return None

        place, raw = head
        bar = self._last_given[place] = self._bar(place, raw, is_closed=True)
        if not self._is_manual:
            self._outstanding = place, bar

        try:
            if self._session.pop(anyio.current_time()):
                self._settle()
        except Exception as error:  # noqa: BLE001 - the bar has left the queue: it is given first, the error next
            self.on_fail(error)

        return bar

    def _bar(self, place: int, raw: bytes, *, is_closed: bool) -> Bar:
        key = self._plans[place].key
        return Bar._from_raw(
            raw,
            threshold_dbps=key.threshold_dbps,
            symbol=key.symbol,
            venue=key.venue,
            is_closed=is_closed,
            # Nothing can start inside a bar, so a forming one has none.
            position=packed_after(raw, self._units[place]) if is_closed else None,
        )

    def _tell_events(self) -> None:
        if self._events_lost:
            _log.warning("%d events came while nobody was receiving, and only the newest were kept", self._events_lost)
            self._events_lost = 0

        while self._events and self._on_event is not None:
            event = self._events.popleft()
            try:
                self._on_event(event)
            except Exception:  # noqa: BLE001 - a program's callback must not stop its stream
                _log.exception("on_event raised for %r; the stream goes on", event)

    def _raise_if_over(self) -> None:
        if self._is_ending:
            raise anyio.EndOfStream

        if self._failure is not None:
            raise self._failure

    @property
    def is_saved(self) -> bool:
        """Whether the store has everything that is finished."""
        return self._keeper.finished_unsaved == 0

    async def finish(self, *, acknowledge: bool) -> None:
        """Write what is finished and the forming bars that follow it; the block is being left.

        Raises:
            StoreError: something finished could not be saved.
        """
        if acknowledge:
            self._note_outstanding()

        await self._keeper.save_finished()
        changes = (self._snapshot(place) for place in range(len(self._plans)))
        await self._keeper.save_snapshots([change for change in changes if change is not None])

    def end(self) -> None:
        """Nothing can be received any more; a reader that waits learns of it."""
        self._is_closed = True
        with suppress(RangeBarError):  # an engine that failed counts nothing
            self._last_stats = self.stats

        self.wake()

    def _raise_if_closed(self) -> None:
        if self._is_closed:
            raise anyio.ClosedResourceError
