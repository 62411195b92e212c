"""Watchdogs: what should bring trades and brings none. Pings are no life, and quiet is no fault.

A symbol or a connection without a trade for ``quiet_after_s`` makes REST be asked, then after twice as long, and so on
up to ``quiet_after_max_s``. Only if REST has trades that the socket does not bring within ``stalled_grace_s`` either,
the connection is replaced. While there is no connection at all, bars go on by what REST has, as often as it has any.
Nothing is counted per trade: each symbol's counter is looked at a few times in its own interval, so a thousand symbols
cost some hundred looks a second when busy and fewer when quiet.
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
        fetched: trades that REST had brought when it was asked last.
        heard_at: when that had last grown, or when silence began to count, on the clock of ``Reading``.
        quiet_s: the silence after which REST is asked next.
    """

    __slots__ = ("count", "fetched", "heard_at", "quiet_s")

    def __init__(self) -> None:
        self.count = -1
        self.fetched = 0
        self.heard_at = 0.0
        self.quiet_s = 0.0


class Watch:
    """The watchdogs of one session."""

    def __init__(self, core: Core, links: Links, recovery: Recovery) -> None:
        self._core = core
        self._links = links
        self._recovery = recovery

    def start(self, now: float) -> None:
        """Begin to watch, for it may take a while until there is a connection."""
        for symbol in self._core.symbols:
            self._watch(symbol, now)

    def on_confirmed(self, link: Link, now: float) -> None:
        """A connection should bring trades from here on."""
        self._hear(link.silence, 0, now)
        self._look_at_link_later(link, now)

        for symbol in link.group.symbols:
            self._watch(symbol, now)

    def _watch(self, symbol: Symbol, now: float) -> None:
        self._hear(symbol.silence, self._count(symbol), now)

        # Spread, so that a connection's symbols are not all looked at in one moment.
        first = self._core.config.quiet_after_s / _LOOKS * self._core.random.random()
        self._later(symbol, now + first)

    def _count(self, symbol: Symbol) -> int:
        info = self._core.feed.symbol(symbol.number)
        return info.live_trades + info.duplicates

    def _hear(self, watch: Silence, count: int, now: float) -> None:
        watch.count = count
        watch.heard_at = self._core.reading.time(now)
        watch.quiet_s = self._core.config.quiet_after_s

    def _later(self, symbol: Symbol, when: float) -> None:
        self._core.timers.set(("quiet", symbol.number), when, lambda now: self._look(symbol, now))

    def _look(self, symbol: Symbol, now: float) -> None:
        watch = symbol.silence
        count = self._count(symbol)

        if count != watch.count:
            self._hear(watch, count, now)
        elif not self._left(watch, now):
            self._ask(symbol, now)
            self._double(watch, now)

            if not self._is_live(symbol):
                self._poll(symbol)

        self._later(symbol, now + self._step(watch, now))

    def _left(self, watch: Silence, now: float) -> float:
        return self._core.reading.left(watch.heard_at, watch.quiet_s, now)

    def _step(self, watch: Silence, now: float) -> float:
        step = watch.quiet_s / _LOOKS
        return min(step, self._left(watch, now) or step)

    def _double(self, watch: Silence, now: float) -> None:
        watch.heard_at = self._core.reading.time(now)
        watch.quiet_s = min(2 * watch.quiet_s, self._core.config.quiet_after_max_s)

    def _poll(self, symbol: Symbol) -> None:
        """REST is all there is: where it brings trades, silence says nothing about the market."""
        fetched = self._core.feed.symbol(symbol.number).fetched_trades

        if fetched != symbol.silence.fetched:
            symbol.silence.fetched = fetched
            symbol.silence.quiet_s = self._core.config.quiet_after_s

    @staticmethod
    def _is_live(symbol: Symbol) -> bool:
        return symbol.group.current is not None and symbol.group.current.is_confirmed

    def _ask(self, symbol: Symbol, now: float) -> None:
        is_live = self._is_live(symbol)

        if any(catchup.has_position for catchup in symbol.catchups.values()):
            self._recovery.probe(symbol, now, is_quiet=is_live)
        elif is_live:
            # No first trade yet, so no id to ask for: has the newest one changed?
            self._recovery.ask_newest(symbol, now, is_quiet=True)

    def on_brought(self, symbol: Symbol, now: float) -> None:
        """REST has brought trades of a quiet symbol; the socket may be about to."""
        link, count = symbol.group.current, self._count(symbol)

        if link is not None:
            key, grace_s = ("suspect", symbol.number), self._core.config.stalled_grace_s
            self._core.reading.wait(key, grace_s, now, lambda now: self._judge(symbol, link, count, now))

    def _judge(self, symbol: Symbol, link: Link, count: int, now: float) -> None:
        if symbol.group.current is not link or self._count(symbol) != count or symbol.group.next is not None:
            return

        self._core.counters.stalls += 1
        self._core.tell(Stalled(link.conn, symbol.name))
        self._links.replace(link, "stalled", now)

    # A connection as a whole.

    def _look_at_link_later(self, link: Link, now: float) -> None:
        when = now + self._step(link.silence, now)
        self._core.timers.set(("silent", link.conn), when, lambda now: self._look_at_link(link, now))

    def _look_at_link(self, link: Link, now: float) -> None:
        watch = link.silence
        count = self._core.feed.connection(link.conn).trades

        if count != watch.count:
            self._hear(watch, count, now)
        elif not self._left(watch, now):
            self._double(watch, now)

            # Those that traded most say soonest whether the market or the connection is quiet.
            for symbol in sorted(link.group.symbols, key=self._count, reverse=True)[:_SAMPLE]:
                self._ask(symbol, now)

        self._look_at_link_later(link, now)


__all__ = ("Silence", "Watch")
