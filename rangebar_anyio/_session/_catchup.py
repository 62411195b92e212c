"""Fetching what is missing before the expected id of one sequence, by pages, and deciding what does not exist.

A *probe* asks ``fromId = expected`` because something may be missing without anyone knowing: at the start, after a
connection, after quiet. A *gap* is known: the feed has seen a higher id, or REST has named one. Pages of a gap are
asked for side by side and pushed in order.

An answer that is empty or short of what is known to exist is lag: asked for again with back-off. An answer that goes
on with a higher id stops the sequence and is the first half of a proof; a second one, to a request with exactly the
missing id sent at least ``evidence_apart_s`` later, is the other half. Nothing else makes a trade missing. Where one
page leaves ids out in several places, it is the first half for each of them, and the others are asked for side by side.

The oldest id that REST serves may move on by thousands before the second answer. So the first one is kept until then,
and what follows it is fetched meanwhile, as far as the house has places.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._errors import GapUnfillableError, ProtocolError
from .._feed_events import GapFound, IdSkipped
from .._feed_values import PageRefused, PageResult, UnitRefused
from ._core import Core, Symbol
from ._page import Page, Pages, jumps
from ._patience import Patience
from ._proof import Proof
from ._rules import Request
from ._story import Story
from ._wants import Wants

if TYPE_CHECKING:
    from ._budget import Bucket
    from ._house import House
    from ._recovery import Recovery


class Catchup:
    """The catch-up of one sequence; it lives as long as the sequence and mostly has nothing to do."""

    __slots__ = (
        "_core", "_declared", "_declaring", "_house", "_is_fetching", "_is_pushing", "_is_quiet", "_pages",
        "_patience", "_proof", "_recovery", "_story", "_wants", "is_gone", "is_probe", "sequence", "symbol", "ticket",
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
        self._pages = Pages(house)
        self._patience = Patience(core.config.policy.gap_timeout_s, core.jitter)
        self._proof = Proof(core.config.evidence_apart_s)
        self._wants = Wants(core, sequence, self._pages, self._proof)
        self._story = Story(core, symbol)
        self._is_quiet = False
        self._is_pushing = False
        self._is_fetching = False
        self._declaring: int | None = None
        self._declared = False

    # What begins a catch-up.

    def probe(self, now: float, *, is_quiet: bool = False) -> None:
        """Ask whether anything is missing. ``is_quiet``: because the socket brought nothing for long."""
        # Behind a known gap the socket may well bring trades, only none that can be taken.
        is_quiet = is_quiet and self._wants.span() <= 0
        self._is_quiet = is_quiet and (self._is_quiet or not self._wants.probe)
        self._wants.probe = True
        self.want(now)

    def gap(self, event: GapFound, now: float) -> None:
        """Trades are known to be missing. While two connections overlap, the other one may bring them in a moment."""
        if self.symbol.group.overlaps:
            wait_s = self._core.config.overlap_gap_wait_s
            self._core.reading.wait(("gap", self.sequence), wait_s, now, lambda now: self._gap_stays(event, now))
        else:
            self._gap_stays(event, now)

    def _gap_stays(self, event: GapFound, now: float) -> None:
        info = self._wants.info()

        if info.expected is not None and info.highest_seen is not None:
            self._is_quiet = False
            self._story.found(max(event.from_, info.expected), event.to, now)
            self.symbol.listing.ask_again(now)
            self.want(now)

    def aim(self, goal: int, now: float) -> None:
        """REST has named an id: everything up to it exists."""
        self._wants.goal = max(self._wants.goal, goal)

        if self._is_fetching or self.ticket is not None:
            self.want(now)

    # What is wanted.

    @property
    def has_position(self) -> bool:
        """Whether there is an id to ask for."""
        return self._wants.info().expected is not None

    @property
    def bucket(self) -> Bucket | None:
        """What bounds this symbol's share of the weight, if others may want some."""
        return self.symbol.bucket if self._pages or self._wants.span() > self._core.rules.page_rows else None

    @property
    def _is_waiting(self) -> bool:
        return not self.symbol.listing.is_listed or self._core.timers.is_set(("retry", self.sequence))

    def size(self) -> int:
        """The number of ids wanted; a probe counts as a page."""
        return max(self._wants.span(), 1) if not self.is_probe else self._core.rules.page_rows

    def want(self, now: float) -> None:
        """Queue for a request if one is wanted and may be wanted now; end the fetch if none is."""
        if self.is_gone or self._is_pushing or self._is_waiting or self._core.is_ended:
            return

        self._forget(now)

        if self._wants.next_from(now) is None:
            if self._wants.span() <= 0 and not self._wants.probe:
                self._finish(now)

            return

        is_probe = self._wants.span() <= 0

        if self.ticket is None or is_probe != self.is_probe:
            self.is_probe = is_probe
            self._house.want(self)

    def _forget(self, now: float) -> None:
        """Forget what is behind us, and set the time of the proof that is wanted now."""
        expected = self._wants.info().expected
        due = self._proof.forget_below(expected)

        if expected is not None:
            self._pages.forget_below(expected)

        if due is not None and due > now:
            self._core.timers.set(("proof", self.sequence), due, self.push)

    def wants_more(self, now: float) -> bool:
        """Whether a further page is wanted beside those under way."""
        return not self.is_gone and not self._is_waiting and self._wants.next_from(now) is not None

    def ask(self, now: float) -> tuple[Request, Page] | None:
        """Give the next request."""
        from_id = self._wants.next_from(now) if self.symbol.listing.is_listed else None

        if from_id is None:
            self.want(now)
            return None

        page = self._wants.page_for(self, from_id)
        page.is_sent, page.sent_at = True, now
        self._wants.pages_beside(self, now)
        self._wants.probe = False
        self._story.began(page.from_id, now)

        if not self._is_fetching:
            self._is_fetching = True
            self._core.feed.begin_fetch(self.sequence)

        return self._core.rules.page_request(self.symbol.name, page.from_id), page

    # What comes of it.

    def push(self, now: float) -> None:
        """Push answers in order, as far as there is room for bars."""
        while not self.is_gone and not self._core.is_ended:
            if self._declaring is not None and not self._declare(self._declaring):
                return

            expected = self._wants.info().expected
            first = None if expected is None else self._pages.answered(expected)

            if first is None:
                break

            if not self._push_first(*first, now):
                return

        if not self.is_gone:
            info = self._wants.info()
            self._story.progress(info.expected, self._wants.target(info), now)
            self.want(now)

    def _push_first(self, page: Page, body: bytes, now: float) -> bool:
        """Push one answer; False when nothing more can be done now."""
        core = self._core

        if page.expected_before is None:
            page.expected_before = self._wants.info().expected

        try:
            result = core.feed.backfill(self.symbol.number, page.from_id, body)
        except PageRefused:
            core.counters.request_failures += 1
            self._pages.send_again(page)
            self.retry(now)
            return False
        except UnitRefused as error:
            core.fail(ProtocolError(core.rules.venue, f"{self.symbol.name}: {error}"))
            return False

        self._hear(page, now)

        if self.is_gone or core.is_ended:
            return False

        if not result.is_complete or self._declaring is not None:
            self._recovery.block(self)
            return False

        if self._declared:
            # The same answer goes on behind what is missing, unless the first one does so earlier.
            self._declared = False

            if page.is_spent:
                self._pages.finish(page)

            return True

        self._judge(page, result, now)
        return True

    def _hear(self, page: Page, now: float) -> None:
        """Handle what the feed says about an answer; what is wanted then is looked at when it is through."""
        self._is_pushing = True
        self._recovery.pushing = page
        self._recovery.drain(now)
        self._recovery.pushing = None
        self._is_pushing = False

    def _judge(self, page: Page, result: PageResult, now: float) -> None:
        """Decide what an answer means that was pushed as far as it went."""
        info = self._wants.info()
        is_full = result.rows + result.refused >= self._core.rules.page_rows
        is_second = self._pages.is_second(page)
        has_progress = info.expected != page.expected_before
        due = self._proof.forget_below(info.expected)

        if has_progress:
            self._patience.reset()

        if result.taken and self._is_quiet:
            self._recovery.on_brought(self.symbol, now)

        if not is_second and page.hole is not None and page.hole[0] == info.expected:
            self._keep(page, result, now)
            return

        self._pages.finish(page)

        if is_second:
            if not has_progress:
                self._lags(has_progress, now)
        elif due is not None and page.from_id != info.expected:
            # Another page asks for the id itself, or will.
            return
        elif info.expected is not None and self._wants.target(info) >= info.expected:
            if not is_full or not has_progress:
                self._lags(has_progress, now)
        elif is_full:
            # More than a page was missing and nobody knows how much.
            self._wants.probe = True
            self._recovery.ask_newest(self.symbol, now)

    def _keep(self, page: Page, result: PageResult, now: float) -> None:
        """Keep an answer that left ids out; if nobody knows how much follows it, ask."""
        last_id = result.last_id or 0
        is_kept = self._pages.keep(page, last_id)

        if is_kept and result.rows >= self._core.rules.page_rows and self._wants.target(self._wants.info()) <= last_id:
            self._recovery.ask_newest(self.symbol, now)

    def _lags(self, has_progress: bool, now: float) -> None:
        """REST has less than is known to exist: what was asked for beyond is of no use, and time will bring it."""
        self._pages.drop_all_but_kept()

        if has_progress:
            return

        # Nothing is asked while the reader is away, so that time proves no lag.
        delay = self._patience.after_lag(self._core.reading.time(now))

        if delay is None:
            self._core.fail(self._unfillable("REST does not serve them in time"))
        else:
            self._wait_until(now + delay)

    # What does not exist.

    def skipped(self, event: IdSkipped, now: float) -> None:
        """An answer went on with a higher id."""
        page = self._recovery.pushing

        if page is None:
            return

        to_id = self._proof.add(event.expected, event.next_id, asked_id=page.from_id, sent_at=page.sent_at, now=now)
        self._note_further(event, page, now)

        if to_id is not None:
            page.is_spent = self._pages.is_second(page) and event.next_id > to_id + 1
            self._declare(to_id)
        elif page.catchup is self:
            page.hole = event.expected, event.next_id
        else:
            # Another sequence's page said so; ours has to ask at the proper time.
            self.want(now)

    def _note_further(self, event: IdSkipped, page: Page, now: float) -> None:
        ids = [found for found in page.ids(self._core.rules) if found >= event.next_id]
        self._proof.note(jumps(ids), ids, now)

    def _declare(self, to_id: int) -> bool:
        """Go on behind what does not exist; False while there is no room for the bars of held trades."""
        first_id = self._wants.info().expected

        if self._core.config.policy.on_missing == "raise":
            self._core.fail(self._unfillable("REST goes on with a higher id", to_id))
            return False

        if not self._core.feed.declare_missing(self.sequence, to_id):
            self._declaring = to_id
            self._recovery.block(self)
            return False

        self._story.unfillable(to_id if first_id is None else first_id, to_id)
        self._declaring = None
        self._declared = True
        return True

    def _unfillable(self, problem: str, to_id: int | None = None) -> GapUnfillableError:
        info = self._wants.info()
        first_id = info.expected or 0
        last_id = max(first_id, self._wants.target(info) - 1) if to_id is None else to_id
        return GapUnfillableError(self._core.rules.venue, self.symbol.name, first_id, last_id, problem)

    # How it waits and ends.

    def retry(self, now: float) -> None:
        """A request came to nothing: later again."""
        self._wait_until(now + self._patience.after_failure())

    def _wait_until(self, when: float) -> None:
        self.ticket = None
        self._core.timers.set(("retry", self.sequence), when, self.want)

    def _finish(self, now: float) -> None:
        self._pages.drop()
        self.ticket = None
        self._patience.reset()
        self._story.ended(now)
        self._is_quiet = False
        self._hold_no_more()

    def _hold_no_more(self) -> None:
        if self._is_fetching:
            self._is_fetching = False
            self._core.feed.end_fetch(self.sequence)

    def denied(self, reason: str, now: float) -> None:
        """The exchange wants nothing to be asked: live trades that come too early are not kept for so long."""
        self._pages.drop()
        self.ticket = None
        self._hold_no_more()
        self.symbol.listing.denied(reason, now)

    def dissolve(self, into: Catchup, now: float) -> None:
        """The sequence has met another one, which has its lanes and its fetch from now on."""
        self.is_gone = True
        self.ticket = None
        self._core.timers.cancel(("retry", self.sequence))
        self._core.timers.cancel(("gap", self.sequence))
        self._core.timers.cancel(("proof", self.sequence))
        into._wants.goal = max(into._wants.goal, self._wants.goal)
        into._story.continue_with(self._story)
        into._is_fetching |= self._is_fetching
        into._wants.probe |= bool(self._pages)
        self._pages.drop()
        into.want(now)


__all__ = ("Catchup",)
