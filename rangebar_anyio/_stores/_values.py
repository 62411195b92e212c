"""The values that a checkpoint store is given and gives back: frozen, comparable, without behaviour of their own."""

from __future__ import annotations

from dataclasses import dataclass, field
from struct import Struct
from typing import Literal, TypeAlias

TimeUnit: TypeAlias = Literal["ms", "us"]

_PACKED = Struct("<6qQqQqQqQq8q")
PACKED_BAR_SIZE = _PACKED.size
_ORDER_LIMIT = 2**63


@dataclass(frozen=True, slots=True, order=True)
class LaneKey:
    """Name one lane of one reader: what a position, a segment and a recorded bar belong to."""

    reader: str
    venue: str
    symbol: str
    threshold_dbps: int

    def __post_init__(self) -> None:
        for name in ("reader", "venue", "symbol"):
            value: str = getattr(self, name)
            try:
                value.encode()
            except UnicodeEncodeError:
                raise ValueError(f"{name} must be text that UTF-8 can hold, not {value!r}; give another name") from None

    def __str__(self) -> str:
        return f"{self.reader}/{self.venue}/{self.symbol}/{self.threshold_dbps}"


@dataclass(frozen=True, slots=True)
class LaneFormat:
    """What has to stay the same for as long as a lane lives, or its bars would not join up.

    ``time_unit`` is ``None`` only in what a stream asks for before it has seen the lane's first trade; a stored one is
    always known.
    """

    time_unit: TimeUnit | None
    same_timestamp_gate: bool
    rule_version: int


