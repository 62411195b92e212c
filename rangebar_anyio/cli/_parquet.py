"""Parquet through pyarrow, in row groups, so that a long tape never lies in memory as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import click

from .._bar import Bar
from ._format import FIELDS

__all__ = ("open_parquet",)

_ROW_GROUP = 20_000


@contextmanager
def open_parquet(path: str) -> Iterator[ParquetOutput]:
    """Open a Parquet file for bars: prices and volumes are doubles, ids and counts int64, times UTC microseconds."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise click.ClickException("--format parquet needs pyarrow: pip install 'rangebar-anyio[arrow]'") from None

    schema = pyarrow.schema([(name, _type_of(pyarrow, name)) for name in FIELDS])
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        output = ParquetOutput(pyarrow, writer, schema)
        yield output
        output.write_group()


def _type_of(pyarrow: Any, name: str) -> Any:
    if name == "symbol":
        return pyarrow.string()

    if name in ("open_time", "close_time"):
        return pyarrow.timestamp("us", tz="UTC")

    if name == "is_closed":
        return pyarrow.bool_()

    counts = ("_id", "_count", "_us", "_dbps", "_trades")
    return pyarrow.int64() if name.endswith(counts) else pyarrow.float64()


class ParquetOutput:
    """Collects bars and writes a row group when enough are there."""

    def __init__(self, pyarrow: Any, writer: Any, schema: Any) -> None:
        self._pyarrow = pyarrow
        self._writer = writer
        self._schema = schema
        self._columns: dict[str, list[object]] = {name: [] for name in FIELDS}

    def write(self, bars: Iterable[Bar]) -> None:
        """Take bars."""
        for bar in bars:
            for name, column in self._columns.items():
                value: object = getattr(bar, name)
                column.append(value if not isinstance(value, datetime) else getattr(bar, name + "_us"))

        if len(self._columns["symbol"]) >= _ROW_GROUP:
            self.write_group()

    def flush(self) -> None:
        """Do nothing: a Parquet file is whole only at its end, and small row groups would make it slow to read."""

    def write_group(self) -> None:
        """Write what is collected as one row group."""
        if self._columns["symbol"]:
            self._writer.write_table(self._pyarrow.table(self._columns, schema=self._schema))

        for column in self._columns.values():
            column.clear()
