"""Archive rows and the id sift through the C interface, as the replay uses them."""

from __future__ import annotations

import csv
import io
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rangebar_anyio import _native

ffi = _native.ffi
lib: Any = _native.lib

HEADER = b"agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n"
ROW = b"7,42000.01,0.5,9,11,1498793709153,True,True\n"


def read(chunks: list[bytes], capacity: int) -> tuple[list[tuple[int, ...]], int, Any]:
    """Read a file as the replay does; returns rows, whole lines, and the progress that ended it."""
    ticks = ffi.new("RbTick[]", capacity)
    progress = ffi.new("RbArchiveProgress *")
    rows: list[tuple[int, ...]] = []
    held, lines, at_start = b"", 0, True

    for index, chunk in enumerate(chunks):
        held += chunk
        at_end = index == len(chunks) - 1

        while True:
            status = lib.rb_archive_decode(held, len(held), at_start, at_end, ticks, capacity, progress)
            at_start = at_start and not progress.bytes_consumed
            held = held[progress.bytes_consumed :]
            lines += progress.lines
            rows += [_values(ticks[at]) for at in range(progress.rows)]

            if status == lib.RB_ROW_REFUSED:
                return rows, lines, progress

            assert status == lib.RB_OK

            if progress.rows < capacity:
                break

    assert held == b""
    return rows, lines, progress


def _values(tick: Any) -> tuple[int, ...]:
    return (
        tick.agg_trade_id,
        tick.price_e8,
        tick.quantity_e8,
        tick.first_trade_id,
        tick.last_trade_id,
        tick.timestamp_us,
        tick.is_buyer_maker,
    )


def test_a_refused_row_is_named() -> None:
    rows, lines, progress = read([HEADER + ROW + ROW.replace(b"0.5", b"0,5") + ROW], 16)
    assert len(rows) == 1
    assert lines == 2, "the refused row stands in line 3"
    assert progress.error_column == 0
    assert ffi.string(progress.error_phrase) == b"more than 8 columns"
    bad = ROW.replace(b"0.5", b"half")
    rows, lines, progress = read([ROW, bad], 16)
    assert (len(rows), lines, progress.error_column) == (1, 1, 3)
    assert ffi.string(progress.error_column_name) == b"quantity"
    assert ffi.string(progress.error_phrase) == b"not a plain decimal number"
    assert progress.error_text_len == len(bad) - 1


def test_time_units_are_told() -> None:
    _, _, progress = read([ROW], 4)
    assert (progress.has_milliseconds, progress.has_microseconds) == (1, 0)
    _, _, progress = read([ROW.replace(b"1498793709153", b"1735689600123456") + ROW], 4)
    assert (progress.has_milliseconds, progress.has_microseconds) == (1, 1)


def test_bad_arguments_are_refused() -> None:
    progress = ffi.new("RbArchiveProgress *")
    ticks = ffi.new("RbTick[]", 1)
    assert lib.rb_archive_decode(ffi.NULL, 1, True, True, ticks, 1, progress) == lib.RB_ERR_NULL
    assert lib.rb_archive_decode(ROW, len(ROW), True, True, ffi.NULL, 1, progress) == lib.RB_ERR_NULL
    assert lib.rb_archive_decode(ROW, len(ROW), True, True, ticks, 1, ffi.NULL) == lib.RB_ERR_NULL
    gaps, sifted, last = ffi.new("RbGap[]", 1), ffi.new("RbSifted *"), ffi.new("RbTick *")
    assert lib.rb_ticks_sift(ffi.NULL, ticks, 1, gaps, 1, sifted) == lib.RB_ERR_NULL
    assert lib.rb_ticks_sift(last, ticks, 1, ffi.NULL, 0, sifted) == lib.RB_ERR_ARGUMENT
    assert lib.rb_ticks_sift(last, ticks, 1, gaps, 1, ffi.NULL) == lib.RB_ERR_NULL


