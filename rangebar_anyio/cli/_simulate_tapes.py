"""The tapes that `simulate` plays: read as `replay` reads them, or generated."""

from __future__ import annotations

import os
import re
import struct
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import click

from .._sources._archive import Archive
from .._sources._archive_rows import ArchiveRows, Batch

if TYPE_CHECKING:
    from ..testing import Tape

__all__ = ("Market", "generated_tapes", "markets_of", "read_tapes", "symbols_of_files")

#: How a trade lies in a batch: seven integers, the last one 0 or 1, in the order of `AggTrade`.
_PACKED = struct.Struct("<7q")
#: Trades a second of a calm market, which is what `generate_tape` makes.
_RATE = 25.0
_PAST_S = 600.0
_LOWEST, _HIGHEST = Decimal("0.000001"), Decimal(10_000_000)
_TICK = Decimal("0.01")
_SMALLEST_TICK = Decimal("0.00000001")


@dataclass(frozen=True, slots=True)
class Market:
    """What `--generate` asks for."""

    symbol: str
    price: Decimal

    @property
    def tick_size(self) -> Decimal:
        """A step of the price that leaves a cheap one room to move."""
        return min(_TICK, max(_SMALLEST_TICK, Decimal(1).scaleb(self.price.adjusted() - 3)))


def markets_of(texts: Iterable[str]) -> list[Market]:
    """Read `--generate`.

    Raises:
        click.BadParameter: one cannot be read, or two are of one symbol.
    """
    markets: dict[str, Market] = {}
    for text in texts:
        market = _market(text)
        if market.symbol in markets:
            raise click.BadParameter(f"--generate {text!r}: {market.symbol} has a market already")

        markets[market.symbol] = market

    return list(markets.values())


def _market(text: str) -> Market:
    symbol, _, number = text.partition("=")
    try:
        price = Decimal(number)
    except InvalidOperation:
        price = Decimal(0)

    if not symbol.replace("_", "").isalnum() or not price.is_finite() or price <= 0:
        raise click.BadParameter(f"--generate {text!r} is not SYMBOL=PRICE, for example BTCUSDT=60000")

    if not _LOWEST <= price <= _HIGHEST:
        raise click.BadParameter(f"--generate {text!r}: a price is from {_LOWEST} to {_HIGHEST:,}")

    return Market(symbol.upper(), price)


def generated_tapes(markets: Iterable[Market], trades: int, seed: int) -> list[Tape]:
    """Generate tapes whose past ends now, so that delays are real; most of a tape is still to come."""
    from ..testing import generate_tape

    past_s = min(_PAST_S, trades / _RATE / 4)
    began_us = time.time_ns() // 1000 - int(past_s * 1e6)
    return [
        generate_tape(
            trades,
            seed=seed,
            symbol=market.symbol,
            start_price=str(market.price),
            tick_size=str(market.tick_size),
            start_time_us=began_us + number,
            first_agg_trade_id=0,
            halt_s=0,
        )
        for number, market in enumerate(markets)
    ]


def symbols_of_files(paths: Sequence[str]) -> dict[str, str]:
    """Give the file of each symbol.

    Raises:
        click.BadParameter: two files are of one symbol.
    """
    files: dict[str, str] = {}
    for path in paths:
        symbol = re.split(r"[-.]", os.path.basename(path))[0].upper()
        if symbol in files:
            raise click.BadParameter(f"{files[symbol]} and {path} are both of {symbol}; one file for each symbol")

        files[symbol] = path

    return files


def read_tapes(files: dict[str, str]) -> list[Tape]:
    """Read an archive for each symbol.

    Raises:
        ArchiveError: a file cannot be read, as `replay` says it.
        ValueError: its times go back, which no exchange could play.
    """
    return [_read(symbol, path) for symbol, path in files.items()]


def _read(symbol: str, path: str) -> Tape:
    from ..testing import AggTrade, Tape

    archive = Archive(path)
    archive.check()
    tape = Tape(symbol)
    for batch in ArchiveRows().read(path, archive.chunks()):
        for values in _PACKED.iter_unpack(_bytes_of(batch)):
            try:
                tape.append(AggTrade(*values))
            except ValueError as error:
                raise ValueError(f"{path}: {error}") from None

    return tape


def _bytes_of(batch: Batch) -> Any:
    from .._native import ffi

    return ffi.buffer(batch.packed, batch.size)
