"""What a server's certificate is held against: read once for all streams of a process, for reading blocks the loop."""

from __future__ import annotations

import os
import ssl
from threading import Lock
from typing import TypeAlias

import httpx

__all__ = ("default_context",)

#: What httpx reads, as it stands in the environment and on the disk.
_Origin: TypeAlias = tuple[str | None, str | None, str | None, tuple[int, int, int] | None]

_lock = Lock()
_shared: dict[_Origin, ssl.SSLContext] = {}


def default_context() -> ssl.SSLContext:
    """Return the context that an httpx client makes by default, one for all that ask.

    Another `SSL_CERT_FILE`, `SSL_CERT_DIR` or `SSLKEYLOGFILE` gives another context, and so does a file of
    certificates that was replaced since.

    Raises:
        OSError: the certificates cannot be read.
    """
    origin = _origin()
    with _lock:
        if origin not in _shared:
            made = httpx.create_ssl_context()
            # Whoever uses the one before keeps it; nobody will ask for it again.
            _shared.clear()
            _shared[origin] = made

        return _shared[origin]


def _origin() -> _Origin:
    path = os.environ.get("SSL_CERT_FILE")
    return path, os.environ.get("SSL_CERT_DIR"), os.environ.get("SSLKEYLOGFILE"), _version(path)


def _version(path: str | None) -> tuple[int, int, int] | None:
    if not path:
        return None

    found = os.stat(path)
    return found.st_ino, found.st_size, found.st_mtime_ns