@st.composite
def archives(draw: st.DrawFn) -> tuple[bytes, list[tuple[int, ...]]]:
    """Draw a file as the exchange may write it, and its trades."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=draw(st.sampled_from(["\n", "\r\n"])))
    is_spot, upper = draw(st.booleans()), draw(st.booleans())
    trades: list[tuple[int, ...]] = []

    if draw(st.booleans()):
        names = HEADER.decode().strip().split(",")
        writer.writerow([*names, "is_best_match"] if is_spot else names)

    for _ in range(draw(st.integers(0, 12))):
        price, quantity = draw(st.integers(1, 10**15)), draw(st.integers(0, 10**15))
        first, count = draw(st.integers(0, 2**50)), draw(st.integers(0, 50))
        time = draw(st.integers(10**12, 2 * 10**12) | st.integers(10**15, 2 * 10**15))
        sell, trade_id = draw(st.booleans()), draw(st.integers(0, 2**63 - 1))
        row: list[object] = [trade_id, _decimal(price), _decimal(quantity), first, first + count, time]
        flags = [str(sell), "True"] if is_spot else [str(sell)]
        writer.writerow(row + (flags if upper else [flag.lower() for flag in flags]))
        trades.append((trade_id, price, quantity, first, first + count, time if time > 10**14 else time * 1000, sell))

    return text.getvalue().encode(), trades


def _decimal(units: int) -> str:
    whole, fraction = divmod(units, 10**8)
    return f"{whole}.{fraction:08}".rstrip("0").rstrip(".")


@given(archive=archives(), cuts=st.lists(st.integers(0, 2000), max_size=6), capacity=st.integers(1, 9))
def test_files_are_read_whatever_the_chunks(
    archive: tuple[bytes, list[tuple[int, ...]]], cuts: list[int], capacity: int
) -> None:
    data, trades = archive
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    chunks = [data[start:end] for start, end in itertools.pairwise(edges)]
    rows, lines, _ = read(chunks, capacity)
    assert rows == trades
    assert lines == data.count(b"\n")


def sift(ids: list[int], position: int, gap_capacity: int) -> tuple[list[int], list[tuple[int, int]], int]:
    last = ffi.new("RbTick *", {"agg_trade_id": position})
    ticks = ffi.new("RbTick[]", [{"agg_trade_id": one, "price_e8": 1, "timestamp_us": one} for one in ids])
    gaps, sifted = ffi.new("RbGap[]", gap_capacity), ffi.new("RbSifted *")
    kept, found, repeated, at = [], [], 0, 0

    while at < len(ids):
        assert lib.rb_ticks_sift(last, ticks + at, len(ids) - at, gaps, gap_capacity, sifted) == lib.RB_OK
        kept += [ticks[at + index].agg_trade_id for index in range(sifted.kept)]
        found += [(gaps[index].from_id, gaps[index].to_id) for index in range(sifted.gaps)]
        repeated += sifted.repeated
        at += sifted.consumed

    return kept, found, repeated


@given(
    ids=st.lists(st.integers(0, 40), max_size=30),
    position=st.sampled_from([lib.RB_NO_POSITION, -1, 0, 20]),
    gap_capacity=st.integers(1, 4),
)
def test_the_id_rule(ids: list[int], position: int, gap_capacity: int) -> None:
    kept: list[int] = []
    gaps = []
    expected = None if position == lib.RB_NO_POSITION else position + 1

    for one in ids:
        if expected is not None and one < expected:
            continue

        if expected is not None and one > expected:
            gaps.append((expected, one - 1))

        kept.append(one)
        expected = one + 1

    assert sift(ids, position, gap_capacity) == (kept, gaps, len(ids) - len(kept))


@pytest.mark.parametrize(("later_us", "restarted"), [(60_000_000, False), (60_000_001, True)])
def test_an_old_id_a_minute_later_is_a_restart(later_us: int, restarted: bool) -> None:
    last = ffi.new("RbTick *", {"agg_trade_id": 9, "price_e8": 1, "timestamp_us": 1000})
    ticks = ffi.new("RbTick[]", [{"agg_trade_id": 3, "price_e8": 1, "timestamp_us": 1000 + later_us}])
    gaps, sifted = ffi.new("RbGap[]", 1), ffi.new("RbSifted *")
    status = lib.rb_ticks_sift(last, ticks, 1, gaps, 1, sifted)
    assert status == (lib.RB_IDS_RESTARTED if restarted else lib.RB_OK)
    assert (sifted.consumed, sifted.kept) == (0 if restarted else 1, 0)
