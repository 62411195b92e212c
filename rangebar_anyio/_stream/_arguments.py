"""The arguments of `open_stream`, checked before anything is opened: each message names field, value and remedy."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from inspect import iscoroutinefunction
from operator import index
from typing import Any, SupportsIndex, TypeVar

from .._errors import InvalidSymbolError, InvalidThresholdError
from .._stores import CheckpointStore

__all__ = (
    "at_least",
    "callback",
    "flag",
    "having",
    "of_type",
    "one_of",
    "store_of",
    "symbols_of",
    "text",
    "thresholds_of",
)

T = TypeVar("T")


def symbols_of(symbols: str | Iterable[str]) -> list[str]:
    """Write one symbol or many as the exchange does, each once."""
    if not isinstance(symbols, str | Iterable):
        raise InvalidSymbolError(symbols, f"is a {type(symbols).__name__}", 'give a str or several: "BTCUSDT"')

    names = [symbols] if isinstance(symbols, str) else list(symbols)
    if not names:
        raise ValueError('symbols is empty; name at least one: open_stream("BTCUSDT")')

    return list(dict.fromkeys(_symbol(name) for name in names))


def _symbol(name: object) -> str:
    if not isinstance(name, str):
        raise InvalidSymbolError(name, f"is a {type(name).__name__}", "give a str")

    # Not only ASCII: the exchange lists symbols in Chinese, too.
    plain = name.replace("_", "").replace("-", "")
    if not plain.isalnum():
        raise InvalidSymbolError(name, "has characters that no symbol has", 'write it as the exchange does: "BTCUSDT"')

    return name.upper()


def thresholds_of(threshold_dbps: int | Iterable[int]) -> list[int]:
    """Sort thresholds: bars that one trade closes come smallest threshold first."""
    if isinstance(threshold_dbps, str | bytes) or not isinstance(threshold_dbps, Iterable):
        return [_threshold(threshold_dbps)]

    values = {_threshold(value) for value in threshold_dbps}
    if not values:
        raise ValueError("threshold_dbps is empty; give at least one: 250 is 0.25 %")

    return sorted(values)


def _threshold(value: Any) -> int:
    try:
        number = index(value)
    except TypeError:
        raise InvalidThresholdError(value) from None

    if isinstance(value, bool) or not 1 <= number <= 100_000:
        raise InvalidThresholdError(value)

    return number


def at_least(name: str, value: object, least: int) -> int:
    """Check a whole number, which may be NumPy's."""
    number = index(value) if isinstance(value, SupportsIndex) and not isinstance(value, bool) else None
    if number is None or number < least:
        raise ValueError(f"{name} must be a whole number of {least} or more, not {value!r}")

    return number


def flag(name: str, value: object) -> bool:
    """Check a truth value: a mistaken "no" must not delete anything."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, not {value!r}")

    return value


def text(name: str, value: object) -> str:
    """Check a name."""
    if not isinstance(value, str) or not value:
        raise ValueError(f'{name} must be a name of at least one character, such as "default", not {value!r}')

    return value


def one_of(name: str, value: T, choices: Sequence[T]) -> T:
    """Check one of a few words."""
    if value not in choices:
        raise ValueError(f"{name} must be {' or '.join(map(repr, choices))}, not {value!r}")

    return value


def of_type(name: str, value: T | None, kind: type[T]) -> T | None:
    """Check an optional value of a class."""
    if value is not None and not isinstance(value, kind):
        raise TypeError(f"{name} must be a {kind.__name__} or None, not {value!r}")

    return value


def having(name: str, value: Any, methods: Sequence[str], example: str) -> Any:
    """Check an object by what it can do."""
    if isinstance(value, type) or not all(callable(getattr(value, method, None)) for method in methods):
        raise TypeError(
            f"{name} must have {' and '.join(f'{method}()' for method in methods)}, as {example} has, not {value!r}"
        )

    return value


def callback(name: str, value: Any) -> Any:
    """Check a plain function: nobody would await what an `async def` returns."""
    if value is not None and (not callable(value) or iscoroutinefunction(value)):
        raise TypeError(f"{name} must be a plain function of one argument, not {value!r}; write def, not async def")

    return value


def store_of(store: Any) -> CheckpointStore | str | os.PathLike[str] | None:
    """Check a path or a store."""
    if isinstance(store, str) and not store:
        raise ValueError("store must be a path or a CheckpointStore, not ''; name a file: store=\"bars.db\"")

    if store == ":memory:":
        raise ValueError('store=":memory:" would be a file of that name; for a store in memory: store=MemoryStore()')

    if store is not None and not isinstance(store, str | os.PathLike | CheckpointStore):
        raise TypeError(f'store must be a path or a CheckpointStore, not {store!r}; name a file: store="bars.db"')

    return store
