"""Many symbols at several thresholds, with what happens besides bars on standard error. Ctrl-C ends it."""

import argparse
import sys

import anyio

from rangebar_anyio import BinanceSpot, open_stream


def on_event(event: object) -> None:
    print(event, file=sys.stderr)


async def main(symbols: list[str], source: BinanceSpot, most: int | None) -> None:
    counts = {(symbol, threshold): 0 for symbol in symbols for threshold in (100, 250)}
    async with open_stream(symbols, threshold_dbps=[100, 250], source=source, on_event=on_event) as bars:
        async for bar in bars:
            counts[bar.symbol, bar.threshold_dbps] += 1
            print(f"{bar.symbol:<10}{bar.threshold_dbps:>5} dbps  {bar.close}")
            if sum(counts.values()) == most:
                break

    print(counts, f"{bars.stats.live_trades} trades live, {bars.stats.fetched_trades} fetched")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("symbols", nargs="*", default=["BTCUSDT", "ETHUSDT", "BNBUSDT"])
    parser.add_argument("--bars", type=int, help="end after so many")
    parser.add_argument("--ws-url", help="another server than the exchange's")
    parser.add_argument("--rest-url")
    wanted = parser.parse_args()
    try:
        anyio.run(main, wanted.symbols, BinanceSpot(wanted.ws_url, wanted.rest_url), wanted.bars)
    except KeyboardInterrupt:
        pass
