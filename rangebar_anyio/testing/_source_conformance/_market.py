"""The market that is played: so wild that a bar has a handful of trades, in milliseconds, which all markets know."""

from __future__ import annotations

from random import Random

from .._tape import AggTrade, Tape

__all__ = ("make_tape",)

_START_US = 1_700_000_000_000_000


def make_tape(symbol: str, trades: int, first_id: int) -> Tape:
    """Make a tape; now and then two trades share a time."""
    random, tape = Random(symbol), Tape(symbol)
    price, time_us = 100.0, _START_US
    for number in range(first_id, first_id + trades):
        price *= 1 + random.choice((-1, 1)) * random.uniform(0.0004, 0.0024)
        time_us += random.choice((0, 1000, 3000))
        price_e8, quantity_e8 = round(price * 10**4) * 10**4, random.randrange(1, 10**9)
        tape.append(AggTrade(number, price_e8, quantity_e8, number * 2, number * 2 + 1, time_us, number % 3 == 0))

    return tape
