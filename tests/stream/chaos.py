"""Random schedules of faults over real sockets: whatever happens, the bars are those of the whole tape.

A longer job: ``python -m tests.stream.chaos --count 300 --seed 0``. Each schedule is made from its number alone, so a
failure is repeated by ``--count 1 --seed NUMBER --backend NAME``.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random
from typing import Any

import anyio

from rangebar_anyio import (
    Bar,
    BarStream,
    BinanceSpot,
    MemoryStore,
    ReconnectPolicy,
    SessionConfig,
    StreamStats,
    open_stream,
)
from rangebar_anyio._events import StreamEvent
from rangebar_anyio.testing import Fault, FaultKind, Limits, Pace, SimulatedExchange, Tape, random_faults
from tests.stream.fake_source import bars_of, make_tape

#: Not among them: ids that are gone and milliseconds, which are errors by design and have tests of their own.
KINDS = tuple(kind for kind in FaultKind if kind not in (FaultKind.IDS_GONE, FaultKind.WRONG_UNIT))
BACKENDS: dict[str, tuple[str, dict[str, Any]]] = {
    "asyncio": ("asyncio", {}),
    "uvloop": ("asyncio", {"use_uvloop": True}),
    "trio": ("trio", {}),
}
#: Far above what a schedule takes; only a hang lasts so long.
PATIENCE_S = 240.0

#: Intervals and back-off a hundred times as quick as a real exchange wants them. A peer is waited for as long as ever:
#: on a busy machine a shorter time-out would be met by peers that do nothing wrong, and tests count connections.
HASTY = SessionConfig(
    policy=ReconnectPolicy(first_delay_s=0.01, max_delay_s=0.05, connect_share=1.0, weight_share=1.0),
    connect_timeout_s=10.0,
    subscribe_timeout_s=10.0,
    request_timeout_s=10.0,
    overlap_s=0.05,
    overlap_gap_wait_s=0.02,
    quiet_after_s=0.2,
    quiet_after_max_s=0.5,
    stalled_grace_s=1.0,
    snapshot_every_s=0.05,
    breaker_first_wait_s=0.05,
    breaker_max_wait_s=0.5,
)
#: Hasty with peers too, where many of them hang and nobody counts.
CHAOTIC = replace(HASTY, connect_timeout_s=0.5, subscribe_timeout_s=0.5, request_timeout_s=0.5, stalled_grace_s=0.1)


class Stopped(Exception):
    """The program was ended in the middle, as a crash would."""


@dataclass
class Schedule:
    """One program and what happens to it, all from one number."""

    seed: int
    trades: int = 300
    events: list[StreamEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = Random(f"chaos:{self.seed}")
        random, names = self.random, ["BTCUSDT", "ETHUSDT", "BNBUSDT"][: self.random.randint(1, 3)]
        self.tapes = [
            make_tape(self.trades, symbol=name, seed=self.seed, first_id=10_000 * at) for at, name in enumerate(names)
        ]
        self.history = random.choice((0, self.trades // 2, self.trades))
        self.is_live = self.history < self.trades and random.random() < 0.4
        self.thresholds = random.choice(([250], [100, 400], [150, 250, 900]))
        self.faults = self._faults(random)
        self.options: dict[str, Any] = {
            "threshold_dbps": self.thresholds,
            "bar_buffer": random.choice((1, 5, 100)),
            "trade_buffer": random.choice((1, 20, 5000)),
            "save_every": random.choice((1, 1, 5)),
            "config": replace(CHAOTIC, streams_per_connection=random.choice((None, 1, 2))),
        }
        #: Bars after which the program ends and starts again.
        self.crashes = sorted(random.sample(range(1, 60), random.choice((0, 0, 1, 3))))
        self.reader_sleeps = random.choice((0.0, 0.0, 0.01))
        self.lags = random.choice(((0.0,), (0.0,), (0.0, 0.1)))

    def _faults(self, random: Random) -> tuple[Fault, ...]:
        places = range(max(1, self.history), self.trades * len(self.tapes))
        if not places:
            places = range(1)

        symbols = [tape.symbol for tape in self.tapes]
        count = random.choice((3, 10, 25))
        return random_faults(self.seed, places, count, kinds=KINDS, symbols=symbols, longest_s=0.1)

    def exchange(self) -> SimulatedExchange:
        # A tape that waits for its reader stands still behind a silent connection, and nothing would show that.
        is_silent = any(fault.kind in (FaultKind.SILENCE, FaultKind.MUTE) for fault in self.faults)
        pace = self.random.choice((Pace(trades_per_s=1500), Pace(trades_per_s=6000) if is_silent else Pace()))
        history = self.history * len(self.tapes)
        return SimulatedExchange(
            self.tapes, history=history, faults=self.faults, pace=pace, limits=Limits.none(), rest_lags_s=self.lags
        )


class Reader:
    """Takes bars until the tape is through, over any number of runs."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.lanes: dict[tuple[str, int], list[Bar]] = {
            (tape.symbol, threshold): [] for tape in schedule.tapes for threshold in schedule.thresholds
        }
        self.wanted: dict[tuple[str, int], list[Bar]] = {}
        self.taken = 0
        self.stats: StreamStats | None = None

    def want(self, tape: Tape, origin: int) -> None:
        for threshold in self.schedule.thresholds:
            self.wanted[tape.symbol, threshold] = bars_of(tape, threshold, from_id=origin + 1)

    def is_through(self, exchange: SimulatedExchange) -> bool:
        """Whether every lane has its last bar; a live one may have come too late for a tape that is over."""
        is_over = exchange.position == sum(map(len, self.schedule.tapes))
        return (is_over or len(self.wanted) == len(self.lanes)) and all(
            bars[-1:] == self.wanted.get(lane, [])[-1:] for lane, bars in self.lanes.items()
        )

    async def read(self, bars: BarStream, exchange: SimulatedExchange, crash_at: int | None, origins: Any) -> None:
        await origins()
        while not self.is_through(exchange):
            # Now and then a cancellation, which loses nothing.
            with anyio.move_on_after(0.1):
                self.take(await bars.receive())

            self.stats = bars.stats
            if len(self.wanted) < len(self.lanes):
                await origins()

            # A lane without an origin begins anew after a crash, which is another tape.
            if crash_at is not None and self.taken >= crash_at and len(self.wanted) == len(self.lanes):
                raise Stopped

            if self.schedule.reader_sleeps:
                await anyio.sleep(self.schedule.reader_sleeps)

    def take(self, bar: Bar) -> None:
        lane = self.lanes[bar.symbol, bar.threshold_dbps]
        self.taken += 1
        # After a crash what was not saved comes again, and nothing else.
        if bar in lane[-self.repeats :]:
            del lane[lane.index(bar) :]

        lane.append(bar)

    @property
    def repeats(self) -> int:
        every: int = self.schedule.options["save_every"]
        return every


