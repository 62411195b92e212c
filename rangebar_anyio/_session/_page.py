"""One request of a catch-up."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._catchup import Catchup


class Page:
    """One request of a catch-up: to be sent, under way, or answered and waiting for its turn."""

    __slots__ = ("body", "catchup", "expected_before", "from_id", "is_sent", "sent_at")

    def __init__(self, catchup: Catchup, from_id: int) -> None:
        self.catchup = catchup
        self.from_id = from_id
        self.is_sent = False
        self.sent_at = 0.0
        self.body: bytes | None = None
        self.expected_before: int | None = None

    def answered(self, body: bytes, now: float) -> None:
        self.body = body
        self.catchup.push(now)

    def failed(self, _text: str, now: float) -> None:
        self.is_sent = False
        self.catchup.retry(now)

    def postponed(self, now: float) -> None:
        self.is_sent = False
        self.catchup.want(now)

    def unknown_symbol(self, now: float) -> None:
        self.is_sent = False
        self.catchup.unlisted(now)


__all__ = ("Page",)
