"""A connection, and the symbols that it is one of two connections for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._heartbeat import Heartbeat
from ._watch import Silence

if TYPE_CHECKING:
    from .._reconnect import Backoff
    from ._core import Symbol


class Link:
    """A connection from its first attempt to its end.

    Attributes:
        conn: the feed's number.
        group: whose symbols it carries.
        why: what it was opened for.
        is_open: the handshake is done.
        is_confirmed: every SUBSCRIBE was answered.
        is_doomed: why it has to go as soon as it has taken over, if it has to.
        unsent: symbols of each SUBSCRIBE that is still to be sent.
        unanswered: numbers of those that were sent.
        heard_before: trades and pings up to its confirmation.
        confirmed_at: when it was confirmed, on the clock of ``Reading``, if it is to take another one's place.
        heartbeat: what was last heard of it, pings and all.
        silence: what was last heard of it.
    """

    __slots__ = (
        "confirmed_at", "conn", "group", "heard_before", "heartbeat", "is_confirmed", "is_doomed", "is_open", "silence",
        "unanswered", "unsent", "why",
    )  # fmt: skip

    def __init__(self, conn: int, group: Group, why: str) -> None:
        self.conn = conn
        self.group = group
        self.why = why
        self.is_open = False
        self.is_confirmed = False
        self.is_doomed = ""
        self.unsent: list[list[str]] = []
        self.unanswered: set[int] = set()
        self.heard_before = 0
        self.confirmed_at = 0.0
        self.silence = Silence()
        self.heartbeat = Heartbeat()


class Group:
    """Symbols that share a connection.

    Attributes:
        index: place among the groups.
        symbols: what it carries.
        backoff: attempts since the last connection that brought a trade.
        newcomers: attempts to open a connection in the place of one that is there.
        current: the connection that delivers, or is to.
        next: the one that is to take its place.
        deferred: what a connection is wanted for as soon as the reader is back, if one is.
    """

    __slots__ = ("backoff", "current", "deferred", "index", "newcomers", "next", "symbols")

    def __init__(self, index: int, symbols: list[Symbol], backoff: Backoff, newcomers: Backoff) -> None:
        self.index = index
        self.symbols = symbols
        self.backoff = backoff
        self.newcomers = newcomers
        self.current: Link | None = None
        self.next: Link | None = None
        self.deferred = ""

    @property
    def overlaps(self) -> bool:
        """Whether two connections may bring the same trades."""
        return self.next is not None and self.next.is_open and self.current is not None

    def add(self, link: Link) -> None:
        """Take a new connection in."""
        if self.current is None:
            self.current = link
        else:
            self.next = link

    def remove(self, link: Link) -> None:
        """Forget a connection."""
        if self.current is link:
            self.current = None
        elif self.next is link:
            self.next = None


__all__ = ("Group", "Link")
