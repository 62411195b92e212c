"""What is true of all range bars, as checks: of a bar by itself, of bars that follow each other, and of a whole tape.

They use nothing of the engine that made the bars, only what the bars say about themselves, in whole numbers. Each
raises ``AssertionError`` with the two values that should agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from .._bar import Bar
from .._trade import Trade

__all__ = ("check_bar", "check_bars", "check_tape")

_SUMS = ("volume", "turnover", "buy_volume", "sell_volume", "buy_turnover", "sell_turnover")
_COUNTS = ("individual_trade_count", "buy_trade_count", "sell_trade_count", "agg_record_count")


def check_bar(bar: Bar) -> None:
    """Check one bar by itself, closed or forming.

    ``low <= open, close, vwap <= high``; buy and sell make up the total of volume, turnover and counts; ids and counts
    fit each other; the float of every decimal field is the nearest one.
    """
    for name in ("open", "close", "vwap"):
        _ordered(bar, "low", name, "high")

    for name in ("volume", "turnover"):
        _equal(f"buy and sell {name}", bar._units(f"buy_{name}") + bar._units(f"sell_{name}"), bar._units(name))

    counts = bar.buy_trade_count + bar.sell_trade_count
    _equal("buy and sell trades", counts, bar.individual_trade_count)
    _true(f"{bar.agg_record_count} records have {bar.individual_trade_count} trades", bar.agg_record_count >= 1)
    _true("records within trades", bar.agg_record_count <= bar.individual_trade_count)
    spread = bar.last_agg_trade_id - bar.first_agg_trade_id + 1
    _true(f"{bar.agg_record_count} records within {spread} ids", bar.agg_record_count <= spread)
    _equal("duration_us", bar.duration_us, bar.close_time_us - bar.open_time_us)

    for name in ("open", "high", "low", "close", "vwap", *_SUMS):
        _equal(f"the float of {name}", bar[name], float(bar.exact(name)))


def check_bars(bars: Sequence[Bar], forming: Bar | None = None) -> None:
    """Check that closed bars, and the forming bar after them, follow each other with nothing lost and nothing twice.

    They are the bars of one lane in order, without a bar left out.
    """
    everything = [*bars, *([forming] if forming is not None else [])]

    for bar in everything:
        check_bar(bar)

    for bar in bars:
        _true(f"{bar!r} is closed", bar.is_closed)

    if forming is not None:
        _true(f"{forming!r} is forming", not forming.is_closed)

    for before, after in pairwise(everything):
        ids = after.last_agg_trade_id - before.last_agg_trade_id
        _true("ids ascend from bar to bar", after.first_agg_trade_id > before.last_agg_trade_id)
        _equal("ids from the end of one bar to the end of the next", after.agg_record_count + after.missing_trades, ids)


def check_tape(
    tape: Sequence[Trade], bars: Sequence[Bar], forming: Bar | None, *, same_timestamp_close: bool = False
) -> None:
    """Check bars against the tape that they were made of, from its first trade on.

    Everything of :func:`check_bars`; sums over the bars are sums over the tape; every closed bar's last trade breaches
    its threshold, and no earlier one does, other than at the bar's opening time stamp.

    Example::

        processor = RangeBarProcessor(250)
        bars = processor.push_many(tape)
        check_tape(tape, bars, processor.forming)
    """
    check_bars(bars, forming)
    everything = [*bars, *([forming] if forming is not None else [])]
    _equal("records", sum(bar.agg_record_count for bar in everything), len(tape))

    for name in _SUMS:
        _equal(name, sum(bar._units(name) for bar in everything), _sum(tape, name))

    for name in _COUNTS[:3]:
        _equal(name, sum(bar[name] for bar in everything), _count(tape, name))

    start = 0

    for bar in everything:
        stop = start + bar.agg_record_count
        _check_breach(bar, tape[start:stop], same_timestamp_close)
        start = stop


def _check_breach(bar: Bar, tape: Sequence[Trade], same_timestamp_close: bool) -> None:
    _equal("the first trade's id", bar.first_agg_trade_id, tape[0].agg_trade_id)
    _equal("the last trade's id", bar.last_agg_trade_id, tape[-1].agg_trade_id)
    open_e8 = tape[0].price_e8
    delta = max(1, open_e8 * bar.threshold_dbps // 100_000)

    def closes(trade: Trade) -> bool:
        breaches = abs(trade.price_e8 - open_e8) >= delta
        return breaches and (same_timestamp_close or trade.timestamp_us != tape[0].timestamp_us)

    _equal(f"whether the last trade of {bar!r} breaches", closes(tape[-1]), bar.is_closed)

    for trade in tape[:-1]:
        _true(f"{trade!r} does not close {bar!r}", not closes(trade))


def _sum(tape: Sequence[Trade], name: str) -> int:
    side, _, what = name.rpartition("_")
    wanted = {"buy": (False,), "sell": (True,), "": (False, True)}[side]
    picked = [trade for trade in tape if trade.is_buyer_maker in wanted]
    return sum(trade.quantity_e8 * (trade.price_e8 if what == "turnover" else 1) for trade in picked)


def _count(tape: Sequence[Trade], name: str) -> int:
    wanted = {"buy_trade_count": (False,), "sell_trade_count": (True,)}.get(name, (False, True))
    return sum(trade.last_trade_id - trade.first_trade_id + 1 for trade in tape if trade.is_buyer_maker in wanted)


def _ordered(bar: Bar, *names: str) -> None:
    values = [bar._units(name) for name in names]
    _true(f"{' <= '.join(names)}: {values}", values == sorted(values))


def _equal(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise AssertionError(f"{what}: {found!r} is not {expected!r}")


def _true(what: str, condition: bool) -> None:
    if not condition:
        raise AssertionError(f"not true: {what}")
