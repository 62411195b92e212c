"""Certificates are read once for all streams of a process, and again when they are others."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import httpx
import pytest
import trustme

from rangebar_anyio._sources import _trust
from rangebar_anyio._sources._transport import Transport
from rangebar_anyio._sources._trust import default_context

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that other tests read, and nothing left for them."""
    monkeypatch.setattr(_trust, "_shared", {})
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[ssl.SSLContext]:
    """Every context that was made."""
    made: list[ssl.SSLContext] = []
    make = ssl.create_default_context

    def counted(*args: object, **options: object) -> ssl.SSLContext:
        made.append(make(*args, **options))  # type: ignore[arg-type]
        return made[-1]

    monkeypatch.setattr(ssl, "create_default_context", counted)
    return made


def write_authority(path: Path) -> Path:
    trustme.CA().cert_pem.write_to_path(os.fspath(path))
    return path


def names(context: ssl.SSLContext) -> set[str]:
    return {certificate["serialNumber"] for certificate in context.get_ca_certs()}  # type: ignore[misc]


async def test_many_transports_read_once(reads: list[ssl.SSLContext]) -> None:
    transports = [Transport() for _ in range(5)]
    for transport in transports:
        await transport.aclose()

    assert len(reads) == 1
    assert reads[0].verify_mode is ssl.CERT_REQUIRED
    assert reads[0].check_hostname
    assert names(reads[0]) == names(httpx.create_ssl_context())


async def test_a_client_that_was_handed_in_is_asked_for_nothing(reads: list[ssl.SSLContext]) -> None:
    async with httpx.AsyncClient(verify=ssl.create_default_context()) as client:
        reads.clear()
        await Transport(client).aclose()
        assert not client.is_closed

    assert reads == []


def test_another_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = default_context()
    monkeypatch.setenv("SSL_CERT_FILE", os.fspath(write_authority(tmp_path / "one.pem")))
    one = default_context()
    assert len(names(one)) == 1
    assert default_context() is one
    monkeypatch.setenv("SSL_CERT_FILE", os.fspath(write_authority(tmp_path / "other.pem")))
    assert names(default_context()).isdisjoint(names(one))
    monkeypatch.delenv("SSL_CERT_FILE")
    assert names(default_context()) == names(usual)


def test_a_file_that_was_replaced_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_authority(tmp_path / "one.pem")
    monkeypatch.setenv("SSL_CERT_FILE", os.fspath(path))
    before = default_context()
    os.replace(write_authority(tmp_path / "new.pem"), path)
    assert names(default_context()).isdisjoint(names(before))


def test_a_directory_of_another_name_is_another_context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = default_context()
    monkeypatch.setenv("SSL_CERT_DIR", os.fspath(tmp_path))
    assert default_context() is not usual
    assert names(default_context()) == set()


async def test_a_file_that_is_not_there_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", os.fspath(tmp_path / "gone.pem"))
    with pytest.raises(FileNotFoundError):
        Transport()
