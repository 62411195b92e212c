"""The requests of one catch-up, in the order of their ids."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._catchup import Catchup
    from ._house import House
    from ._rules import VenueRules


class Page:
    """One request: to be sent, under way, or answered and waiting for its turn."""

    __slots__ = ("_ids", "body", "catchup", "expected_before", "from_id", "is_sent", "sent_at")

    def __init__(self, catchup: Catchup, from_id: int) -> None:
        self.catchup = catchup
        self.from_id = from_id
        self.is_sent = False
        self.sent_at = 0.0
        self.body: bytes | None = None
        self.expected_before: int | None = None
        self._ids: list[int] | None = None

    def answered(self, body: bytes, now: float) -> None:
        """Wait for the pages before it."""
        self.body = body
        self.catchup.push(now)

    def ids(self, rules: VenueRules) -> list[int]:
        """The ids that the answer names, in order; none at all if they cannot be told."""
        if self._ids is None:
            try:
                self._ids = [found.trade_id for found in rules.read_trades(self.body or b"")]
            except (ValueError, RecursionError):
                self._ids = []

        return self._ids

    def failed(self, _text: str, now: float) -> None:
        """To be sent again later."""
        self.is_sent = False
        self.catchup.retry(now)

    def postponed(self, now: float) -> None:
        """To be sent again as soon as anything may be."""
        self.is_sent = False
        self.catchup.want(now)

    def unknown_symbol(self, now: float) -> None:
        """Not to be sent again."""
        self.is_sent = False
        self.catchup.unlisted(now)


def jumps(ids: Iterable[int]) -> list[tuple[int, int]]:
    """Where ids leave others out: the first one left out, and the one they go on with."""
    return [(before + 1, after) for before, after in pairwise(ids) if after > before + 1]


class Pages:
    """What is asked for side by side and pushed in order."""

    __slots__ = ("_house", "_pages")

    def __init__(self, house: House) -> None:
        self._house = house
        self._pages: deque[Page] = deque()

    def __len__(self) -> int:
        return len(self._pages)

    @property
    def last_from_id(self) -> int:
        """The id that the last one asks for."""
        return self._pages[-1].from_id

    def unsent(self) -> Page | None:
        """The first one that is to be sent."""
        return next((page for page in self._pages if not page.is_sent), None)

    def is_first(self, page: Page) -> bool:
        """Whether a page's turn has come."""
        return self._pages[0] is page

    def answered(self) -> tuple[Page, bytes] | None:
        """The first one with its answer, if it has one."""
        if not self._pages or self._pages[0].body is None:
            return None

        return self._pages[0], self._pages[0].body

    def add(self, page: Page) -> None:
        """Take another one in."""
        self._pages.append(page)

    def finish_first(self) -> None:
        """The first one is pushed: its place in the house is free."""
        self._pages.popleft()
        self._house.done()

    def send_again(self, page: Page) -> None:
        """An answer was of no use."""
        page.body = page._ids = None
        page.is_sent = False
        self._house.done()

    def drop(self) -> None:
        """Give all of them up, answered or not."""
        for page in self._pages:
            if page.body is not None:
                self._house.done()
            elif page.is_sent:
                self._house.cancel(page)

        self._pages.clear()


__all__ = ("Page", "Pages", "jumps")
