"""One budget for each venue: all streams of the process share its part of the exchange's limits."""

from __future__ import annotations

import asyncio

import anyio.lowlevel

from .._reconnect import ReconnectPolicy
from .._session import Budget, VenueRules

__all__ = ("budget_for",)

_of_process: dict[str, Budget] = {}
_of_run: anyio.lowlevel.RunVar[dict[str, Budget]] = anyio.lowlevel.RunVar("rangebar_anyio.budgets")


def budget_for(rules: VenueRules, policy: ReconnectPolicy) -> Budget:
    """Return the venue's budget; the shares are those of the first stream that asks."""
    budgets = _budgets()
    if rules.venue not in budgets:
        budgets[rules.venue] = Budget(
            rules.limits, connect_share=policy.connect_share, weight_share=policy.weight_share
        )

    return budgets[rules.venue]


def _budgets() -> dict[str, Budget]:
    # Every asyncio loop counts on the one monotonic clock. A run of trio has a clock of its own, whose times would mean
    # nothing to the next one.
    if _is_asyncio():
        return _of_process

    try:
        return _of_run.get()
    except LookupError:
        budgets: dict[str, Budget] = {}
        _of_run.set(budgets)
        return budgets


def _is_asyncio() -> bool:
    return isinstance(anyio.lowlevel.current_token().native_token, asyncio.AbstractEventLoop)
