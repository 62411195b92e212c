"""What the feed says, handed to the part of the session that it concerns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import _events as told
from .._errors import ProtocolError
from .._feed_events import (
    Close,
    ConnectionFailed,
    FrameRejected,
    GapFound,
    IdSkipped,
    IdsRestarted,
    OriginSet,
    Ping,
    Reply,
    SequencesMerged,
    ServerShutdown,
    TimeUnit,
    TradeRejected,
    TradesDiffer,
    UnitMismatch,
)
from ._actions import SaveOrigin, SendPong
from ._core import Core
from ._links import Links
from ._opening import Opening
from ._recovery import Recovery

_NO_STATUS = 1005


class EventsIn:
    """Handles the feed's events in order."""

    def __init__(self, core: Core, links: Links, recovery: Recovery, opening: Opening) -> None:
        self._core = core
        self._links = links
        self._opening = opening
        self._pongs: dict[int, bytes] = {}
        self._origins: dict[tuple[int, TimeUnit], list[int]] = {}
        self._handlers: dict[type, Callable[[Any, float], None]] = {
            Close: self._closed,
            ConnectionFailed: self._broke,
            FrameRejected: self._frame_rejected,
            GapFound: recovery.on_gap,
            IdSkipped: recovery.on_skip,
            IdsRestarted: recovery.on_restart,
            OriginSet: self._origin_set,
            Ping: self._pinged,
            Reply: links.replied,
            SequencesMerged: recovery.on_merge,
            ServerShutdown: self._shutting_down,
            TradeRejected: self._trade_rejected,
            TradesDiffer: self._trades_differ,
            UnitMismatch: self._unit_mismatch,
        }

    def drain(self, now: float) -> None:
        """Handle what waits. What a handler brings about is handled, too."""
        while not self._core.is_ended:
            event = self._core.feed.next_event()

            if event is None:
                break

            self._handlers[type(event)](event, now)

        if self._origins:
            self._tell_origins()

        if self._pongs:
            self._answer_pings()

    def _origin_set(self, event: OriginSet, _now: float) -> None:
        place = self._opening.place_of(event.lane)

        if not self._core.lanes[place].is_durable:
            self._origins.setdefault((event.origin, event.unit), []).append(place)

    def _tell_origins(self) -> None:
        for (origin, unit), places in self._origins.items():
            self._core.act(SaveOrigin(tuple(places), origin, unit))

        self._origins.clear()

    # Connections.

    def _pinged(self, event: Ping, _now: float) -> None:
        self._pongs[event.connection] = event.payload

    def _answer_pings(self) -> None:
        """Answer the newest ping of each connection; one that has unread bytes may hold a newer one."""
        for conn, payload in list(self._pongs.items()):
            if self._links.get(conn) is None:
                del self._pongs[conn]
            elif not self._core.feed.connection(conn).is_paused:
                del self._pongs[conn]
                self._core.act(SendPong(conn, payload))

    def _closed(self, event: Close, now: float) -> None:
        link = self._links.get(event.connection)

        if link is not None:
            code = "" if event.code == _NO_STATUS else f" ({event.code})"
            reason = f"the server closed the connection{code}" + (f": {event.reason}" if event.reason else "")
            self._links.close(link, 1000 if event.code == _NO_STATUS else event.code, reason, now)

    def _broke(self, event: ConnectionFailed, now: float) -> None:
        link = self._links.get(event.connection)

        if link is not None:
            self._links.close(link, event.close_code, f"not the websocket protocol: {event.text}", now)

    def _shutting_down(self, event: ServerShutdown, now: float) -> None:
        link = self._links.get(event.connection)

        if link is not None:
            self._links.replace(link, "shutdown", now)

    def _frame_rejected(self, event: FrameRejected, _now: float) -> None:
        self._core.tell(told.FrameRejected(event.connection, event.reason, event.count, event.text))

    # Trades.

    def _name(self, symbol: int) -> str:
        return next((other.name for other in self._core.symbols if other.number == symbol), "")

    def _trade_rejected(self, event: TradeRejected, _now: float) -> None:
        self._core.tell(told.TradeRejected(self._name(event.symbol), event.id, event.reason, event.count, event.text))

    def _trades_differ(self, event: TradesDiffer, _now: float) -> None:
        self._core.tell(told.TradesDiffer(self._name(event.symbol), event.id, event.count))

    def _unit_mismatch(self, event: UnitMismatch, _now: float) -> None:
        name = self._name(event.symbol)
        problem = f"connection {event.connection} brings milliseconds for {name}, whose lane is in microseconds"
        self._core.fail(
            ProtocolError(self._core.rules.venue, problem, "no trade was taken; restart=True begins a new segment")
        )


__all__ = ("EventsIn",)
