"""The door: which WebSocket handshakes are granted, and which are refused with what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil, inf
from urllib.parse import parse_qs

from ._connection import Connection
from ._counters import Counters
from ._faults import Running
from ._meters import RateMeter
from ._venue import Limits, Venue

__all__ = ("Door", "Refusal")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A handshake answered with an HTTP error."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)


class Door:
    """Grants handshakes within the limits of the exchange, and remembers who behaves badly.

    Args:
        venue: URL forms and units.
        limits: attempts, streams and bans.
        counters: where attempts and refusals are counted.
    """

    def __init__(self, venue: Venue, limits: Limits, counters: Counters) -> None:
        self._venue = venue
        self._limits = limits
        self._counters = counters
        self._attempts = RateMeter(limits.connects_per_window, limits.connect_window_s)
        self._offences = 0
        self._banned_until = -inf

    def enter(
        self, path: str, query: str, now: float, *, failing: Running | None, wrong_unit: bool
    ) -> Connection | Refusal:
        """Answer a handshake.

        Args:
            path: without the query.
            query: without the question mark.
            now: seconds.
            failing: the fault that makes handshakes fail, if one is in force.
            wrong_unit: whether events bring milliseconds even to who asked for microseconds.
        """
        self._counters.connection_attempts += 1
        answer = self._decide(path, query, now, failing, wrong_unit)

        if isinstance(answer, Refusal):
            self._counters.handshakes_refused[answer.status] += 1

        return answer

    def _decide(
        self, path: str, query: str, now: float, failing: Running | None, wrong_unit: bool
    ) -> Connection | Refusal:
        too_many = self._attempts.exceeded(now)

        if now < self._banned_until:
            return Refusal(403, {"Retry-After": str(ceil(self._banned_until - now))})

        if too_many:
            return Refusal(429, {"Retry-After": str(ceil(self._limits.connect_window_s))})

        if failing is not None:
            return Refusal(failing.strike().number(503))

        endpoint = _endpoint(path, self._venue.stream_prefix)

        if endpoint is None:
            return Refusal(404)

        combined, names = endpoint
        parameters = parse_qs(query)

        if combined:
            names = [name for text in parameters.get("streams", []) for name in text.split("/") if name]

        if len(names) > self._limits.streams_per_connection:
            self._counters.stream_limit_refusals += 1
            return Refusal(400)

        unit = parameters.get("timeUnit", ["MILLISECOND"])[0].upper()

        if unit not in ("MILLISECOND", "MICROSECOND"):
            return Refusal(400)

        return Connection(
            self._counters.connections,
            self._limits,
            self._counters,
            now,
            combined=combined,
            microseconds=unit == "MICROSECOND" and not (self._venue.futures or wrong_unit),
            streams=names,
        )

    def offended(self, now: float) -> None:
        """A client has been disconnected for too many messages; whoever does it again and again is banned."""
        self._offences += 1

        if self._offences >= self._limits.ban_after_disconnects:
            self._offences = 0
            self._banned_until = now + self._limits.ban_s


def _endpoint(path: str, prefix: str) -> tuple[bool, list[str]] | None:
    """Whether the path is of a combined stream, and the streams it names; None if it is no stream at all."""
    if not path.startswith(prefix + "/"):
        return None

    kind, _, rest = path[len(prefix) + 1 :].partition("/")

    if kind == "ws":
        return False, [name for name in rest.split("/") if name]

    return (True, []) if kind == "stream" and not rest else None
