"""The server's pings: having them is no sign of life, but lacking them is one of death.

Trades may stop for hours, pings do not: a connection that brought no byte at all for three of the server's intervals
is half-open, and no read will ever say so. It is replaced, and stays until the new one delivers.
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._core import Core
    from ._link import Link
    from ._links import Links

SILENT = "silent"
#: So many of the server's ping intervals without anything are too many.
INTERVALS = 3


class Heartbeat:
    """What was last heard of a connection.

    Attributes:
        bytes: what it had brought by the last look.
        intervals: looks since that has grown.
    """

    __slots__ = ("bytes", "intervals")

    def __init__(self) -> None:
        self.bytes = 0
        self.intervals = 0


class Heartbeats:
    """Looks at each connection once in an interval of pings, as long as anything is read."""

    def __init__(self, core: Core, links: Links) -> None:
        self._core = core
        self._links = links

    def on_confirmed(self, link: Link, now: float) -> None:
        """A connection should bring pings from here on."""
        if isfinite(self._core.rules.ping_interval_s):
            self._hear(link)
            self._look_later(link, now)

    def _look_later(self, link: Link, now: float) -> None:
        interval_s = self._core.rules.ping_interval_s
        self._core.reading.wait(("pulse", link.conn), interval_s, now, lambda now: self._look(link, now))

    def _look(self, link: Link, now: float) -> None:
        self._hear(link)

        if link.heartbeat.intervals >= INTERVALS and link.group.current is link and self._has_pings(link):
            self._links.replace(link, SILENT, now)

        self._look_later(link, now)

    def _hear(self, link: Link) -> None:
        heard, count = link.heartbeat, self._core.feed.connection(link.conn).bytes
        heard.intervals = 0 if count != heard.bytes else heard.intervals + 1
        heard.bytes = count

    def _has_pings(self, link: Link) -> bool:
        """Whether any can be expected: two connections in a row without one say that something on the way eats them."""
        return link.why != SILENT or self._core.feed.connection(link.conn).pings > 0


__all__ = ("INTERVALS", "SILENT", "Heartbeat", "Heartbeats")
