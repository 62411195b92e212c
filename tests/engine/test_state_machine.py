"""Engine, oracle and an engine that is snapshotted and restored all the time, driven side by side."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from rangebar_anyio import OutOfOrderError, RangeBarProcessor, Trade
from rangebar_anyio.testing import tapes, thresholds
from tests.engine.helpers import columns, push_each
from tests.oracle import Oracle, assert_equal


def after(tape: list[Trade], last_id: int) -> list[Trade]:
    """The same trades with ids that go on after the last one."""
    offset = last_id + 1
    return [
        Trade(
            trade.agg_trade_id - tape[0].agg_trade_id + offset,
            trade.exact("price"),
            trade.exact("quantity"),
            trade.timestamp_us,
            trade.is_buyer_maker,
            trade.first_trade_id,
            trade.last_trade_id,
        )
        for trade in tape
    ]


class ThreeEngines(RuleBasedStateMachine):
    """Three that must never differ, whatever is done to them."""

    @initialize(threshold_dbps=thresholds(), gate_off=st.booleans())
    def start(self, threshold_dbps: int, gate_off: bool) -> None:
        self.oracle = Oracle(threshold_dbps, same_timestamp_close=gate_off)
        self.engine = RangeBarProcessor(threshold_dbps, same_timestamp_close=gate_off, symbol="ÄTHER")
        self.restored = RangeBarProcessor.restore(self.engine.snapshot())

    def next_trades(self, tape: list[Trade]) -> list[Trade]:
        last = self.oracle.last_agg_trade_id
        return after(tape, -1 if last is None else last)

    @rule(tape=tapes(max_size=20), way=st.sampled_from(("each", "many", "columns")))
    def push(self, tape: list[Trade], way: str) -> None:
        trades = self.next_trades(tape)
        expected = [bar for trade in trades if (bar := self.oracle.push(trade))]

        if way == "each":
            bars = push_each(self.engine, trades)
        elif way == "many":
            bars = self.engine.push_many(trades)
        else:
            bars = list(self.engine.push_columns(**columns(trades)))

        assert push_each(self.restored, trades) == bars
        assert len(bars) == len(expected)

        for found, oracle_bar in zip(bars, expected, strict=True):
            assert_equal(found, oracle_bar)

    @rule()
    def restore(self) -> None:
        snapshot = self.restored.snapshot()
        self.restored.close()
        self.restored = RangeBarProcessor.restore(snapshot, threshold_dbps=self.engine.threshold_dbps, symbol="ÄTHER")

    @rule(tape=tapes(min_size=2, max_size=10))
    def push_what_is_refused(self, tape: list[Trade]) -> None:
        good = self.next_trades(tape)
        bad = [*good, good[0]]

        with pytest.raises(OutOfOrderError) as caught:
            self.engine.push_many(bad)

        assert caught.value.index == len(good)

        with pytest.raises(OutOfOrderError) as caught:
            self.engine.push_columns(**columns(bad))

        assert caught.value.index == len(good)

    @invariant()
    def none_differs(self) -> None:
        if not hasattr(self, "engine"):
            return

        assert self.engine.snapshot() == self.restored.snapshot()
        assert_equal(self.engine.forming, self.oracle.forming)
        assert self.engine.last_agg_trade_id == self.oracle.last_agg_trade_id
        assert self.engine.time_reversals == self.oracle.time_reversals

    def teardown(self) -> None:
        if hasattr(self, "engine"):
            self.engine.close()
            self.restored.close()


# With many examples this takes minutes.
pytestmark = pytest.mark.timeout(600)
test_three_engines = ThreeEngines.TestCase