async def run_schedule(schedule: Schedule) -> None:
    """Run one; raises `AssertionError` with what differs."""
    reader, store = Reader(schedule), MemoryStore()
    symbols = [tape.symbol for tape in schedule.tapes]
    start: Any = "resume" if schedule.is_live else {tape.symbol: tape.trade_ids[0] for tape in schedule.tapes}
    if not schedule.is_live and not schedule.history:
        start = "resume"

    async def origins() -> None:
        for status in await store.lanes():
            if status.checkpoint is not None:
                tape = next(tape for tape in schedule.tapes if tape.symbol == status.lane.symbol)
                reader.want(tape, status.checkpoint.origin.order)

    async with schedule.exchange() as exchange:
        source = BinanceSpot(ws_url=exchange.ws_url, rest_url=exchange.rest_url)
        for crash_at in [*schedule.crashes, None]:
            try:
                with anyio.fail_after(PATIENCE_S):
                    async with open_stream(
                        symbols,
                        source=source,
                        store=store,
                        start=start,
                        on_event=schedule.events.append,
                        **schedule.options,
                    ) as bars:
                        await reader.read(bars, exchange, crash_at, origins)
            except Stopped:
                continue
            except TimeoutError:
                raise AssertionError(f"stuck: {_difference(reader)}; {reader.stats}; {schedule.events[-12:]}") from None

            break

    assert all(got == reader.wanted.get(lane, []) for lane, got in reader.lanes.items()), _difference(reader)


def _difference(reader: Reader) -> str:
    texts = []
    for lane, got in reader.lanes.items():
        wanted = reader.wanted.get(lane)
        if wanted is None:
            texts.append(f"{lane}: no origin")
        elif got != wanted:
            at = next((n for n, pair in enumerate(zip(got, wanted, strict=False)) if pair[0] != pair[1]), len(got))
            texts.append(f"{lane}: bar {at} of {len(wanted)}, got {got[at : at + 1]}, wanted {wanted[at : at + 1]}")

    return "; ".join(texts) or "nothing differs"


def main() -> int:
    """Run schedules; 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--backend", choices=(*BACKENDS, "all"), default="all")
    wanted = parser.parse_args()
    names = list(BACKENDS) if wanted.backend == "all" else [wanted.backend]
    failed = 0
    for seed in range(wanted.seed, wanted.seed + wanted.count):
        name = names[seed % len(names)]
        backend, options = BACKENDS[name]
        try:
            anyio.run(partial(run_schedule, Schedule(seed)), backend=backend, backend_options=options)
        except Exception as error:  # noqa: BLE001 - every schedule has its turn
            failed += 1
            print(f"--count 1 --seed {seed} --backend {name}: {type(error).__name__}: {error}"[:3000], flush=True)  # noqa: T201

    print(f"bars identical to offline: {wanted.count - failed} of {wanted.count} schedules")  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
