"""The programs that are killed: `record` by command and by function, and a program with a file of its own.

Each is what a user would write, with one addition: it can kill itself just before a line of the library is carried out.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Literal

import anyio

import rangebar_anyio
from rangebar_anyio import BinanceSpot, ReconnectPolicy, SessionConfig, SqliteStore, open_stream, record
from rangebar_anyio.cli import main as command_line

Kind = Literal["cli", "record", "plain", "careless"]
THRESHOLDS = (10, 40)

#: What lies between an acknowledgement and the file: a kill anywhere else is one between two of its lines.
_FOLDERS = tuple(
    str(Path(rangebar_anyio.__file__).parent / name) for name in ("_stores", "_stream", "_recorder.py", "_sources")
)

#: How late a careless program is: most of its time, also where the disk is slow, or no kill would find it out.
_LATE_S = 0.25

QUICK = SessionConfig(
    policy=ReconnectPolicy(first_delay_s=0.01, max_delay_s=0.2, jitter=False),
    quiet_after_s=0.5,
    quiet_after_max_s=1.0,
    stalled_grace_s=0.3,
    overlap_s=0.5,
    # A rotation every second, and a forming bar saved twice as often as one is closed.
    rotate_after_s=1.0,
    rotate_spread_s=0.2,
    snapshot_every_s=0.05,
)


@dataclass(frozen=True, slots=True)
class Order:
    """What a victim is to do.

    Attributes:
        kind: which program.
        backend: event loop.
        db: its database.
        ws_url, rest_url: the exchange.
        starts: first id of each symbol.
        out: the file of the plain program.
        line: kill before this line of the library is carried out, counted from the start; 0 for never.
        save_every: of the plain program's stream.
    """

    kind: Kind
    backend: str
    db: str
    ws_url: str
    rest_url: str
    starts: dict[str, int]
    out: str = ""
    line: int = 0
    save_every: int = 1

    def to_text(self) -> str:
        """Write it for another process."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Order:
        """Read what `to_text` wrote."""
        return cls(**json.loads(text))


def carry_out(order: Order) -> None:
    """Be that program, until killed."""
    if order.line:
        _die_before_line(order.line)

    if order.kind == "cli":
        command_line(_words(order), standalone_mode=False)
    else:
        anyio.run(_record if order.kind == "record" else _plain, order, backend=order.backend)


def _words(order: Order) -> list[str]:
    starts = [word for symbol, first in order.starts.items() for word in ("--start", f"{symbol}={first}")]
    thresholds = [word for threshold in THRESHOLDS for word in ("--threshold", str(threshold))]
    urls = ["--ws-url", order.ws_url, "--rest-url", order.rest_url]
    return [
        "record",
        *order.starts,
        "--db",
        order.db,
        "--quiet",
        "--backend",
        order.backend,
        *thresholds,
        *starts,
        *urls,
    ]


def _stream(order: Order, store: Any, **options: Any) -> Any:
    return open_stream(
        list(order.starts),
        threshold_dbps=THRESHOLDS,
        source=BinanceSpot(order.ws_url, order.rest_url),
        store=store,
        start=order.starts,
        config=QUICK,
        **options,
    )


async def _record(order: Order) -> None:
    async with SqliteStore(order.db) as store:
        async with _stream(order, store, ack="manual", reader="record") as bars:
            await record(bars, store)


async def _plain(order: Order) -> None:
    """A program that has each bar in its own file before it is finished; a careless one has it there a little later."""
    file = os.open(order.out, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC)
    _drop_half_a_line(file)
    os.write(file, b"start\n")
    ack = "manual" if order.kind == "careless" else "auto"
    async with _stream(order, order.db, save_every=order.save_every, ack=ack) as bars:
        async for bar in bars:
            if order.kind == "careless":
                await bars.ack(bar)
                await anyio.sleep(_LATE_S)

            os.write(file, f"{bar.symbol} {bar.threshold_dbps} {bar._raw.hex()}\n".encode())
            os.fsync(file)


def _drop_half_a_line(file: int) -> None:
    data = os.pread(file, os.fstat(file).st_size, 0)
    os.ftruncate(file, data.rfind(b"\n") + 1)


def _die_before_line(number: int) -> None:
    left = number

    def on_line(frame: FrameType, event: str, arg: object) -> Any:
        nonlocal left
        if event == "line":
            left -= 1
            if left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)

        return on_line

    def on_call(frame: FrameType, event: str, arg: object) -> Any:
        return on_line if frame.f_code.co_filename.startswith(_FOLDERS) else None

    threading.settrace(on_call)
    sys.settrace(on_call)
