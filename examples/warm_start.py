"""Begin in the past, run into the live stream, and go on after a restart: `--since 2026-01-31T12:00+00:00`.

The time is for the first run only: later ones go on after the last bar that was finished.
"""

import argparse
from datetime import UTC, datetime, timedelta

import anyio

from rangebar_anyio import BinanceSpot, open_stream


def aware(text: str) -> datetime:
    """Read a time; one without a zone is in UTC, as the exchange's own are."""
    time = datetime.fromisoformat(text)
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


async def main(since: datetime, store: str, source: BinanceSpot, most: int | None) -> None:
    seen = 0
    async with open_stream("BTCUSDT", threshold_dbps=250, source=source, store=store, start=since) as bars:
        async for bar in bars:
            print(bar.close_time.isoformat(), bar.first_agg_trade_id, bar.last_agg_trade_id, bar.close)
            seen += 1
            if seen == most:
                break


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--since", type=aware, default=datetime.now(UTC) - timedelta(hours=1))
    parser.add_argument("--store", default="warm-start.db")
    parser.add_argument("--bars", type=int, help="end after so many")
    parser.add_argument("--ws-url", help="another server than the exchange's")
    parser.add_argument("--rest-url")
    wanted = parser.parse_args()
    try:
        anyio.run(main, wanted.since, wanted.store, BinanceSpot(wanted.ws_url, wanted.rest_url), wanted.bars)
    except KeyboardInterrupt:
        pass
