"""Faults: what goes wrong, when, for whom and for how long.

A trade that a fault keeps from a socket is still served by REST, unless `FaultKind.IDS_GONE` says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum, unique
from math import inf
from typing import Literal

__all__ = ("ONCE", "Fault", "FaultBook", "FaultKind", "Running")


@unique
class FaultKind(StrEnum):
    """What can go wrong. In brackets: the meaning of `Fault.value` and its default."""

    # A connection ends.
    DROP = "drop"  # the stream ends without a close frame
    RESET = "reset"  # the connection is reset
    CLOSE = "close"  # a proper close frame [its code, 1001]
    CUT_FRAME = "cut-frame"  # a reset in the middle of the next event's frame [bytes of it that arrive, half]
    CUT_ALL = "cut-all"  # every TCP connection is reset, whatever is under way
    SERVER_SHUTDOWN = "server-shutdown"  # announced; the connections end after `lasts_s` (10 s)

    # A connection lives and brings less than it should.
    SILENCE = "silence"  # half-open: nothing comes any more, not even the end
    MUTE = "mute"  # pings, but no events
    SYMBOL_SILENT = "symbol-silent"  # no events of one symbol
    LOSE = "lose"  # the next events do not come [how many, 1]

    # A connection brings other things than it should.
    DUPLICATE = "duplicate"  # the next event again, after [how many] others of its connection (0)
    REORDER = "reorder"  # the next event after [how many] others of its connection (1)
    GARBAGE_JSON = "garbage-json"  # text messages that are no events, or nonsense [how many, all sorts]
    GARBAGE_FRAME = "garbage-frame"  # bytes that are no frame [which sort, 0 to 5]
    DAMAGED_EVENT = "damaged-event"  # the next event, cut short
    FAR_ID = "far-id"  # an event with an id far above the tape [how far, 20,000,000]
    FRAGMENT = "fragment"  # the next [how many, 20] events in fragments with pings between
    DRIBBLE = "dribble"  # the next [how many, 20] events in writes of one to seven bytes
    WRONG_UNIT = "wrong-unit"  # milliseconds on new connections and REST answers that asked for microseconds

    # No connection comes about.
    REFUSE = "refuse"  # nothing listens on the port
    TLS_FAILURE = "tls-failure"  # a fatal TLS alert, then the end
    HANDSHAKE_ERROR = "handshake-error"  # handshakes are answered with an HTTP error [status, 503]

    # REST.
    REST_ERROR = "rest-error"  # an HTTP error [status, 503]
    REST_SLOW = "rest-slow"  # an answer after [milliseconds, 500]
    REST_TIMEOUT = "rest-timeout"  # no answer; the connection ends after [milliseconds, 10,000]
    REST_MALFORMED = "rest-malformed"  # status 200 and a body that is no JSON [which sort, 0 to 3]
    REST_CUT = "rest-cut"  # a reset in the middle of the body
    REST_LAG = "rest-lag"  # the database is [milliseconds] behind (1,000)
    REST_STALE = "rest-stale"  # every second answer comes from a replica [milliseconds] behind (5,000)
    IDS_GONE = "ids-gone"  # the ids of `ids` are no longer served


_LASTING = frozenset(
    {
        FaultKind.WRONG_UNIT,
        FaultKind.REFUSE,
        FaultKind.TLS_FAILURE,
        FaultKind.HANDSHAKE_ERROR,
        FaultKind.REST_ERROR,
        FaultKind.REST_SLOW,
        FaultKind.REST_TIMEOUT,
        FaultKind.REST_MALFORMED,
        FaultKind.REST_CUT,
        FaultKind.REST_LAG,
        FaultKind.REST_STALE,
        FaultKind.IDS_GONE,
        FaultKind.MUTE,
        FaultKind.SYMBOL_SILENT,
    }
)
# Without an end these would go on for ever, which no client survives: they end after one use.
ONCE = frozenset(
    {
        FaultKind.TLS_FAILURE,
        FaultKind.HANDSHAKE_ERROR,
        FaultKind.REST_ERROR,
        FaultKind.REST_SLOW,
        FaultKind.REST_TIMEOUT,
        FaultKind.REST_MALFORMED,
        FaultKind.REST_CUT,
    }
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong.

    It comes into force at a place of the tape or at a time. A fault that lasts ends at the first of its three
    ends. `FaultKind.MUTE` and `FaultKind.SYMBOL_SILENT` strike the connections that are open at that moment, so that a
    new connection helps; with ``new_too`` they strike later ones as well.

    Attributes:
        kind: what goes wrong.
        at_trade: just before this trade of the merged tape (0 is the very first, history included), that is, as soon as
            the trade before it is out.
        at_s: so many seconds after the tape began to play.
        lasts_trades: ends after so many trades of the merged tape.
        lasts_s: ends after so many seconds.
        count: ends after it has struck so often (connections, answers).
        symbol: strikes only this symbol; None for all.
        connection: strikes only the connection with this number (0 is the first ever opened); None for all.
        value: see `FaultKind`.
        ids: for `FaultKind.IDS_GONE`: first and last id that are gone.
        side: for `FaultKind.REFUSE`, `FaultKind.TLS_FAILURE` and `FaultKind.CUT_ALL`: only this port; None for both.
        new_too: see above.

    Raises:
        ValueError: not exactly one of ``at_trade`` and ``at_s``, or ids missing or out of place.

    Example::

        Fault(FaultKind.SILENCE, at_trade=1_200)
        Fault(FaultKind.REST_ERROR, at_s=3.0, count=4, value=502)
    """

    kind: FaultKind
    at_trade: int | None = None
    at_s: float | None = None
    lasts_trades: int | None = None
    lasts_s: float | None = None
    count: int | None = None
    symbol: str | None = None
    connection: int | None = None
    value: int | None = None
    ids: tuple[int, int] | None = None
    side: Literal["ws", "rest"] | None = None
    new_too: bool = False

    def __post_init__(self) -> None:
        if (self.at_trade is None) == (self.at_s is None):
            raise ValueError(f"{self.kind}: give either at_trade or at_s")

        if (self.kind is FaultKind.IDS_GONE) != (self.ids is not None):
            raise ValueError(f"{self.kind}: ids belong to {FaultKind.IDS_GONE} and to nothing else")

    def strikes(self, *, symbol: str | None = None, connection: int | None = None) -> bool:
        """Whether this symbol and this connection are among those it is meant for."""
        return (self.symbol is None or symbol is None or self.symbol == symbol) and (
            self.connection is None or connection is None or self.connection == connection
        )

    def number(self, default: int) -> int:
        """Its value, or the default of its kind."""
        return default if self.value is None else self.value


