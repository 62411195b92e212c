"""Files that commands write: what is replaced, what is added to, and what is left alone."""

from __future__ import annotations

import json
import logging
import os
import stat
from pathlib import Path
from threading import Thread

import click
import pytest

from rangebar_anyio import Bar
from rangebar_anyio.cli._files import open_text
from rangebar_anyio.cli._format import bar_to_csv, bar_to_json, csv_header
from rangebar_anyio.cli._options import default_format
from rangebar_anyio.cli._outputs import open_output
from rangebar_anyio.testing import generate_tape
from tests.cli.conftest import offline

BARS = offline(generate_tape(3_000, seed=4, halt_s=0, step_volatility=0.0004), 100)[:6]


def written(path: Path, bars: list[Bar] = BARS, *, form: str = "jsonl", append: bool = False) -> None:
    with open_output(form, os.fspath(path), append=append) as sink:
        sink.write(bars)


def jsonl(bars: list[Bar]) -> str:
    return "".join(bar_to_json(bar) + "\n" for bar in bars)


def csv_text(bars: list[Bar]) -> str:
    return "".join(line + "\n" for line in (csv_header(), *map(bar_to_csv, bars)))


@pytest.mark.parametrize("append", [False, True])
def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path: Path, append: bool) -> None:
    fifo = tmp_path / "bars.jsonl"
    os.mkfifo(fifo)
    came: list[str] = []
    reader = Thread(target=lambda: came.append(fifo.read_text()))
    reader.start()

    written(fifo, append=append)

    reader.join()
    assert came == [jsonl(BARS)]
    assert stat.S_ISFIFO(fifo.stat().st_mode)
    assert os.listdir(tmp_path) == ["bars.jsonl"]


def test_parquet_is_refused_for_a_pipe(tmp_path: Path) -> None:
    fifo = tmp_path / "bars.parquet"
    os.mkfifo(fifo)

    with pytest.raises(click.UsageError, match="is no regular file"):
        written(fifo, form="parquet")

    assert stat.S_ISFIFO(fifo.stat().st_mode)


def test_a_link_goes_on_pointing_where_it_did(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    real, link = tmp_path / "there" / "bars.jsonl", tmp_path / "bars.jsonl"
    real.write_text("old")
    link.symlink_to(real)

    written(link)

    assert link.is_symlink()
    assert real.read_text() == jsonl(BARS)
    assert os.listdir(tmp_path / "there") == ["bars.jsonl"]


def test_a_file_that_is_replaced_keeps_its_permissions_from_the_first_byte_on(tmp_path: Path) -> None:
    path = tmp_path / "bars.jsonl"
    path.write_text("old")
    path.chmod(0o640)

    with open_output("jsonl", os.fspath(path)) as sink:
        sink.write(BARS)
        assert stat.S_IMODE((tmp_path / "bars.jsonl.part").stat().st_mode) == 0o640

    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize("append", [False, True])
def test_a_missing_folder_is_named(tmp_path: Path, append: bool) -> None:
    with pytest.raises(click.UsageError, match=r"the folder .*nosuch does not exist$"):
        written(tmp_path / "nosuch" / "bars.jsonl", append=append)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_full_disk_is_told_with_the_name_of_the_file() -> None:
    with pytest.raises(OSError, match=r"No space left on device: 'bars\.jsonl'$"):
        # Only opened, never replaced: this is not where output files are begun.
        with open_text("/dev/full", "w", "bars.jsonl") as file:
            file.write(jsonl(BARS))


@pytest.mark.parametrize(("form", "text"), [("jsonl", jsonl), ("csv", csv_text)])
@pytest.mark.parametrize("cut", [1, 2, 40, 300])
def test_an_unfinished_line_does_not_stick_to_the_next(tmp_path: Path, form: str, text: object, cut: int) -> None:
    assert callable(text)
    path = tmp_path / "bars"
    whole = text(BARS[:3])
    path.write_text(whole[:-cut])

    written(path, BARS[2 if cut > 1 else 3 :], form=form, append=True)

    assert path.read_text() == text(BARS)


def test_a_line_that_is_cut_off_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "bars"
    path.write_text(jsonl(BARS[:2])[:-30])

    with caplog.at_level(logging.WARNING, "rangebar_anyio"):
        written(path, append=True)

    assert "ended in the middle of a line" in caplog.text


def test_half_a_header_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    path.write_text(csv_header()[:20])

    written(path, form="csv", append=True)

    assert path.read_text() == csv_text(BARS)


@pytest.mark.parametrize(
    ("text", "form", "said"),
    [
        (csv_text(BARS), "jsonl", "holds CSV"),
        (jsonl(BARS), "csv", "holds JSON lines, not CSV"),
        ("time,close\n1,2\n", "csv", "not CSV with the columns of this version"),
        ("PAR1", "jsonl", "holds Parquet"),
        (jsonl(BARS), "table", "holds JSON lines"),
        ("notes", "jsonl", "name a new file"),
        (json.dumps({}) + "\n" + "x" * 70_000, "jsonl", "its last line is no bar"),
    ],
)
def test_what_is_of_another_format_is_not_added_to(tmp_path: Path, text: str, form: str, said: str) -> None:
    path = tmp_path / "bars"
    path.write_text(text)

    with pytest.raises(click.UsageError, match=said):
        written(path, form=form, append=True)

    assert path.read_text() == text


def test_a_parquet_file_does_not_grow(tmp_path: Path) -> None:
    path = tmp_path / "bars.parquet"
    path.write_text("old")

    with pytest.raises(click.UsageError, match="name a new file, or use record and export"):
        written(path, form="parquet", append=True)

    assert path.read_text() == "old"


def test_the_format_is_that_of_the_name(tmp_path: Path) -> None:
    found = {name: default_format(name) for name in ("a.csv", "a.PQ", "a.txt", "a.ndjson", "a", ".b/a")}
    assert found == {
        "a.csv": "csv",
        "a.PQ": "parquet",
        "a.txt": "table",
        "a.ndjson": "jsonl",
        "a": "jsonl",
        ".b/a": "jsonl",
    }

    for name in ("a.xlsx", "a.csv.gz", "a.db"):
        with pytest.raises(click.UsageError, match="say which with --format"):
            default_format(name)
