"""Random schedules of faults: at the end of each, the bars are those of the uninterrupted tape.

``python -m tests.session.schedules --count 1000 --seed 7`` runs many; a schedule is made from its number alone, so that
``--only NUMBER`` runs one of them again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from random import Random
from time import monotonic
from typing import Any

from rangebar_anyio._session import FromId, FromTime, Lane, Live, Resume, SessionConfig, Start
from tests.feed.wire import START_US, Row, offline
from tests.session.driver import Driver
from tests.session.model_exchange import Fault, ModelExchange, Tape, make_tape

SYMBOLS = ("BTCUSDT", "ETHUSDT", "BNBBTC")
THRESHOLDS = (20, 60, 150, 400)
PATIENCE_S = 8_000.0
OLD_S = 210.0
QUIET_S = 600.0

STATES = ("dead", "silent", "lossy", "again", "swap", "rest", "lag", "stale", "limited", "refuse", "mute")
MOMENTS = ("eof", "close", "garbage", "half-open", "shutdown", "kill", "away", "suspend")


def fault_times(random: Random, seconds: float) -> list[float]:
    """Moments at which something goes wrong; half of them have a second one while the first is being recovered from."""
    times: list[float] = []

    for _ in range(random.randrange(5)):
        times.append(random.uniform(0, seconds))

        while random.random() < 0.5:
            times.append(times[-1] + random.expovariate(0.3))

    return times


def make_fault(random: Random, begins: float, symbols: Sequence[str]) -> Fault:
    """Make a state of faultiness."""
    kind = random.choice(STATES)
    symbol = random.choice(("", *symbols))
    strength = random.random()

    if kind in ("lag", "stale"):
        strength = random.choice((0.3, 3.0, 30.0, 200.0))
    elif kind == "refuse":
        strength = random.choice((0, 0, 0, 403, 418, 429, 503))
    elif kind == "limited":
        strength = random.choice((0, 1))

    return Fault(kind, begins, begins + random.expovariate(1 / random.choice((2, 10, 60))), symbol, strength)


class Schedule:
    """One schedule, made from its number; ``make_feed`` makes another feed than the engine's."""

    def __init__(self, number: int, make_feed: Callable[[int, int], Any] | None = None) -> None:
        random = self.random = Random(number)
        self.number = number
        self._cache: dict[tuple[int, int | None], list[bytes]] = {}
        self.seconds = random.choice((10.0, 60.0, 400.0))
        names = SYMBOLS[: random.choice((1, 1, 2, 3))]
        self.tapes = {name: self._tape(name) for name in names}
        self.lanes = [
            Lane(name, threshold, self._start(self.tapes[name]))
            for name in names
            for threshold in random.sample(THRESHOLDS, random.choice((1, 1, 2, 3)))
        ]
        times = fault_times(random, self.seconds)
        states = [make_fault(random, at, names) for at in times if random.random() < 0.6]

        if random.random() < 0.3:
            # Once, and for less than the time after which an absence counts as proven.
            begins = random.uniform(0, self.seconds)
            states.append(Fault("holey", begins, begins + random.uniform(0, 4.9), "", random.random()))

        self.exchange = ModelExchange(self.tapes, random, states)
        self.driver = Driver(
            self.exchange,
            self.lanes,
            config=SessionConfig(
                snapshot_every_s=random.choice((None, 5.0, 30.0)),
                streams_per_connection=random.choice((None, 1, 2)),
                rotate_after_s=random.choice((None, None, 20.0, 100.0)),
                rotate_spread_s=5.0,
            ),
            seed=number,
            bar_capacity=random.choice((1, 3, 100)),
            trade_capacity=random.choice((0, 5, 100, 5000)),
            make_feed=make_feed,
        )

        self.last_moment = max([self.seconds, *times]) + 1

        for at in times:
            self.driver.at(at, self._moment(random.choice(MOMENTS)))

    def _tape(self, name: str) -> Tape:
        random = self.random
        return make_tape(
            random,
            name,
            first_id=random.choice((0, 1, 5_000_000)),
            count=random.choice((20, 200, 1000, 4000)),
            seconds=self.seconds,
            holes=random.choice((0, 0, 0, 1, 3)),
            begins=-random.choice((0.0, 0.0, 100.0, 5000.0)),
        )

    def _start(self, tape: Tape) -> Start:
        known = tape.published(0.0)
        choices: list[Start] = [Live(), Resume(tape.rows[0].id - 1, "us")]

        if known:
            row = tape.rows[self.random.randrange(known)]
            choices += [FromTime(row.time_us), Resume(row.id, "us", row.time_us)]

        if tape.published(-OLD_S):
            # However far REST lags, it knows this one; a newer one may be refused, and rightly so.
            choices.append(FromId(tape.rows[self.random.randrange(tape.published(-OLD_S))].id))

        choices.append(FromTime(START_US - self.random.randrange(10_000_000)))
        return self.random.choice(choices)

    def _moment(self, kind: str) -> Callable[[], None]:
        driver, random = self.driver, self.random

        def strike() -> None:
            if kind == "kill":
                driver.kill(with_snapshots=random.random() < 0.5, unfinished=random.random() < 0.5)
            elif kind == "away":
                driver.leave(random.choice((0.5, 10.0, 100.0)))
            elif kind == "suspend":
                driver.suspend(random.choice((1.0, 50.0, 2000.0)))
            else:
                conns = list(self.exchange.sockets)
                self.exchange.cut(driver.now, kind, conns if random.random() < 0.5 else conns[:1])

        return strike

    def run(self) -> list[str]:
        """Run it to its end; return what is wrong, nothing if all is well."""
        driver = self.driver
        driver.run(self.last_moment)
        driver.run(driver.now + PATIENCE_S, self._is_done)
        problems = list(self.exchange.broken)

        if driver.error is not None:
            problems.append(f"the stream failed: {driver.error!r}")

        if driver.most_requests > 8:
            problems.append(f"{driver.most_requests} requests at once")

        for place, lane in enumerate(self.lanes):
            problems += self._compare(place, lane)

        return problems + self._left_over()

    def _left_over(self) -> list[str]:
        """Once everything is quiet, nothing is held, the feed holds trades only for fetches that there are, and no
        connection is half-open.
        """
        driver = self.driver
        driver.run(driver.now + QUIET_S)
        catchups = [catchup for symbol in driver.session._core.symbols for catchup in symbol.catchups.values()]
        forgotten = [
            catchup.sequence
            for catchup in catchups
            if driver.feed.sequence(catchup.sequence).is_fetching != catchup._is_fetching
        ]
        held = driver.session.stats(driver.now).trades_held
        problems = [f"sequences {forgotten} are left fetching, {held} trades held"] if held or forgotten else []
        return problems + [f"connection {conn} is half-open and was left so" for conn in self._half_open()]

    def _half_open(self) -> list[int]:
        """Connections that are dead and could be known to be: two in a row without a single ping say nothing."""
        driver = self.driver
        links = [
            driver.session._links.get(conn) for conn, socket in self.exchange.sockets.items() if socket.is_half_open
        ]
        return [
            link.conn
            for link in links
            if link is not None and (link.why != "silent" or driver.feed.connection(link.conn).pings)
        ]

    def _is_done(self) -> bool:
        return all(
            self._origin(place, lane) is None or len(self.driver.bars[place]) >= len(self._expected(place, lane))
            for place, lane in enumerate(self.lanes)
        )

    def _origin(self, place: int, lane: Lane) -> int | None:
        """Where a lane has to begin; ``None`` when nothing says so."""
        rows = self.tapes[lane.symbol].rows
        match lane.start:
            case FromId(first_id):
                return first_id - 1
            case FromTime(time_us):
                return next((row.id - 1 for row in rows if row.time_us >= time_us), None)
            case _:
                return self.driver.origins.get(place)

    def _rows(self, lane: Lane, origin: int) -> list[Row]:
        return [row for row in self.tapes[lane.symbol].rows if row.id > origin]

    def _expected(self, place: int, lane: Lane) -> list[bytes]:
        origin = self._origin(place, lane)
        key = (place, origin)

        if key not in self._cache:
            assert origin is not None
            self._cache[key] = offline(self._rows(lane, origin), lane.threshold_dbps, origin)

        return self._cache[key]

    def _compare(self, place: int, lane: Lane) -> list[str]:
        got = self.driver.bars[place]
        origin = self._origin(place, lane)
        told = self.driver.origins.get(place)

        if origin is None:
            return [f"lane {place}: bars and no origin"] if got else []

        if told is not None and told != origin:
            return [f"lane {place}: its origin is {told}, not {origin}"]

        expected = self._expected(place, lane)

        if got != expected:
            same = next((at for at, pair in enumerate(zip(got, expected, strict=False)) if pair[0] != pair[1]), None)
            return [f"lane {place}: {len(got)} bars of {len(expected)}, first difference at {same}"]

        return []