@dataclass(frozen=True, slots=True)
class Position:
    """How far a lane is finished.

    ``data`` is opaque: the source makes it and reads it. ``order`` is the source's own comparison of two positions, put
    into a number: the id of the last trade finished, in the numbering that the bars' ``last_agg_trade_id`` uses (-1 is
    before the first trade). ``text`` is for people and never read by a program.
    """

    data: bytes
    order: int
    text: str = ""

    def __post_init__(self) -> None:
        if not -1 <= self.order < _ORDER_LIMIT:
            raise ValueError(f"the order of a position must be from -1 to 2^63 - 1, not {self.order}")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A forming bar's state: of use only right after the bar that ended at ``follows``.

    ``last_id`` is the last trade inside, ``missing_trades`` what is known to be missing up to there, ``version`` the
    version of the encoding of ``data``. The store reads none of them.
    """

    follows: Position
    last_id: int
    missing_trades: int
    version: int
    data: bytes


@dataclass(frozen=True, slots=True)
class StoredBar:
    """A closed bar as 176 packed bytes (the engine's ``RbBar``), with the position after it."""

    packed: bytes = field(repr=False)
    position: Position

    def __post_init__(self) -> None:
        if len(self.packed) != PACKED_BAR_SIZE:
            raise ValueError(f"a packed bar has {PACKED_BAR_SIZE} bytes, not {len(self.packed)}")

        if not 0 <= self.first_agg_trade_id <= self.last_agg_trade_id:
            raise ValueError(
                f"a bar's ids must not be negative and must not go back: first_agg_trade_id {self.first_agg_trade_id}, "
                f"last_agg_trade_id {self.last_agg_trade_id}"
            )

        if self.position.order != self.last_agg_trade_id:
            raise ValueError(
                f"the position after a bar is its last_agg_trade_id {self.last_agg_trade_id}, not {self.position.order}"
            )

    @property
    def first_agg_trade_id(self) -> int:
        """Aggregate id of the first trade."""
        return int.from_bytes(self.packed[152:160], "little", signed=True)

    @property
    def last_agg_trade_id(self) -> int:
        """Aggregate id of the last trade."""
        return int.from_bytes(self.packed[160:168], "little", signed=True)

    @property
    def close_time_us(self) -> int:
        """Time of the last trade, microseconds since 1970-01-01 UTC."""
        return int.from_bytes(self.packed[8:16], "little", signed=True)

    def fields(self) -> dict[str, int]:
        """Give every field of the bar as an exact integer, by its name in the engine."""
        raw = _PACKED.unpack(self.packed)
        wide = [(raw[i + 1] << 64) | raw[i] for i in range(6, 14, 2)]
        return dict(zip(_NAMES, (*raw[:6], *wide, *raw[14:]), strict=True))


_NAMES = (
    "open_time_us",
    "close_time_us",
    "open_e8",
    "high_e8",
    "low_e8",
    "close_e8",
    "volume_e8",
    "turnover_e16",
    "buy_volume_e8",
    "buy_turnover_e16",
    "individual_trade_count",
    "buy_trade_count",
    "agg_record_count",
    "first_trade_id",
    "last_trade_id",
    "first_agg_trade_id",
    "last_agg_trade_id",
    "missing_trades",
)


def pack_bar(fields: dict[str, int]) -> bytes:
    """Pack a bar's exact fields, the inverse of :meth:`StoredBar.fields`.

    Raises :exc:`struct.error` for a value that does not fit its field, :exc:`KeyError` for a missing one.
    """
    values = [fields[name] for name in _NAMES]
    wide = [limb for value in values[6:10] for limb in (value & (2**64 - 1), value >> 64)]
    return _PACKED.pack(*values[:6], *wide, *values[10:])


@dataclass(frozen=True, slots=True)
class StoreNote:
    """Something that a store found when it loaded a lane and that did not stop it.

    ``position-remade``: the position's row was damaged and was made again from the last recorded bar.
    ``snapshot-stale``: a snapshot does not follow the stored position and is ignored.
    ``snapshot-damaged``: a snapshot's row was damaged and is ignored.
    """

    kind: Literal["position-remade", "snapshot-stale", "snapshot-damaged"]
    lane: LaneKey
    text: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """All that a stream needs to go on with a lane.

    ``position`` equals ``origin`` until the first bar is finished. ``snapshot`` follows ``position`` or is ``None``.
    """

    lane: LaneKey
    format: LaneFormat
    segment: int
    origin: Position
    position: Position
    snapshot: Snapshot | None = None
    last_bar: StoredBar | None = None
    notes: tuple[StoreNote, ...] = ()


@dataclass(frozen=True, slots=True)
class Segment:
    """One uninterrupted stretch of a lane: everything after ``origin``, up to the next segment.

    ``previous`` is where the segment before it had come to, ``None`` for the first one or when its row was damaged.
    ``replaced_bars`` counts the recorded bars that were deleted to make room, ``replaced_from`` is their first id.
    """

    lane: LaneKey
    number: int
    format: LaneFormat
    origin: Position
    previous: Position | None
    replaced_bars: int
    started_us: int
    replaced_from: int | None = None

    @property
    def skipped(self) -> tuple[int, int] | None:
        """First and last id that fall between two segments, because one begins later or within a deleted bar."""
        if self.replaced_from is not None and self.replaced_from <= self.origin.order:
            return self.replaced_from, self.origin.order

        if self.previous is None or self.origin.order <= self.previous.order:
            return None

        return self.previous.order + 1, self.origin.order

    @property
    def repeated(self) -> tuple[int, int] | None:
        """First and last id that come a second time because this segment begins earlier, or ``None``."""
        if self.previous is None or self.origin.order >= self.previous.order:
            return None

        return self.origin.order + 1, self.previous.order


@dataclass(frozen=True, slots=True)
class LaneStatus:
    """A lane as ``status`` shows it, with or without a readable checkpoint.

    ``checkpoint`` is ``None`` when its rows are damaged beyond making them again, or when only bars are there; the bars
    can be read all the same. ``problem`` says so, and names damage that stops nobody, too. ``updated_us`` is the wall
    clock at the last write of the position, ``last_close_time_us`` the close of the last recorded bar.
    """

    lane: LaneKey
    checkpoint: Checkpoint | None
    bars: int
    last_close_time_us: int | None = None
    updated_us: int | None = None
    problem: str = ""


__all__ = (
    "PACKED_BAR_SIZE",
    "Checkpoint",
    "LaneFormat",
    "LaneKey",
    "LaneStatus",
    "Position",
    "Segment",
    "Snapshot",
    "StoreNote",
    "StoredBar",
    "TimeUnit",
    "pack_bar",
)
