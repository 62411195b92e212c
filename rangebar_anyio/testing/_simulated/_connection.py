"""One WebSocket connection, sans-IO: its streams, its requests, its pings, and what waits to be sent to it."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from ._counters import Counters
from ._meters import PingKeeper, RateMeter
from ._texts import combined_text, error_text, reply_text
from ._venue import Limits
from ._wire_orders import Action, CloseOrder, WireOrder

__all__ = ("Connection", "Outgoing")

Outgoing = str | WireOrder | CloseOrder

_PING, _PONG = 0x9, 0xA
_POLICY_VIOLATION = 1008
_METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")


@dataclass(slots=True)
class _Held:
    """A message that waits for others to overtake it."""

    text: str
    others: int


class Connection:
    """State of one connection.

    Attributes:
        number: 0 for the first connection that the exchange ever granted.
        outbox: what the shell has to send, in order.
        pings: payloads of pings the shell has to send, out of order.
        streams: names of the streams subscribed to, in order.
        combined: whether events are wrapped.
        microseconds: whether times are microseconds.
        ended: whether nothing more will be sent.
        deaf: whether what is sent no longer reaches the client.
    """

    __slots__ = (
        "_born",
        "_counters",
        "_held",
        "_keeper",
        "_limits",
        "_meter",
        "combined",
        "deaf",
        "doomed_at",
        "ended",
        "microseconds",
        "mute",
        "number",
        "outbox",
        "pings",
        "silent_symbols",
        "streams",
        "to_duplicate",
        "to_hold",
        "to_lose",
        "to_replace",
    )

    def __init__(
        self,
        number: int,
        limits: Limits,
        counters: Counters,
        now: float,
        *,
        combined: bool,
        microseconds: bool,
        streams: Sequence[str],
    ) -> None:
        self.number = number
        self.outbox: deque[Outgoing] = deque()
        self.pings: deque[bytes] = deque()
        self.streams = dict.fromkeys(streams)
        self.combined = combined
        self.microseconds = microseconds
        self.ended = False
        self.deaf = False
        self.mute = False
        self.silent_symbols: set[str] = set()
        self.to_lose = 0
        self.to_hold: int | None = None
        self.to_duplicate: int | None = None
        self.to_replace = False
        self.doomed_at = inf
        self._limits = limits
        self._counters = counters
        self._born = now
        self._keeper = PingKeeper(limits, now)
        self._meter = RateMeter(limits.messages_per_s, 1.0)
        self._held: list[_Held] = []

    # What the exchange brings.

    def post_event(self, stream: str, symbol: str, event: str) -> bool:
        """Put an event into the outbox, or what the faults of this connection make of it; whether it will arrive."""
        if self.ended:
            return False

        if self.mute or symbol in self.silent_symbols:
            return False

        if self.to_lose > 0:
            self.to_lose -= 1
            return False

        text = combined_text(stream, event) if self.combined else event

        if self.to_replace:
            self.to_replace = False
            self.outbox.append(text[: len(text) // 2])
            return False

        self._post_or_hold(text)
        return True

    def _post_or_hold(self, text: str) -> None:
        if self.to_hold is not None:
            self._held.append(_Held(text, self.to_hold))
            self.to_hold = None
            return

        self.outbox.append(text)

        if self._held:
            self._release()

        if self.to_duplicate is not None:
            self._held.append(_Held(text, self.to_duplicate))
            self.to_duplicate = None
            self._release(0)

    def _release(self, others: int = 1) -> None:
        for held in self._held:
            held.others -= others

        self.outbox.extend(held.text for held in self._held if held.others <= 0)
        self._held = [held for held in self._held if held.others > 0]

    def release_all(self) -> None:
        """Send what waits to be overtaken: nobody will come any more."""
        self._release(1 << 30)

    def end(self, order: WireOrder | CloseOrder, *, at_once: bool = False) -> None:
        """End the connection after what is in the outbox, or before it."""
        if self.ended:
            return

        if at_once:
            self.outbox.clear()

        self.outbox.append(order)
        self.ended = True

    # What the client brings.

    def receive_frame(self, opcode: int, payload: bytes, now: float) -> bool:
        """Count a frame of the client against its limit; False if it was one too many."""
        self._counters.messages_received += 1
        in_a_second = self._meter.count(now)
        self._counters.most_messages_in_a_second = max(self._counters.most_messages_in_a_second, in_a_second)

        if opcode == _PONG:
            if self._keeper.pong(payload):
                self._counters.pongs_matched += 1
            else:
                self._counters.pongs_unasked += 1

        if in_a_second <= self._limits.messages_per_s or self.ended:
            return True

        self._counters.message_limit_disconnects += 1
        self.end(CloseOrder(_POLICY_VIOLATION, "Too many requests"), at_once=True)
        return False

    def receive_text(self, text: str) -> None:
        """Carry out a request of the client and put the answer into the outbox."""
        if not self.ended:
            self.outbox.append(self._answer(text))

    def _answer(self, text: str) -> str:
        try:
            request = json.loads(text)
        except ValueError as error:
            return error_text(3, f"Invalid JSON: {error}")

        if not isinstance(request, dict):
            return error_text(2, "Invalid request: request must be an object")

        request_id = request.get("id")

        if request_id is not None and not isinstance(request_id, int | str):
            return error_text(2, "Invalid request: request ID must be an integer or a string")

        match request.get("method"):
            case "LIST_SUBSCRIPTIONS":
                return reply_text(list(self.streams), request_id)
            case "SUBSCRIBE" | "UNSUBSCRIBE" as method:
                return self._change(method, request.get("params"), request_id)
            case "SET_PROPERTY" | "GET_PROPERTY" as method:
                return self._property(method, request.get("params"), request_id)
            case None:
                return error_text(2, "Invalid request: missing field `method`", request_id)
            case other:
                known = ", ".join(f"`{method}`" for method in _METHODS)
                return error_text(2, f"Invalid request: unknown variant `{other}`, expected one of {known}", request_id)

    def _change(self, method: str, names: object, request_id: object) -> str:
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            return error_text(2, "Invalid request: params must be an array of strings", request_id)

        if method == "UNSUBSCRIBE":
            for name in names:
                self.streams.pop(name, None)

            return reply_text(None, request_id)

        self._counters.subscribe_requests += 1

        if len(self.streams.keys() | set(names)) > self._limits.streams_per_connection:
            self._counters.stream_limit_refusals += 1
            return error_text(2, "Invalid request: too many streams for one connection", request_id)

        self.streams.update(dict.fromkeys(names))
        return reply_text(None, request_id)

    def _property(self, method: str, params: object, request_id: object) -> str:
        if not isinstance(params, list) or not params or params[0] != "combined":
            return error_text(0, "Unknown property", request_id)

        if method == "GET_PROPERTY":
            return reply_text(self.combined, request_id)

        if len(params) != 2 or not isinstance(params[1], bool):
            return error_text(1, "Invalid value type: expected Boolean", request_id)

        self.combined = params[1]
        return reply_text(None, request_id)

    # What time brings.

    def deadline(self) -> float:
        """When this connection wants to be looked at next."""
        if self.ended:
            return inf

        return min(self._keeper.deadline(), self._born + self._limits.connection_lifetime_s, self.doomed_at)

    def look(self, now: float) -> None:
        """Send the ping that is due; end the connection if its time is up."""
        if now >= self._born + self._limits.connection_lifetime_s:
            self._counters.lifetime_disconnects += 1
            self.end(CloseOrder(1000))
        elif now >= self.doomed_at:
            self.end(CloseOrder(1001))
        elif self._keeper.overdue(now):
            self._counters.pong_timeouts += 1
            self.end(CloseOrder(_POLICY_VIOLATION, "Pong timeout"), at_once=True)
        elif (payload := self._keeper.ping_due(now)) is not None:
            self._counters.pings_sent += 1
            self.pings.append(payload)

    def check_backlog(self) -> None:
        """Disconnect a client that does not read."""
        if not self.ended and len(self.outbox) > self._limits.backlog:
            self._counters.slow_client_disconnects += 1
            self.end(WireOrder(Action.RESET), at_once=True)
