"""The examples in the docstrings of the engine's public names run as they stand."""

from __future__ import annotations

import inspect
import re
import textwrap
from typing import Any

import numpy as np
import polars
import pyarrow
import pytest

import rangebar_anyio as rb
from tests.engine.helpers import columns as columns_of
from tests.engine.helpers import trade

NAMES: list[Any] = [
    rb.Trade,
    rb.Bar,
    rb.Bar.exact,
    rb.BarTable,
    rb.RangeBarProcessor,
    rb.RangeBarProcessor.push_columns,
]


def example_of(thing: Any) -> str:
    match = re.search(r"^Example::\n\n((?: .*\n?|\n)+)", inspect.getdoc(thing) or "", re.MULTILINE)
    assert match is not None
    return textwrap.dedent(match[1])


def namespace() -> dict[str, Any]:
    """What the examples take as given."""
    trades = [trade(number, 100 + number % 2) for number in range(1, 50)]
    columns = columns_of(trades)
    processor = rb.RangeBarProcessor(250, symbol="BTCUSDT")
    bars = processor.push_many(trades)
    return {
        "RangeBarProcessor": rb.RangeBarProcessor,
        "Trade": rb.Trade,
        "bar": bars[0],
        "bars": bars,
        "columns": columns,
        "ids": columns["agg_trade_id"],
        "makers": columns["is_buyer_maker"],
        "np": np,
        "polars": polars,
        "prices": columns["price"],
        "processor": rb.RangeBarProcessor(250),
        "pyarrow": pyarrow,
        "sizes": columns["quantity"],
        "times": columns["timestamp_us"],
        "trades": trades,
    }


@pytest.mark.parametrize("thing", NAMES, ids=lambda thing: thing.__qualname__)
def test_an_example_runs(thing: Any) -> None:
    exec(compile(example_of(thing), thing.__qualname__, "exec"), namespace())


def test_the_trade_is_what_its_example_says() -> None:
    made, asked = example_of(rb.Trade).strip().splitlines()
    given = namespace()
    exec(made, given)

    assert repr(eval(asked, given)) == asked.partition("# ")[2]


# A type alias has no docstring of its own.
@pytest.mark.parametrize("name", [name for name in rb.__all__ if name not in ("StartPoint", "__version__")])
def test_every_public_name_says_what_it_is(name: str) -> None:
    assert getattr(rb, name).__doc__


@pytest.mark.parametrize("kind", [rb.Trade, rb.Bar, rb.BarTable, rb.RangeBarProcessor])
def test_every_public_member_says_what_it_is(kind: type) -> None:
    data = {"venue", "symbol", "threshold_dbps", "is_closed"}  # told by the class
    public = {member for member in dir(kind) if not member.startswith("_")} - data

    assert [member for member in public if not inspect.getdoc(getattr(kind, member))] == []
