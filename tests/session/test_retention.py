"""RECOVERY.md, "The id rule": REST serves only the newest ids, and the oldest of them goes away while one is asking."""

from __future__ import annotations

from functools import cache
from random import Random

import pytest

from rangebar_anyio._events import GapUnfillable
from rangebar_anyio._session import Budget, CancelFetch, Fail, Fetch, FromTime, Lane
from rangebar_anyio._sources._binance_rules import BinanceRules, spot_rules, usd_futures_rules
from tests.feed.wire import START_US, Row, tape
from tests.feed.wire import row as make_row
from tests.session.bench import Bench, from_ids, lane, symbols_of

STEP_S = 0.1
row = cache(make_row)


class Market:
    """An exchange whose newest id grows with time and whose REST serves the newest ``reach`` ids."""

    def __init__(self, bench: Bench, per_s: float, *, newest: int = 40_000, reach: int = 20_000) -> None:
        self.bench = bench
        self.conn = bench.connect()
        self.per_s = per_s
        self.begins = newest
        self.reach = reach
        self.told = newest
        self.asked: list[Fetch] = []

    @property
    def newest(self) -> int:
        return self.begins + int(self.bench.now * self.per_s)

    @property
    def oldest(self) -> int:
        return self.newest - self.reach

    def step(self) -> None:
        """Answer what was asked a moment ago, publish what happened since, let time pass."""
        bench = self.bench
        given_up = {gone.request for gone in bench.all(CancelFetch)}

        for fetch in self.asked:
            if fetch.request not in given_up:
                bench.answer(fetch, self.rows(dict(fetch.params)))

        self.asked = bench.new(Fetch)

        for symbol in bench.session._core.symbols:
            bench.live(self.conn, range(self.told + 1, self.newest + 1), symbol.name)

        self.told = self.newest
        bench.origins_saved()
        bench.bars()
        bench.wait(STEP_S)
        bench.ping(self.conn)

    def rows(self, params: dict[str, str]) -> list[Row]:
        if "fromId" not in params and "startTime" not in params:
            return [row(self.newest)]

        first = max(self.oldest, int(params.get("fromId", 0)))
        return [row(number) for number in range(first, min(self.newest, first + 999) + 1)]

    def run(self, seconds: float) -> None:
        """Go on until every lane is at the live edge, at most for so long."""
        end = self.bench.now + seconds

        while self.bench.now < end and not self.is_done():
            self.step()

    def run_for(self, seconds: float) -> None:
        end = self.bench.now + seconds

        while self.bench.now < end:
            self.step()

    def is_done(self) -> bool:
        feed, symbols = self.bench.feed, self.bench.session._core.symbols
        catchups = [sequence for symbol in symbols for sequence in symbol.catchups]
        return bool(catchups) and all((feed.sequence(one).expected or 0) > self.told for one in catchups)


@pytest.mark.parametrize("rules", [spot_rules(), usd_futures_rules()], ids=["spot", "futures"])
@pytest.mark.parametrize("per_s", [0, 20, 250])
def test_what_the_first_answer_served_is_kept_until_the_proof(rules: BinanceRules, per_s: int) -> None:
    """Else the oldest id is another one after each proof, and the lane never gets a bar again."""
    bench = Bench([lane("X", 50, 99)], rules=rules)
    oldest = 20_000
    market = Market(bench, per_s)
    market.run(60)
    assert market.is_done()
    # Not one trade that the first answer served, and one proof.
    (gone,) = bench.told(GapUnfillable)
    assert gone.first_id == 100
    assert gone.last_id - oldest <= per_s * 3 * STEP_S
    assert bench.feed.totals().bars > 0


def test_a_thousand_trades_a_second_are_fetched_ahead_while_the_proof_waits() -> None:
    bench = Bench([lane("X", 50, 99)])
    market = Market(bench, 1000)
    market.run(30)
    assert market.is_done()
    assert len(bench.told(GapUnfillable)) == 1


def test_the_place_of_the_second_request_stays_free() -> None:
    """At most 8 pages are in the house, those that wait for a proof too."""
    bench = Bench([lane(f"S{number}") for number in range(12)])
    market = Market(bench, 20)
    least = 8

    while bench.now < 90 and not market.is_done():
        market.step()
        least = min(least, bench.session._house.places_left)

    assert market.is_done()
    assert least == 0
    # Whatever is fetched ahead for some, all of them are asked for soon.
    asked = [(at, symbols_of([fetch])[0]) for at, fetch in bench.log if isinstance(fetch, Fetch)]
    assert len({symbol for at, symbol in asked if at < 5}) == 12


