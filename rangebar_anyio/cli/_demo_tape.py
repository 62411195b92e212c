"""The tape that the demo replays: generated once by `python -m rangebar_anyio.cli._demo_tape`, and shipped."""

from __future__ import annotations

import hashlib
import os
import tempfile
import zipfile

__all__ = ("DEMO_TAPE", "write_demo_tape")

#: A zip in the archive's own layout, with its checksum file beside it.
DEMO_TAPE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "BTCUSDT-demo.zip")


def write_demo_tape(path: str) -> None:
    """Generate the tape and write zip and checksum; the rows are the same on every machine."""
    from ..testing._archive import write_archive_csv
    from ..testing._market import generate_tape

    tape = generate_tape(36_000, seed=7, symbol="BTCUSDT", trades_per_s=3.0, step_volatility=0.00014)
    name = os.path.splitext(os.path.basename(path))[0] + ".csv"
    with tempfile.TemporaryDirectory() as folder:
        table = os.path.join(folder, name)
        write_archive_csv(tape, table)
        with open(table, "rb") as file:
            text = file.read()

    entry = zipfile.ZipInfo(name, date_time=(2026, 1, 2, 0, 0, 0))
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr(entry, text, compress_type=zipfile.ZIP_DEFLATED, compresslevel=9)

    with open(path, "rb") as archive, open(path + ".CHECKSUM", "w", encoding="ascii") as checksum:
        checksum.write(f"{hashlib.file_digest(archive, 'sha256').hexdigest()}  {os.path.basename(path)}\n")


if __name__ == "__main__":
    write_demo_tape(DEMO_TAPE)
