"""What a store refuses, and in which words: pure functions, so that every implementation says no in the same way."""

from __future__ import annotations

from rangebar_anyio._errors import StoreError

from ._base import check_format
from ._changes import BeginSegment
from ._values import LaneFormat, LaneKey, Position, StoredBar


def begins_again(change: BeginSegment, known: LaneFormat, origin: Position, position: Position) -> bool:
    """Tell whether a known lane gets a new segment; ``False``: the one asked for is there and nothing came after it."""
    if change.format == known and change.origin == origin == position:
        return False

    if not change.restart:
        check_format(change.lane, known, change.format)
        raise StoreError(
            f"lane {change.lane} is known already: its origin is {name(origin)}, its position {name(position)}",
            remedy="resume from there, or begin a new segment with restart=True (--restart)",
        )

    return True


def refuse_overlap(change: BeginSegment, last_id: int) -> None:
    """Refuse a segment that begins at or below recorded ids."""
    raise StoreError(
        f"lane {change.lane} has recorded bars up to id {last_id}, and a segment that begins after id "
        f"{change.origin.order} would record them a second time",
        remedy="begin after them, or delete those bars with replace=True (--replace)",
    )


def check_bar(
    lane: LaneKey, bar: StoredBar, origin: Position, before: StoredBar | None, after: StoredBar | None
) -> bool:
    """Tell whether a bar is new (``False``: it is there already), or refuse it.

    ``before`` is the recorded bar with the highest first id not above this one's, ``after`` the next one.
    """
    if before is not None and before.first_agg_trade_id == bar.first_agg_trade_id:
        if before.packed == bar.packed:
            return False

        raise StoreError(
            f"lane {lane} has another bar recorded under first_agg_trade_id {bar.first_agg_trade_id}: "
            f"stored {_range(before)}, new {_range(bar)}; their fields differ",
            remedy="the tapes are not the same: record under another reader name, or restart with --replace",
        )

    for other in (before, after):
        if (
            other is not None
            and other.first_agg_trade_id <= bar.last_agg_trade_id
            and bar.first_agg_trade_id <= other.last_agg_trade_id
        ):
            raise StoreError(f"lane {lane}: the bar {_range(bar)} overlaps the recorded bar {_range(other)}")

    if bar.first_agg_trade_id <= origin.order:
        raise StoreError(f"lane {lane}: the bar {_range(bar)} does not begin after the origin {name(origin)}")

    return True


def no_origin(lane: LaneKey) -> StoreError:
    """Give the error for a write to a lane that has no origin yet."""
    return StoreError(f"lane {lane} has no origin yet", remedy="commit a BeginSegment for it first")


def lane_taken(lane: LaneKey) -> StoreError:
    """Give the error for opening a lane that another stream of this process holds."""
    return StoreError(
        f"lane {lane} is open in another stream of this process",
        remedy="close that stream first, or give this one a reader name of its own (reader=)",
    )


def name(position: Position) -> str:
    """Name a position for people."""
    return position.text or f"id {position.order}"


def _range(bar: StoredBar) -> str:
    return f"{bar.first_agg_trade_id}..{bar.last_agg_trade_id}"


__all__ = ("begins_again", "check_bar", "lane_taken", "name", "no_origin", "refuse_overlap")
