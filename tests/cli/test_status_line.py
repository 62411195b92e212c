"""The status lines and the words of events, without a terminal and without a clock."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import Any, cast

import pytest

from rangebar_anyio import Bar, LastTrade, RangeBarProcessor, StreamStats, Trade, events
from rangebar_anyio.cli._event_text import EventLines, event_style, event_text
from rangebar_anyio.cli._status_line import StatusLines, meter

NOW_US = 1_800_000_000_000_000
NO_STATS = StreamStats(**dict.fromkeys((field.name for field in dataclasses.fields(StreamStats)), cast("Any", 0)))


class Stream:
    """What the lines look at."""

    def __init__(self, *prices: str, connections: int = 1) -> None:
        self.processor = RangeBarProcessor(1000, symbol="BTCUSDT")
        self.stats = dataclasses.replace(NO_STATS, connections=connections)
        self.last: LastTrade | None = None
        self.trade(*prices)

    def trade(self, *prices: str, late_us: int = 0) -> None:
        for price in prices:
            number = self.stats.live_trades
            self.processor.push(Trade(number, price, "1", NOW_US - late_us, is_buyer_maker=False))
            self.last = LastTrade(number, Decimal(price), NOW_US - late_us)
            self.stats = dataclasses.replace(self.stats, live_trades=number + 1)

    def last_trade(self, symbol: str) -> LastTrade | None:
        return self.last

    def forming(self, symbol: str, threshold_dbps: int) -> Bar | None:
        return self.processor.forming


def lines(stream: Stream, *, width: int = 150, height: int = 40, lanes: int = 1, now: float = 0.0) -> list[str]:
    status = StatusLines([(f"S{n}USDT", 1000) for n in range(lanes)], began_at=0.0)
    return ticked(status, stream, now, width, height)


def ticked(status: StatusLines, stream: Stream, now: float, width: int = 150, height: int = 40) -> list[str]:
    as_stream = cast("Any", stream)
    status.tick(as_stream, now, NOW_US, height)
    return [text.plain for text in status.render(as_stream, width)]


def test_the_meter_grows_from_the_middle_to_the_side_of_the_price() -> None:
    assert meter(0, 4).plain == "────┼────"
    assert meter(0.5, 4).plain == "────┼━━──"
    assert meter(-1, 4).plain == "━━━━┼────"
    assert meter(3, 4).plain == "────┼━━━━"


def test_a_lane_shows_its_price_and_the_two_prices_that_close_the_bar() -> None:
    (lane, _) = lines(Stream("100", "100.25", "100.50"))

    assert "S0USDT" in lane
    assert "1%" in lane
    assert "100.50" in lane
    assert "99.00 " in lane
    assert "101.00" in lane
    assert "+50%" in lane
    assert "3 trades" in lane


def test_a_screen_of_80_columns_keeps_the_prices_and_how_far_it_is() -> None:
    (lane, _) = lines(Stream("60000", "60120.25", "60300"), width=79)

    assert "59400.00 " in lane
    assert " 60600.00" in lane
    assert lane.endswith("+50%")
    assert "┼━━" in lane


def test_before_the_first_trade_it_says_so() -> None:
    lane, whole = lines(Stream(connections=0))
    assert "waiting for a trade" in lane
    assert whole.startswith("○ connecting")
    assert "no trades yet" in whole


def test_small_prices_keep_digits_that_mean_something() -> None:
    (lane, _) = lines(Stream("0.00001234", "0.00001235"))
    assert "0.00001235" in lane
    assert "1.2217e-05" in lane


def test_trades_a_second_and_delay_are_those_of_the_last_seconds() -> None:
    stream = Stream("100")
    status = StatusLines([("BTCUSDT", 1000)], began_at=0.0)
    ticked(status, stream, 0.0)
    for second in range(1, 6):
        for _ in range(20):
            stream.trade("100", late_us=second * 10_000)

        ticked(status, stream, float(second))

    whole = ticked(status, stream, 5.0)[-1]
    assert "20 trades/s" in whole
    # The least of the last three seconds and of the sample before them.
    assert "10ms behind" not in whole
    assert "20ms behind" in whole


def test_an_exchange_of_another_time_shows_its_own_clock() -> None:
    stream = Stream()
    stream.trade("100", late_us=86_400_000_000)
    assert "exchange time 2027-01-14 08:00:00" in lines(stream)[-1]


def test_catching_up_is_shown_until_it_is_done() -> None:
    status = StatusLines([("BTCUSDT", 1000)], began_at=0.0)
    status.on_event(events.CatchingUp("BTCUSDT", 250, 1000), 0.0)
    assert ticked(status, Stream("100"), 1.0)[-1].startswith("● catching up 25%")
    status.on_event(events.CatchingUp("BTCUSDT", 1000, 1000), 1.0)
    assert ticked(status, Stream("100"), 1.0)[-1].startswith("● live")


def test_requests_that_fail_are_shown_beside_a_live_socket() -> None:
    status, stream = StatusLines([("BTCUSDT", 1000)], began_at=0.0), Stream("100")
    status.on_event(events.Waiting("request", 0.0, "cannot reach a:9 (connection refused)"), 1.0)
    status.on_event(events.Waiting("request", 30.0, "cannot reach a:9 (connection refused)"), 20.0)

    said = ticked(status, stream, 25.0)[-1]
    assert said.startswith("● live, but REST fails since 24 s: cannot reach a:9 (connection refused) · ")
    assert len(ticked(status, stream, 25.0, width=40)[-1]) == 40

    stream.stats = dataclasses.replace(stream.stats, fetched_trades=1)
    assert ticked(status, stream, 26.0)[-1].startswith("● live · ")


def test_requests_that_no_longer_fail_are_believed_after_a_while() -> None:
    status, stream = StatusLines([("BTCUSDT", 1000)], began_at=0.0), Stream("100")
    status.on_event(events.Waiting("request", 1.0, "HTTP 502"), 1.0)
    stream.stats = dataclasses.replace(stream.stats, request_failures=3)

    assert "REST fails" in ticked(status, stream, 20.0)[-1]
    assert "REST fails" in ticked(status, stream, 39.0)[-1]
    assert "REST fails" not in ticked(status, stream, 41.0)[-1]

    status.on_event(events.Waiting("request", 1.0, "HTTP 502"), 42.0)
    status.on_event(events.GapFilled("BTCUSDT", 1, 2, 0.1), 43.0)
    assert "REST fails" not in ticked(status, stream, 43.0)[-1]


def test_an_outage_is_not_hidden_behind_the_delay_before_it() -> None:
    status, stream = StatusLines([("BTCUSDT", 1000)], began_at=0.0), Stream("100")

    assert "0ms behind" in ticked(status, stream, 0.0)[-1]
    assert "0ms behind" in ticked(status, stream, 2.9)[-1]
    assert "last trade 6 s ago" in ticked(status, stream, 6.0)[-1]
    assert "last trade 2m00s ago" in ticked(status, stream, 120.0)[-1]
    stream.trade("100")
    assert "0ms behind" in ticked(status, stream, 121.0)[-1]


@pytest.mark.parametrize("width", [10, 20, 30, 45, 60, 80, 100, 200])
def test_no_line_is_wider_than_the_screen(width: int) -> None:
    for line in lines(Stream("60000.01", "60123.45"), width=width):
        assert len(line) <= width


def test_many_lanes_take_turns() -> None:
    first = lines(Stream("100"), lanes=20, height=24)
    second = lines(Stream("100"), lanes=20, height=24, now=3.0)

    assert len(first) == len(second) == 9
    assert first[0].startswith("S0USDT")
    assert second[0].startswith("S8USDT")
    assert "8 of 20 lanes" in first[-1]
    assert lines(Stream("100"), lanes=20, height=24, now=9.0)[0].startswith("S0USDT")


EVENTS: tuple[tuple[events.StreamEvent, str], ...] = (
    (events.Connected(3, 2), "connection 3 is open for 2 symbols"),
    (events.Disconnected(3, "reset", True), "connection 3 ended: reset"),
    (events.Disconnected(4, "refused", False), "connection 4 did not open: refused"),
    (events.Waiting("request", 60.0, "HTTP 429"), "next request in 60.0 s: HTTP 429"),
    (events.Waiting("request", 0.0, "HTTP 502"), "a request failed: HTTP 502; trying again"),
    (events.GapFound("A", 5, 5), "A trade 5 missing, being fetched"),
    (events.GapFilled("A", 5, 1_004, 1.25), "A trades 5 to 1004 (1,000) fetched in 1.2 s"),
    (events.GapUnfillable("A", 5, 6), "A trades 5 to 6 (2) cannot be had: the exchange has them no more"),
    (events.CatchingUp("A", 5, 6000), "A catching up: 5 of 6,000 trades"),
    (events.Rotated(1, 2, "age"), "connection 2 took over from 1 (age)"),
    (events.Stalled(1, "A"), "connection 1 is open but brings no trades of A: being replaced"),
    (events.ReaderAway(5.0), "all room for bars is full since 5.0 s: reading has stopped"),
    (events.ReaderBack(5.0), "there is room for bars again after 5.0 s"),
    (events.SymbolUnlisted("A"), "the exchange no longer lists A; the others go on"),
    (events.TradesDiffer("A", 7, 1), "two unlike copies of 1 trade of A from id 7: the first ones stay"),
    (events.TradeRejected("A", 7, "price", 2, "{}"), "2 trades of A from id 7 cannot be trades (price): '{}'"),
    (events.FrameRejected(1, "json", 1, "x"), "connection 1 brought 1 message of no use (json): 'x'"),
    (events.SnapshotIgnored("A", 250, "old"), "A at 250 dbps: the stored forming bar cannot be used (old): fetching"),
    (
        events.PositionForgotten("A", 250, 9, (5, 9), None),
        "A at 250 dbps begins anew after trade 9: skips trades 5 to 9",
    ),
    (
        events.PositionForgotten("A", 250, 9, None, (10, 12)),
        "A at 250 dbps begins anew after trade 9: repeats trades 10 to 12",
    ),
)


def test_an_attempt_that_failed_is_one_line_with_the_wait_for_the_next() -> None:
    lines = EventLines()
    reason = "cannot reach a:9 (name not known)"

    assert lines.line(events.Disconnected(1, reason, False)) is None
    assert lines.line(events.Waiting("connect", 0.5, reason)) == f"{reason}; trying again in 0.5 s"
    assert lines.line(events.Disconnected(2, "reset", True)) == "connection 2 ended: reset"
    assert lines.line(events.Waiting("connect", 0.5, "reset")) == "next connect in 0.5 s: reset"


@pytest.mark.parametrize(("event", "text"), EVENTS)
def test_an_event_is_one_line(event: events.StreamEvent, text: str) -> None:
    assert event_text(event) == text
    assert event_style(event) in ("green", "yellow", "red")


def test_every_event_has_words() -> None:
    assert {type(event).__name__ for event, _ in EVENTS} == set(events.__all__) - {"StreamEvent"}
