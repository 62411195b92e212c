"""A long tape as columns: a random walk on a cent grid, sizes and bursts as a busy market has them."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

__all__ = ("Tape", "make_tape")

_E8 = 100_000_000


@dataclass(frozen=True, slots=True)
class Tape:
    """Columns of one length, in the names and units of ``push_columns``."""

    agg_trade_id: NDArray[np.int64]
    timestamp_us: NDArray[np.int64]
    price: NDArray[np.int64]
    quantity: NDArray[np.int64]
    first_trade_id: NDArray[np.int64]
    last_trade_id: NDArray[np.int64]
    is_buyer_maker: NDArray[np.bool_]

    def columns(self) -> dict[str, NDArray[np.generic]]:
        """Return the columns as arguments of ``push_columns``."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def floats(self) -> dict[str, NDArray[np.generic]]:
        """Return the same columns with prices and quantities as float64."""
        return self.columns() | {"price": self.price / _E8, "quantity": self.quantity / _E8}

    def without_individual_ids(self) -> dict[str, NDArray[np.generic]]:
        """Return the columns without the two that may be left out."""
        names = ("first_trade_id", "last_trade_id")
        return {name: column for name, column in self.columns().items() if name not in names}


def make_tape(trades: int) -> Tape:
    """Make a tape whose bars take some 13,000 trades at 250 dbps and some 170 at 25 dbps, whatever its length."""
    random = np.random.default_rng(1)
    cents = 6_000_000 + np.cumsum(np.rint(random.normal(0, 132, trades)).astype(np.int64))
    pauses = random.integers(0, 3, trades) * random.integers(0, 50_000, trades)
    individual = random.geometric(0.6, trades)
    last = 3_000_000_000 + np.cumsum(individual)
    sizes = np.rint(random.lognormal(-4, 1.5, trades) * 100_000).astype(np.int64)
    return Tape(
        agg_trade_id=np.arange(trades, dtype=np.int64) + 1_000_000_000,
        timestamp_us=1_700_000_000_000_000 + np.cumsum(pauses),
        price=(np.abs(cents - 1_000_000) + 1_000_000) * (_E8 // 100),
        quantity=np.maximum(sizes, 1) * (_E8 // 100_000),
        first_trade_id=last - individual + 1,
        last_trade_id=last,
        is_buyer_maker=random.integers(0, 2, trades).astype(np.bool_),
    )
