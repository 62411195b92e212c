"""The sans-IO session: what a live stream does next, decided without doing it."""

from __future__ import annotations

from ._actions import (
    Action,
    CancelFetch,
    Connect,
    Disconnect,
    Fail,
    Fetch,
    Notify,
    SaveOrigin,
    SaveSnapshots,
    SendPong,
    SendText,
)
from ._budget import Budget
from ._feedlike import FeedLike
from ._rules import Found, Limits, Meaning, Request, VenueRules, Verdict
from ._session import Session
from ._starts import starts_of
from ._stats import StreamStats
from ._values import ConnectFailure, FromId, FromTime, Lane, Live, Resume, SessionConfig, Start, TimeUnit

__all__ = (
    "Action",
    "Budget",
    "CancelFetch",
    "Connect",
    "ConnectFailure",
    "Disconnect",
    "Fail",
    "FeedLike",
    "Fetch",
    "Found",
    "FromId",
    "FromTime",
    "Lane",
    "Limits",
    "Live",
    "Meaning",
    "Notify",
    "Request",
    "Resume",
    "SaveOrigin",
    "SaveSnapshots",
    "SendPong",
    "SendText",
    "Session",
    "SessionConfig",
    "Start",
    "StreamStats",
    "TimeUnit",
    "VenueRules",
    "Verdict",
    "starts_of",
)