@pytest.mark.parametrize("seed", range(3))
def test_requests_that_fail_meanwhile_block_nobody(seed: int) -> None:
    """Places are given back, whatever comes to nothing: what is kept never fills the house."""
    random = Random(seed)
    bench = Bench([lane(f"S{number}") for number in range(10)])
    market = Market(bench, 10)

    while bench.now < 300 and not market.is_done():
        for fetch in [fetch for fetch in market.asked if random.random() < 0.3]:
            bench.refuse(fetch, 503)
            market.asked.remove(fetch)

        market.step()

    assert market.is_done()
    market.run_for(30)
    assert bench.session._house.places_left == 8


def test_what_is_fetched_ahead_lets_others_through() -> None:
    """A short gap of another symbol does not wait for a proof."""
    bench = Bench([lane("X"), lane("Y", 50, 39_999)])
    market = Market(bench, 20)

    while not from_ids([fetch for fetch in market.asked if symbols_of([fetch]) == ["X"]]):
        market.step()

    market.run_for(2)
    begun = bench.now
    bench.live(market.conn, [market.newest + 5], "Y")
    assert [at for at, action in bench.log if isinstance(action, Fetch) and symbols_of([action]) == ["Y"]][-1] == begun


def test_nothing_is_kept_once_the_catch_up_is_over() -> None:
    bench = Bench([lane("X", 50, 99)])
    market = Market(bench, 20)
    market.run(60)

    market.run_for(2)
    assert bench.session._house.places_left == 8
    (catchup,) = bench.session._core.symbols[0].catchups.values()
    assert len(catchup._pages) == 0


def test_a_second_answer_that_serves_more_is_believed() -> None:
    """What only the first one left out is taken, and what it served follows."""
    bench = Bench([lane("X", 50, 99)])
    bench.answer(bench.one(Fetch), tape(200, 300))
    bench.wait(5)
    bench.answer(bench.one(Fetch), tape(150, 300))
    assert bench.told(GapUnfillable) == [GapUnfillable("X", 100, 149)]
    assert bench.expected() == 301


def test_lag_at_the_second_request_keeps_the_first_answer() -> None:
    bench = Bench([lane("X", 50, 99)])
    bench.answer(bench.one(Fetch), tape(200, 300))
    bench.wait(5)
    bench.answer(bench.one(Fetch), [])
    bench.wait(1)
    bench.answer(bench.one(Fetch), tape(290, 300))
    assert bench.told(GapUnfillable) == [GapUnfillable("X", 100, 199)]
    assert bench.expected() == 301


def test_a_full_bar_queue_in_the_middle_of_a_kept_answer() -> None:
    bench = Bench([lane("X", 5, 99)], bar_capacity=3)
    bench.answer(bench.one(Fetch), tape(200, 900))
    bench.wait(5)
    bench.answer(bench.one(Fetch), tape(600, 900))
    assert bench.session.is_paused

    while bench.bars():
        pass

    assert bench.expected() == 901
    assert bench.told(GapUnfillable) == [GapUnfillable("X", 100, 199)]


def test_two_thresholds_behind_the_oldest_id() -> None:
    bench = Bench([lane("X", 50, 99), lane("X", 80, 9_999)])
    market = Market(bench, 20)
    market.run(60)
    assert market.is_done()
    assert len(bench.session._core.symbols[0].catchups) == 1


def test_holes_above_an_oldest_id_that_moves() -> None:
    """Each hole needs its proof; what was served before stays at hand through all of them."""
    bench = Bench([lane("X", 50, 99)])
    rows = [trade for trade in tape(200, 900) if trade.id not in (400, 600)]
    bench.answer(bench.one(Fetch), rows)
    bench.wait(5)
    bench.serve(900, first=800)
    assert [(gone.first_id, gone.last_id) for gone in bench.told(GapUnfillable)] == [(100, 199), (400, 400), (600, 600)]
    assert bench.expected() == 901


def test_a_date_older_than_what_is_served() -> None:
    bench = Bench([Lane("X", 50, FromTime(START_US - 10**9))])
    market = Market(bench, 20)
    market.run(60)
    assert bench.all(Fail) == []
    assert market.is_done()
    assert bench.feed.totals().bars > 0


def test_a_lane_that_merges_while_its_proof_waits_leaves_nothing() -> None:
    budget = Budget(spot_rules().limits)
    bench = Bench([lane("X", 50, 99), lane("X", 80, 199)], budget=budget)
    first, second = bench.new(Fetch)
    assert from_ids([first, second]) == [100, 200]
    bench.answer(second, tape(300, 320))
    bench.answer(first, tape(100, 199))
    assert len(bench.session._core.symbols[0].catchups) == 1

    for _ in range(10):
        bench.serve(320, first=300)
        bench.wait(5)

    assert bench.expected() == 321
    assert bench.session._house.places_left == 8
