"""Write bars in batches, and acknowledge a batch when it is safe: after a crash the rest of it comes again."""

import argparse
import json
from pathlib import Path

import anyio

from rangebar_anyio import Bar, BinanceSpot, open_stream

BATCH = 5


def write(batch: list[Bar], file: Path) -> None:
    with file.open("a") as lines:
        lines.writelines(json.dumps([bar.last_agg_trade_id, str(bar.exact("close"))]) + "\n" for bar in batch)


async def main(file: Path, source: BinanceSpot, most: int | None) -> None:
    batch: list[Bar] = []
    written = 0
    async with open_stream("BTCUSDT", source=source, store=file.with_suffix(".db"), ack="manual") as bars:
        async for bar in bars:
            batch.append(bar)
            if len(batch) == BATCH:
                await anyio.to_thread.run_sync(write, batch, file)
                await bars.ack(batch[-1])
                written += len(batch)
                batch = []
                if most is not None and written >= most:
                    break


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--file", type=Path, default=Path("bars.jsonl"))
    parser.add_argument("--bars", type=int, help="end after so many")
    parser.add_argument("--ws-url", help="another server than the exchange's")
    parser.add_argument("--rest-url")
    wanted = parser.parse_args()
    try:
        anyio.run(main, wanted.file, BinanceSpot(wanted.ws_url, wanted.rest_url), wanted.bars)
    except KeyboardInterrupt:
        pass
