"""What programs need to test what they build on this library, and what the library's own tests use.

Every name is imported when it is first asked for, so that a test which needs one of them does not need the optional
packages of all.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._archive import read_archive_csv, write_archive_csv
    from ._invariants import check_bar, check_bars, check_tape
    from ._market import generate_market, generate_tape
    from ._simulated._counters import Counters
    from ._simulated._faults import Fault, FaultKind
    from ._simulated._playback import Pace
    from ._simulated._random_faults import random_faults
    from ._simulated._run import run_simulated_exchange
    from ._simulated._server import SimulatedExchange
    from ._simulated._venue import Limits
    from ._source_conformance import check_trade_source
    from ._store_conformance import check_checkpoint_store
    from ._strategies import tapes, thresholds, trades
    from ._tape import AggTrade, Tape

__all__ = (
    "AggTrade",
    "Counters",
    "Fault",
    "FaultKind",
    "Limits",
    "Pace",
    "SimulatedExchange",
    "Tape",
    "check_bar",
    "check_bars",
    "check_checkpoint_store",
    "check_tape",
    "check_trade_source",
    "generate_market",
    "generate_tape",
    "random_faults",
    "read_archive_csv",
    "run_simulated_exchange",
    "tapes",
    "thresholds",
    "trades",
    "write_archive_csv",
)

# The home of each name; one line for each import above.
_HOMES = {
    "AggTrade": "_tape",
    "Counters": "_simulated._counters",
    "Fault": "_simulated._faults",
    "FaultKind": "_simulated._faults",
    "Limits": "_simulated._venue",
    "Pace": "_simulated._playback",
    "SimulatedExchange": "_simulated._server",
    "Tape": "_tape",
    "check_bar": "_invariants",
    "check_bars": "_invariants",
    "check_checkpoint_store": "_store_conformance",
    "check_tape": "_invariants",
    "check_trade_source": "_source_conformance",
    "generate_market": "_market",
    "generate_tape": "_market",
    "random_faults": "_simulated._random_faults",
    "read_archive_csv": "_archive",
    "run_simulated_exchange": "_simulated._run",
    "tapes": "_strategies",
    "thresholds": "_strategies",
    "trades": "_strategies",
    "write_archive_csv": "_archive",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)

    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    try:
        value = getattr(import_module(f".{home}", __name__), name)
    except ModuleNotFoundError as error:
        if error.name != "hypercorn":
            raise

        raise ImportError(f"{name} needs hypercorn: install rangebar-anyio[simulate]") from error

    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
