"""What the session asks its surroundings to do: frozen values, to be carried out in the order they come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from .._events import StreamEvent
from .._feed_events import TimeUnit


@dataclass(frozen=True, slots=True)
class Connect:
    """Open a websocket; report ``connected`` or ``connect_failed``, once, unless ``Disconnect`` comes first."""

    conn: int
    url: str


@dataclass(frozen=True, slots=True)
class SendText:
    """Send a text message."""

    conn: int
    text: str


@dataclass(frozen=True, slots=True)
class SendPong:
    """Answer a ping. Of several that wait for one connection only the last needs to be sent."""

    conn: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Close a connection, or give up opening it; nothing about it has to be reported any more."""

    conn: int
    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Fetch:
    """Send a GET request; report ``answered`` or ``request_failed``, once, unless ``CancelFetch`` comes first.

    ``url`` has no query, ``params`` are that. ``weight`` is what the exchange counts it as; it is taken from the budget
    already.
    """

    request: int
    url: str
    params: tuple[tuple[str, str], ...]
    headers: tuple[tuple[str, str], ...]
    weight: int


@dataclass(frozen=True, slots=True)
class CancelFetch:
    """Give a request up; an answer that comes all the same is ignored."""

    request: int


@dataclass(frozen=True, slots=True)
class SaveOrigin:
    """Make the origin of lanes durable, then call ``origin_saved``; their bars are held back until then.

    ``lanes`` are places in the sequence that the session was given, ``origin`` is the first id less one, ``unit`` that
    of the lanes' tape from now on, ``time_us`` the time of the trade at the origin, when known.
    """

    lanes: tuple[int, ...]
    origin: int
    unit: TimeUnit
    time_us: int | None = None


@dataclass(frozen=True, slots=True)
class SaveSnapshots:
    """A good moment to save the forming bars of these lanes; nothing has to be reported."""

    lanes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Notify:
    """Tell the program."""

    event: StreamEvent


@dataclass(frozen=True, slots=True)
class Fail:
    """The stream is at its end: raise ``error`` from ``receive()`` once no bar is left to give. The last of all."""

    error: Exception


Action: TypeAlias = (
    Connect | SendText | SendPong | Disconnect | Fetch | CancelFetch | SaveOrigin | SaveSnapshots | Notify | Fail
)

__all__ = (
    "Action",
    "CancelFetch",
    "Connect",
    "Disconnect",
    "Fail",
    "Fetch",
    "Notify",
    "SaveOrigin",
    "SaveSnapshots",
    "SendPong",
    "SendText",
)
