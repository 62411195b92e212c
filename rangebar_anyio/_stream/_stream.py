"""The reader's side of a stream: bars out, acknowledgements in. Every wait of the reader's task is in this file."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from math import inf
from typing import Literal

import anyio
from anyio.abc import ObjectReceiveStream

from .._bar import Bar
from .._errors import RangeBarError
from .._events import StreamEvent
from .._session import Notify, Resume, SaveOrigin, SaveSnapshots, Session, StreamStats, TimeUnit
from .._sources._positions import TradePosition, packed_after
from .._stores import CheckpointStore, SaveSnapshot
from ._closing import CLOSE_SECONDS, late
from ._keeper import Keeper
from ._last_trade import LastTrade, last_trade_of
from ._start import LanePlan
from ._unheard import Unheard

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
        # The bar taken last, and whether `receive()` returned it: an interrupt may come in between.
        self._taken: tuple[int, Bar] | None = None
        self._is_given = True
        self._unrecorded: list[Bar] = []
        self._ending_since = inf
        self._gave_store_up = False
        self._unheard = Unheard()
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
            await self._finish_given()
            bar = await self._next()

        # Nothing is called from here on, so no interrupt comes in between either.
        self._is_given = True
        return bar

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

            self._note_given()
            bar = None if self._is_ending else self._take()
            if bar is None:
                raise anyio.WouldBlock

        self._is_given = True
        return bar

    async def aclose(self) -> None:
        """End the stream: the pending or next `receive()` finishes the bar given last and raises `EndOfStream`.

        A store that does not answer holds up a pending `receive()` until it is cancelled, and the next one for five
        seconds at most: then that raises `StoreError`.
        """
        self._is_ending = True
        self._ending_since = min(self._ending_since, anyio.current_time())
        self._look_again()
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

    def _check_records_to(self, store: CheckpointStore) -> None:
        """Raise unless bars of this stream can be written to a store together with their positions.

        Raises:
            ValueError: the stream was opened on another store, or acknowledges by itself.
            StoreError: ids would be missing between two recorded bars.
        """
        if not (self._is_manual and self._keeper.keeps_in(store)):
            raise ValueError(
                "record(stream, store) writes a bar and its position in one transaction, so both must be the stream's: "
                'open_stream(..., store=store, ack="manual", reader="record")'
            )

        for plan in self._plans:
            plan.check_follows_recorded()

    async def _record_bars(self, bars: Sequence[Bar]) -> Sequence[Bar]:
        """Finish bars by writing them and their positions in one transaction; return all that it made durable.

        Raises:
            ValueError: a bar was not given by this stream.
            StoreError: nothing was written; the next call writes them too and returns them, or leaving the block does.
        """
        self._raise_if_closed()
        for (place, position), bar in [(self._place_of(bar), bar) for bar in bars]:
            self._keeper.note_recorded(place, position, bar._raw)
            self._unrecorded.append(bar)

        await self._keeper.save_finished()
        recorded, self._unrecorded = self._unrecorded, []
        return recorded

    # --- for the stream's own tasks ----------------------------------------------------------------------------------

    def _look_again(self) -> None:
        """Have the reader look again."""
        self._wake.set()

    def _on_bars(self) -> None:
        self._wake.set()

    def _on_notify(self, action: Notify) -> None:
        self._tell((action.event,))

    def _tell(self, events: Iterable[StreamEvent]) -> None:
        """Keep events until the reader's task comes by."""
        if self._on_event is None:
            for event in events:
                self._unheard.hear(event)

            return

        for event in events:
            self._events_lost += len(self._events) == _EVENTS_KEPT
            self._events.append(event)
            self._look_again()

    def _on_origin(self, action: SaveOrigin) -> None:
        for place in action.lanes:
            self._units[place] = action.unit

        self._keeper.note_origin(action)
        self._look_again()

    def _on_snapshots(self, action: SaveSnapshots) -> None:
        """Take the forming bars down now, and have them written without anybody waiting for it."""
        changes = [change for place in action.lanes if (change := self._snapshot(place)) is not None]
        if changes:
            self._start_soon(self._keeper.save_snapshots, changes)

    def _snapshot(self, place: int) -> SaveSnapshot | None:
        # A bar that waits, or that the program has not finished, stands between the store and the forming one.
        if self._session.bars_waiting or self._is_unfinished(place):
            return None

        forming, data = self._session.forming(place), self._session.snapshot(place)
        if forming is None or data is None:
            return None

        given = self._last_given.get(place)
        return self._keeper.snapshot(place, forming, data, None if given is None else given.last_agg_trade_id)

    def _on_fail(self, error: Exception) -> None:
        if self._failure is None:
            self._failure = error

        self._look_again()

    # --- inside ------------------------------------------------------------------------------------------------------

    def _place_of(self, bar: Bar) -> tuple[int, TradePosition]:
        """Find the lane and the position of a bar that was given."""
        place = self._places.get((bar.symbol, bar.threshold_dbps), -1)
        given = self._last_given.get(place)
        if given is not None and bar.is_closed and _is_up_to(bar, given):
            with suppress(ValueError):  # a bar made offline has a position of another kind
                return place, TradePosition.from_bytes(bar.position)

        raise ValueError(f"{bar!r} was not given by this stream; acknowledge bars that receive() returned")

    async def _next(self) -> Bar:
        while True:
            # The block may have been left by another task during any wait.
            self._raise_if_closed()
            self._tell_events()
            # From here to the return nothing waits: a cancellation comes before a bar is taken, or after.
            bar = None if self._is_ending else self._take()
            if bar is not None:
                return bar

            if self._keeper.has_origins and not self._is_ending:
                await self._save(self._save_origins)
                continue

            self._raise_if_over()
            await self._wait()

    async def _wait(self) -> None:
        self._wake = anyio.Event()
        await self._wake.wait()

    async def _finish_given(self) -> None:
        self._note_given()
        if self._keeper.finished_unsaved >= self._save_every or self._is_ending:
            await self._save(self._keeper.save_finished)

    async def _save(self, write: Callable[[], Awaitable[None]]) -> None:
        """Wait for the store; once the stream is to end, no longer than leaving its block may take."""
        try:
            if not self._is_ending:
                # No scope here: an interrupt (Ctrl-C) between its beginning and its end would leave the task in it.
                await write()
            else:
                with anyio.fail_after(CLOSE_SECONDS):
                    await write()
        except TimeoutError:
            self._gave_store_up = True
            raise late() from None
        except BaseException:
            self._gave_store_up = anyio.current_time() - self._ending_since >= CLOSE_SECONDS
            raise

        self._gave_store_up = False

    def _note_given(self) -> None:
        """Note the bar given last as finished; one that was taken and not given is neither finished nor forgotten."""
        if self._taken is not None and self._is_given:
            place, bar = self._taken
            if not self._is_manual:
                self._keeper.note_finished(place, TradePosition.from_bytes(bar.position))

            self._taken = None

    def _is_unfinished(self, place: int) -> bool:
        """Whether the bar taken last is of this lane, and asking for the next one would finish it."""
        return not self._is_manual and self._taken is not None and self._taken[0] == place

    async def _save_origins(self) -> None:
        while self._keeper.has_origins:
            saved = await self._keeper.save_origin()
            self._session.origin_saved(saved.lanes)
            for place in saved.lanes:
                self._tell(self._plans[place].forgotten(saved.origin))

    def _take(self) -> Bar | None:
        """Take the next bar off the queue, or again the one that was taken and not given.

        An interrupt (Ctrl-C on trio) may come between any two of these lines, so a bar is noted before it leaves the
        queue, and leaves it only if it is still there.
        """
        head = self._session.head()
        if self._is_given or self._taken is None:
            if head is None:
                return None

            place, raw = head
            bar = self._bar(place, raw, is_closed=True)
            self._is_given = False
            self._taken = place, bar

        place, bar = self._taken
        self._last_given[place] = bar
        if head == (place, bar._raw):
            self._pop()

        return bar

    def _pop(self) -> None:
        try:
            if self._session.pop(anyio.current_time()):
                self._settle()
        except Exception as error:  # noqa: BLE001 - the bar has left the queue: it is given first, the error next
            self._on_fail(error)
        except BaseException:
            # What was interrupted half-way cannot be gone on with; a stream opened again can.
            self._on_fail(RangeBarError("the stream was interrupted while it went on to the next bar; open it again"))
            raise

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
    def _is_late(self) -> bool:
        """Whether the store was waited for in vain since `aclose()`, for as long as leaving may take."""
        return self._gave_store_up

    @property
    def _is_saved(self) -> bool:
        """Whether the store has everything that is finished."""
        return self._keeper.finished_unsaved == 0

    async def _finish(self, *, acknowledge: bool) -> None:
        """Write what is finished and the forming bars that follow it; the block is being left.

        Raises:
            StoreError: something finished could not be saved.
        """
        if acknowledge:
            self._note_given()

        await self._keeper.save_finished()
        changes = (self._snapshot(place) for place in range(len(self._plans)))
        await self._keeper.save_snapshots([change for change in changes if change is not None])

    def _end(self) -> None:
        """Nothing can be received any more; a reader that waits learns of it."""
        self._is_closed = True
        with suppress(RangeBarError):  # an engine that failed counts nothing
            self._last_stats = self.stats

        self._look_again()

    def _raise_if_closed(self) -> None:
        if self._is_closed:
            raise anyio.ClosedResourceError


def _is_up_to(bar: Bar, given: Bar) -> bool:
    """Whether a bar can have been given before another of its symbol and threshold: another market's cannot."""
    return bar.venue == given.venue and bar.last_agg_trade_id <= given.last_agg_trade_id
