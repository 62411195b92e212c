"""The safe owner of one feed: bytes of sockets and REST answers in, closed bars and events out.

A feed has no clock, no thread and does no I/O. Its manners are h11's: give it what was read, then look at what it
has to say. All of a socket's read is decoded, checked and turned into bars by one foreign call.

The order of work for whoever drives it:

1. ``add_symbol`` and ``add_lane`` for everything that is wanted;
2. ``connect`` after a websocket's handshake, ``receive_data`` with what its socket brings, ``disconnect`` at its end;
3. after each call that took trades: ``next_event`` until it is None, and ``peek_bar`` / ``pop_bar`` as the reader asks;
4. while ``is_paused``: no more reading; after bars were popped, ``resume``;
5. for a gap: ``begin_fetch``, ``backfill`` with the answers in order of their ids, ``end_fetch``.
"""

from __future__ import annotations

from types import TracebackType

from rangebar_anyio import _native
from rangebar_anyio._errors import InvalidThresholdError, SnapshotError
from rangebar_anyio._feed_decode import (
    SNAPSHOT_PROBLEMS,
    event_of,
    lane_info_of,
    page_of,
    sequence_info_of,
    symbol_info_of,
    unit_code,
)
from rangebar_anyio._feed_events import FeedEvent, TimeUnit
from rangebar_anyio._feed_library import lib
from rangebar_anyio._feed_values import (
    ConnectionInfo,
    FeedSummary,
    FeedTotals,
    LaneAdded,
    LaneBar,
    LaneInfo,
    PageResult,
    SequenceInfo,
    SymbolInfo,
)

MAX_MESSAGE = 1 << 20
"""The largest websocket message that is read, in bytes; a larger one ends its connection."""

_SNAPSHOT_ROOM = 1024


