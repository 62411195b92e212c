"""The requests of one catch-up, in the order of their ids."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._catchup import Catchup
    from ._core import Symbol
    from ._house import House
    from ._rules import VenueRules


class Page:
    """One request: to be sent, under way, or answered and waiting for its turn.

    Attributes:
        catchup: whose it is.
        from_id: the id asked for.
        is_sent: whether it is under way or answered.
        sent_at: when it was sent.
        body: its answer.
        expected_before: the id expected when its turn had come.
        hole: the first id that it left out when it was pushed last, and the id that it goes on with.
        last_id: the last id that it serves, once it is kept for the time of a proof.
        is_spent: it has proven ids missing and says less about those behind than what is kept.
    """

    __slots__ = (
        "_ids", "body", "catchup", "expected_before", "from_id", "hole", "is_sent", "is_spent", "last_id", "sent_at",
    )  # fmt: skip

    def __init__(self, catchup: Catchup, from_id: int) -> None:
        self.catchup = catchup
        self.from_id = from_id
        self.is_sent = False
        self.sent_at = 0.0
        self.body: bytes | None = None
        self.expected_before: int | None = None
        self.hole: tuple[int, int] | None = None
        self.last_id: int | None = None
        self.is_spent = False
        self._ids: list[int] | None = None

    @property
    def symbol(self) -> Symbol:
        """Whose trades it asks for."""
        return self.catchup.symbol

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

    def denied(self, reason: str, now: float) -> None:
        """Not to be sent again."""
        self.is_sent = False
        self.catchup.denied(reason, now)


def jumps(ids: Iterable[int]) -> list[tuple[int, int]]:
    """Where ids leave others out: the first one left out, and the one they go on with."""
    return [(before + 1, after) for before, after in pairwise(ids) if after > before + 1]


class Pages:
    """What is asked for side by side and pushed in order, and second requests for single ids beside it.

    An answer that leaves ids out is kept, with what follows it, until a second request has proven that these are
    missing: by then the exchange may serve none of it any more.
    """

    __slots__ = ("_house", "_pages", "_seconds", "_turn")

    def __init__(self, house: House) -> None:
        self._house = house
        self._pages: deque[Page] = deque()
        self._seconds: dict[int, Page] = {}
        self._turn: Page | None = None
        """The one that is being pushed, which may take a while if there is no room for bars."""

    def __len__(self) -> int:
        return len(self._pages) + len(self._seconds)

    def next_from(self, page_rows: int) -> int:
        """The id behind what the last one asks for."""
        last = self._pages[-1]
        return last.from_id + page_rows if last.last_id is None else last.last_id + 1

    def unsent(self) -> Page | None:
        """The first one that is to be sent; what follows a kept answer only while there is a place to spare."""
        second = next((page for page in self._seconds.values() if not page.is_sent), None)

        if second is not None or (self._is_kept and not self.may_go_on):
            return second

        return next((page for page in self._pages if not page.is_sent), None)

    @property
    def _is_kept(self) -> bool:
        return bool(self._pages) and self._pages[0].last_id is not None

    @property
    def may_go_on(self) -> bool:
        """Whether a place would be left for second requests."""
        return self._house.places_left > 1

    def is_first(self, page: Page) -> bool:
        """Whether a page is the first one of its kind."""
        return bool(self._pages) and self._pages[0] is page

    def is_second(self, page: Page) -> bool:
        """Whether it is a second request."""
        return self._seconds.get(page.from_id) is page

    def waits_for(self, expected: int) -> bool:
        """Whether what is kept goes on once an id is proven missing."""
        return self._is_kept and self._pages[0].hole is not None and self._pages[0].hole[0] == expected

    def has_second(self, expected: int) -> bool:
        """Whether there is a second request for an id."""
        return expected in self._seconds

    def answered(self, expected: int) -> tuple[Page, bytes] | None:
        """The one whose turn it is with its answer, if it has one."""
        page = self._turn or self._next(expected)

        if page is None or page.body is None:
            return None

        self._turn = page
        return page, page.body

    def _next(self, expected: int) -> Page | None:
        second = self._seconds.get(expected)

        if second is not None or not self._pages or self.waits_for(expected):
            return second

        return self._pages[0]

    def add(self, page: Page) -> None:
        """Take another one in."""
        self._pages.append(page)

    def add_second(self, page: Page) -> None:
        """Take a second request in."""
        self._seconds[page.from_id] = page

    def finish(self, page: Page) -> None:
        """One is pushed: its place in the house is free."""
        if self.is_second(page):
            del self._seconds[page.from_id]
        else:
            self._pages.popleft()

        self._turn = None
        self._house.done()

    def keep(self, page: Page, last_id: int) -> bool:
        """Keep the first one, whose answer left ids out, and what follows it, if a place for the proof is left."""
        page.last_id = last_id
        self._turn = None
        next_id = last_id if page.hole is None else page.hole[1]

        # What was asked for within the hole begins like this answer.
        if len(self._pages) > 1 and not next_id < self._pages[1].from_id <= last_id + 1:
            self._drop_last(len(self._pages) - 1)

        while self._pages and self._house.places_left < 1:
            self._drop_last()

        return bool(self._pages)

    def _drop_last(self, count: int = 1) -> None:
        for _ in range(count):
            self._give_up(self._pages.pop())

    def send_again(self, page: Page) -> None:
        """An answer was of no use."""
        page.body = page._ids = None
        page.is_sent = False
        self._turn = None
        self._house.done()

    def forget_below(self, expected: int) -> None:
        """Give second requests up for ids that are behind us."""
        for from_id in [from_id for from_id in self._seconds if from_id < expected]:
            if self._seconds[from_id] is not self._turn:
                self._give_up(self._seconds.pop(from_id))

    def drop_all_but_kept(self) -> None:
        """Give everything up that waits for no proof."""
        for page in self._seconds.values():
            self._give_up(page)

        self._seconds.clear()
        self._turn = None

        if not self._is_kept:
            self._drop_last(len(self._pages))

    def drop(self) -> None:
        """Give all of them up, answered or not."""
        self.drop_all_but_kept()
        self._drop_last(len(self._pages))

    def _give_up(self, page: Page) -> None:
        if page.body is not None:
            self._house.done()
        elif page.is_sent:
            self._house.cancel(page)


__all__ = ("Page", "Pages", "jumps")
