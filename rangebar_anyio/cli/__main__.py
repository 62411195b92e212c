"""`python -m rangebar_anyio.cli`."""

from __future__ import annotations

from . import main

main(prog_name="rangebar-anyio")