class Feed:
    """Turns the bytes of any number of connections and REST answers into the bars of any number of lanes.

    Guaranteed, whatever comes in: each lane's bars are those of the trades at and above its position in the order of
    their ids, each once. Nothing that a peer sends makes the feed grow beyond what its capacities say, raises, or does
    worse than a counted refusal or an event.

    One thread at a time: a second one that enters gets ``ResourceBusyError``, after which the first goes on unharmed.

    Args:
        bar_capacity: closed bars that wait for the reader, over all lanes. A trade is taken while none waits or while
            there is room for one bar of every lane of its symbol; otherwise the feed is paused.
        trade_capacity: live trades that may be held, over all sequences, while fetches are in flight. It is a cache:
            what does not fit is counted and has to be fetched again.
        max_message: the largest websocket message, in bytes.

    Example::

        feed = Feed(bar_capacity=100, trade_capacity=5_000)
        lane = feed.add_lane(feed.add_symbol("BTCUSDT"), 250).lane
        connection = feed.connect()
        feed.receive_data(connection, data)
        while (bar := feed.peek_bar()) is not None:
            ...
            feed.pop_bar()
    """

    __slots__ = ("_bar", "_bar_capacity", "_bar_data", "_event", "_handle", "_summary")

    def __init__(self, *, bar_capacity: int = 100, trade_capacity: int = 5_000, max_message: int = MAX_MESSAGE) -> None:
        if min(bar_capacity, trade_capacity, max_message) < 0:
            raise ValueError("capacities must not be negative")

        self._bar_capacity = bar_capacity
        config = _native.ffi.new("RbFeedConfig *", (bar_capacity, trade_capacity, max_message))
        out = _native.ffi.new("RbFeed **")
        _must(lib.rb_feed_new(config, out))
        self._handle = _native.owned(out[0], lib.rb_feed_free)
        self._summary = _native.ffi.new("RbFeedSummary *")
        self._event = _native.ffi.new("RbFeedEvent *")
        self._bar = _native.ffi.new("RbLaneBar *")
        self._bar_data = _native.ffi.buffer(_native.ffi.addressof(self._bar, "bar"), _native.BAR_SIZE)

    @property
    def bar_capacity(self) -> int:
        """Closed bars that may wait for the reader."""
        return self._bar_capacity

    def close(self) -> None:
        """Free the feed's memory; every later call but this raises ``ResourceClosedError``."""
        self._handle = _native.NULL

    def __enter__(self) -> Feed:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # Symbols and lanes

    def add_symbol(self, name: str) -> int:
        """Add a symbol by the name that the exchange's events carry (``"BTCUSDT"``); return its number.

        A name that was added before gives the same number again.

        Raises:
            ValueError: the name is empty or longer than 255 bytes.
        """
        data = name.encode()
        out = _native.ffi.new("uint32_t *")
        _must(lib.rb_feed_add_symbol(self._handle, data, len(data), out), f"symbol name {name!r}")
        return int(out[0])

    def add_lane(
        self,
        symbol: int,
        threshold_dbps: int,
        *,
        same_timestamp_close: bool = False,
        unit: TimeUnit | None = None,
        position: int | None = None,
        last_time_us: int | None = None,
        snapshot: bytes | None = None,
    ) -> LaneAdded:
        """Add a lane to a symbol; it joins the sequence that expects the same id, or begins one.

        Args:
            symbol: number of the symbol.
            threshold_dbps: 1 to 100,000.
            same_timestamp_close: whether a bar may close at its opening time stamp.
            unit: the unit stored with the lane; None lets its first trade decide (``OriginSet`` tells).
            position: id of the last trade that is finished, -1 for none: the lane goes on after it. None begins with
                the first trade that a connection brings (``OriginSet`` tells).
            last_time_us: time of the trade at ``position`` when known, to recognise ids that began anew.
            snapshot: a forming bar that follows ``position``, from :meth:`snapshot`.

        Raises:
            InvalidThresholdError: the threshold is out of range.
            SnapshotError: the snapshot cannot be read, is of another symbol or rule, or does not follow ``position``.
            ValueError: the position is below -1.
            LookupError: no such symbol.
        """
        spec = _native.ffi.new(
            "RbLaneSpec *",
            (
                symbol,
                _threshold(threshold_dbps),
                same_timestamp_close,
                unit_code(unit),
                _position_code(position),
                lib.RB_NO_TIME if last_time_us is None else last_time_us,
            ),
        )
        if snapshot == b"":
            raise SnapshotError(*SNAPSHOT_PROBLEMS[lib.RB_ERR_SNAPSHOT_LENGTH])

        data = snapshot or b""
        out = _native.ffi.new("RbLaneAdded *")
        status = lib.rb_feed_add_lane(self._handle, spec, data or _native.NULL, len(data), out)

        if status in SNAPSHOT_PROBLEMS:
            raise SnapshotError(*SNAPSHOT_PROBLEMS[status])

        _must(status, f"position {position}" if status == lib.RB_ERR_ARGUMENT else f"symbol {symbol}")
        return LaneAdded(out.lane, out.sequence)

    # Connections

    def connect(self) -> int:
        """Open a connection for the bytes of a websocket after its handshake; its number is never used again."""
        out = _native.ffi.new("uint64_t *")
        _must(lib.rb_feed_connect(self._handle, out))
        return int(out[0])

    def disconnect(self, connection: int) -> None:
        """Forget a connection with whatever it had not finished: a partial frame, and unread bytes while paused.

        Raises:
            LookupError: no such connection.
        """
        _must(lib.rb_feed_disconnect(self._handle, connection), f"connection {connection}")

    def receive_data(self, connection: int, data: bytes | bytearray | memoryview) -> FeedSummary:
        """Take one read of a connection's socket, all of it or up to the trade that there is no room for.

        What there is no room for stays here until :meth:`resume`; while it does, another read of the same connection is
        refused. Bytes after a close frame or a broken frame are ignored.

        Raises:
            LookupError: no such connection.
            BlockingIOError: the connection's last read still waits for room; nothing of ``data`` was taken.
        """
        out = self._summary
        given = data if type(data) is bytes else _native.ffi.from_buffer("uint8_t[]", data)
        status = lib.rb_feed_receive(self._handle, connection, given, len(given), out)

        if status < 0:
            _must(status, f"connection {connection}")

        return FeedSummary(out.bars_queued, out.events_queued, out.trades_taken, out.is_paused != 0)

    def resume(self) -> FeedSummary:
        """Go on with whatever waited for room; without room or without anything waiting it changes nothing."""
        return self._summary_of(lib.rb_feed_resume(self._handle, self._summary))

    def summary(self) -> FeedSummary:
        """Look at how the feed stands."""
        return self._summary_of(lib.rb_feed_summary(self._handle, self._summary))

    def _summary_of(self, status: int) -> FeedSummary:
        _must(status)
        out = self._summary
        return FeedSummary(out.bars_queued, out.events_queued, out.trades_taken, out.is_paused != 0)

    # REST

    def backfill(self, symbol: int, from_id: int, body: bytes) -> PageResult:
        """Take the body of the REST answer to ``fromId=from_id``.

        It is offered to every sequence of the symbol whose expected id lies within ``from_id`` and the highest id
        served, and tells nothing to the others. Where it goes on with a higher id than expected, the sequence stops
        there and ``IdSkipped`` says so. An empty answer, or one that ends early, is lag.

        An answer that is not complete, because the bar queue is full, is to be offered again, with the same
        ``from_id``, after bars were taken; trades that it had already brought are duplicates then.

        Raises:
            PageRefused: it is no JSON array of rows whose ids ascend; nothing of it was taken.
            UnitRefused: it is in milliseconds and a lane is in microseconds; nothing of it was taken.
            LookupError: no such symbol.
        """
        out = _native.ffi.new("RbPage *")
        status = lib.rb_feed_backfill(self._handle, symbol, from_id, body, len(body), out)
        page = page_of(status, out)
        _must(status, f"symbol {symbol}")
        return page

    def begin_fetch(self, sequence: int) -> None:
        """Say that a fetch for a sequence is in flight: from now on its early live trades are held.

        Say it once for a whole catch-up, not for each request. Calling it again changes nothing.

        Raises:
            LookupError: no such sequence.
        """
        _must(lib.rb_feed_begin_fetch(self._handle, sequence), f"sequence {sequence}")

    def end_fetch(self, sequence: int) -> None:
        """Say that the fetch has ended: held trades that fit are taken, the others are let go and counted.

        Raises:
            LookupError: no such sequence.
        """
        _must(lib.rb_feed_end_fetch(self._handle, sequence), f"sequence {sequence}")

    def declare_missing(self, sequence: int, to_id: int) -> bool:
        """Say that the exchange provably has no trades from the expected id up to ``to_id``; go on after them.

        They count as missing on the bar they fall in. Held trades within the range are taken all the same. Returns
        False when the bar queue is full: say it again after bars were taken.

        Raises:
            LookupError: no such sequence.
            ValueError: the sequence has no first trade yet, or ``to_id`` is out of range.
        """
        status = lib.rb_feed_declare_missing(self._handle, sequence, to_id)
        _must(status, f"id {to_id}" if status == lib.RB_ERR_ARGUMENT else f"sequence {sequence}")
        return status != lib.RB_PAUSED

    def set_known(self, symbol: int, trade_id: int) -> None:
        """Say that REST knows ids up to ``trade_id``: live ids more than 10,000,000 above are refused and counted.

        Answers given to :meth:`backfill` say the same by themselves. Until it is known, every id is believed.

        Raises:
            LookupError: no such symbol.
            ValueError: the id is out of range.
        """
        status = lib.rb_feed_set_known(self._handle, symbol, trade_id)
        _must(status, f"id {trade_id}" if status == lib.RB_ERR_ARGUMENT else f"symbol {symbol}")

    # What comes out

    def peek_bar(self) -> LaneBar | None:
        """Look at the oldest bar that waits; it stays at the head of the queue until :meth:`pop_bar`."""
        status = lib.rb_feed_peek_bar(self._handle, self._bar)

        if status == lib.RB_NONE:
            return None

        _must(status)
        return LaneBar(self._bar.lane, self._bar_data[:])

    def pop_bar(self) -> bool:
        """Take the oldest bar off the queue; False when none waits. If the feed is paused, :meth:`resume` after it."""
        status = lib.rb_feed_pop_bar(self._handle)
        _must(status)
        return status == lib.RB_OK

    def next_event(self) -> FeedEvent | None:
        """Take the oldest event, or None when the feed has nothing to say."""
        status = lib.rb_feed_pop_event(self._handle, self._event)

        if status == lib.RB_NONE:
            return None

        _must(status)
        return event_of(self._event)

    # Looking

    def sequence(self, sequence: int) -> SequenceInfo:
        """Look at a sequence, or at the one that it merged into.

        Raises:
            LookupError: no such sequence.
        """
        out = _native.ffi.new("RbSequenceInfo *")
        _must(lib.rb_feed_sequence_info(self._handle, sequence, out), f"sequence {sequence}")
        return sequence_info_of(out)

    def symbol(self, symbol: int) -> SymbolInfo:
        """Look at a symbol.

        Raises:
            LookupError: no such symbol.
        """
        out = _native.ffi.new("RbSymbolInfo *")
        _must(lib.rb_feed_symbol_info(self._handle, symbol, out), f"symbol {symbol}")
        return symbol_info_of(out)

    def connection(self, connection: int) -> ConnectionInfo:
        """Look at a connection.

        Raises:
            LookupError: no such connection.
        """
        out = _native.ffi.new("RbConnectionInfo *")
        _must(lib.rb_feed_connection_info(self._handle, connection, out), f"connection {connection}")
        return ConnectionInfo(
            bytes=out.bytes,
            messages=out.messages,
            trades=out.trades,
            taken=out.taken,
            rejected=out.rejected,
            pings=out.pings,
            last_event_time_us=out.last_event_time_us,
            unread=out.unread,
            is_closed=out.is_closed != 0,
            is_paused=out.is_paused != 0,
        )

    def lane(self, lane: int) -> LaneInfo:
        """Look at a lane and its forming bar.

        Raises:
            LookupError: no such lane.
        """
        out = _native.ffi.new("RbLaneInfo *")
        _must(lib.rb_feed_lane_info(self._handle, lane, out), f"lane {lane}")
        return lane_info_of(lane, out)

    def forming(self, lane: int) -> bytes | None:
        """Look at a lane's forming bar, as the engine's 176 bytes; None right after a close.

        Raises:
            LookupError: no such lane.
        """
        return self.lane(lane).forming

    def snapshot(self, lane: int) -> bytes:
        """Write a lane's state down, forming bar included, for ``add_lane(snapshot=...)``.

        Raises:
            LookupError: no such lane.
        """
        buffer = _native.ffi.new("uint8_t[]", _SNAPSHOT_ROOM)
        length = _native.ffi.new("size_t *")
        status = lib.rb_feed_lane_snapshot(self._handle, lane, buffer, _SNAPSHOT_ROOM, length)
        _must(status, f"lane {lane}")
        return bytes(_native.ffi.buffer(buffer, length[0]))

    def totals(self) -> FeedTotals:
        """Sum up everything counted; it looks at every symbol, so not for every trade."""
        out = _native.ffi.new("RbFeedTotals *")
        _must(lib.rb_feed_totals(self._handle, out))
        counts = {name: getattr(out, name) for name in FeedTotals.__slots__}
        counts["is_paused"] = out.is_paused != 0
        return FeedTotals(**counts)


def _must(status: int, about: str = "") -> None:
    """Raise what a status below zero means."""
    if status >= 0:
        return

    if status == lib.RB_ERR_UNKNOWN:
        raise LookupError(f"this feed has no {about}")

    if status == lib.RB_ERR_ARGUMENT:
        raise ValueError(f"{about} is out of range")

    if status == lib.RB_ERR_PAUSED:
        raise BlockingIOError(f"{about} has unread bytes: take bars and call resume() first")

    _native.check(status, "feed")


def _threshold(threshold_dbps: int) -> int:
    if not 1 <= threshold_dbps <= 100_000:
        raise InvalidThresholdError(threshold_dbps)

    return threshold_dbps


def _position_code(position: int | None) -> int:
    if position is None:
        return lib.RB_NO_POSITION

    if position < -1:
        raise ValueError(f"position {position} is out of range")

    return position


__all__ = ("MAX_MESSAGE", "Feed")
