"""Requests: whose turn it is, how many may be under way, and what an answer's status means for all of them.

At most ``config.pages`` requests and unfinished answers are in the house. Errands wait in two queues, each by the
number of ids asked for, short ones first: probes, which only look whether anything is missing, have a pace of their
own, so that many quiet symbols cannot keep a gap from being filled.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from heapq import heappop, heappush

from .._errors import ProtocolError
from .._events import Waiting
from .._reconnect import Backoff, CircuitBreaker
from ._actions import CancelFetch, Fetch
from ._core import Core
from ._errand import Errand, Job
from ._rules import Meaning, Verdict

_FIREWALL_WAIT_S = 300.0


class House:
    """The requests of one session."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._queues: tuple[list[tuple[int, int, Errand]], ...] = ([], [])
        self._tickets = 0
        self._requests = 0
        self._under_way: dict[int, Job] = {}
        self._in_house = 0
        self._is_failing = False
        self._told_at: float | None = None
        config = core.config
        waits = Backoff(config.breaker_first_wait_s, config.breaker_max_wait_s, core.jitter)
        self._breaker = CircuitBreaker(config.breaker_after, waits)

    @property
    def is_waiting(self) -> bool:
        """Whether any errand waits for its turn."""
        return any(self._queues)

    @property
    def places_left(self) -> int:
        """How many more pages may be in the house."""
        return self._core.config.pages - self._in_house

    def stop(self) -> None:
        """Give all requests up."""
        for number in self._under_way:
            self._core.act(CancelFetch(number))

        self._under_way.clear()

    def want(self, errand: Errand) -> None:
        """Queue an errand; ``pump``, which ends each input of the session, sends it when its turn comes."""
        self._tickets += 1
        errand.ticket = self._tickets
        heappush(self._queues[errand.is_probe], (errand.size(), self._tickets, errand))

    def done(self) -> None:
        """Give a place back."""
        self._in_house -= 1

    def cancel(self, job: Job) -> None:
        """Give a request up, and its place back."""
        for number, other in self._under_way.items():
            if other is job:
                self._forget(number)
                self._core.act(CancelFetch(number))
                self._in_house -= 1
                self._breaker.withdrawn()
                return

    def pump(self, now: float) -> None:
        """Send what may be sent."""
        core = self._core

        while self.places_left > 0 and not core.is_ended and any(self._queues) and core.has_room():
            errand = self._pick(now)

            if errand is None:
                return

            self._send(errand, now)

            if errand.ticket is None and errand.wants_more(now):
                self.want(errand)

    def _pick(self, now: float) -> Errand | None:
        """Take the errand whose turn it is off its queue; if all must wait, set the time to look again."""
        wait = self._breaker.wait(now)
        heads: list[tuple[tuple[int, int, Errand], list[tuple[int, int, Errand]]]] = []

        if wait is None:
            return None

        for queue in self._queues:
            self._park(queue, now)

            if queue:
                heads.append((queue[0], queue))

        weight = self._core.rules.limits.heaviest
        waits = [max(wait, self._core.budget.request_wait(weight, now, is_probe=head[2].is_probe)) for head, _ in heads]
        ready = [found for found, wait in zip(heads, waits, strict=True) if wait <= 0]

        if ready:
            _, queue = min(ready)
            return heappop(queue)[2]

        if waits:
            self._core.timers.set("pump", now + min(waits), _look_again)

        return None

    def _park(self, queue: list[tuple[int, int, Errand]], now: float) -> None:
        """Clear a queue's head of errands that are out of date or whose symbol has had its half of the weight."""
        while queue:
            _, ticket, errand = queue[0]
            wait = 0.0

            if errand.ticket == ticket:
                wait = errand.bucket.wait(self._core.rules.limits.heaviest, now) if errand.bucket else 0.0

                if wait <= 0:
                    return

            heappop(queue)

            if errand.ticket == ticket:
                self._core.timers.set(("parked", id(errand)), now + wait, partial(self._want_again, errand, ticket))

    def _send(self, errand: Errand, now: float) -> None:
        errand.ticket = None
        asked = errand.ask(now)

        if asked is None:
            return

        request, job = asked
        core = self._core
        self._requests += 1
        number = self._requests
        self._in_house += 1
        self._under_way[number] = job
        self._breaker.passed()
        core.budget.take_request(request.weight, now, is_probe=errand.is_probe)
        core.counters.requests += 1
        core.counters.weight += request.weight

        if errand.bucket:
            errand.bucket.take(request.weight, now)

        core.act(Fetch(number, request.url, request.params, request.headers, request.weight))
        core.timers.set(("request", number), now + core.config.request_timeout_s, partial(self._time_out, number))

    def _want_again(self, errand: Errand, ticket: int, _now: float) -> None:
        if errand.ticket == ticket:
            self.want(errand)

    def _time_out(self, number: int, now: float) -> None:
        self._core.act(CancelFetch(number))
        self.failed(number, "no answer in time", now)

    def failed(self, number: int, text: str, now: float) -> None:
        """A request has come to nothing on its way."""
        job = self._forget(number)

        if job is not None:
            self._fail(job, text, now)

    def answered(self, number: int, status: int, headers: Mapping[str, str], body: bytes, now: float) -> None:
        """A request has an answer."""
        job = self._forget(number)
        used = self._core.rules.used_weight(headers)

        if used is not None:
            self._core.budget.report(used, now)

        if job is None:
            return

        verdict = self._core.rules.read_answer(status, headers, body)

        if verdict.meaning is Meaning.OK:
            self._succeeded()
            job.symbol.listing.answered(now)
            job.answered(body, now)
        else:
            self._refused(job, verdict, now)

    def _refused(self, job: Job, verdict: Verdict, now: float) -> None:
        core = self._core
        core.counters.requests_refused += 1

        match verdict.meaning:
            case Meaning.TOO_MANY | Meaning.FIREWALL:
                wait_s = _FIREWALL_WAIT_S if verdict.wait_s is None else verdict.wait_s
                core.budget.block_requests(now, wait_s)
                core.tell(Waiting("request", wait_s, verdict.text))
                self._breaker.withdrawn()
                self._in_house -= 1
                job.postponed(now)
            case Meaning.UNKNOWN_SYMBOL:
                self._deny(job, "", now)
            case Meaning.REFUSED if job.symbol.listing.is_answered:
                self._deny(job, verdict.text, now)
            case Meaning.REFUSED:
                core.fail(ProtocolError(core.rules.venue, f"a request was refused: {verdict.text}"))
            case _:
                self._fail(job, verdict.text, now)

    def _deny(self, job: Job, reason: str, now: float) -> None:
        self._succeeded()
        self._in_house -= 1
        job.denied(reason, now)

    def _fail(self, job: Job, text: str, now: float) -> None:
        core = self._core
        core.counters.request_failures += 1
        before = self._breaker.wait(now)
        self._breaker.failed(now)
        wait_s = self._breaker.wait(now) or 0.0

        # Nobody is to believe for the length of an outage that all is well.
        if self._is_news(now) or (wait_s > 0 and not before):
            core.tell(Waiting("request", wait_s, text))
            self._told_at = now

        self._is_failing = True
        self._in_house -= 1
        job.failed(text, now)

    def _is_news(self, now: float) -> bool:
        """Whether a failure is the first one, or the first after a while where some requests fail and others do not."""
        long_ago = self._told_at is None or now - self._told_at >= self._core.config.breaker_max_wait_s
        return not self._is_failing and long_ago

    def _succeeded(self) -> None:
        self._breaker.succeeded()
        self._is_failing = False

    def _forget(self, number: int) -> Job | None:
        self._core.timers.cancel(("request", number))
        return self._under_way.pop(number, None)


def _look_again(_now: float) -> None:
    """Every input ends with ``pump``; the deadline only makes sure that there is one."""


__all__ = ("House",)
