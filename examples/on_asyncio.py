"""Range bars of one symbol on asyncio: `python examples/on_asyncio.py BTCUSDT`. Ctrl-C ends it."""

import argparse
import asyncio

from rangebar_anyio import BinanceSpot, open_stream


async def main(symbol: str, source: BinanceSpot, most: int | None) -> None:
    seen = 0
    async with open_stream(symbol, threshold_dbps=250, source=source) as bars:
        async for bar in bars:
            print(
                f"{bar.close_time:%H:%M:%S}  {bar.symbol}  {bar.open:.2f} -> {bar.close:.2f}  volume {bar.volume:.4f}"
            )
            seen += 1
            if seen == most:
                break


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("symbol", nargs="?", default="BTCUSDT")
    parser.add_argument("--bars", type=int, help="end after so many")
    parser.add_argument("--ws-url", help="another server than the exchange's")
    parser.add_argument("--rest-url")
    wanted = parser.parse_args()
    try:
        asyncio.run(main(wanted.symbol, BinanceSpot(wanted.ws_url, wanted.rest_url), wanted.bars))
    except KeyboardInterrupt:
        pass
