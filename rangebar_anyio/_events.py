"""What a stream tells a program besides bars: frozen values for ``on_event``, each about one thing that happened.

Ids are aggregate trade ids, ranges include both ends, durations are seconds. Connections have numbers that are never
used again within a stream.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class Connected:
    """A connection is open and its subscription confirmed, for so many symbols."""

    connection: int
    symbols: int


@dataclass(frozen=True, slots=True)
class Disconnected:
    """A connection ended, or an attempt to open one failed. ``was_open`` is False for the latter."""

    connection: int
    reason: str
    was_open: bool


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nothing can be done about something for a while.

    ``what`` is ``"connect"`` or ``"request"``, ``seconds`` how long from now, ``reason`` why.
    """

    what: Literal["connect", "request"]
    seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class GapFound:
    """Trades are missing before one that came; they are being fetched. Further ones may turn out to be missing too."""

    symbol: str
    first_id: int
    last_id: int


@dataclass(frozen=True, slots=True)
class GapFilled:
    """Every trade up to ``last_id`` that the exchange has is in the bars."""

    symbol: str
    first_id: int
    last_id: int
    seconds: float


@dataclass(frozen=True, slots=True)
class GapUnfillable:
    """The exchange provably has no trades with these ids; the bar they fall in counts them as missing."""

    symbol: str
    first_id: int
    last_id: int


@dataclass(frozen=True, slots=True)
class CatchingUp:
    """A long range is being fetched: ``done`` of ``total`` ids so far."""

    symbol: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Rotated:
    """A connection was replaced by one that delivers already.

    ``reason`` is ``"age"``, ``"shutdown"``, ``"stalled"`` or ``"silent"``: not even the server's pings came any more.
    """

    old: int
    new: int
    reason: str


@dataclass(frozen=True, slots=True)
class Stalled:
    """The exchange has trades of a symbol that its connection did not bring; the connection is being replaced."""

    connection: int
    symbol: str


@dataclass(frozen=True, slots=True)
class ReaderAway:
    """All room for bars is full and nobody takes one: reading has stopped, ``seconds`` ago."""

    seconds: float


@dataclass(frozen=True, slots=True)
class ReaderBack:
    """There is room for bars again after ``seconds``."""

    seconds: float


@dataclass(frozen=True, slots=True)
class SymbolUnlisted:
    """The exchange says that it has no such symbol any more. The others go on."""

    symbol: str


@dataclass(frozen=True, slots=True)
class TradesDiffer:
    """Two copies of ``count`` trades, the first of them ``trade_id``, say different things; the first copies stayed."""

    symbol: str
    trade_id: int
    count: int


@dataclass(frozen=True, slots=True)
class TradeRejected:
    """``count`` trades that REST served cannot be trades and count as missing; ``text`` is the first one's."""

    symbol: str
    trade_id: int
    reason: str
    count: int
    text: str


@dataclass(frozen=True, slots=True)
class FrameRejected:
    """``count`` messages of a connection were refused; ``text`` is the beginning of the first."""

    connection: int
    reason: str
    count: int
    text: str


@dataclass(frozen=True, slots=True)
class SnapshotIgnored:
    """A stored forming bar could not be used, so its trades are fetched again."""

    symbol: str
    threshold_dbps: int
    reason: str


@dataclass(frozen=True, slots=True)
class PositionForgotten:
    """A known lane begins a new segment after ``origin``.

    ``skipped`` are ids that no segment holds, ``repeated`` ids that come a second time; each is first and last id.
    """

    symbol: str
    threshold_dbps: int
    origin: int
    skipped: tuple[int, int] | None
    repeated: tuple[int, int] | None


StreamEvent: TypeAlias = (
    Connected
    | Disconnected
    | Waiting
    | GapFound
    | GapFilled
    | GapUnfillable
    | CatchingUp
    | Rotated
    | Stalled
    | ReaderAway
    | ReaderBack
    | SymbolUnlisted
    | TradesDiffer
    | TradeRejected
    | FrameRejected
    | SnapshotIgnored
    | PositionForgotten
)

__all__ = (
    "CatchingUp",
    "Connected",
    "Disconnected",
    "FrameRejected",
    "GapFilled",
    "GapFound",
    "GapUnfillable",
    "PositionForgotten",
    "ReaderAway",
    "ReaderBack",
    "Rotated",
    "SnapshotIgnored",
    "Stalled",
    "StreamEvent",
    "SymbolUnlisted",
    "TradeRejected",
    "TradesDiffer",
    "Waiting",
)