@dataclass(slots=True)
class Running:
    """A lasting fault in force."""

    fault: Fault
    until_trade: float
    until: float
    strikes_left: float
    connections_before: int = 0

    def over(self, position: int, now: float) -> bool:
        return position >= self.until_trade or now >= self.until or self.strikes_left <= 0

    def hits(self, connection: int) -> bool:
        """Whether a fault of a connection's events strikes this connection."""
        reached = self.fault.new_too or connection < self.connections_before
        return reached and self.fault.strikes(connection=connection)

    def strike(self) -> Fault:
        """Use it once."""
        self.strikes_left -= 1
        return self.fault


class FaultBook:
    """The schedule: which faults are due, and which are in force."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self.running: list[Running] = []
        self._by_trade: list[Fault] = []
        self._by_time: list[Fault] = []
        self.began_at: float | None = None

        for fault in faults:
            self.add(fault)

    def add(self, fault: Fault) -> None:
        """Put a fault on the schedule; what is due already comes with the next look."""
        if fault.at_trade is not None:
            self._by_trade.append(fault)
            self._by_trade.sort(key=lambda item: item.at_trade or 0, reverse=True)
        else:
            self._by_time.append(fault)
            self._by_time.sort(key=lambda item: item.at_s or 0.0, reverse=True)

    def next_trade(self) -> float:
        """Place of the next fault that waits for one, or of the next end of one in force."""
        ends = min((running.until_trade for running in self.running), default=inf)
        trade = self._by_trade[-1].at_trade if self._by_trade else None
        return ends if trade is None else min(ends, trade)

    def next_time(self) -> float:
        """Time of the next fault that waits for one, or of the next end of one in force."""
        ends = min((running.until for running in self.running), default=inf)
        at_s = self._by_time[-1].at_s if self._by_time else None

        if self.began_at is None or at_s is None:
            return ends

        return min(ends, self.began_at + at_s)

    def take_due(self, position: int, now: float, connections: int = 0) -> list[Fault]:
        """Faults that come into force now; those that last are in force from here on.

        Args:
            position: place of the merged tape.
            now: seconds.
            connections: how many connections have been opened so far.
        """
        self.running = [running for running in self.running if not running.over(position, now)]
        due: list[Fault] = []

        while self._by_trade and (self._by_trade[-1].at_trade or 0) <= position:
            due.append(self._by_trade.pop())

        if self.began_at is not None:
            while self._by_time and self.began_at + (self._by_time[-1].at_s or 0.0) <= now:
                due.append(self._by_time.pop())

        self.running += [_begin(fault, position, now, connections) for fault in due if fault.kind in _LASTING]
        return due

    def find(
        self,
        kind: FaultKind,
        position: int,
        now: float,
        *,
        symbol: str | None = None,
        connection: int | None = None,
    ) -> Running | None:
        """The fault of this kind that is in force for this symbol and connection."""
        for running in self.running:
            fault = running.fault

            if (
                fault.kind is kind
                and not running.over(position, now)
                and fault.strikes(symbol=symbol, connection=connection)
            ):
                return running

        return None


def _begin(fault: Fault, position: int, now: float, connections: int) -> Running:
    endless = fault.lasts_trades is None and fault.lasts_s is None and fault.count is None
    count = 1 if endless and fault.kind in ONCE else fault.count
    return Running(
        fault,
        inf if fault.lasts_trades is None else position + fault.lasts_trades,
        inf if fault.lasts_s is None else now + fault.lasts_s,
        inf if count is None else count,
        connections,
    )
