"""Connections: opening, subscribing, replacing, and giving up. Each carries the symbols of one group.

A group has one connection that delivers, and for a while a second one that is to take its place (``Rotation``).
"""

from __future__ import annotations

from collections.abc import Callable

from .._errors import ConnectionLostError
from .._events import Connected, Disconnected, Waiting
from .._feed_events import Reply
from .._reconnect import Backoff
from ._actions import Connect, Disconnect, SendText
from ._core import Core, Symbol
from ._link import Group, Link
from ._rotation import Rotation
from ._values import ConnectFailure

_REFUSED_WAIT_S = 300.0
_LONGEST_REFUSAL_S = 7 * 86_400.0
_REFUSALS = (403, 418, 429)
_GROUP_SPREAD_S = 0.2
_WORTH_TELLING_S = 0.5


class Links:
    """The connections of one session.

    Args:
        core: the session's surroundings.
        on_confirmed: called when a connection's subscription is confirmed: from here on it should bring everything.
        on_lost: called when a group's connection has ended.
    """

    def __init__(
        self, core: Core, on_confirmed: Callable[[Link, float], None], on_lost: Callable[[Group], None]
    ) -> None:
        self._core = core
        self._on_confirmed = on_confirmed
        self._on_lost = on_lost
        self._links: dict[int, Link] = {}
        self._rotation = Rotation(core, self)
        self._messages = 0
        self.groups: list[Group] = []

    def add_group(self, symbols: list[Symbol]) -> Group:
        """Make a group; its symbols may be added to the list until the start."""
        group = Group(len(self.groups), symbols, self._backoff(), self._backoff())
        self.groups.append(group)
        return group

    def _backoff(self) -> Backoff:
        policy = self._core.config.policy
        return Backoff(policy.first_delay_s, policy.max_delay_s, self._core.jitter)

    def replace(self, link: Link, why: str, now: float) -> None:
        """Open a connection that takes the place of this one as soon as it delivers."""
        self._rotation.replace(link, why, now)

    def start(self, now: float) -> None:
        """Open a connection for each group."""
        for group in self.groups:
            self.open(group, "start", now)

    @property
    def confirmed(self) -> int:
        """How many are open and subscribed."""
        return sum(link.is_confirmed for link in self._links.values())

    def get(self, conn: int) -> Link | None:
        """Find a connection that has not ended."""
        return self._links.get(conn)

    # Opening.

    def open(self, group: Group, why: str, now: float) -> None:
        """Open a connection as soon as the limits and the reader allow it."""
        core = self._core

        if core.is_paused and why != "start":
            group.deferred = why
            return

        wait = core.budget.connect_wait(now)

        if wait > 0:
            if wait >= _WORTH_TELLING_S:
                core.tell(Waiting("connect", wait, "the share of connection attempts is used up"))

            core.timers.set(("open", group.index), now + wait, lambda now: self.open(group, why, now))
            return

        link = Link(core.feed.connect(), group, why)
        self._links[link.conn] = link
        group.add(link)
        core.budget.take_connect(now)
        core.counters.connects += 1
        core.act(Connect(link.conn, core.rules.connect_url([symbol.name for symbol in group.symbols])))
        core.timers.set(
            ("link", link.conn),
            now + core.config.connect_timeout_s,
            lambda now: self.close(link, 1000, "connecting takes too long", now),
        )

    def connect_failed(self, conn: int, failure: ConnectFailure, now: float) -> None:
        """An attempt came to nothing."""
        link = self._links.get(conn)

        if link is None:
            return

        if failure.status in _REFUSALS:
            wait_s = min(max(_REFUSED_WAIT_S, failure.retry_after_s or 0.0), _LONGEST_REFUSAL_S)
            self._core.budget.connects_used_up(now, wait_s)
            self._core.tell(Waiting("connect", wait_s, failure.text))

        self.ended(conn, failure.text, now)

    def connected(self, conn: int, now: float) -> None:
        """The handshake is done: subscribe."""
        link = self._links.get(conn)

        if link is None:
            return

        size = self._core.rules.streams_per_message
        names = [symbol.name for symbol in link.group.symbols]
        link.is_open = True
        link.unsent = [names[at : at + size] for at in range(0, len(names), size)]
        self._subscribe(link, now)

    def _subscribe(self, link: Link, now: float) -> None:
        core = self._core
        self._messages += 1
        link.unanswered.add(self._messages)
        core.act(SendText(link.conn, core.rules.subscribe_text(self._messages, link.unsent.pop(0))))

        if link.unsent:
            when = now + core.rules.message_interval_s
            core.timers.set(("subscribe", link.conn), when, lambda now: self._subscribe(link, now))

        core.reading.wait(
            ("link", link.conn),
            core.config.subscribe_timeout_s,
            now,
            lambda now: self.close(link, 1000, "SUBSCRIBE was not answered", now),
        )

    def replied(self, event: Reply, now: float) -> None:
        """An answer to a SUBSCRIBE."""
        link = self._links.get(event.connection)

        if link is None:
            return

        if event.error is not None:
            self.close(link, 1000, f"SUBSCRIBE was refused: {event.error[1]} ({event.error[0]})", now)
            return

        if event.id is not None:
            link.unanswered.discard(event.id)

        if not link.unanswered and not link.unsent and not link.is_confirmed:
            self._confirm(link, now)

    def _confirm(self, link: Link, now: float) -> None:
        core = self._core
        group = link.group
        link.is_confirmed = True
        core.timers.cancel(("link", link.conn))
        core.tell(Connected(link.conn, len(group.symbols)))
        self._on_confirmed(link, now)
        self._rotation.confirmed(link, now)

    # Ending.

    def close(self, link: Link, code: int, reason: str, now: float) -> None:
        """End a connection from our side, because it is of no further use."""
        self._core.act(Disconnect(link.conn, code, reason))
        self.ended(link.conn, reason, now)

    def ended(self, conn: int, reason: str, now: float) -> None:
        """A connection or an attempt has ended, whoever ended it."""
        link = self._links.get(conn)

        if link is None:
            return

        core, group = self._core, link.group
        core.counters.disconnects += link.is_open
        core.counters.connect_failures += not link.is_open
        core.tell(Disconnected(conn, reason, was_open=link.is_open))

        if core.feed.connection(conn).trades > 0:
            group.backoff.reset()

        self.forget(link)
        self._on_lost(group)

        if group.current is link and group.next is not None:
            self._rotation.promote(group, now)
        else:
            group.remove(link)
            self._again(group, "lost" if group.current is None else link.why, reason, now)

    def _again(self, group: Group, why: str, reason: str, now: float) -> None:
        core = self._core
        most = core.config.policy.max_attempts
        # As long as the old connection is there, one in its place may fail as often as it likes.
        backoff = group.backoff if group.current is None else group.newcomers

        if core.is_paused:
            # Nobody has read what it brought, so its loss is no failure.
            group.deferred = why
            return

        if backoff is group.backoff and most is not None and backoff.attempts >= most:
            core.fail(ConnectionLostError(core.rules.venue, reason, backoff.attempts))
            return

        spread = _GROUP_SPREAD_S * group.index if len(self.groups) > 1 else 0.0
        delay = backoff.next_delay() + spread
        core.tell(Waiting("connect", delay, reason))
        core.timers.set(("open", group.index), now + delay, lambda now: self.open(group, why, now))

    def forget(self, link: Link) -> None:
        """A connection is gone: nothing about it is waited for."""
        for kind in ("link", "subscribe", "age", "silent", "pulse"):
            self._core.timers.cancel((kind, link.conn))

        del self._links[link.conn]
        self._core.feed.disconnect(link.conn)

    def resume(self, now: float) -> None:
        """The reader is back: replace what was lost meanwhile."""
        for group in self.groups:
            if group.deferred:
                why, group.deferred = group.deferred, ""
                self.open(group, why, now)

    def stop(self) -> None:
        """Close everything."""
        for link in list(self._links.values()):
            self._core.act(Disconnect(link.conn, 1000, ""))
            self.forget(link)


__all__ = ("Links",)
