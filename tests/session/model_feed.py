"""A feed in plain Python, written from the rules and not from the engine: slow, and with room for everything.

It has what :class:`FeedLike` asks for, so that a session can be driven with it, and the same schedule has to end with
the same bars as with the engine.
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field, fields
from typing import Any

from rangebar_anyio import Trade
from rangebar_anyio._feed_events import (
    Close,
    ConnectionFailed,
    FeedEvent,
    GapFound,
    IdSkipped,
    OriginSet,
    Ping,
    Reply,
    SequencesMerged,
    ServerShutdown,
)
from rangebar_anyio._feed_values import (
    ConnectionInfo,
    FeedSummary,
    FeedTotals,
    LaneAdded,
    LaneBar,
    LaneInfo,
    PageRefused,
    PageResult,
    SequenceInfo,
    SymbolInfo,
)
from rangebar_anyio._stores._values import pack_bar
from tests.oracle import Oracle, OracleBar

_BROKEN_OPCODE = 3


def packed(bar: OracleBar) -> bytes:
    """Lay a bar of the oracle out as the engine does."""
    exact = bar.exact_fields()
    names = {"open": "open_e8", "high": "high_e8", "low": "low_e8", "close": "close_e8", "volume": "volume_e8"}
    names |= {"turnover": "turnover_e16", "buy_volume": "buy_volume_e8", "buy_turnover": "buy_turnover_e16"}
    return pack_bar({names.get(name, name): value for name, value in exact.items()})


@dataclass
class ModelLane:
    number: int
    threshold_dbps: int
    oracle: Oracle
    is_announced: bool


@dataclass
class ModelSequence:
    number: int
    symbol: int
    expected: int | None
    lanes: list[ModelLane]
    highest: int = -1
    is_fetching: bool = False
    is_told: bool = False
    hold: dict[int, Trade] = field(default_factory=dict)

    @property
    def highest_seen(self) -> int | None:
        return self.highest if self.expected is not None and self.highest >= self.expected else None


@dataclass
class ModelConnection:
    data: bytearray = field(default_factory=bytearray)
    bytes: int = 0
    trades: int = 0
    pings: int = 0
    is_closed: bool = False


@dataclass
class ModelSymbol:
    name: str
    live: int = 0
    fetched: int = 0
    duplicates: int = 0


class ModelFeed:
    """Bytes in, bars and events out; never paused."""

    bar_capacity = 1 << 60

    def __init__(self) -> None:
        self.symbols: list[ModelSymbol] = []
        self.sequences: dict[int, ModelSequence] = {}
        self.homes: dict[int, int] = {}
        self.lanes: list[ModelLane] = []
        self.connections: dict[int, ModelConnection] = {}
        self.opened = 0
        self.events: deque[FeedEvent] = deque()
        self.bars: deque[LaneBar] = deque()

    def close(self) -> None:
        pass

    def add_symbol(self, name: str) -> int:
        self.symbols.append(ModelSymbol(name))
        return len(self.symbols) - 1

    def add_lane(
        self,
        symbol: int,
        threshold_dbps: int,
        *,
        same_timestamp_close: bool = False,
        unit: str | None = None,
        position: int | None = None,
        last_time_us: int | None = None,
        snapshot: bytes | None = None,
    ) -> LaneAdded:
        # A snapshot only saves fetching, so this one goes without.
        oracle = Oracle(threshold_dbps, same_timestamp_close=same_timestamp_close, last_agg_trade_id=position)
        lane = ModelLane(len(self.lanes), threshold_dbps, oracle, unit is not None)
        self.lanes.append(lane)
        expected = None if position is None else position + 1

        for sequence in self.sequences.values():
            if (sequence.symbol, sequence.expected) == (symbol, expected):
                sequence.lanes.append(lane)
                return LaneAdded(lane.number, sequence.number)

        number = len(self.homes) + 1
        self.homes[number] = number
        self.sequences[number] = ModelSequence(number, symbol, expected, [lane])
        return LaneAdded(lane.number, number)

    # Sockets.

    def connect(self) -> int:
        self.opened += 1
        self.connections[self.opened] = ModelConnection()
        return self.opened

    def disconnect(self, connection: int) -> None:
        del self.connections[connection]

    def receive_data(self, connection: int, data: bytes) -> FeedSummary:
        state = self.connections[connection]
        state.data += data
        state.bytes += len(data)

        while not state.is_closed and (found := _frame(state.data)) is not None:
            opcode, payload, size = found
            del state.data[:size]
            self._message(connection, state, opcode, payload)

        return self.summary()

    def _message(self, number: int, state: ModelConnection, opcode: int, payload: bytes) -> None:
        if opcode == 1:
            self._text(number, state, json.loads(payload))
        elif opcode == 9:
            state.pings += 1
            self.events.append(Ping(number, payload))
        elif opcode == 8:
            state.is_closed = True
            self.events.append(Close(number, int.from_bytes(payload[:2], "big"), payload[2:].decode()))
        else:
            state.is_closed = True
            self.events.append(ConnectionFailed(number, 1002, "no frame"))

    def _text(self, number: int, state: ModelConnection, message: dict[str, Any]) -> None:
        if message.get("e") == "serverShutdown":
            self.events.append(ServerShutdown(number))
        elif "e" not in message:
            self.events.append(Reply(number, message["id"], None))
        else:
            state.trades += 1
            symbol = next(at for at, symbol in enumerate(self.symbols) if symbol.name == message["s"])
            self._live(symbol, _trade(message))

    def _live(self, symbol: int, trade: Trade) -> None:
        has_news = False

        for sequence in self._of(symbol):
            if sequence.expected is None or trade.agg_trade_id == sequence.expected:
                self._take(sequence, trade)
                self.symbols[symbol].live += 1
                has_news = True
            elif trade.agg_trade_id > sequence.expected:
                self._early(sequence, trade)
                has_news = True

        self.symbols[symbol].duplicates += not has_news
        self._join(symbol)

    def _early(self, sequence: ModelSequence, trade: Trade) -> None:
        sequence.highest = max(sequence.highest, trade.agg_trade_id)

        if sequence.is_fetching:
            sequence.hold.setdefault(trade.agg_trade_id, trade)

        if not sequence.is_told and sequence.expected is not None:
            sequence.is_told = True
            self.events.append(GapFound(sequence.number, sequence.expected, trade.agg_trade_id - 1))

    def _of(self, symbol: int) -> list[ModelSequence]:
        return [sequence for sequence in self.sequences.values() if sequence.symbol == symbol]

    def _take(self, sequence: ModelSequence, trade: Trade) -> None:
        self._take_one(sequence, trade)
        self._go_on(sequence)

    def _take_one(self, sequence: ModelSequence, trade: Trade) -> None:
        for lane in sorted(sequence.lanes, key=lambda lane: lane.threshold_dbps):
            if not lane.is_announced:
                lane.is_announced = True
                position = lane.oracle.last_agg_trade_id
                origin = trade.agg_trade_id - 1 if position is None else position
                self.events.append(OriginSet(lane.number, origin, "us"))

            bar = lane.oracle.push(trade)

            if bar is not None:
                self.bars.append(LaneBar(lane.number, packed(bar)))
                lane.oracle.bars.clear()

        sequence.expected = trade.agg_trade_id + 1

    def _go_on(self, sequence: ModelSequence) -> None:
        while sequence.expected in sequence.hold:
            self.symbols[sequence.symbol].live += 1
            self._take_one(sequence, sequence.hold.pop(sequence.expected))

        if sequence.highest_seen is None:
            sequence.is_told = False
            sequence.hold.clear()

    def _join(self, symbol: int) -> None:
        for into in self._of(symbol):
            for gone in self._of(symbol):
                is_pair = gone.number > into.number and gone.expected == into.expected is not None

                if is_pair and into.number in self.sequences and gone.number in self.sequences:
                    self._merge(into, gone)

    def _merge(self, into: ModelSequence, gone: ModelSequence) -> None:
        into.lanes += gone.lanes
        into.highest = max(into.highest, gone.highest)
        into.is_fetching |= gone.is_fetching
        into.is_told |= gone.is_told
        into.hold = gone.hold | into.hold
        del self.sequences[gone.number]
        self.homes = {number: into.number if home == gone.number else home for number, home in self.homes.items()}
        self.events.append(SequencesMerged(gone.number, into.number))

    # REST.

    def backfill(self, symbol: int, from_id: int, body: bytes) -> PageResult:
        try:
            rows = [_trade(row) for row in json.loads(body)]
        except (ValueError, TypeError, KeyError) as error:
            raise PageRefused("no page") from error

        if not rows:
            return PageResult(0, 0, None, None, 0, 0, True)

        last = rows[-1].agg_trade_id
        taken = 0

        for sequence in self._of(symbol):
            if sequence.expected is not None and from_id <= sequence.expected <= last:
                taken += self._push(sequence, rows)

        self.symbols[symbol].fetched += taken
        self._join(symbol)
        return PageResult(len(rows), 0, rows[0].agg_trade_id, last, taken, 0, True)

    def _push(self, sequence: ModelSequence, rows: list[Trade]) -> int:
        taken = 0

        for row in rows:
            assert sequence.expected is not None

            if row.agg_trade_id > sequence.expected:
                sequence.highest = max(sequence.highest, row.agg_trade_id)
                self.events.append(IdSkipped(sequence.number, sequence.expected, row.agg_trade_id))
                break

            if row.agg_trade_id == sequence.expected:
                taken += 1
                self._take(sequence, row)

        return taken

    def begin_fetch(self, sequence: int) -> None:
        self.sequences[self.homes[sequence]].is_fetching = True

    def end_fetch(self, sequence: int) -> None:
        state = self.sequences[self.homes[sequence]]
        state.is_fetching = False
        state.hold.clear()

    def declare_missing(self, sequence: int, to_id: int) -> bool:
        state = self.sequences[self.homes[sequence]]

        # Held trades within the range exist all the same.
        for number in sorted(number for number in state.hold if number <= to_id):
            if number in state.hold and state.expected is not None and number >= state.expected:
                self._take(state, state.hold.pop(number))

        state.expected = max(state.expected or 0, to_id + 1)
        self._go_on(state)
        self._join(state.symbol)
        return True

    def set_known(self, symbol: int, trade_id: int) -> None:
        pass

    # Looking.

    def resume(self) -> FeedSummary:
        return self.summary()

    def summary(self) -> FeedSummary:
        return FeedSummary(len(self.bars), len(self.events), 0, False)

    def next_event(self) -> FeedEvent | None:
        return self.events.popleft() if self.events else None

    def peek_bar(self) -> LaneBar | None:
        return self.bars[0] if self.bars else None

    def pop_bar(self) -> bool:
        return bool(self.bars and self.bars.popleft())

    def sequence(self, sequence: int) -> SequenceInfo:
        state = self.sequences[self.homes[sequence]]
        return SequenceInfo(
            state.number,
            state.symbol,
            state.expected,
            state.highest_seen,
            None,
            len(state.hold),
            len(state.lanes),
            state.is_fetching,
        )

    def symbol(self, symbol: int) -> SymbolInfo:
        state = self.symbols[symbol]
        return SymbolInfo(None, 0, 0, None, state.live, state.fetched, state.duplicates, 0, 0, 0)

    def connection(self, connection: int) -> ConnectionInfo:
        state = self.connections[connection]
        return ConnectionInfo(state.bytes, 0, state.trades, 0, 0, state.pings, 0, 0, state.is_closed, False)

    def lane(self, lane: int) -> LaneInfo:
        state = self.lanes[lane]
        return LaneInfo(lane, 0, 0, state.threshold_dbps, "us", state.oracle.last_agg_trade_id, 0, 0, None)

    def forming(self, lane: int) -> bytes | None:
        return None

    def snapshot(self, lane: int) -> bytes:
        return b""

    def totals(self) -> FeedTotals:
        held = sum(len(sequence.hold) for sequence in self.sequences.values())
        counts: dict[str, Any] = dict.fromkeys((each.name for each in fields(FeedTotals)), 0)
        return FeedTotals(**counts | {"trades_held": held, "is_paused": False})


def _frame(data: bytearray) -> tuple[int, bytes, int] | None:
    """Split the first frame off: opcode (0 for none that is legal), payload, size."""
    if len(data) < 2:
        return None

    first, size, header = data[0], data[1], 2

    if first & 0x70 or size & 0x80 or not first & 0x80 or first & 0x0F not in (1, 8, 9, 10):
        return 0, b"", len(data)

    if size == 127 or (size == 126 and first & 0x08):
        return 0, b"", len(data)

    if size == 126:
        size, header = int.from_bytes(data[2:4], "big"), 4

    if len(data) < header + size:
        return None

    return first & 0x0F, bytes(data[header : header + size]), header + size


def _trade(row: dict[str, Any]) -> Trade:
    return Trade(
        agg_trade_id=row["a"],
        price=row["p"],
        quantity=row["q"],
        timestamp_us=row["T"],
        is_buyer_maker=row["m"],
        first_trade_id=row["f"],
        last_trade_id=row["l"],
    )


__all__ = ("ModelFeed",)
