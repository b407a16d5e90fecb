"""`make` on a machine that lacks something: one sentence says what to do."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from servers.find import REPOSITORY

OLD = '#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.18" || exit 1\n'


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """As much of the project as `make setup` looks at."""
    for name in ("Makefile", "uv.lock", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, tmp_path)
    (tmp_path / "old").write_text(OLD)
    (tmp_path / "old").chmod(0o755)
    return tmp_path


def refused(clone: Path, *words: str, **environment: str) -> str:
    """What `make setup` says where it cannot go on."""
    done = subprocess.run(
        ["make", "setup", *words],
        cwd=clone,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    return done.stdout


def test_an_old_python_or_none_is_a_plain_sentence(clone: Path) -> None:
    assert "needs Python 3.11 or newer; ./old is Python 3.9.18. Name" in refused(
        clone, "PYTHON=./old"
    )
    assert "python3.99 is not there. Name another" in refused(clone, "PYTHON=python3.99")
    assert not (clone / ".venv").exists()


def test_no_network_is_a_plain_sentence(clone: Path) -> None:
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:1/simple", "PIP_CONFIG_FILE": os.devnull}
    assert "Without a network: connect this machine" in refused(clone, **nowhere)
    assert not (clone / ".venv" / "bin" / "uv").exists(), "the next time goes on from there"
