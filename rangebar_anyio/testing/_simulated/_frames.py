"""Finds the frames in a stream of WebSocket bytes, and takes them apart in ways that are still legal."""

from __future__ import annotations

from dataclasses import dataclass

from ._wire_orders import ping_frame

__all__ = ("Frame", "FrameReader", "fragments", "pieces")

_FIN = 0x80
_CONTINUATION = 0x0


@dataclass(frozen=True, slots=True)
class Frame:
    """One whole frame.

    Attributes:
        raw: its bytes, header included.
        opcode: what it is.
        payload: unmasked.
    """

    raw: bytes
    opcode: int
    payload: bytes

    @property
    def is_data(self) -> bool:
        """Whether it is text, binary or a continuation."""
        return self.opcode < 0x8


class FrameReader:
    """Cuts a stream of bytes into frames; a frame comes out when its last byte has come in."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes; the frames that are whole now."""
        buffer = self._buffer + data if self._buffer else data
        frames: list[Frame] = []
        at = 0

        while (size := _frame_size(buffer, at)) is not None and at + size[0] + size[1] <= len(buffer):
            header, length = size
            end = at + header + length
            frames.append(_frame(buffer[at:end], header))
            at = end

        self._buffer = buffer[at:]
        return frames


def _frame_size(buffer: bytes, at: int) -> tuple[int, int] | None:
    """Sizes of header and payload of the frame at ``at``; None while the header is not whole."""
    if len(buffer) < at + 2:
        return None

    masked, short = buffer[at + 1] & 0x80, buffer[at + 1] & 0x7F
    extra = {126: 2, 127: 8}.get(short, 0)

    if len(buffer) < at + 2 + extra:
        return None

    length = int.from_bytes(buffer[at + 2 : at + 2 + extra], "big") if extra else short
    return 2 + extra + (4 if masked else 0), length


def _frame(raw: bytes, header: int) -> Frame:
    payload = raw[header:]

    if raw[1] & 0x80:
        mask = raw[header - 4 : header]
        payload = bytes(byte ^ mask[n % 4] for n, byte in enumerate(payload))

    return Frame(raw, raw[0] & 0xF, payload)


def fragments(frame: Frame, parts: int) -> bytes:
    """A data frame as several, with a ping before each continuation; the message stays the same."""
    size = max(1, -(-len(frame.payload) // parts))
    chunks = [frame.payload[at : at + size] for at in range(0, len(frame.payload), size)] or [b""]
    out = bytearray()

    for n, chunk in enumerate(chunks):
        fin = _FIN if n == len(chunks) - 1 else 0
        out += ping_frame(b"between") if n else b""
        out += bytes((fin | (_CONTINUATION if n else frame.opcode),)) + _length(len(chunk)) + chunk

    return bytes(out)


def pieces(data: bytes, seed: int) -> list[bytes]:
    """Bytes in pieces of one to seven."""
    cut: list[bytes] = []
    at = 0

    while at < len(data):
        size = (at * 31 + seed) % 7 + 1
        cut.append(data[at : at + size])
        at += size

    return cut


def _length(length: int) -> bytes:
    if length < 126:
        return bytes((length,))

    return b"\x7e" + length.to_bytes(2, "big") if length < 1 << 16 else b"\x7f" + length.to_bytes(8, "big")
