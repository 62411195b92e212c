"""`python -m rangebar_anyio`."""

from __future__ import annotations

from .cli import main

main(prog_name="rangebar-anyio")
