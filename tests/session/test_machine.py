"""One state machine: whatever happens in whatever order, the bars are those of the tape."""

from __future__ import annotations

from random import Random

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from rangebar_anyio._session import FromTime, Lane, Live, Resume, SessionConfig
from tests.feed.wire import START_US, offline
from tests.session.driver import Driver
from tests.session.model_exchange import Fault, ModelExchange, make_tape

# Shrinking hours of virtual time takes longer than a test may; what fails is printed all the same.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
SECONDS = 60.0
PATIENCE_S = 6000.0


class Machine(RuleBasedStateMachine):
    """A tape of a minute, and everything that may go wrong while it is played."""

    @initialize(
        seed=st.integers(0, 10**6),
        count=st.integers(1, 2500),
        holes=st.integers(0, 2),
        bars=st.sampled_from((1, 2, 100)),
        trades=st.sampled_from((0, 10, 5000)),
        rotate=st.sampled_from((None, 15.0)),
        split=st.sampled_from((None, 1)),
    )
    def begin(
        self, seed: int, count: int, holes: int, bars: int, trades: int, rotate: float | None, split: int | None
    ) -> None:
        random = Random(seed)
        self.tapes = {
            name: make_tape(random, name, first_id=3, count=count, seconds=SECONDS, holes=holes, begins=-20.0)
            for name in ("AAA", "BBB")
        }
        self.lanes = [
            Lane("AAA", 40, FromTime(START_US - random.randrange(25_000_000))),
            Lane("AAA", 120, Live()),
            Lane("BBB", 60, Resume(2, "us")),
        ]
        self.exchange = ModelExchange(self.tapes, random)
        self.driver = Driver(
            self.exchange,
            self.lanes,
            config=SessionConfig(
                rotate_after_s=rotate, rotate_spread_s=3.0, streams_per_connection=split, snapshot_every_s=7.0
            ),
            seed=seed,
            bar_capacity=bars,
            trade_capacity=trades,
        )

    @rule(seconds=st.sampled_from((0.01, 0.3, 2.0, 20.0)))
    def pass_time(self, seconds: float) -> None:
        self.driver.run(self.driver.now + seconds)

    @rule(
        kind=st.sampled_from(
            ("dead", "silent", "lossy", "again", "swap", "rest", "lag", "stale", "limited", "refuse", "mute")
        ),
        seconds=st.sampled_from((0.5, 5.0, 40.0)),
        symbol=st.sampled_from(("", "AAA", "BBB")),
        strength=st.sampled_from((0, 1, 0.5)),
    )
    def something_is_wrong(self, kind: str, seconds: float, symbol: str, strength: float) -> None:
        if kind in ("lag", "stale"):
            strength = strength * 60

        self.exchange.faults.append(Fault(kind, self.driver.now, self.driver.now + seconds, symbol, strength))

    @rule(how=st.sampled_from(("eof", "close", "garbage", "half-open", "shutdown")), every=st.booleans())
    def a_connection_ends(self, how: str, every: bool) -> None:
        conns = list(self.exchange.sockets)
        self.exchange.cut(self.driver.now, how, conns if every else conns[:1])

    @rule(seconds=st.sampled_from((0.1, 8.0, 200.0)))
    def the_reader_leaves(self, seconds: float) -> None:
        self.driver.leave(seconds)

    @rule(seconds=st.sampled_from((1.0, 900.0)))
    def the_machine_sleeps(self, seconds: float) -> None:
        self.driver.suspend(seconds)

    @rule(with_snapshots=st.booleans(), unfinished=st.booleans())
    def the_program_dies(self, with_snapshots: bool, unfinished: bool) -> None:
        self.driver.kill(with_snapshots=with_snapshots, unfinished=unfinished)

    @invariant()
    def nothing_is_broken(self) -> None:
        if hasattr(self, "driver"):
            assert self.driver.error is None
            assert self.exchange.broken == []
            assert self.driver.most_requests <= 8

    @invariant()
    def bars_are_a_prefix(self) -> None:
        """No look-ahead and no repetition at any time."""
        for place, origin in (getattr(self, "driver", None) and self.driver.origins.items()) or ():
            bars = self.driver.bars[place]
            assert bars == self.expected(place, origin)[: len(bars)]

    def expected(self, place: int, origin: int) -> list[bytes]:
        lane = self.lanes[place]
        return offline([row for row in self.tapes[lane.symbol].rows if row.id > origin], lane.threshold_dbps, origin)

    def teardown(self) -> None:
        if not hasattr(self, "driver"):
            return

        driver = self.driver
        wanted: dict[int, int] = {}

        def is_done() -> bool:
            for place, origin in driver.origins.items():
                if place not in wanted:
                    wanted[place] = len(self.expected(place, origin))

            return len(wanted) == len(self.lanes) and all(
                len(driver.bars[place]) >= count for place, count in wanted.items()
            )

        driver.run(max(driver.now, SECONDS) + PATIENCE_S, is_done)
        self.nothing_is_broken()

        for place, origin in driver.origins.items():
            assert driver.bars[place] == self.expected(place, origin)


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=30, stateful_step_count=25, deadline=None, phases=PHASES)
