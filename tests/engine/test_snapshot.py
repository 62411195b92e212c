"""Snapshots: what was written comes back, and no other bytes do."""

from __future__ import annotations

import random
from collections.abc import Iterator
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rangebar_anyio import InvalidSymbolError, RangeBarProcessor, SnapshotError, Trade
from rangebar_anyio._feed import Feed
from rangebar_anyio.testing import tapes, thresholds
from tests.engine.helpers import push_each, trade


def snapshot_of(tape: list[Trade], threshold_dbps: int = 250, symbol: str = "BTCUSDT") -> bytes:
    with RangeBarProcessor(threshold_dbps, symbol=symbol) as processor:
        push_each(processor, tape)
        return processor.snapshot()


SNAPSHOT = snapshot_of([trade(1), trade(2, "100.1"), trade(5, "100.2")])


@given(tapes(), thresholds(), st.booleans(), st.text(max_size=60))
def test_everything_comes_back(tape: list[Trade], threshold_dbps: int, gate_off: bool, symbol: str) -> None:
    with RangeBarProcessor(threshold_dbps, symbol=symbol, same_timestamp_close=gate_off) as processor:
        push_each(processor, tape)

        with RangeBarProcessor.restore(processor.snapshot()) as again:
            assert again.threshold_dbps == threshold_dbps
            assert again.symbol == symbol
            assert again.same_timestamp_close is gate_off
            assert again.last_agg_trade_id == processor.last_agg_trade_id
            assert again.last_timestamp_us == processor.last_timestamp_us
            assert again.time_reversals == processor.time_reversals
            assert again.forming == processor.forming


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_bytes_like_object_is_read(kind: type) -> None:
    with RangeBarProcessor.restore(kind(SNAPSHOT)) as processor:
        assert processor.last_agg_trade_id == 5


def test_an_expectation_that_fails_is_an_error_with_its_reason() -> None:
    RangeBarProcessor.restore(SNAPSHOT, threshold_dbps=250, symbol="BTCUSDT").close()

    with pytest.raises(SnapshotError, match="is of threshold_dbps 250, and 25 is expected") as caught:
        RangeBarProcessor.restore(SNAPSHOT, threshold_dbps=25)

    assert caught.value.reason == "threshold"

    with pytest.raises(SnapshotError, match="is of symbol 'BTCUSDT', and 'ETHUSDT' is expected") as caught:
        RangeBarProcessor.restore(SNAPSHOT, symbol="ETHUSDT")

    assert caught.value.reason == "symbol"


def sealed(body: bytes) -> bytes:
    """Bytes with the length and the checksum that they say."""
    body = body[:8] + (len(body) + 4).to_bytes(4, "little") + body[12:]
    return body + crc32(body).to_bytes(4, "little")


BODY = SNAPSHOT[:-4]


def test_the_checksum_is_the_common_one() -> None:
    assert sealed(BODY) == SNAPSHOT


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "length"),
        (SNAPSHOT[:-1], "length"),
        (SNAPSHOT + b"x", "length"),
        (b"XXXX" + SNAPSHOT[4:], "magic"),
        (sealed(BODY[:4] + b"\x02\x00" + BODY[6:]), "version"),
        (SNAPSHOT[:-1] + bytes([SNAPSHOT[-1] ^ 1]), "checksum"),
        (SNAPSHOT[:60] + bytes([SNAPSHOT[60] ^ 1]) + SNAPSHOT[61:], "checksum"),
        (sealed(BODY[:12] + bytes(4) + BODY[16:]), "content"),  # a threshold of 0
        (sealed(BODY[:6] + b"\xff\xff" + BODY[8:]), "content"),  # unknown flags
        (sealed(BODY[:56] + bytes(8) + BODY[64:]), "content"),  # an open price of 0
        (sealed(BODY[:-7] + b"\xff\xfe" + BODY[-5:]), "content"),  # a symbol that is no text
    ],
)
def test_every_kind_of_damage_has_its_reason(data: bytes, reason: str) -> None:
    with pytest.raises(SnapshotError, match="start from the position of the last closed bar") as caught:
        RangeBarProcessor.restore(data)

    assert caught.value.reason == reason


def forged(**values: int) -> bytes:
    """A snapshot with other values in its forming bar."""
    body = bytearray(BODY)

    for name, value in values.items():
        at = {"high": 64, "close": 80, "missing_trades": 208}[name]
        body[at : at + 8] = value.to_bytes(8, "little")

    return sealed(bytes(body))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (forged(high=120 * 10**8, close=120 * 10**8), "ends beyond its limits: it would have closed"),
        (forged(missing_trades=1), "leaves out more ids than it counts as missing"),
    ],
)
def test_a_forming_bar_that_cannot_be_is_refused_and_the_error_says_why(data: bytes, why: str) -> None:
    RangeBarProcessor.restore(forged(high=100_240_000_00, missing_trades=2)).close()

    with pytest.raises(SnapshotError, match=f"has a forming bar that {why}; start from the position") as caught:
        RangeBarProcessor.restore(data)

    assert caught.value.reason == "content"

    with Feed() as feed:
        symbol = feed.add_symbol("BTCUSDT")

        with pytest.raises(SnapshotError, match=why):
            feed.add_lane(symbol, 250, position=0, snapshot=data)


@given(st.binary(max_size=700))
def test_garbage_is_refused(data: bytes) -> None:
    with pytest.raises(SnapshotError):
        RangeBarProcessor.restore(data)


def mutations(seed: int, count: int) -> Iterator[bytes]:
    """Snapshots with a few bytes changed, and the checksum made right again so that the content is looked at."""
    rng = random.Random(seed)

    for _ in range(count):
        body = bytearray(BODY)

        for _ in range(rng.randint(1, 4)):
            value = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
            body[rng.randrange(12, len(body))] = value

        yield sealed(bytes(body))


def test_a_forged_snapshot_is_refused_or_a_processor_that_works() -> None:
    accepted = 0
    reasons = set()

    for data in mutations(seed=1, count=3_000):
        try:
            processor = RangeBarProcessor.restore(data)
        except SnapshotError as error:
            reasons.add(error.reason)
            continue

        accepted += 1

        with processor:
            assert processor.snapshot() == data
            position = processor.last_agg_trade_id

            if position is not None and position < 2**62:
                processor.push(trade(position + 1, us=1))
                assert processor.last_agg_trade_id == position + 1

    assert reasons <= {"content", "length"}
    assert 0 < accepted < 3_000


def test_a_symbol_that_does_not_fit_is_refused_when_the_processor_is_made() -> None:
    RangeBarProcessor(250, symbol="x" * 255).close()

    with pytest.raises(InvalidSymbolError, match="has 256 bytes"):
        RangeBarProcessor(250, symbol="ü" * 128)

    with pytest.raises(InvalidSymbolError, match="is no UTF-8 text"):
        RangeBarProcessor(250, symbol="\ud800")

    with pytest.raises(InvalidSymbolError, match="is a bytes; give a str"):
        RangeBarProcessor(250, symbol=b"BTC")  # type: ignore[arg-type]
