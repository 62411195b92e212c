"""Bars given to a handler, with a store: `python examples/with_a_handler.py BTCUSDT`. Started again, it goes on."""

import argparse

import anyio

from rangebar_anyio import Bar, BarHandler, BarStream, BinanceSpot, run_handler
from rangebar_anyio.events import StreamEvent


class Trend(BarHandler):
    """Says how many bars in a row closed in one direction."""

    def __init__(self, most: int | None) -> None:
        self.most = most
        self.seen = 0
        self.run = 0

    def on_open(self, bars: BarStream) -> None:
        self.bars = bars

    async def on_bar(self, bar: Bar) -> None:
        step = 1 if bar.close > bar.open else -1
        self.run = self.run + step if self.run * step > 0 else step
        self.seen += 1
        print(
            f"{bar.symbol} closed at {bar.exact('close')}: {abs(self.run)} {'up' if self.run > 0 else 'down'} in a row"
        )
        if self.seen == self.most:
            await self.bars.aclose()

    def on_event(self, event: StreamEvent) -> None:
        print(f"  {event}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("symbol", nargs="?", default="BTCUSDT")
    parser.add_argument("--bars", type=int, help="end after so many")
    parser.add_argument("--db", default="bars.db")
    parser.add_argument("--ws-url", help="another server than the exchange's")
    parser.add_argument("--rest-url")
    wanted = parser.parse_args()

    async def main() -> None:
        source = BinanceSpot(wanted.ws_url, wanted.rest_url)
        await run_handler(Trend(wanted.bars), wanted.symbol, source=source, store=wanted.db)

    try:
        anyio.run(main)
    except KeyboardInterrupt:
        pass
