"""What an exchange would send, written by hand: trades as frames and as REST rows, and their bars offline."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from rangebar_anyio import _native
from rangebar_anyio._feed import Feed
from rangebar_anyio._feed_events import FeedEvent
from rangebar_anyio._feed_values import FeedSummary, LaneBar

START_US = 1_700_000_000_000_000


@dataclass(frozen=True)
class Row:
    """One trade; prices and quantities in units of 10^-8."""

    id: int
    price: int
    quantity: int
    time_us: int
    sell: bool

    def json(self, unit: str = "us") -> str:
        time = self.time_us if unit == "us" else self.time_us // 1_000
        return (
            f'"a":{self.id},"p":"{decimal(self.price)}","q":"{decimal(self.quantity)}",'
            f'"f":{self.id * 2},"l":{self.id * 2 + 1},"T":{time},"m":{"true" if self.sell else "false"}'
        )

    def packed(self) -> bytes:
        return struct.pack(
            "<7q", self.id, self.price, self.quantity, self.id * 2, self.id * 2 + 1, self.time_us, self.sell
        )


def decimal(value_e8: int) -> str:
    return f"{value_e8 // 10**8}.{value_e8 % 10**8:08}"


def row(trade_id: int) -> Row:
    """Give the trade with this id, always the same."""
    numbers = random.Random(trade_id)
    return Row(
        trade_id,
        10**8 + numbers.randrange(2_000_000),
        numbers.randrange(10**10),
        START_US + trade_id // 2 * 1_001,
        numbers.random() < 0.5,
    )


def tape(first: int, last: int) -> list[Row]:
    """Give the trades with these ids, both ends included."""
    return [row(trade_id) for trade_id in range(first, last + 1)]


def frame(payload: bytes, opcode: int = 1) -> bytes:
    """Wrap a payload as the server does."""
    size = len(payload)

    if size < 126:
        return bytes((0x80 | opcode, size)) + payload

    return bytes((0x80 | opcode, 126)) + size.to_bytes(2, "big") + payload


def event(trade: Row, symbol: str = "X", unit: str = "us") -> bytes:
    """Write a trade's event as one frame."""
    return frame(f'{{"e":"aggTrade","E":{trade.time_us},"s":"{symbol}",{trade.json(unit)},"M":true}}'.encode())


def events(trades: Iterable[Row], symbol: str = "X") -> bytes:
    return b"".join(event(trade, symbol) for trade in trades)


def page(trades: Iterable[Row], unit: str = "us") -> bytes:
    """Write the body of a REST answer."""
    return ("[" + ",".join("{" + trade.json(unit) + "}" for trade in trades) + "]").encode()


def offline(trades: Sequence[Row], threshold: int, position: int | None = None) -> list[bytes]:
    """Give the bars of a tape as the processor makes them without any feed."""
    lib, ffi = _native.lib, _native.ffi
    out = ffi.new("RbProcessor **")
    assert lib.rb_processor_new(threshold, False, lib.RB_NO_POSITION if position is None else position, out) == 0
    processor = _native.owned(out[0], lib.rb_processor_free)
    data = b"".join(trade.packed() for trade in trades)
    taken = ffi.new("size_t *")
    assert lib.rb_processor_push_packed(processor, data, len(data), 1 << 40, taken) >= 0
    assert taken[0] == len(trades)
    room = ffi.new("RbBar[]", len(trades) + 1)
    assert lib.rb_processor_pop_bars(processor, room, len(trades) + 1, taken) == 0
    raw = bytes(ffi.buffer(room))
    return [raw[at * _native.BAR_SIZE : (at + 1) * _native.BAR_SIZE] for at in range(taken[0])]


def pop_all(feed: Feed) -> list[LaneBar]:
    """Take all bars that wait."""
    bars = []

    while (bar := feed.peek_bar()) is not None:
        bars.append(bar)
        assert feed.pop_bar()

    return bars


def all_events(feed: Feed) -> list[FeedEvent]:
    found = []

    while (told := feed.next_event()) is not None:
        found.append(told)

    return found


def read(feed: Feed, connection: int, data: bytes) -> tuple[int, list[LaneBar]]:
    """Give a read to a feed and take bars until it has gone through; return trades taken and bars."""
    summary: FeedSummary = feed.receive_data(connection, data)
    taken, bars = summary.trades_taken, []

    while summary.is_paused:
        bars += pop_all(feed)
        summary = feed.resume()
        taken += summary.trades_taken

    return taken, bars + pop_all(feed)


def bars_of(bars: Iterable[LaneBar], lane: int) -> list[bytes]:
    return [bar.bar for bar in bars if bar.lane == lane]


__all__ = (
    "START_US",
    "Row",
    "all_events",
    "bars_of",
    "event",
    "events",
    "frame",
    "offline",
    "page",
    "pop_all",
    "read",
    "replace",
    "row",
    "tape",
)
