"""Which id a catch-up asks for next: arithmetic on what is known to exist."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._feed_values import SequenceInfo
from ._core import Core
from ._page import Page, Pages
from ._proof import Proof

if TYPE_CHECKING:
    from ._catchup import Catchup


class Wants:
    """What one sequence lacks.

    Attributes:
        goal: the highest id that REST has named; -1 for none.
        probe: whether to ask although nothing is known to be missing.
    """

    __slots__ = ("_core", "_pages", "_proof", "_sequence", "goal", "probe")

    def __init__(self, core: Core, sequence: int, pages: Pages, proof: Proof) -> None:
        self._core = core
        self._sequence = sequence
        self._pages = pages
        self._proof = proof
        self.goal = -1
        self.probe = False

    def info(self) -> SequenceInfo:
        """Look at the sequence."""
        return self._core.feed.sequence(self._sequence)

    def target(self, info: SequenceInfo) -> int:
        """The highest id that is known to exist."""
        return max(self.goal, -1 if info.highest_seen is None else info.highest_seen)

    def span(self) -> int:
        """How many ids are known to be missing; held trades are counted in."""
        info = self.info()
        return 0 if info.expected is None else self.target(info) - info.expected + 1

    def next_from(self, now: float) -> int | None:
        """The id to ask for next, or ``None``."""
        page = self._pages.unsent()

        if page is not None:
            return page.from_id

        info = self.info()

        if info.expected is None:
            return None

        target, due = self.target(info), self._proof.due(info.expected)

        if not self._pages:
            is_wanted = (self.probe or target >= info.expected) and (due is None or due <= now)
            return info.expected if is_wanted else None

        if due is not None:
            # What is behind a hole cannot be pushed before the proof, only fetched while it is still served.
            if not self._pages.waits_for(info.expected):
                return None

            if due <= now and not self._pages.has_second(info.expected):
                return info.expected

            if not self._pages.may_go_on:
                return None

        return self._next_behind(target)

    def _next_behind(self, target: int) -> int | None:
        from_id = self._pages.next_from(self._core.rules.page_rows)
        return from_id if from_id <= target and len(self._pages) < self._core.config.pages else None

    def page_for(self, catchup: Catchup, from_id: int) -> Page:
        """The page that asks for it."""
        page = self._pages.unsent()

        if page is None:
            page = self._new_page(catchup, from_id)
        elif self._pages.is_first(page):
            # Live trades may have come meanwhile.
            page.from_id = max(from_id, self.info().expected or from_id)

        return page

    def _new_page(self, catchup: Catchup, from_id: int) -> Page:
        page = Page(catchup, from_id)

        if self._pages.waits_for(from_id):
            self._pages.add_second(page)
        else:
            self._pages.add(page)

        return page

    def pages_beside(self, catchup: Catchup, now: float) -> None:
        """Ask for what else the first answer left out along with the id expected."""
        expected = self.info().expected
        due = self._proof.due(expected)

        if expected is None or due is None or due > now:
            return

        for from_id in self._proof.others(expected, now)[: max(0, self._core.config.pages - len(self._pages))]:
            if not self._pages.has_second(from_id):
                self._pages.add_second(Page(catchup, from_id))


__all__ = ("Wants",)
