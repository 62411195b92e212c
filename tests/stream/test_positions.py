"""RECOVERY.md, "Terms" and "Start": a position is the source's own bytes with a text for people; ids nobody has."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rangebar_anyio import CheckpointStore, MemoryStore, SessionConfig, open_stream
from rangebar_anyio._sources._positions import TradePosition
from rangebar_anyio._stream._keeper import RULE_VERSION
from rangebar_anyio.stores import BeginSegment, LaneFormat, LaneKey, Position
from tests.stream.fake_source import QUICK, FakeExchange, bars_of, make_tape

pytestmark = pytest.mark.anyio

TAPE = make_tape(60)
WANTED = bars_of(TAPE, 250)


@given(number=st.integers(-1, 2**62), unit=st.sampled_from(("us", "ms")), time_us=st.none() | st.integers(0, 2**53))
def test_a_position_comes_back_from_its_bytes(number: int, unit: Any, time_us: int | None) -> None:
    position = TradePosition(number, unit, time_us)
    assert TradePosition.from_bytes(position.to_bytes()) == position
    assert str(number) in str(position)


@pytest.mark.parametrize("data", [b"", b"7", bytes(17), bytes(18), bytes(19), b"\xfe" + b"\xff" * 7 + bytes(8) + b"us"])
def test_what_is_no_position_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"a position has 18 bytes|no trade has the id"):
        TradePosition.from_bytes(data)


async def test_a_store_keeps_last_id_and_time_and_what_people_read_beside_them() -> None:
    exchange, store = FakeExchange([TAPE], history=20), MemoryStore()
    async with open_stream("BTCUSDT", source=exchange, store=store, start=1000, config=QUICK) as bars:
        with anyio.fail_after(100):
            bar = [await bars.receive() for _ in range(3)][-1]

    (status,) = await store.lanes()
    assert status.checkpoint is not None
    position = status.checkpoint.position
    assert position.data == bar.position
    assert TradePosition.from_bytes(position.data) == TradePosition(bar.last_agg_trade_id, "us", bar.close_time_us)
    assert position.text == f"trade {bar.last_agg_trade_id} at {bar.close_time:%Y-%m-%d %H:%M:%S.%f} UTC"


async def begun(store: CheckpointStore, exchange: FakeExchange, position: Position) -> None:
    lane = LaneKey("default", exchange.venue, "BTCUSDT", 250)
    epoch = await store.open([lane])
    await store.commit(epoch, [BeginSegment(lane, LaneFormat("us", True, RULE_VERSION), position)])
    store.release(epoch)


async def test_only_the_source_reads_the_bytes() -> None:
    """The text beside them is for people: where the stream goes on is in the bytes."""
    exchange, store = FakeExchange([TAPE], history=20), MemoryStore()
    position = TradePosition(WANTED[0].last_agg_trade_id, "us")
    await begun(store, exchange, Position(position.to_bytes(), position.agg_trade_id, "line 7"))
    async with open_stream("BTCUSDT", source=exchange, store=store, config=QUICK) as bars:
        with anyio.fail_after(100):
            assert [await bars.receive() for _ in WANTED[1:]] == WANTED[1:]


class TestVirtual:
    """Where time passes."""

    @pytest.fixture
    def anyio_backend(self, virtual_backend: object) -> object:
        return virtual_backend

    async def test_an_id_that_nobody_has_yet_is_refused(self) -> None:
        """As a plain `ValueError` that names it, once two answers five seconds apart say so; nothing is stored."""
        exchange, store = FakeExchange([TAPE], history=20, is_playing=False), MemoryStore()
        began = anyio.current_time()
        async with open_stream(
            "BTCUSDT", source=exchange, store=store, start=1020, config=SessionConfig(policy=QUICK.policy)
        ) as bars:
            with anyio.fail_after(60), pytest.raises(ValueError, match="1020"):
                await bars.receive()

        assert 5 <= anyio.current_time() - began < 10
        assert [status.checkpoint for status in await store.lanes()] in ([], [None])
