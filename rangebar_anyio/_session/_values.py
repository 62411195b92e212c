"""What a session is given: lanes, where each begins, and the numbers of its policy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from .._feed_events import TimeUnit
from .._reconnect import ReconnectPolicy


@dataclass(frozen=True, slots=True)
class Resume:
    """Go on after a stored position.

    Attributes:
        position: id of the last trade of the last finished bar, or the origin; -1 is before the first trade.
        unit: the lane's time unit.
        last_time_us: time of the trade at ``position``, when known.
        snapshot: the engine's bytes of a forming bar that follows ``position``.
    """

    position: int
    unit: TimeUnit
    last_time_us: int | None = None
    snapshot: bytes | None = None


@dataclass(frozen=True, slots=True)
class Live:
    """Begin with the first trade that the socket brings."""


@dataclass(frozen=True, slots=True)
class FromId:
    """Begin with the trade of this id; it must not be beyond the newest that REST knows."""

    first_id: int


@dataclass(frozen=True, slots=True)
class FromTime:
    """Begin with the lowest id whose time, microseconds since 1970-01-01 UTC, is not before this one."""

    time_us: int


Start: TypeAlias = Resume | Live | FromId | FromTime


@dataclass(frozen=True, slots=True)
class Lane:
    """One symbol at one threshold.

    ``symbol`` is written as the exchange's events write it. The origin of any start but ``Resume`` is announced by
    ``SaveOrigin`` before the lane's first bar can be taken.
    """

    symbol: str
    threshold_dbps: int
    start: Start
    same_timestamp_close: bool = False


@dataclass(frozen=True, slots=True)
class ConnectFailure:
    """Why a websocket could not be opened: ``status`` of the HTTP answer, if there was one, and a text for people.

    ``retry_after_s`` is how long the answer says to wait, if it does.
    """

    text: str
    status: int | None = None
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """The numbers of the session's policy, all durations in seconds.

    Attributes:
        policy: what the user may set.
        streams_per_connection: fewer than the venue takes; ``None`` for as many as it takes.
        connect_timeout_s: an attempt to connect is given up after so long.
        subscribe_timeout_s: a connection whose SUBSCRIBE is unanswered for so long is replaced.
        request_timeout_s: a request is given up after so long.
        rotate_after_s: the greatest age of a connection; ``None`` for a little less than the venue allows.
        rotate_spread_s: ages are spread over so much below that.
        overlap_s: how long the old connection stays after the new one delivers.
        overlap_gap_wait_s: how long a gap waits while two connections overlap.
        quiet_after_s: a symbol without a trade for so long is asked for at REST; doubled each time, up to
            ``quiet_after_max_s``.
        stalled_grace_s: how long a socket may take to bring a trade that REST served before it.
        evidence_apart_s: two answers that prove an id missing lie at least so far apart.
        reader_away_after_s: a bar queue that is full for so long is worth an event.
        snapshot_every_s: how often forming bars are saved; ``None`` for every 30 s in a stream with a store, and never
            without one; infinity leaves it to disconnects and the close.
        pages: REST pages in the house at once.
        breaker_after: so many requests in a row without a usable answer, and only one at a time tries again.
        breaker_first_wait_s: how long requests wait then; twice as long after each one that fails.
        breaker_max_wait_s: the longest such wait.
    """

    policy: ReconnectPolicy = field(default_factory=ReconnectPolicy)
    streams_per_connection: int | None = None
    connect_timeout_s: float = 20.0
    subscribe_timeout_s: float = 10.0
    request_timeout_s: float = 15.0
    rotate_after_s: float | None = None
    rotate_spread_s: float = 3600.0
    overlap_s: float = 5.0
    overlap_gap_wait_s: float = 0.5
    quiet_after_s: float = 30.0
    quiet_after_max_s: float = 900.0
    stalled_grace_s: float = 5.0
    evidence_apart_s: float = 5.0
    reader_away_after_s: float = 5.0
    snapshot_every_s: float | None = None
    pages: int = 8
    breaker_after: int = 5
    breaker_first_wait_s: float = 1.0
    breaker_max_wait_s: float = 30.0


__all__ = ("ConnectFailure", "FromId", "FromTime", "Lane", "Live", "Resume", "SessionConfig", "Start", "TimeUnit")
