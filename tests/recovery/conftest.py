"""The virtual clock and the look around of the stream's tests, for whole streams with a store."""

from __future__ import annotations

from tests.stream.conftest import nothing_left, virtual_backend

__all__ = ("nothing_left", "virtual_backend")
