"""Makes victims by fork, each in milliseconds: `python -m tests.recovery.stable ERRORS`.

It has imported everything and has one thread, so a child is what a new process would be. It reads two lines for each
child: an order, and that the child is to be killed. When the child has ended, one way or the other, it says how.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import traceback

# Imported here once, and not by every victim.
import rangebar_anyio._feed
import rangebar_anyio._sources._binance
import rangebar_anyio.cli._follow
import rangebar_anyio.cli._record  # noqa: F401

from .victims import Order, carry_out

_LONGEST_S = 300


def main() -> None:
    """Serve until standard input ends."""
    errors = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    # Without a buffer: what select() looks at is what has not been read.
    orders = open(0, "rb", buffering=0)  # noqa: SIM115 - for as long as the process lives
    while line := orders.readline():
        alive, held = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(alive)
            _be_a_victim(Order.from_text(line.decode()), errors)

        os.close(held)
        # The pipe ends with the child; until it is waited for here, its number is nobody else's.
        select.select([alive, orders.fileno()], [], [])
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        os.close(alive)
        _say(ended=os.waitstatus_to_exitcode(status))
        orders.readline()


def _be_a_victim(order: Order, errors: int) -> None:
    # Nobody is left behind by a test that was itself killed.
    signal.alarm(_LONGEST_S)
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.dup2(errors, 1)
    os.dup2(errors, 2)
    code = 0
    try:
        carry_out(order)
    except BaseException:  # noqa: BLE001 - told, and the end
        traceback.print_exc()
        code = 1
    finally:
        sys.stderr.flush()
        os._exit(code)


def _say(**values: object) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
