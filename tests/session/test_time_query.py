"""RECOVERY.md, "Start": the query by time only finds an id; every trade that goes into a bar is fetched by id."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rangebar_anyio._session import Fetch, FromTime, Lane, SaveOrigin
from tests.feed.wire import START_US, Row, offline, row, tape
from tests.session.bench import Bench

LAST = 1500


def wrong(trade: Row) -> Row:
    """A trade that would close other bars."""
    return replace(trade, price=trade.price * 2 if trade.id % 2 else trade.price)


def test_what_the_time_query_brings_goes_into_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rows are wrong here in all but id and time, and the bars are right."""
    monkeypatch.setattr("tests.session.bench.START_US", START_US + 10**12)
    start_us = row(40).time_us
    bench = Bench([Lane("X", 50, FromTime(start_us))])
    kinds: list[str] = []

    while fetches := bench.new(Fetch):
        for fetch in fetches:
            params = dict(fetch.params)
            kinds.append("fromId" if "fromId" in params else "startTime" if "startTime" in params else "newest")
            rows = tape(int(params.get("fromId", 0)), LAST)

            if "startTime" in params:
                rows = [wrong(trade) for trade in rows if trade.time_us >= start_us // 1000 * 1000]

            bench.answer(fetch, rows[: int(params["limit"])] if kinds[-1] != "newest" else rows[-1:])

    first = next(trade.id for trade in tape(0, LAST) if trade.time_us >= start_us)
    assert bench.all(SaveOrigin) == [SaveOrigin((0,), first - 1, "us")]
    assert kinds.count("startTime") == 1
    bench.origins_saved()
    assert [bar for _, bar in bench.bars()] == offline(tape(first, LAST), 50, first - 1)
