"""What a node's software takes on its disk: the wheels for a 64-bit Raspberry Pi, unpacked.

Nothing is run: wheels for Linux on aarch64 are resolved by the workspace's own lock, fetched and
laid out as an installation would, without a compiler and without byte code.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import measure
from bench.measure import Figure, MissingError

ROOT = Path(__file__).resolve().parents[2]
UV = Path(sys.executable).parent / "uv"
PLATFORM, PYTHON = "aarch64-unknown-linux-gnu", "3.11"
MEMBERS = ("protocols", "edge")
TARGET_MB = 260.0
SHOWN = 12
MB = 1e6


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="haidang-bench-"))
    try:
        _install(folder / "node")
        _report(folder / "node")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _install(target: Path) -> None:
    """Lay out edge and protocols with all they need; raises `MissingError` when it cannot be."""
    locked = target.with_suffix(".txt")
    export = ["export", "--package", "haidang-edge", "--no-dev", "--no-emit-workspace", "--locked"]
    _uv(*export, "--quiet", "--output-file", str(locked))
    common = ["--target", str(target), "--quiet", "--python-version", PYTHON]
    common += ["--python-platform", PLATFORM]
    _uv("pip", "install", *common, "--only-binary", ":all:", "--requirements", str(locked))
    for member in MEMBERS:
        _uv("pip", "install", *common, "--no-deps", str(ROOT / member))


def _uv(*arguments: str) -> None:
    done = subprocess.run(
        [str(UV), *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no word why"])[-1]
        raise MissingError(f"the node's packages could not be laid out: {last}")


def _report(target: Path) -> None:
    sizes = {path.name: _size(path) / MB for path in target.iterdir()}
    largest = sorted(sizes.items(), key=lambda item: -item[1])
    rows: list[tuple[str, float]] = [(name, size) for name, size in largest[:SHOWN]]
    rows.append((f"{len(largest) - len(rows)} smaller ones", sum(s for _, s in largest[SHOWN:])))
    measure.table(f"A node's packages on {PLATFORM}", ("folder", "MB"), rows)
    total = sum(sizes.values())
    measure.figures(Figure("installed size on aarch64", total, TARGET_MB, "MB", at_most=True))


def _size(path: Path) -> int:
    """Bytes on the disk, in whole blocks as du counts them."""
    if path.is_dir():
        return sum(_size(inner) for inner in path.iterdir())
    return path.lstat().st_blocks * 512
