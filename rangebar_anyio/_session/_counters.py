"""What a session counts by itself; trades, bytes and bars are counted by the feed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """Counters of one session; they only grow."""

    connects: int = 0
    disconnects: int = 0
    connect_failures: int = 0
    rotations: int = 0
    stalls: int = 0
    requests: int = 0
    request_failures: int = 0
    requests_refused: int = 0
    weight: int = 0
    gaps_found: int = 0
    gaps_filled: int = 0
    pauses: int = 0
    away_s: float = 0.0


__all__ = ("Counters",)
