"""A package unpacked for somebody who may not install it: program, libraries, a starter."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
APT = """#!/bin/sh
case "$1" in
  install) echo "Inst liblantern1 (1 Debian [all])"; echo "Inst lantern (1 Debian [all])" ;;
  download) shift; for name in "$@"; do cp "{packages}/$name.deb" . || exit 100; done ;;
esac
"""
LANTERN = """#!/bin/sh
echo "lantern version 1: $1 $LD_LIBRARY_PATH"
"""


def package(folder: Path, name: str, content: dict[str, str]) -> None:
    """A package as Debian's tools make it."""
    tree = folder / name
    about = f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b.vn>\n"
    for path, text in {"DEBIAN/control": f"{about}Description: {name}\n", **content}.items():
        file = tree / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o755)
    command = ["dpkg-deb", "--root-owner-group", "--build", str(tree), f"{tree}.deb"]
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture
def unpack(tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """What happens where apt offers a lantern and a library that it needs."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("dpkg-deb is not here: this is no Debian")
    packages, path = tmp_path / "packages", tmp_path / "path"
    package(packages, "lantern", {"usr/sbin/lantern": LANTERN, "usr/share/doc/x": "x"})
    package(packages, "liblantern1", {"usr/lib/any/liblantern.so.1.0": "lib"})
    path.mkdir()
    (path / "apt-get").write_text(APT.format(packages=packages))
    (path / "apt-get").chmod(0o755)
    return subprocess.run(
        [sys.executable, "-c", "from servers import unpacked; print(unpacked.unpack('lantern'))"],
        env={
            "PATH": f"{path}:{os.environ['PATH']}",
            "HOME": str(tmp_path),
            "PYTHONPATH": str(TESTS),
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_may_not_be_installed_is_unpacked_and_runs(
    unpack: subprocess.CompletedProcess[str], tmp_path: Path
) -> None:
    assert (unpack.returncode, unpack.stdout.strip()) == (0, ""), unpack.stderr
    home = tmp_path / ".local" / "lib" / "lantern"
    assert sorted(path.name for path in home.iterdir()) == ["lantern", "liblantern.so.1.0"]
    said = subprocess.check_output([tmp_path / ".local/bin/lantern", "a b"], text=True)
    assert said == f"lantern version 1: a b {home}\n"
