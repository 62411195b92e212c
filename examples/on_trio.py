"""Range bars of one symbol on trio: `python examples/on_trio.py BTCUSDT`. Ctrl-C ends it."""

import argparse

import trio

from rangebar_anyio import BinanceSpot, open_stream


async def main(symbol: str, source: BinanceSpot, most: int | None) -> None:
    seen = 0
    async with open_stream(symbol, threshold_dbps=250, source=source) as bars:
        async for bar in bars:
            # Floats by attribute, every digit by exact().
            print(bar.close_time.isoformat(), bar.symbol, bar.exact("close"), bar.exact("volume"))
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
        trio.run(main, wanted.symbol, BinanceSpot(wanted.ws_url, wanted.rest_url), wanted.bars)
    except KeyboardInterrupt:
        pass
