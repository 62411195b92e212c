"""Fetching what is missing before the expected id of one sequence, by pages, and deciding what does not exist.

A *probe* asks ``fromId = expected`` because something may be missing without anyone knowing: at the start, after a
connection, after quiet. A *gap* is known: the feed has seen a higher id, or REST has named one. Pages of a gap are
asked for side by side and pushed in order.

An answer that is empty or short of what is known to exist is lag: asked for again with back-off. An answer that goes
on with a higher id stops the sequence and is the first half of a proof; a second one, to a request with exactly the
missing id sent at least ``evidence_apart_s`` later, is the other half. Nothing else makes a trade missing.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from .._errors import GapUnfillableError, ProtocolError
from .._events import CatchingUp, GapFilled, GapFound, GapUnfillable
from .._feed_events import IdSkipped
from .._feed_values import PageRefused, SequenceInfo, UnitRefused
from .._reconnect import Backoff
from ._core import Core, Symbol
from ._page import Page
from ._proof import Proof
from ._rules import Request

if TYPE_CHECKING:
    from ._budget import Bucket
    from ._house import House
    from ._recovery import Recovery

_FIRST_LAG_S = 0.5
_LONGEST_LAG_S = 15.0
_PROGRESS_S = 1.0
_UNLISTED_S = 900.0


class Catchup:
    """The catch-up of one sequence; it lives as long as the sequence and mostly has nothing to do."""

    __slots__ = (
        "_core", "_declared", "_declaring", "_first_id", "_gap", "_goal", "_house", "_is_fetching", "_is_pushing",
        "_is_quiet", "_lag", "_pages", "_probe", "_proof", "_recovery", "_stuck_since", "_told_at", "is_gone", "is_probe",
        "sequence", "symbol", "ticket",
    )  # fmt: skip

    def __init__(self, core: Core, house: House, recovery: Recovery, symbol: Symbol, sequence: int) -> None:
        self._core = core
        self._house = house
        self._recovery = recovery
        self.symbol = symbol
        self.sequence = sequence
        self.is_gone = False
        self.is_probe = True
        self.ticket: int | None = None
        self._pages: deque[Page] = deque()
        self._lag = Backoff(_FIRST_LAG_S, _LONGEST_LAG_S, core.jitter)
        self._probe = False
        self._is_quiet = False
        self._is_pushing = False
        self._goal = -1
        self._is_fetching = False
        self._proof = Proof(core.config.evidence_apart_s)
        self._declaring: int | None = None
        self._declared = False
        self._gap: tuple[int, int, float] | None = None
        self._stuck_since: float | None = None
        self._first_id: int | None = None
        self._told_at = 0.0

    @property
    def bucket(self) -> Bucket | None:
        """What bounds this symbol's share of the weight, if others may want some."""
        return self.symbol.bucket if self._pages or self._span() > self._core.rules.page_rows else None

    # What begins a catch-up.

    def probe(self, now: float, *, is_quiet: bool = False) -> None:
        """Ask whether anything is missing. ``is_quiet``: because the socket brought nothing for long."""
        self._is_quiet = is_quiet and (self._is_quiet or not self._probe)
        self._probe = True
        self.want(now)

    def gap(self, first_id: int, last_id: int, now: float) -> None:
        """Trades are known to be missing. While two connections overlap, the other one may bring them in a moment."""
        self._gap = (first_id, last_id, now)

        if self.symbol.group.overlaps:
            self._core.timers.set(("gap", self.sequence), now + self._core.config.overlap_gap_wait_s, self._gap_stays)
        else:
            self._gap_stays(now)

    def aim(self, goal: int, now: float) -> None:
        """REST has named an id: everything up to it exists."""
        self._goal = max(self._goal, goal)

        if self.is_active:
            self.want(now)

    def _gap_stays(self, now: float) -> None:
        info = self._info()

        if self._gap is None or info.expected is None or info.highest_seen is None:
            self._gap = None
            return

        first_id, last_id, since = max(self._gap[0], info.expected), self._gap[1], self._gap[2]
        self._gap = (first_id, max(last_id, first_id), since)
        self._is_quiet = False
        self._core.counters.gaps_found += 1
        self._core.tell(GapFound(self.symbol.name, first_id, max(last_id, first_id)))
        self.want(now)

    @property
    def is_active(self) -> bool:
        """Whether anything is being fetched or waited for."""
        return self._is_fetching or self.ticket is not None

    @property
    def has_position(self) -> bool:
        """Whether there is an id to ask for."""
        return self._info().expected is not None

    # What is wanted.

    def _info(self) -> SequenceInfo:
        return self._core.feed.sequence(self.sequence)

    def _target(self, info: SequenceInfo) -> int:
        return max(self._goal, -1 if info.highest_seen is None else info.highest_seen)

    def _span(self) -> int:
        info = self._info()
        return 0 if info.expected is None else self._target(info) - info.expected + 1

    def size(self) -> int:
        """The number of ids wanted; a probe counts as a page."""
        return max(self._span(), 1) if not self.is_probe else self._core.rules.page_rows

    def want(self, now: float) -> None:
        """Queue for a request if one is wanted and may be wanted now."""
        if self.is_gone or self._is_pushing or self._core.timers.is_set(("retry", self.sequence)):
            return

        if self._next_from() is None:
            self._settle(now)
            return

        is_probe = self._span() <= 0

        if self.ticket is None or is_probe != self.is_probe:
            self.is_probe = is_probe
            self._house.want(self)

    def wants_more(self) -> bool:
        """Whether a further page is wanted beside those under way."""
        is_waiting = self.is_gone or self._core.timers.is_set(("retry", self.sequence))
        return not is_waiting and self._next_from() is not None

    def _next_from(self) -> int | None:
        """The id to ask for next, or ``None``."""
        for page in self._pages:
            if not page.is_sent:
                return page.from_id

        info = self._info()

        if info.expected is None:
            return None

        target = self._target(info)

        if not self._pages:
            return info.expected if self._probe or target >= info.expected else None

        if self._proof.due is not None or len(self._pages) >= self._core.config.pages:
            return None

        from_id = self._pages[-1].from_id + self._core.rules.page_rows
        return from_id if from_id <= target else None

    def ask(self, now: float) -> tuple[Request, Page] | None:
        """Give the next request."""
        from_id = self._next_from()

        if from_id is None:
            self._settle(now)
            return None

        page = next((page for page in self._pages if not page.is_sent), None)

        if page is None:
            page = Page(self, from_id)
            self._pages.append(page)

        page.is_sent, page.sent_at = True, now
        self._probe = False

        if self._first_id is None:
            self._first_id, self._told_at = from_id, now

        if not self._is_fetching:
            self._is_fetching = True
            self._core.feed.begin_fetch(self.sequence)

        return self._core.rules.page_request(self.symbol.name, from_id), page

    # What comes of it.

    def push(self, now: float) -> None:
        """Push answers in order, as far as there is room for bars."""
        while not self.is_gone and not self._core.is_ended:
            if self._declaring is not None and not self._declare(self._declaring):
                return

            if not self._pages or self._pages[0].body is None:
                break

            if not self._push_first(self._pages[0], self._pages[0].body, now):
                return

        self._tell_progress(now)
        self._settle(now)

    def _push_first(self, page: Page, body: bytes, now: float) -> bool:
        """Push one answer; False when nothing more can be done now."""
        core = self._core

        if page.expected_before is None:
            page.expected_before = self._info().expected

        try:
            result = core.feed.backfill(self.symbol.number, page.from_id, body)
        except PageRefused:
            page.body = None
            page.is_sent = False
            core.counters.request_failures += 1
            self.retry(now)
            self._house.done()
            return False
        except UnitRefused as error:
            core.fail(ProtocolError(core.rules.venue, f"{self.symbol.name}: {error}"))
            return False

        # What follows from the feed's events is looked at when they are through.
        self._is_pushing = True
        self._recovery.pushing = page
        self._recovery.drain(now)
        self._recovery.pushing = None
        self._is_pushing = False

        if self.is_gone or core.is_ended:
            return False

        if not result.is_complete or self._declaring is not None:
            self._recovery.block(self)
            return False

        if self._declared:
            # The same answer goes on behind what is missing.
            self._declared = False
            return True

        self._pages.popleft()
        self._house.done()
        is_full = result.rows + result.refused >= core.rules.page_rows
        self._judge(is_full=is_full, has_progress=self._info().expected != page.expected_before, now=now)

        if result.taken and self._is_quiet:
            self._recovery.on_brought(self.symbol, now)

        return not self.is_gone

    def _judge(self, *, is_full: bool, has_progress: bool, now: float) -> None:
        """Decide what an answer means that was pushed as far as it went."""
        info = self._info()
        self._proof.forget_unless(info.expected)

        if has_progress:
            self._stuck_since = None
            self._lag.reset()

        due = self._proof.due

        if due is not None and due > now:
            self._drop_pages()
            self._wait_until(due)
        elif info.expected is not None and self._target(info) >= info.expected:
            if not is_full or not has_progress:
                self._lags(has_progress, now)
        elif is_full:
            # More than a page was missing and nobody knows how much.
            self._probe = True
            self._recovery.ask_newest(self.symbol, now)

    def _lags(self, has_progress: bool, now: float) -> None:
        """REST has less than is known to exist: what was asked for beyond is of no use, and time will bring it."""
        self._drop_pages()

        if has_progress:
            return

        timeout = self._core.config.policy.gap_timeout_s
        self._stuck_since = now if self._stuck_since is None else self._stuck_since
        delay = self._lag.next_delay()

        if timeout is not None:
            left = self._stuck_since + timeout - now

            if left <= 0:
                self._core.fail(self._unfillable("REST does not serve them in time"))
                return

            delay = min(delay, left)

        self._wait_until(now + delay)

    def skipped(self, event: IdSkipped, now: float) -> None:
        """An answer went on with a higher id."""
        page = self._recovery.pushing

        if page is None:
            return

        to_id = self._proof.add(event.expected, event.next_id, asked_id=page.from_id, sent_at=page.sent_at, now=now)

        if to_id is not None:
            self._declare(to_id)
        elif not self._pages and self._proof.due is not None:
            # Another sequence's page said so; ours has to ask at the proper time.
            self._wait_until(self._proof.due)

    def _declare(self, to_id: int) -> bool:
        """Go on behind what does not exist; False while there is no room for the bars of held trades."""
        first_id = self._info().expected

        if self._core.config.policy.on_missing == "raise":
            self._core.fail(self._unfillable("REST goes on with a higher id", to_id))
            return False

        if not self._core.feed.declare_missing(self.sequence, to_id):
            self._declaring = to_id
            self._recovery.block(self)
            return False

        if first_id is not None and first_id <= to_id:
            self._core.tell(GapUnfillable(self.symbol.name, first_id, to_id))

        self._declaring = None
        self._declared = True
        return True

    def _unfillable(self, problem: str, to_id: int | None = None) -> GapUnfillableError:
        info = self._info()
        first_id = info.expected or 0
        last_id = max(first_id, self._target(info) - 1) if to_id is None else to_id
        return GapUnfillableError(self._core.rules.venue, self.symbol.name, first_id, last_id, problem)

    # How it waits and ends.

    def retry(self, now: float) -> None:
        """A request came to nothing: later again."""
        self._wait_until(now + self._lag.next_delay())

    def _wait_until(self, when: float) -> None:
        self.ticket = None
        self._core.timers.set(("retry", self.sequence), when, self._waited)

    def _waited(self, now: float) -> None:
        self._probe = True
        self.want(now)

    def _settle(self, now: float) -> None:
        """Look what is wanted now; end the fetch if that is nothing."""
        if self.is_gone or self._core.is_ended or self._core.timers.is_set(("retry", self.sequence)):
            return

        self._proof.forget_unless(self._info().expected)

        if self._next_from() is not None:
            self.want(now)
        elif self._span() <= 0 and not self._probe:
            self._finish(now)

    def _finish(self, now: float) -> None:
        self._drop_pages()
        self.ticket = None
        self._lag.reset()
        self._stuck_since = None
        self._first_id = None
        self._is_quiet = False

        if self._is_fetching:
            self._is_fetching = False
            self._core.feed.end_fetch(self.sequence)

        if self._gap is not None:
            first_id, last_id, since = self._gap
            self._gap = None
            self._core.counters.gaps_filled += 1
            self._core.tell(GapFilled(self.symbol.name, first_id, last_id, now - since))

    def _tell_progress(self, now: float) -> None:
        if self._first_id is None or self.is_gone or now - self._told_at < _PROGRESS_S:
            return

        info = self._info()

        if info.expected is None or info.expected == self._first_id:
            return

        self._told_at = now
        total = max(self._target(info) + 1, info.expected) - self._first_id
        self._core.tell(CatchingUp(self.symbol.name, info.expected - self._first_id, total))

    def _drop_pages(self) -> None:
        pages, self._pages = self._pages, deque()

        for page in pages:
            if page.body is not None:
                self._house.done()
            elif page.is_sent:
                self._house.cancel(page)

    def unlisted(self, now: float) -> None:
        """The exchange has no such symbol: nothing is asked until something new is known."""
        self._drop_pages()
        self._probe = False
        self._wait_until(now + _UNLISTED_S)
        self._recovery.unlisted(self.symbol)

    def dissolve(self, into: Catchup, now: float) -> None:
        """The sequence has met another one, which has its lanes and its fetch from now on."""
        self.is_gone = True
        self.ticket = None
        self._core.timers.cancel(("retry", self.sequence))
        self._core.timers.cancel(("gap", self.sequence))
        into._goal = max(into._goal, self._goal)
        into._gap = into._gap or self._gap
        into._is_fetching |= self._is_fetching
        into._probe |= bool(self._pages)
        self._drop_pages()
        into.want(now)


__all__ = ("Catchup",)
