"""The errors that this library raises; each builds its own message from its fields."""

from __future__ import annotations


class RangeBarError(Exception):
    """The base of everything that this library raises on purpose."""


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
