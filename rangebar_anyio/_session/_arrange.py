"""Which symbols share a connection."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from ._core import Core, LaneState, Symbol
from ._links import Links
from ._listing import Listing
from ._values import Lane


def arrange(core: Core, links: Links, lanes: Sequence[Lane]) -> None:
    """Make symbols and lanes, and groups of as many symbols as a connection carries."""
    most = core.rules.streams_per_connection
    most = min(core.config.streams_per_connection or most, most)
    names = iter(dict.fromkeys(lane.symbol for lane in lanes))
    symbols: dict[str, Symbol] = {}

    while batch := list(islice(names, most)):
        group = links.add_group([])

        for name in batch:
            symbols[name] = Symbol(name, core.feed.add_symbol(name), group)
            group.symbols.append(symbols[name])

    core.symbols.extend(symbols.values())

    for place, lane in enumerate(lanes):
        symbol = symbols[lane.symbol]
        symbol.lanes.append(place)
        core.lanes.append(LaneState(lane, symbol))

    for symbol in core.symbols:
        symbol.listing = Listing(core, symbol, is_known=any(core.lanes[place].is_durable for place in symbol.lanes))
        symbol.bucket = core.budget.symbol_bucket() if len(core.symbols) > 1 else None


__all__ = ("arrange",)
