"""Replacing a connection that works, or seems to, by one that is known to.

The old connection goes when the new one's subscription is confirmed and it has brought a trade or a ping, ``overlap_s``
later: what both bring are duplicates, what neither brings is a gap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._events import Rotated
from ._actions import Disconnect
from ._core import Core
from ._heartbeat import INTERVALS, SILENT
from ._link import Group, Link

if TYPE_CHECKING:
    from ._links import Links

_LOOK_EVERY_S = 0.25
_LIFETIME_MARGIN_S = 1800.0


class Rotation:
    """The overlaps of one session's connections."""

    def __init__(self, core: Core, links: Links) -> None:
        self._core = core
        self._links = links

    def confirmed(self, link: Link, now: float) -> None:
        """A subscription is confirmed: from here on the connection ages, and a newcomer may show that it delivers."""
        core = self._core
        core.timers.set(("age", link.conn), now + self._lifetime(), lambda now: self.replace(link, "age", now))

        if link.group.next is link:
            info = core.feed.connection(link.conn)
            link.heard_before = info.trades + info.pings
            link.confirmed_at = core.reading.time(now)
            self._look(link, now)

    def _lifetime(self) -> float:
        config = self._core.config
        longest = self._core.rules.connection_lifetime_s - _LIFETIME_MARGIN_S
        longest = longest if config.rotate_after_s is None else config.rotate_after_s
        return longest - self._core.random.uniform(0, min(config.rotate_spread_s, longest / 2))

    def replace(self, link: Link, why: str, now: float) -> None:
        """Open a connection that takes the place of this one as soon as it delivers."""
        group = link.group

        if group.current is not link:
            # The newcomer itself is to go already: it takes over and is replaced then.
            link.is_doomed = link.is_doomed or why
        elif group.next is None and not self._core.timers.is_set(("open", group.index)):
            group.newcomers.reset()
            self._links.open(group, why, now)

    def _look(self, link: Link, now: float) -> None:
        """Look whether the newcomer has brought anything since it was confirmed."""
        core = self._core
        info = core.feed.connection(link.conn)

        if info.trades + info.pings > link.heard_before:
            # What the old one has brought meanwhile needs to be read, too.
            core.reading.wait(("link", link.conn), core.config.overlap_s, now, lambda now: self._take_over(link, now))
        elif not core.reading.left(link.confirmed_at, INTERVALS * core.rules.ping_interval_s, now):
            self._give_up(link, now)
        else:
            core.timers.set(("link", link.conn), now + _LOOK_EVERY_S, lambda now: self._look(link, now))

    def _give_up(self, link: Link, now: float) -> None:
        old = link.group.current

        if link.why == SILENT and old is not None and old.heartbeat.intervals:
            # The old one brings as little still, and this one has at least been answered lately.
            self._take_over(link, now)
        else:
            self._links.close(link, 1000, "it was confirmed and brings nothing", now)

    def _take_over(self, link: Link, now: float) -> None:
        group = link.group
        old = group.current
        group.current, group.next = link, None
        self._core.counters.rotations += 1

        if old is not None:
            self._core.tell(Rotated(old.conn, link.conn, link.why))
            self._core.act(Disconnect(old.conn, 1000, "replaced"))
            self._links.forget(old)

        self._replace_if_doomed(link, now)

    def promote(self, group: Group, now: float) -> None:
        """The old connection is gone before the new one has taken over."""
        link = group.current = group.next
        group.next = None

        if link is not None and link.is_confirmed:
            self._core.timers.cancel(("link", link.conn))
            self._replace_if_doomed(link, now)

    def _replace_if_doomed(self, link: Link, now: float) -> None:
        if link.is_doomed:
            self.replace(link, link.is_doomed, now)


__all__ = ("Rotation",)
