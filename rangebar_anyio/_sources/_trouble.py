"""What went wrong on the way to a server, in the network's terms, whatever the libraries on the way made of it."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx

__all__ = ("no_answer", "not_reached")


def not_reached(url: str, error: BaseException) -> str:
    """Say why no connection came about."""
    return f"cannot reach {_server(url)} ({_problem(error)})"


def no_answer(url: str, error: BaseException) -> str:
    """Say why a request has no answer."""
    if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout)):
        return not_reached(url, error)

    return f"no answer from {_server(url)} ({_problem(error)})"


def _server(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]


def _problem(error: BaseException) -> str:
    if isinstance(error, (TimeoutError, httpx.TimeoutException)):
        return "it takes too long"

    chain = list(_causes(error))
    # The deepest knows best: what lies above it has been wrapped, and says less.
    for cause in reversed(chain):
        if isinstance(cause, socket.gaierror):
            return "name not known" if cause.errno == socket.EAI_NONAME else cause.strerror or str(cause)

        if isinstance(cause, ssl.SSLError):
            return str(cause)

        if isinstance(cause, OSError) and cause.errno:
            text = os.strerror(cause.errno)
            return text[0].lower() + text[1:]

    told = next((cause for cause in chain if str(cause)), None)
    return type(chain[0]).__name__ if told is None else f"{type(chain[0]).__name__}: {told}"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Give an error and what it came from; a group is as good as its first member."""
    while error is not None:
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]

        yield error
        error = error.__cause__ or error.__context__
