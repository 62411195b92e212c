"""A stream as one task of a larger application: another task closes it, and the loop over its bars ends normally."""

import argparse

import anyio

from rangebar_anyio import BarStream, BinanceSpot, open_stream


async def read(bars: BarStream) -> None:
    async for bar in bars:
        print(bar.symbol, bar.close_time.isoformat(), bar.close)

    print("the stream was closed")


async def watch(bars: BarStream, seconds: float) -> None:
    """The rest of the application: here it looks now and then, and decides when it is enough."""
    with anyio.move_on_after(seconds):
        while True:
            forming = bars.forming("BTCUSDT", 250)
            print(f"{bars.stats.live_trades} trades; forming: {'nothing' if forming is None else forming.close}")
            await anyio.sleep(0.5)

    await bars.aclose()


async def main(source: BinanceSpot, seconds: float) -> None:
    async with open_stream("BTCUSDT", threshold_dbps=250, source=source) as bars, anyio.create_task_group() as tasks:
        tasks.start_soon(read, bars)
        tasks.start_soon(watch, bars, seconds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--ws-url", help="another server than the exchange's")
    parser.add_argument("--rest-url")
    wanted = parser.parse_args()
    try:
        anyio.run(main, BinanceSpot(wanted.ws_url, wanted.rest_url), wanted.seconds)
    except KeyboardInterrupt:
        pass
