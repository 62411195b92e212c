"""Frames of one generated symbol, all of one length, so that ids and times are written into them as columns.

Fast enough to be made while they are sent: several million a second.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy
from numpy.typing import NDArray

__all__ = ("BASE_US", "BLOCK", "FIRST_ID", "blocks", "event", "frame", "price_of", "row")

FIRST_ID = 1_000_000_000
BASE_US = 1_767_225_600_000_000
STEP_US = 100
#: Trades after which prices repeat, and that are made together.
BLOCK = 80_000
_ID_DIGITS, _TIME_DIGITS = 10, 16


def price_of(index: int) -> str:
    """A price that walks up and down by 500 in a block: bars at 250 dbps have some 12,000 trades."""
    step = index % BLOCK
    cents = (step if step < BLOCK // 2 else BLOCK - step) * 5 // 4
    return f"{60_000 + cents // 100}.{cents % 100:02d}000000"


def event(index: int, time_us: int | str, *, symbol: str = "BTCUSDT", price: str | None = None) -> str:
    """One aggTrade event as the spot market sends it; a longer quantity makes up for the shorter ``true``."""
    number = FIRST_ID + index
    quantity, maker = ("10.01500000", "true") if index & 1 else ("0.01500000", "false")
    return (
        f'{{"e":"aggTrade","E":{BASE_US + index * STEP_US},"s":"{symbol}","a":{number},'
        f'"p":"{price or price_of(index)}","q":"{quantity}","f":{number},"l":{number},"T":{time_us},"m":{maker},'
        f'"M":true}}'
    )


def row(index: int) -> str:
    """One row of a REST page."""
    number = FIRST_ID + index
    quantity, maker = ("10.01500000", "true") if index & 1 else ("0.01500000", "false")
    return (
        f'{{"a":{number},"p":"{price_of(index)}","q":"{quantity}","f":{number},"l":{number},'
        f'"T":{BASE_US + index * STEP_US},"m":{maker},"M":true}}'
    )


def frame(payload: bytes) -> bytes:
    """A text frame around a payload of 126 to 65,535 bytes."""
    return b"\x81\x7e" + len(payload).to_bytes(2, "big") + payload


def blocks(trades: int) -> Iterator[bytes]:
    """Give so many trades as frames, a block at a time."""
    template = [frame(event(index, BASE_US).encode()) for index in range(BLOCK)]
    table = numpy.frombuffer(bytearray(b"".join(template)), numpy.uint8).reshape(BLOCK, -1)
    for first in range(0, trades, BLOCK):
        indexes = numpy.arange(first, first + BLOCK, dtype=numpy.int64)
        ids = _digits(indexes + FIRST_ID, _ID_DIGITS)
        times = _digits(indexes * STEP_US + BASE_US, _TIME_DIGITS)
        # The fields behind the quantity stand one place further where it is longer.
        for odd in (0, 1):
            for name, digits in (("E", times), ("a", ids), ("f", ids), ("l", ids), ("T", times)):
                at = template[odd].index(f'"{name}":'.encode(), 5 if name == "E" else 0) + 4
                table[odd::2, at : at + digits.shape[1]] = digits[odd::2]

        yield table[: trades - first].tobytes()


def _digits(numbers: NDArray[numpy.int64], width: int) -> NDArray[numpy.uint8]:
    out = numpy.empty((len(numbers), width), numpy.uint8)
    for place in range(width):
        out[:, place] = numbers // 10 ** (width - 1 - place) % 10 + ord("0")

    return out
