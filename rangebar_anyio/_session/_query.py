"""Questions that only look for an id: the newest one, or the first one at a time."""

from __future__ import annotations

from collections.abc import Callable

from .._reconnect import Backoff
from ._budget import Bucket
from ._core import Core, Symbol
from ._house import House
from ._rules import Found, Request

_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 30.0


class Query:
    """Ask until there is an answer.

    Args:
        core: the session's surroundings.
        house: where requests are sent.
        symbol: whose trades.
        build: makes the request.
        found: takes what was found, possibly nothing.
        is_probe: nobody waits for the answer.
    """

    def __init__(
        self,
        core: Core,
        house: House,
        symbol: Symbol,
        build: Callable[[], Request],
        found: Callable[[list[Found], float], None],
        *,
        is_probe: bool,
    ) -> None:
        self._core = core
        self._house = house
        self._build = build
        self._found = found
        self._backoff = Backoff(_FIRST_WAIT_S, _LONGEST_WAIT_S, core.jitter)
        self.symbol = symbol
        self.is_probe = is_probe
        self.ticket: int | None = None

    @property
    def bucket(self) -> Bucket | None:
        """One request is no catch-up."""
        return None

    def want(self, _now: float) -> None:
        """Ask as soon as it may be asked."""
        self._house.want(self)

    def size(self) -> int:
        """Shortest of all."""
        return 1

    def ask(self, _now: float) -> tuple[Request, Query] | None:
        """Give the request."""
        return self._build(), self

    def wants_more(self, _now: float) -> bool:
        """One answer is enough."""
        return False

    def answered(self, body: bytes, now: float) -> None:
        """Read the answer; one that is none counts as a failure."""
        self._house.done()

        try:
            found = self._core.rules.read_trades(body)
        except (ValueError, RecursionError) as error:
            self.failed(str(error), now)
        else:
            self._found(found, now)

    def failed(self, _text: str, now: float) -> None:
        """Ask again later."""
        self._core.timers.set(("query", id(self)), now + self._backoff.next_delay(), self.want)

    def postponed(self, now: float) -> None:
        """Ask again as soon as it may be asked."""
        self.want(now)

    def denied(self, reason: str, now: float) -> None:
        """Ask again when the symbol may be listed again."""
        self.symbol.listing.denied(reason, now, self)


__all__ = ("Query",)
