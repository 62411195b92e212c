"""The body of an answer, unpacked and bounded: a few kilobytes of gzip can hold gigabytes."""

from __future__ import annotations

import zlib

__all__ = ("ENCODING", "Body", "RequestLost")

#: How answers may be packed.
ENCODING = "gzip"
_GZIP_HEADER = zlib.MAX_WBITS | 16


class RequestLost(Exception):
    """A request without a usable answer: the network failed, the time ran out, or the body cannot be read."""


class Body:
    """Collects the chunks of a body; never holds more than `limit` bytes of it, however small they came.

    Raises:
        RequestLost: the body is longer, is packed in another way, or is damaged.
    """

    def __init__(self, encoding: str | None, limit: int) -> None:
        self._limit = limit
        self._body = bytearray()
        self._unpacker = _unpacker(encoding)

    def add(self, chunk: bytes) -> None:
        """Take the next bytes as they came."""
        self._body += chunk if self._unpacker is None else self._unpack(chunk, self._unpacker)
        if len(self._body) > self._limit:
            raise RequestLost(f"the answer is longer than {self._limit} bytes")

    def _unpack(self, chunk: bytes, unpacker: zlib._Decompress) -> bytes:
        if unpacker.eof:
            raise RequestLost("the answer goes on behind its end")

        try:
            return unpacker.decompress(chunk, self._limit + 1 - len(self._body))
        except zlib.error as error:
            raise RequestLost(f"the answer is damaged: {error}") from error

    def finish(self) -> bytes:
        """Return the whole body."""
        if self._unpacker is not None and not self._unpacker.eof:
            raise RequestLost("the answer ends in the middle")

        return bytes(self._body)


def _unpacker(encoding: str | None) -> zlib._Decompress | None:
    match (encoding or "").strip().lower():
        case "" | "identity":
            return None
        case "gzip":
            return zlib.decompressobj(_GZIP_HEADER)
        case _:
            raise RequestLost(f"the answer is packed as {encoding!r}, which was not asked for"[:200])
