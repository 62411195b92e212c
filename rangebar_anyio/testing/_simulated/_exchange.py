"""The simulated exchange without sockets, tasks and clock: everything it decides is decided here.

The shell (`_server`) tells it the time and what came in, and carries out what it finds afterwards in the outbox of each
connection. Unit tests drive it in virtual time.

One call of `Exchange.advance` is one step: faults that are due, trades that are due, then each connection's pings and
deadlines. A fault placed at a trade comes into force just before this trade is published, whatever the pace, so a
schedule means the same on a fast machine and on a slow one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import inf
from typing import Literal

from .._tape import AggTrade, Tape
from ._connection import Connection
from ._counters import Counters
from ._door import Door, Refusal
from ._faults import Fault, FaultBook, FaultKind
from ._mischief import ENDINGS, disturb, end_connection
from ._playback import Pace, Playback
from ._rest import RestAnswer, RestSide
from ._texts import combined_text, event_text, shutdown_text, stream_name
from ._venue import SPOT, Limits, Venue

__all__ = ("Exchange", "Side")

Side = Literal["ws", "rest"]

# At an unbounded pace: trades a step, and messages that may wait for the slowest reader.
_STEP = 128
_WAITING = 512

_FAR = 20_000_000
_SHUTDOWN_S = 10.0


class Exchange:
    """The state of a simulated exchange.

    Args:
        tapes: one for each symbol that trades.
        venue: URL forms, units, default limits.
        limits: in place of the venue's.
        pace: how fast the tape is played.
        history: trades, over all tapes, that are in the past at the start.
        faults: what goes wrong.
        rest_lags_s: lags of the databases behind REST, asked in turn.
        rest_keeps: REST serves the newest so many trades of each symbol; ``None`` for all.
        listed: symbols that exist and have no trade.
    """

    def __init__(
        self,
        tapes: Sequence[Tape],
        *,
        venue: Venue = SPOT,
        limits: Limits | None = None,
        pace: Pace = Pace(),  # noqa: B008  # a frozen value
        history: int = 0,
        faults: Iterable[Fault] = (),
        rest_lags_s: tuple[float, ...] = (0.0,),
        rest_keeps: int | None = None,
        listed: Iterable[str] = (),
    ) -> None:
        self.venue = venue
        self.limits = venue.limits if limits is None else limits
        self.counters = Counters()
        self.faults = FaultBook(faults)
        self.playback = Playback(tapes, pace, history)
        self.connections: dict[int, Connection] = {}
        self.cut_all: list[Side] = []
        self._rest = RestSide(
            venue,
            self.limits,
            self.playback,
            self.faults,
            self.counters,
            lags_s=rest_lags_s,
            keeps=rest_keeps,
            listed=frozenset(listed),
        )
        self._door = Door(venue, self.limits, self.counters)
        self._unread = 0
        self._clock: tuple[float, int] = (0.0, _last_time_us(self.playback))

    # Time.

    def start(self, now: float) -> None:
        """Begin, or go on, to play."""
        self.playback.start(now)

        if self.faults.began_at is None:
            self.faults.began_at = now
            self._clock = (now, self._clock[1])

    def pause(self) -> None:
        """Hold the tape; everything else goes on."""
        self.playback.stop()

    def time_us(self, now: float) -> int:
        """What the exchange's clock shows: the time of the last trade played, going on from there."""
        since, time_us = self._clock
        return time_us + max(0, int((now - since) * 1e6)) if self.faults.began_at is not None else time_us

    def advance(self, now: float) -> float:
        """Do everything that is due; when to be called next at the latest."""
        self.meet_faults(now)
        self.publish(self._due(now), now)

        for connection in self.connections.values():
            if now >= connection.deadline():
                connection.look(now)

        return self._next_deadline(now)

    def _next_deadline(self, now: float) -> float:
        deadlines = [connection.deadline() for connection in self.connections.values()]
        trade_at = self.playback.next_at()

        if self.playback.pace.unbounded and self._due(now) == 0:
            trade_at = inf

        return min([trade_at, self.faults.next_time(), *deadlines])

    def _due(self, now: float) -> int:
        if not self.playback.playing or self.playback.finished:
            return 0

        if not self.playback.pace.unbounded:
            return self.playback.due(now)

        readers = [c for c in self.connections.values() if c.streams and not (c.ended or c.deaf or c.mute)]

        if not readers:
            return max(0, min(_STEP, self.playback.pace.unread - self._unread))

        self._unread = 0
        return _STEP if max(len(reader.outbox) for reader in readers) < _WAITING else 0

    # Trades.

    def publish(self, trades: int, now: float) -> None:
        """Publish so many trades, or as many more as are due at a pace that follows the tape's time."""
        left = trades

        while left > 0 and not self.playback.finished:
            if self.playback.position >= self.faults.next_trade():
                self.meet_faults(now)

            self._publish_one(now)
            left -= 1

            if left == 0 and self.playback.pace.times_tape is not None:
                left = self.playback.due(now)

        if trades > 0 and self.playback.finished:
            self._reach_the_end(now)

        for connection in self.connections.values():
            connection.check_backlog()

    def _publish_one(self, now: float) -> None:
        published = self.playback.take()
        row = published.tape[published.count]
        published.publish(now)
        self.counters.trades_played += 1
        self._clock = (now, row.timestamp_us)
        self._deliver(published.tape.symbol, row)

    def _deliver(self, symbol: str, row: AggTrade) -> None:
        stream = stream_name(symbol)
        texts: dict[bool, str] = {}
        read = False

        for connection in self.connections.values():
            if stream not in connection.streams:
                continue

            micro = connection.microseconds

            if micro not in texts:
                texts[micro] = event_text(symbol, row, microseconds=micro, futures=self.venue.futures)

            if connection.post_event(stream, symbol, texts[micro]):
                self.counters.events_sent += 1
                read = read or not connection.deaf
            else:
                self.counters.events_withheld += 1

        self._unread = 0 if read else self._unread + 1

    def _reach_the_end(self, now: float) -> None:
        self.meet_faults(now)

        for connection in self.connections.values():
            connection.release_all()

    # Connections.

    def open(self, path: str, query: str, now: float) -> Connection | Refusal:
        """A WebSocket handshake."""
        position = self.playback.position
        failing = self.faults.find(FaultKind.HANDSHAKE_ERROR, position, now)
        wrong_unit = self.faults.find(FaultKind.WRONG_UNIT, position, now) is not None
        answer = self._door.enter(path, query, now, failing=failing, wrong_unit=wrong_unit)

        if isinstance(answer, Refusal):
            return answer

        self.connections[answer.number] = answer
        self._strike_events_of(answer, now)
        self.counters.connections += 1
        self.counters.open_connections += 1
        self.counters.most_open_connections = max(self.counters.most_open_connections, self.counters.open_connections)
        return answer

    def close(self, connection: Connection) -> None:
        """The connection is gone, whoever ended it."""
        if self.connections.pop(connection.number, None) is not None:
            connection.ended = True
            self.counters.open_connections -= 1

    def receive_frame(self, connection: Connection, opcode: int, payload: bytes, now: float) -> None:
        """A frame came from the client (also pings and pongs, which no one else sees)."""
        if not connection.receive_frame(opcode, payload, now):
            self._door.offended(now)

    # REST and the network.

    def request(self, path: str, query: str, headers: Mapping[str, str], now: float) -> RestAnswer:
        """A GET request; header names are lower case."""
        return self._rest.answer(path, query, headers, now, self.time_us(now))

    def refusing(self, side: Side, now: float) -> bool:
        """Whether this port is closed."""
        return any(
            running.fault.kind is FaultKind.REFUSE
            and running.fault.side in (None, side)
            and not running.over(self.playback.position, now)
            for running in self.faults.running
        )

    def take_tls_failure(self, side: Side, now: float) -> bool:
        """Whether the TCP connection that just came is to fail in its TLS handshake."""
        running = self.faults.find(FaultKind.TLS_FAILURE, self.playback.position, now)

        if running is None or running.fault.side not in (None, side):
            return False

        running.strike()
        return True

    # Faults.

    def meet_faults(self, now: float) -> None:
        """Let the faults come into force that are due, and end those whose time is up."""
        for fault in self.faults.take_due(self.playback.position, now, self.counters.connections):
            self.counters.faults[str(fault.kind)] += 1
            self._begin(fault, now)

        for connection in self.connections.values():
            self._strike_events_of(connection, now)

    def _begin(self, fault: Fault, now: float) -> None:
        if fault.kind is FaultKind.CUT_ALL:
            sides: list[Side] = ["ws", "rest"] if fault.side is None else [fault.side]
            self.cut_all += sides

            if fault.side == "rest":
                return

        for connection in self.connections.values():
            if connection.ended or not fault.strikes(connection=connection.number):
                continue

            if fault.kind in ENDINGS:
                end_connection(fault, connection)
            elif fault.kind is FaultKind.SERVER_SHUTDOWN:
                self._announce_shutdown(fault, connection, now)
            elif fault.kind is FaultKind.FAR_ID:
                self._post_far_id(fault, connection)
            else:
                disturb(fault, connection, fault.symbol or next(iter(self.playback.published), "NONE"))

    def _announce_shutdown(self, fault: Fault, connection: Connection, now: float) -> None:
        connection.outbox.append(shutdown_text(self.time_us(now) // 1000, combined=connection.combined))
        connection.doomed_at = now + (_SHUTDOWN_S if fault.lasts_s is None else fault.lasts_s)

    def _post_far_id(self, fault: Fault, connection: Connection) -> None:
        for symbol, published in self.playback.published.items():
            stream = stream_name(symbol)

            if not fault.strikes(symbol=symbol) or not published.count or stream not in connection.streams:
                continue

            row = published.tape[published.count - 1]
            far = row._replace(agg_trade_id=row.agg_trade_id + fault.number(_FAR))
            text = event_text(symbol, far, microseconds=connection.microseconds, futures=self.venue.futures)
            connection.outbox.append(combined_text(stream, text) if connection.combined else text)

    def _strike_events_of(self, connection: Connection, now: float) -> None:
        """Bring the silences of a connection up to date with the faults in force."""
        connection.mute = False
        connection.silent_symbols.clear()

        for running in self.faults.running:
            if running.over(self.playback.position, now) or not running.hits(connection.number):
                continue

            if running.fault.kind is FaultKind.MUTE:
                connection.mute = True
            elif running.fault.kind is FaultKind.SYMBOL_SILENT:
                names = [running.fault.symbol] if running.fault.symbol else list(self.playback.published)
                connection.silent_symbols.update(names)


def _last_time_us(playback: Playback) -> int:
    """Time of the newest trade of the past, or else of the first one to come."""
    times = [p.tape.timestamps_us[max(0, p.count - 1)] for p in playback.published.values() if len(p.tape)]
    return max(times, default=0)
