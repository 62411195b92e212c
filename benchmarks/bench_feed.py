"""How many aggTrade messages a second go from a socket's bytes to bars, beside what parsing their frames alone costs.

    python benchmarks/bench_feed.py [--trades 200000] [--rounds 7] [--threshold 250]

All sides read the same bytes in the same reads of 64 KiB, in rounds that take turns, on whatever core this process has;
the best round of each side counts, since a machine's slow phases last longer than a round. The feed decodes frames and
JSON, checks ids and runs the processors; wsproto, which httpx-ws is built on, only cuts the bytes into messages.
"""

from __future__ import annotations

import argparse
import random

from _rounds import interleaved
from wsproto.connection import Connection, ConnectionType
from wsproto.events import TextMessage

from rangebar_anyio._feed import Feed

READ = 64 * 1024


def frames(trades: int, symbols: int, *, futures: bool = False) -> bytes:
    """Make the frames of a market: a random walk of one cent steps, as BTCUSDT's events look on spot or futures."""
    randomness = random.Random(1)
    prices = [11_207_001 + 1_000 * symbol for symbol in range(symbols)]
    out = bytearray()

    for at in range(trades):
        symbol = at % symbols
        prices[symbol] += randomness.choice((-300, -1, 0, 0, 1, 300))
        price, quantity = prices[symbol], randomness.randrange(1, 300_000)
        now = 1_700_000_000_000_000 + at * 211
        trade_id = 3_000_000_000 + at // symbols
        maker = "true" if randomness.random() < 0.5 else "false"
        p, q = f"{price // 100}.{price % 100:02}", f"{quantity // 100_000}.{quantity % 100_000:05}"
        ids = f'"f":{trade_id * 2},"l":{trade_id * 2 + 1}'

        if futures:
            now //= 1_000
            text = (
                f'{{"e":"aggTrade","E":{now + 1},"a":{trade_id},"s":"{_name(symbol)}",'
                f'"p":"{p}","q":"{q}","nq":"{q}",{ids},"T":{now},"m":{maker},"st":1}}'
            )
        else:
            text = (
                f'{{"e":"aggTrade","E":{now + 900},"s":"{_name(symbol)}","a":{trade_id},'
                f'"p":"{p}000000","q":"{q}000",{ids},"T":{now},"m":{maker},"M":true}}'
            )

        event = text.encode()
        out += bytes((0x81, 126)) + len(event).to_bytes(2, "big") + event

    return bytes(out)


def _name(symbol: int) -> str:
    return "BTCUSDT" if symbol == 0 else f"SYM{symbol}USDT"


def feed_round(reads: list[bytes], trades: int, symbols: int, thresholds: list[int]) -> int:
    """Turn all of it into bars; return how many."""
    bars = 0

    with Feed(bar_capacity=100) as feed:
        for symbol in range(symbols):
            number = feed.add_symbol(_name(symbol))

            for threshold in thresholds:
                feed.add_lane(number, threshold)

        connection = feed.connect()
        taken = 0

        for data in reads:
            summary = feed.receive_data(connection, data)
            taken += summary.trades_taken

            while summary.bars_queued:
                while feed.peek_bar() is not None:
                    bars += 1
                    feed.pop_bar()

                summary = feed.resume()
                taken += summary.trades_taken

    if taken != trades:
        raise SystemExit(f"the feed took {taken} of {trades} trades")

    return bars


def wsproto_round(reads: list[bytes], trades: int) -> None:
    """Cut the same bytes into messages."""
    connection = Connection(ConnectionType.CLIENT)
    messages = 0

    for data in reads:
        connection.receive_data(data)
        messages += sum(isinstance(event, TextMessage) for event in connection.events())

    if messages != trades:
        raise SystemExit(f"wsproto found {messages} of {trades} messages")


def report(title: str, trades: int, rounds: int, symbols: int, thresholds: list[int], *, futures: bool = False) -> None:
    """Run the sides in turns and print the best round of each."""
    data = frames(trades, symbols, futures=futures)
    reads = [data[at : at + READ] for at in range(0, len(data), READ)]
    few = reads[: max(1, len(reads) // 20)]
    few_trades = _messages_in(few)
    bars = feed_round(reads, trades, symbols, thresholds)
    best = interleaved(
        {
            "feed": lambda: feed_round(reads, trades, symbols, thresholds),
            "wsproto": lambda: wsproto_round(few, few_trades),
        },
        rounds=rounds,
    )
    feed_rate, wsproto_rate = trades / best["feed"], few_trades / best["wsproto"]
    print(
        f"{title}: feed {feed_rate / 1e6:.2f} million messages/s ({1e9 / feed_rate:.0f} ns each, "
        f"{len(data) / best['feed'] / 1e6:.0f} MB/s, {bars} bars); "
        f"wsproto's frames alone {wsproto_rate:,.0f}/s; {feed_rate / wsproto_rate:.0f} times"
    )


def _messages_in(reads: list[bytes]) -> int:
    connection = Connection(ConnectionType.CLIENT)
    count = 0

    for data in reads:
        connection.receive_data(data)
        count += sum(isinstance(event, TextMessage) for event in connection.events())

    return count


def memory(symbols: int = 1_000) -> None:
    """Print what symbols and thresholds cost."""
    with Feed() as feed:
        for symbol in range(symbols):
            number = feed.add_symbol(_name(symbol))

            for threshold in (50, 100, 250, 500):
                feed.add_lane(number, threshold)

        connection = feed.connect()
        feed.receive_data(connection, frames(symbols * 5, symbols))
        print(f"{symbols} symbols x 4 thresholds: {feed.totals().heap_bytes:,} bytes in the feed")


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trades", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threshold", type=int, default=250)
    given = parser.parse_args()
    report(f"1 symbol, {given.threshold} dbps", given.trades, given.rounds, 1, [given.threshold])
    report(
        f"1 symbol of futures, {given.threshold} dbps", given.trades, given.rounds, 1, [given.threshold], futures=True
    )
    report("1 symbol, 4 thresholds", given.trades, given.rounds, 1, [50, 100, 250, 500])
    report("100 symbols in turns, 250 dbps", given.trades, given.rounds, 100, [250])
    memory()


if __name__ == "__main__":
    main()
