"""What a feed tells its session: frozen values, each about one thing, in the order it happened.

Ids are aggregate trade ids, times microseconds since 1970-01-01 UTC. Symbols, lanes, sequences and connections are the
numbers that the feed gave out. Events of one kind about one thing are coalesced while they wait, as each says, so that
no peer can make them many.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

TimeUnit: TypeAlias = Literal["ms", "us"]


@dataclass(frozen=True, slots=True)
class GapFound:
    """Trades ``from_`` to ``to`` are missing before one that came.

    Told once, when the gap appears; ask :meth:`Feed.sequence` how far it reaches by now. One per sequence waits.
    """

    sequence: int
    from_: int
    to: int


@dataclass(frozen=True, slots=True)
class IdSkipped:
    """A REST answer went on with ``next_id`` where ``expected`` was next: evidence that those between do not exist.

    It belongs to the answer that :meth:`Feed.backfill` has just been given. The same answer, offered again, says the
    same again, so count answers and not events. The newest per sequence waits.
    """

    sequence: int
    expected: int
    next_id: int


@dataclass(frozen=True, slots=True)
class TradesDiffer:
    """``count`` second copies of trades say something else than the first, the first of them of ``id``.

    The first copies stayed. One per symbol waits.
    """

    symbol: int
    id: int
    count: int


@dataclass(frozen=True, slots=True)
class IdsRestarted:
    """``id`` is below ``expected`` and yet more than 60 s later than every trade taken.

    Ids began anew, or the position belongs to another market. The trade was dropped. One per sequence waits.
    """

    sequence: int
    id: int
    expected: int
    time_us: int
    last_time_us: int


@dataclass(frozen=True, slots=True)
class OriginSet:
    """A lane that was added without a position or without a unit took its first trade.

    ``origin`` is the position it was added with, or its first id less one; ``unit`` is its tape's from now on.
    """

    lane: int
    origin: int
    unit: TimeUnit


@dataclass(frozen=True, slots=True)
class SequencesMerged:
    """The lanes of ``from_`` belong to ``into`` now.

    A fetch that was in flight for ``from_`` is in flight for ``into``, and ``from_`` still answers as a name for it.
    """

    from_: int
    into: int


@dataclass(frozen=True, slots=True)
class Ping:
    """A connection wants a pong with this payload. Only the newest waits, and only it needs an answer."""

    connection: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """The server has closed a connection; what follows is ignored. ``code`` is 1005 when it gave none."""

    connection: int
    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class ConnectionFailed:
    """A connection's bytes are not the websocket protocol; what follows is ignored.

    ``close_code`` is what our close frame should say.
    """

    connection: int
    close_code: int
    text: str


@dataclass(frozen=True, slots=True)
class ServerShutdown:
    """The server is about to restart: open another connection at once. Once per connection."""

    connection: int


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer to a request such as SUBSCRIBE. ``error`` is None when it was fulfilled, else code and text.

    At most 64 per connection wait, more than anybody may ask for at a time.
    """

    connection: int
    id: int | None
    error: tuple[int, str] | None


@dataclass(frozen=True, slots=True)
class FrameRejected:
    """``count`` messages of a connection were refused; ``reason`` and ``text`` are the first one's. One waits."""

    connection: int
    reason: str
    count: int
    text: str


@dataclass(frozen=True, slots=True)
class TradeRejected:
    """``count`` trades that REST served cannot be trades, so that they count as not served.

    ``id``, ``reason`` and ``text`` are the first one's. At most 64 per symbol wait.
    """

    symbol: int
    id: int
    reason: str
    count: int
    text: str


@dataclass(frozen=True, slots=True)
class UnitMismatch:
    """A connection brings milliseconds for a lane in microseconds; none of those trades is taken. Once each."""

    connection: int
    symbol: int


FeedEvent: TypeAlias = (
    GapFound
    | IdSkipped
    | TradesDiffer
    | IdsRestarted
    | OriginSet
    | SequencesMerged
    | Ping
    | Close
    | ConnectionFailed
    | ServerShutdown
    | Reply
    | FrameRejected
    | TradeRejected
    | UnitMismatch
)

__all__ = (
    "Close",
    "ConnectionFailed",
    "FeedEvent",
    "FrameRejected",
    "GapFound",
    "IdSkipped",
    "IdsRestarted",
    "OriginSet",
    "Ping",
    "Reply",
    "SequencesMerged",
    "ServerShutdown",
    "TimeUnit",
    "TradeRejected",
    "TradesDiffer",
    "UnitMismatch",
)
