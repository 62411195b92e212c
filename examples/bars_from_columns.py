"""A day of trades as NumPy columns, in pieces of any size, to range bars in one Polars frame.

Run it: python examples/bars_from_columns.py
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rangebar_anyio import BarTable, RangeBarProcessor

TRADES = 1_000_000
PIECE = 150_000


def pieces() -> Iterator[dict[str, np.ndarray]]:
    """Give the columns of a made-up day, as a file or a database would: a piece at a time."""
    rng = np.random.default_rng(1)
    ids = np.arange(TRADES)
    steps = rng.integers(-100, 101, TRADES)
    day = {
        "agg_trade_id": ids,
        "timestamp_us": 1_735_689_600_000_000 + np.cumsum(rng.integers(0, 200_000, TRADES)),
        # Exact: integers of 10^-8, here on a grid of 0.01.
        "price": 60_000 * 10**8 + 10**6 * np.cumsum(steps),
        "quantity": rng.integers(1, 10**6, TRADES) * 1000,
        "is_buyer_maker": steps < 0,
    }

    for start in range(0, TRADES, PIECE):
        yield {name: column[start : start + PIECE] for name, column in day.items()}


def main() -> None:
    with RangeBarProcessor(250, symbol="BTCUSDT") as processor:
        # A bar may begin in one piece and close in another: the processor goes on where it stood.
        tables = [processor.push_columns(**piece) for piece in pieces()]
        forming = processor.forming

    table = BarTable.concat(tables)
    print(table.to_polars().select("close_time", "open", "close", "volume", "ofi"))
    print(f"{len(table)} bars; still forming: {forming}")


if __name__ == "__main__":
    main()
