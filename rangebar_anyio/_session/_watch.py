"""Watchdogs: what should bring trades and brings none. Pings are no life, and quiet is no fault.

A symbol or a connection without a trade for ``quiet_after_s`` makes REST be asked, then after twice as long, and so on
up to ``quiet_after_max_s``. Only if REST has trades that the socket does not bring within ``stalled_grace_s`` either,
the connection is replaced. Nothing is counted per trade: each symbol's counter is looked at a few times in its own
interval, so a thousand symbols cost some hundred looks a second when busy and fewer when quiet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._events import Stalled

if TYPE_CHECKING:
    from ._core import Core, Symbol
    from ._link import Link
    from ._links import Links
    from ._recovery import Recovery

_LOOKS = 4
_SAMPLE = 3


class Silence:
    """What was last heard of a symbol or a connection.

    Attributes:
        count: trades that sockets had brought by the last look.
        heard_at: when that had last grown, or when silence began to count.
        quiet_s: the silence after which REST is asked next.
    """

    __slots__ = ("count", "heard_at", "quiet_s")

    def __init__(self) -> None:
        self.count = -1
        self.heard_at = 0.0
        self.quiet_s = 0.0


class Watch:
    """The watchdogs of one session."""

    def __init__(self, core: Core, links: Links, recovery: Recovery) -> None:
        self._core = core
        self._links = links
        self._recovery = recovery
        self._since = 0.0

    def on_confirmed(self, link: Link, now: float) -> None:
        """A connection should bring trades from here on."""
        self._hear(link.silence, 0, now)
        self._look_at_link_later(link, now)

        for symbol in link.group.symbols:
            self._hear(symbol.silence, self._count(symbol), now)

            # Spread, so that a connection's symbols are not all looked at in one moment.
            first = self._core.config.quiet_after_s / _LOOKS * self._core.random.random()
            self._later(symbol, now + first)

    def resume(self, now: float) -> None:
        """The reader is back: silence counts from here, since nothing was read."""
        self._since = now

    def _count(self, symbol: Symbol) -> int:
        info = self._core.feed.symbol(symbol.number)
        return info.live_trades + info.duplicates

    def _hear(self, watch: Silence, count: int, now: float) -> None:
        watch.count = count
        watch.heard_at = now
        watch.quiet_s = self._core.config.quiet_after_s

    def _later(self, symbol: Symbol, when: float) -> None:
        self._core.timers.set(("quiet", symbol.number), when, lambda now: self._look(symbol, now))

    def _look(self, symbol: Symbol, now: float) -> None:
        config, watch = self._core.config, symbol.silence
        count = self._count(symbol)
        due = max(watch.heard_at, self._since) + watch.quiet_s

        if count != watch.count:
            self._hear(watch, count, now)
        elif now >= due and not self._core.is_paused and self._is_live(symbol):
            self._ask(symbol, now)
            watch.heard_at = now
            watch.quiet_s = min(2 * watch.quiet_s, config.quiet_after_max_s)

        due = max(watch.heard_at, self._since) + watch.quiet_s
        step = now + watch.quiet_s / _LOOKS
        self._later(symbol, min(step, due) if due > now else step)

    @staticmethod
    def _is_live(symbol: Symbol) -> bool:
        return symbol.group.current is not None and symbol.group.current.is_confirmed

    def _ask(self, symbol: Symbol, now: float) -> None:
        if any(catchup.has_position for catchup in symbol.catchups.values()):
            self._recovery.probe(symbol, now, is_quiet=True)
        elif symbol.is_listed:
            # No first trade yet, so no id to ask for: has the newest one changed?
            self._recovery.ask_newest(symbol, now, is_quiet=True)

    def on_brought(self, symbol: Symbol, now: float) -> None:
        """REST has brought trades of a quiet symbol; the socket may be about to."""
        link, count = symbol.group.current, self._count(symbol)

        if link is not None:
            when = now + self._core.config.stalled_grace_s
            self._core.timers.set(("suspect", symbol.number), when, lambda now: self._judge(symbol, link, count, now))

    def _judge(self, symbol: Symbol, link: Link, count: int, now: float) -> None:
        if symbol.group.current is not link or self._count(symbol) != count or symbol.group.next is not None:
            return

        if self._core.is_paused:
            return

        self._core.counters.stalls += 1
        self._core.tell(Stalled(link.conn, symbol.name))
        self._links.replace(link, "stalled", now)

    # A connection as a whole.

    def _look_at_link_later(self, link: Link, now: float) -> None:
        watch = link.silence
        due = max(watch.heard_at, self._since) + watch.quiet_s
        step = now + watch.quiet_s / _LOOKS
        when = min(step, due) if due > now else step
        self._core.timers.set(("silent", link.conn), when, lambda now: self._look_at_link(link, now))

    def _look_at_link(self, link: Link, now: float) -> None:
        watch = link.silence
        count = self._core.feed.connection(link.conn).trades

        if count != watch.count:
            self._hear(watch, count, now)
        elif now >= max(watch.heard_at, self._since) + watch.quiet_s and not self._core.is_paused:
            watch.heard_at = now
            watch.quiet_s = min(2 * watch.quiet_s, self._core.config.quiet_after_max_s)

            # Those that traded most say soonest whether the market or the connection is quiet.
            for symbol in sorted(link.group.symbols, key=self._count, reverse=True)[:_SAMPLE]:
                self._ask(symbol, now)

        self._look_at_link_later(link, now)


__all__ = ("Silence", "Watch")
