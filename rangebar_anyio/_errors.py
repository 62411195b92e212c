"""The errors that this library raises; each builds its own message from its fields."""

from __future__ import annotations

_LONGEST_VALUE = 80


def _shown(value: object) -> str:
    """Show a value that came from outside, on one line and cut where it is long."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - a broken repr must not hide what the message is about
        text = f"<{type(value).__name__}>"

    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}... ({len(text)} characters)"


class RangeBarError(Exception):
    """The base of everything that this library raises on purpose."""


class InvalidTradeError(RangeBarError, ValueError):
    """A trade, or a row of columns, cannot be what an exchange reported; nothing of the call was taken.

    ``field`` and ``value`` are what was refused, ``problem`` says why and ``remedy`` what to do; ``index`` is the
    trade's place in its batch, or the row of its columns, and ``None`` for a single trade.
    """

    def __init__(self, field: str, value: object, problem: str, remedy: str = "", index: int | None = None) -> None:
        self.field = field
        self.value = value
        self.problem = problem
        self.remedy = remedy
        self.index = index
        super().__init__(field, value, problem, remedy, index)

    def __str__(self) -> str:
        where = "" if self.index is None else f"row {self.index}: "
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"{where}{self.field} {_shown(self.value)} {self.problem}{remedy}"


class InvalidColumnError(InvalidTradeError, TypeError):
    """A column as a whole cannot be read: its type, its shape or its length; nothing of the call was taken.

    ``field`` is the column's name and ``value`` what stands in the way (a dtype, a length, a type).
    """

    def __str__(self) -> str:
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"column {self.field}: {self.value} {self.problem}{remedy}"


class InvalidThresholdError(RangeBarError, ValueError):
    """A threshold is no whole number of decimal basis points from 1 to 100,000."""

    def __init__(self, value: object) -> None:
        self.value = value
        super().__init__(value)

    def __str__(self) -> str:
        return (
            f"threshold_dbps {_shown(self.value)} is no whole number from 1 to 100000; "
            "1 dbps is 0.001 %, so write 250 for 0.25 %"
        )


class InvalidSymbolError(RangeBarError, ValueError):
    """A symbol cannot be used, or the exchange says that it does not exist."""

    def __init__(self, symbol: object, problem: str, remedy: str = "", venue: str = "") -> None:
        self.symbol = symbol
        self.problem = problem
        self.remedy = remedy
        self.venue = venue
        super().__init__(symbol, problem, remedy, venue)

    def __str__(self) -> str:
        where = f"{self.venue}: " if self.venue else ""
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"{where}symbol {_shown(self.symbol)} {self.problem}{remedy}"


class InvalidStartError(RangeBarError, ValueError):
    """A stream cannot begin where it was told to.

    ``start`` is what was asked for, ``problem`` says why it cannot be, ``remedy`` what to write instead.
    """

    def __init__(self, start: object, problem: str, remedy: str = "") -> None:
        self.start = start
        self.problem = problem
        self.remedy = remedy
        super().__init__(start, problem, remedy)

    def __str__(self) -> str:
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"start={_shown(self.start)} {self.problem}{remedy}"


class OutOfOrderError(RangeBarError):
    """A trade's ``agg_trade_id`` is not above the one before it; nothing of the call was taken.

    ``last_agg_trade_id`` is the id before it, ``index`` its place in a batch (``None`` for a single trade).
    """

    def __init__(self, agg_trade_id: int, last_agg_trade_id: int, index: int | None = None) -> None:
        self.agg_trade_id = agg_trade_id
        self.last_agg_trade_id = last_agg_trade_id
        self.index = index
        super().__init__(agg_trade_id, last_agg_trade_id, index)

    def __str__(self) -> str:
        where = "" if self.index is None else f"row {self.index}: "
        return (
            f"{where}agg_trade_id {self.agg_trade_id} is not above {self.last_agg_trade_id}, the one before it; "
            "drop trades that were taken already, and sort the others by agg_trade_id"
        )


class SnapshotError(RangeBarError):
    """Bytes cannot be restored as asked.

    ``reason`` is one of ``"length"``, ``"magic"``, ``"version"``, ``"checksum"``, ``"content"``, ``"label"``,
    ``"threshold"`` and ``"symbol"``; ``problem`` says it in words.
    """

    def __init__(self, reason: str, problem: str) -> None:
        self.reason = reason
        self.problem = problem
        super().__init__(reason, problem)

    def __str__(self) -> str:
        return f"the snapshot {self.problem}; start from the position of the last closed bar instead"


class ResourceClosedError(RangeBarError):
    """Something was used after it was closed."""

    def __init__(self, resource: str) -> None:
        self.resource = resource
        super().__init__(resource)

    def __str__(self) -> str:
        return f"this {self.resource} is closed; make a new one, or restore a snapshot that was taken before closing"


class ResourceBusyError(RangeBarError):
    """Two threads used one thing at the same time; the call that raises this did nothing."""

    def __init__(self, resource: str) -> None:
        self.resource = resource
        super().__init__(resource)

    def __str__(self) -> str:
        return (
            f"another thread is inside this {self.resource}; give each thread its own, or hold a lock around every call"
        )


class InternalError(RangeBarError):
    """The Rust library failed inside, which is a bug of this library; the object it happened in cannot be used again.

    ``status`` is the code that it answered with.
    """

    def __init__(self, resource: str, status: int) -> None:
        self.resource = resource
        self.status = status
        super().__init__(resource, status)

    def __str__(self) -> str:
        return (
            f"the library failed inside this {self.resource} (status {self.status}); make a new one, "
            "and report this with what was printed to standard error"
        )


class AbiMismatchError(RangeBarError, ImportError):
    """The Python half and the Rust half of this library do not belong together.

    ``what`` is what was compared, ``expected`` what the Python files need, ``found`` what the library file has.
    """

    def __init__(self, what: str, expected: object, found: object, library: str) -> None:
        self.what = what
        self.expected = expected
        self.found = found
        self.library = library
        super().__init__(what, expected, found, library)

    def __str__(self) -> str:
        return (
            f"{self.library} has {self.what} {self.found}, but these Python files need {self.expected}: the two come "
            "from different versions, most likely because the sources changed after the library was built; "
            "install rangebar-anyio again, or run `python build.py` in its source tree"
        )


class LibraryNotLoadedError(RangeBarError, ImportError):
    """The Rust half of this library is missing, or made for another platform."""

    def __init__(self, library: str, problem: str) -> None:
        self.library = library
        self.problem = problem
        super().__init__(library, problem)

    def __str__(self) -> str:
        return (
            f"{self.library} could not be loaded ({self.problem}); install rangebar-anyio again, "
            "or run `python build.py` in its source tree, which needs Rust"
        )


class ConnectionLostError(RangeBarError):
    """An exchange could not be reached any more, and trying again was given up.

    ``venue`` is the exchange, ``problem`` what happened last (its exception is the ``__cause__``), ``attempts`` how
    often it was tried.
    """

    def __init__(self, venue: str, problem: str, attempts: int = 0, remedy: str = "") -> None:
        self.venue = venue
        self.problem = problem
        self.attempts = attempts
        self.remedy = remedy
        super().__init__(venue, problem, attempts, remedy)

    def __str__(self) -> str:
        tried = f" after {self.attempts} attempts" if self.attempts else ""
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"{self.venue}: connection lost{tried}: {self.problem}{remedy}"


class ProtocolError(RangeBarError):
    """An exchange sent what its documentation excludes, and going on would give wrong bars."""

    def __init__(self, venue: str, problem: str, remedy: str = "") -> None:
        self.venue = venue
        self.problem = problem
        self.remedy = remedy
        super().__init__(venue, problem, remedy)

    def __str__(self) -> str:
        return f"{self.venue}: {self.problem}" + (f"; {self.remedy}" if self.remedy else "")


class GapUnfillableError(RangeBarError):
    """Trades are missing that the exchange does not serve any more: ``first_id`` to ``last_id`` of ``symbol``."""

    def __init__(self, venue: str, symbol: str, first_id: int, last_id: int, problem: str = "") -> None:
        self.venue = venue
        self.symbol = symbol
        self.first_id = first_id
        self.last_id = last_id
        self.problem = problem
        super().__init__(venue, symbol, first_id, last_id, problem)

    def __str__(self) -> str:
        why = f" ({self.problem})" if self.problem else ""
        return (
            f"{self.venue}: {_trades(self.symbol, self.first_id, self.last_id)} cannot be fetched{why}; "
            "by default such trades are reported and counted as missing_trades of the bar they fall in"
        )


def _trades(symbol: str, first_id: int, last_id: int) -> str:
    """Name a range of trades for people."""
    return f"{symbol} trade {first_id}" if first_id == last_id else f"{symbol} trades {first_id} to {last_id}"


class StoreError(RangeBarError):
    """A checkpoint store could not do what it was asked for; nothing was changed by the call that raised this.

    ``problem`` says what happened, ``remedy`` what a person can do about it, ``store`` which store it was.
    """

    def __init__(self, problem: str, *, remedy: str = "", store: str = "") -> None:
        self.problem = problem
        self.remedy = remedy
        self.store = store
        super().__init__(problem, remedy, store)

    def __str__(self) -> str:
        where = f"{self.store}: " if self.store else ""
        return f"{where}{self.problem}" + (f"; {self.remedy}" if self.remedy else "")

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_store_error, (type(self), self.problem, self.remedy, self.store)


def _rebuild_store_error(cls: type[StoreError], problem: str, remedy: str, store: str) -> StoreError:
    return cls(problem, remedy=remedy, store=store)


class CheckpointMismatchError(RangeBarError):
    """What a store holds for a lane does not belong to what the stream is about to continue.

    ``field`` is what differs, ``stored`` and ``found`` are the two values, ``lane`` is where.
    """

    def __init__(self, *, lane: str, field: str, stored: object, found: object) -> None:
        self.lane = lane
        self.field = field
        self.stored = stored
        self.found = found
        super().__init__(lane, field, stored, found)

    def __str__(self) -> str:
        return (
            f"lane {self.lane}: the store holds {self.field} {self.stored!r}, but this stream has {self.found!r}; "
            "use another reader name, or start anew with restart=True (--restart)"
        )

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_mismatch, (type(self), self.lane, self.field, self.stored, self.found)


def _rebuild_mismatch(
    cls: type[CheckpointMismatchError], lane: str, field: str, stored: object, found: object
) -> CheckpointMismatchError:
    return cls(lane=lane, field=field, stored=stored, found=found)
