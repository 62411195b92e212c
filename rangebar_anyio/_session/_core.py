"""What every part of a session shares: its surroundings, its deadlines, and the list of things to do."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from .._events import StreamEvent
from ._actions import Action, Fail, Notify
from ._budget import Bucket, Budget
from ._counters import Counters
from ._feedlike import FeedLike
from ._reading import Reading
from ._rules import VenueRules
from ._timers import Timers
from ._values import Lane, Resume, SessionConfig
from ._watch import Silence

if TYPE_CHECKING:
    from ._catchup import Catchup
    from ._link import Group
    from ._listing import Listing


class Symbol:
    """One symbol and what the parts of the session know about it.

    Attributes:
        name: as in the exchange's events.
        number: the feed's.
        lanes: places in the session's lanes.
        catchups: by the feed's number of the sequence.
        bucket: its share of the weight when others may want some, too.
        silence: what was last heard of it.
        newest: the highest id that REST has named, -1 for none.
        listing: whether the exchange knows it.
    """

    __slots__ = ("bucket", "catchups", "group", "lanes", "listing", "name", "newest", "number", "silence")

    listing: Listing

    def __init__(self, name: str, number: int, group: Group) -> None:
        self.name = name
        self.number = number
        self.group = group
        self.lanes: list[int] = []
        self.catchups: dict[int, Catchup] = {}
        self.newest = -1
        self.bucket: Bucket | None = None
        self.silence = Silence()


class LaneState:
    """A lane, its number in the feed once it has one, and whether its bars may be taken."""

    __slots__ = ("is_durable", "lane", "number", "symbol")

    def __init__(self, lane: Lane, symbol: Symbol) -> None:
        self.lane = lane
        self.symbol = symbol
        self.number: int | None = None
        self.is_durable = isinstance(lane.start, Resume)


class Core:
    """The surroundings of a session's parts. None of them keeps a clock: each call brings the time."""

    def __init__(
        self, config: SessionConfig, rules: VenueRules, feed: FeedLike, budget: Budget, random: Random
    ) -> None:
        self.config = config
        self.rules = rules
        self.feed = feed
        self.budget = budget
        self.random = random
        self.jitter = random if config.policy.jitter else None
        self.timers = Timers()
        self.reading = Reading(self.timers)
        self.counters = Counters()
        self.actions: list[Action] = []
        self.lanes: list[LaneState] = []
        self.symbols: list[Symbol] = []
        self.failure: Exception | None = None
        self.is_ended = False
        self.is_paused = False

    def act(self, action: Action) -> None:
        """Ask for something to be done, unless there is nothing more to do."""
        if not self.is_ended:
            self.actions.append(action)

    def tell(self, event: StreamEvent) -> None:
        """Tell the program."""
        self.act(Notify(event))

    def fail(self, error: Exception) -> None:
        """End the stream; only the first reason counts."""
        if not self.is_ended:
            self.act(Fail(error))
            self.failure = error
            self.end()

    def end(self) -> None:
        """There is nothing more to do, by choice."""
        self.is_ended = True
        self.timers.clear()

    def has_room(self) -> bool:
        """Whether the bar queue has room, so that asking for more trades makes sense."""
        return not self.is_paused and self.has_room_beside(self.feed.summary().bars_queued)

    def has_room_beside(self, bars: int) -> bool:
        """Whether the queue has room beside so many bars; an empty one always has."""
        return bars < max(1, self.feed.bar_capacity)


__all__ = ("Core", "LaneState", "Symbol")