def main(arguments: Sequence[str] | None = None) -> int:
    """Run schedules and name those that fail."""
    parser = argparse.ArgumentParser(description="random schedules of faults in virtual time")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0, help="number of the first schedule")
    parser.add_argument("--only", type=int, help="run one schedule and show what happened")
    options = parser.parse_args(arguments)

    if options.only is not None:
        return _show(options.only)

    began, failed = monotonic(), 0

    for number in range(options.seed, options.seed + options.count):
        problems = Schedule(number).run()
        failed += bool(problems)

        for problem in problems[:3]:
            print(f"schedule {number}: {problem}")  # noqa: T201 - a command

    print(f"{options.count} schedules, {failed} failed, {monotonic() - began:.1f} s")  # noqa: T201 - a command
    return 1 if failed else 0


def _show(number: int) -> int:
    schedule = Schedule(number)
    problems = schedule.run()
    story = [*schedule.driver.actions, *[(at, event) for at, event in schedule.driver.events]]

    for at, what in sorted(story, key=lambda item: item[0]):
        print(f"{at:10.3f} {str(what)[:200]}")  # noqa: T201 - a command

    for fault in schedule.exchange.faults:
        print(fault)  # noqa: T201 - a command

    print(schedule.lanes, schedule.driver.origins, problems)  # noqa: T201 - a command
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
