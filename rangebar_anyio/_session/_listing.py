"""What the exchange says about a symbol's existence, and what waits while it says no."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._errors import InvalidSymbolError
from .._events import SymbolUnlisted, Waiting
from .._reconnect import Backoff

if TYPE_CHECKING:
    from ._core import Core, Symbol
    from ._query import Query

_FIRST_WAIT_S = 30.0
_LONGEST_WAIT_S = 900.0


class Listing:
    """Whether requests for a symbol make sense.

    A no of the exchange is asked about again after half a minute, later after a quarter of an hour: one replica may be
    wrong, and what was delisted may come back.

    Attributes:
        is_listed: False while a no is waited out; nothing is asked then.
        is_known: a lane is stored, or there was an answer; before that a no is an error.
        is_answered: there was an answer in this run.
    """

    __slots__ = ("_backoff", "_core", "_is_told", "_queries", "_symbol", "is_answered", "is_known", "is_listed")

    def __init__(self, core: Core, symbol: Symbol, *, is_known: bool) -> None:
        self._core = core
        self._symbol = symbol
        self._backoff = Backoff(_FIRST_WAIT_S, _LONGEST_WAIT_S, core.jitter)
        self._queries: list[Query] = []
        self._is_told = False
        self.is_known = is_known
        self.is_listed = True
        self.is_answered = False

    def answered(self, now: float) -> None:
        """The exchange has answered: it knows the symbol."""
        self.is_known = self.is_answered = True
        self._is_told = False
        self._backoff.reset()
        self.ask_again(now)

    def denied(self, reason: str, now: float, query: Query | None = None) -> None:
        """The exchange says no; ``reason`` is empty if it has no such symbol. A query is wanted again afterwards."""
        name = self._symbol.name

        if not self.is_known:
            self._core.fail(InvalidSymbolError(name, "is not known to the exchange", venue=self._core.rules.venue))
            return

        if query is not None:
            self._queries.append(query)

        if self.is_listed:
            self.is_listed = False
            wait_s = self._backoff.next_delay()
            self._core.timers.set(("unlisted", self._symbol.number), now + wait_s, self.ask_again)
            self._tell(Waiting("request", wait_s, f"{name}: {reason}") if reason else SymbolUnlisted(name))

    def _tell(self, event: Waiting | SymbolUnlisted) -> None:
        if not self._is_told:
            self._is_told = True
            self._core.tell(event)

    def ask_again(self, now: float) -> None:
        """Ask what was not asked meanwhile."""
        if self.is_listed:
            return

        self.is_listed = True
        self._core.timers.cancel(("unlisted", self._symbol.number))
        queries, self._queries = self._queries, []

        for query in queries:
            query.want(now)

        for catchup in list(self._symbol.catchups.values()):
            catchup.probe(now)


__all__ = ("Listing",)
