"""The processor through the raw interface, with buffers of exactly the size they claim to have.

Under AddressSanitizer (`make memcheck`) a byte read or written beyond them ends the run.
"""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rangebar_anyio import _native

ffi = _native.ffi
lib: Any = _native.lib

TRADE = struct.Struct("<7q")
SNAPSHOT = 600
INT64 = st.integers(-(2**63), 2**63 - 1)


def new(threshold_dbps: int = 250) -> Any:
    out = ffi.new("RbProcessor **")
    assert lib.rb_processor_new(threshold_dbps, False, lib.RB_NO_POSITION, out) == lib.RB_OK
    return ffi.gc(out[0], lib.rb_processor_free)


def position(processor: Any) -> int:
    info = ffi.new("RbProcessorInfo *")
    assert lib.rb_processor_info(processor, info) == lib.RB_OK
    result: int = info.position
    return result


def tape(count: int, price_e8: int = 10**10) -> bytes:
    """Trades whose price doubles and halves in turn: each second one closes a bar."""
    return b"".join(
        TRADE.pack(at, price_e8 << (at % 2), 10**8 + at, at, at, 10**15 + at, at % 3 == 0) for at in range(count)
    )


def push(processor: Any, packed: bytes, max_bars: int = 2**62) -> tuple[int, int]:
    """Return the status and how many were taken, -1 when that was not said."""
    consumed = ffi.new("size_t *", 2**63)
    status = lib.rb_processor_push_packed(processor, packed, len(packed), max_bars, consumed)
    return status, -1 if consumed[0] == 2**63 else consumed[0]


def pop(processor: Any, capacity: int) -> bytes:
    """Pop into an array of exactly that many bars and return those that were written."""
    bars, popped = ffi.new("RbBar[]", capacity), ffi.new("size_t *")
    assert lib.rb_processor_pop_bars(processor, bars, capacity, popped) >= lib.RB_OK
    return bytes(ffi.buffer(bars))[: popped[0] * ffi.sizeof("RbBar")]


def snapshot(processor: Any, label: bytes = b"") -> bytes:
    out, written = ffi.new("uint8_t[]", SNAPSHOT), ffi.new("size_t *")
    assert lib.rb_processor_snapshot(processor, label, len(label), out, SNAPSHOT, written) == lib.RB_OK
    return bytes(ffi.buffer(out, written[0]))


def restore(data: bytes, label_capacity: int = 255) -> tuple[int, Any]:
    label, label_len = ffi.new("uint8_t[]", label_capacity), ffi.new("size_t *")
    out = ffi.new("RbProcessor **")
    status = lib.rb_processor_restore(data, len(data), label, label_capacity, label_len, out)
    return status, ffi.gc(out[0], lib.rb_processor_free) if out[0] else None


@pytest.mark.parametrize("count", [0, 1, 2, 3, 255, 256, 257, 1000])
def test_every_trade_of_a_batch_is_taken(count: int) -> None:
    processor = new()
    status, taken = push(processor, tape(count))
    assert status >= lib.RB_OK
    assert taken == count
    assert position(processor) == (count - 1 if count else lib.RB_NO_POSITION)


@pytest.mark.parametrize("size", [1, 55, 57, 111])
def test_a_broken_trade_is_refused_and_nothing_written(size: int) -> None:
    processor = new()
    assert push(processor, tape(3)[:size]) == (lib.RB_ERR_ARGUMENT, -1)
    assert position(processor) == lib.RB_NO_POSITION


@given(trades=st.lists(st.tuples(*[INT64] * 7), max_size=5))
def test_any_numbers_are_taken_or_refused_as_a_whole(trades: list[tuple[int, ...]]) -> None:
    processor = new()
    packed = b"".join(TRADE.pack(*trade) for trade in trades)
    before = snapshot(processor)
    status, taken = push(processor, packed)

    if status < 0:
        assert taken == -1
        assert snapshot(processor) == before
        assert pop(processor, 8) == b""
    else:
        assert taken == len(trades)


@given(stops=st.lists(st.integers(1, 7), min_size=1, max_size=5), capacity=st.integers(1, 9))
def test_a_batch_in_parts_gives_the_bars_of_the_whole(stops: list[int], capacity: int) -> None:
    packed = tape(64)
    whole, parts = new(), new()
    push(whole, packed)
    expected = pop(whole, 64)
    bars, at = b"", 0

    while at < 64:
        status, taken = push(parts, packed[at * TRADE.size :], max_bars=stops[at % len(stops)])
        assert status >= lib.RB_OK
        at += taken

        while some := pop(parts, capacity):
            bars += some

    assert bars == expected
    assert len(bars) == 32 * ffi.sizeof("RbBar")


@pytest.fixture(params=[b"", b"BTCUSDT", b"x" * 255], ids=len)
def written(request: pytest.FixtureRequest) -> tuple[bytes, bytes]:
    processor = new()
    push(processor, tape(33))
    return request.param, snapshot(processor, request.param)


def test_a_snapshot_comes_back_as_it_was(written: tuple[bytes, bytes]) -> None:
    label, data = written
    status, processor = restore(data)
    assert status == lib.RB_OK
    assert snapshot(processor, label) == data


def test_a_snapshot_cut_anywhere_is_refused(written: tuple[bytes, bytes]) -> None:
    _, data = written

    for size in range(len(data)):
        status, processor = restore(data[:size])
        assert status < 0
        assert processor is None


def test_a_buffer_one_byte_too_small_is_refused_and_left(written: tuple[bytes, bytes]) -> None:
    label, data = written
    processor = restore(data)[1]
    out, length = ffi.new("uint8_t[]", b"\xaa" * (len(data) - 1)), ffi.new("size_t *", 77)
    status = lib.rb_processor_snapshot(processor, label, len(label), out, len(data) - 1, length)
    assert status == lib.RB_ERR_BUFFER
    assert length[0] == 77
    assert set(bytes(ffi.buffer(out))[:-1]) == {0xAA}


def test_a_label_buffer_too_small_is_refused_and_no_handle_made(written: tuple[bytes, bytes]) -> None:
    label, data = written

    if not label:
        assert restore(data, label_capacity=0)[0] == lib.RB_OK
        return

    assert restore(data, label_capacity=len(label) - 1) == (lib.RB_ERR_BUFFER, None)


@given(data=st.binary(max_size=SNAPSHOT))
def test_any_bytes_are_refused_as_a_snapshot(data: bytes) -> None:
    status, processor = restore(data)
    assert status < 0
    assert processor is None
