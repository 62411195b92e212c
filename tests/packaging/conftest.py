"""Where the source tree is, and the artefacts that are built from it once a run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.packaging.support import run


@pytest.fixture(scope="session")
def root() -> Path:
    return Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def artefacts(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the sdist and the wheel made from it: `python -m build` in the root, as people type it."""
    out = tmp_path_factory.mktemp("dist")
    done = run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, cwd=root)
    assert done.returncode == 0, done.stdout + done.stderr

    return out


@pytest.fixture(scope="session")
def wheel(artefacts: Path) -> Path:
    (path,) = artefacts.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def sdist(artefacts: Path) -> Path:
    (path,) = artefacts.glob("*.tar.gz")
    return path
