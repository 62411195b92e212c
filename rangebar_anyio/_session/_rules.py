"""What a session asks of a venue: pure facts, no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from .._feed_events import TimeUnit


@dataclass(frozen=True, slots=True)
class Limits:
    """What the exchange allows one address.

    ``weight`` per minute, ``connects`` per ``connect_window_s``; ``heaviest`` is the weight of the heaviest request
    that a session sends.
    """

    weight: int
    heaviest: int
    connects: int
    connect_window_s: float


@dataclass(frozen=True, slots=True)
class Request:
    """A GET request: URL without its query, the query, headers, and what it weighs."""

    url: str
    params: tuple[tuple[str, str], ...]
    headers: tuple[tuple[str, str], ...]
    weight: int


class Meaning(Enum):
    """What an answer's status and body come to."""

    OK = "ok"
    UNKNOWN_SYMBOL = "unknown symbol"
    TOO_MANY = "too many requests"
    FIREWALL = "refused by the firewall"
    BROKEN = "the exchange's fault"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Verdict:
    """An answer read: ``wait_s`` is what it orders (``TOO_MANY``), ``text`` is for people."""

    meaning: Meaning
    text: str = ""
    wait_s: float | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """One trade of a query that only looks for an id."""

    trade_id: int
    time_us: int
    unit: TimeUnit


class VenueRules(Protocol):
    """The facts of one market. Symbols are written as the exchange's events write them."""

    @property
    def venue(self) -> str:
        """The name that lanes are stored under."""
        ...

    @property
    def servers(self) -> tuple[str, str]:
        """Names of what connections and what requests go to: all sources with the same one share its limits."""
        ...

    @property
    def limits(self) -> Limits:
        """What the exchange allows."""
        ...

    @property
    def page_rows(self) -> int:
        """The most trades that one page holds."""
        ...

    @property
    def streams_per_connection(self) -> int:
        """The most symbols that one connection carries."""
        ...

    @property
    def streams_per_message(self) -> int:
        """The most symbols of one SUBSCRIBE."""
        ...

    @property
    def message_interval_s(self) -> float:
        """Seconds between two SUBSCRIBE messages of one connection."""
        ...

    @property
    def connection_lifetime_s(self) -> float:
        """The age at which the exchange closes a connection."""
        ...

    @property
    def ping_interval_s(self) -> float:
        """Seconds between the exchange's pings."""
        ...

    def connect_url(self, symbols: Sequence[str]) -> str:
        """Where a connection for these symbols goes to; they still have to be subscribed to."""
        ...

    def subscribe_text(self, message_id: int, symbols: Sequence[str]) -> str:
        """The message that subscribes to the trades of these symbols."""
        ...

    def page_request(self, symbol: str, from_id: int) -> Request:
        """The request for the trades from an id on."""
        ...

    def newest_request(self, symbol: str) -> Request:
        """The request for the newest trade."""
        ...

    def time_request(self, symbol: str, time_us: int) -> Request:
        """The request for the first trades whose time is not before one."""
        ...

    def read_answer(self, status: int, headers: Mapping[str, str], body: bytes) -> Verdict:
        """Read what an answer means."""
        ...

    def used_weight(self, headers: Mapping[str, str]) -> int | None:
        """The weight that the exchange has counted in its current minute, if the answer says so."""
        ...

    def read_trades(self, body: bytes) -> list[Found]:
        """Read the ids and times of an answer; raise ``ValueError`` for one that is no list of trades."""
        ...


__all__ = ("Found", "Limits", "Meaning", "Request", "VenueRules", "Verdict")
