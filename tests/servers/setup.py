"""Gets the servers that system tests need, where it may, and says plainly what it could not get.

Run by `make`: packages of the system where it may install them (root, or sudo without a password);
else mosquitto's package is unpacked for this user alone. InfluxDB is built from its Go module into
a cache outside the repository. With `--require` anything that is missing at the end is an error;
otherwise it is listed, and its tests skip with that reason.
"""

import argparse
import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

if __package__ in (None, ""):  # run as a file, before anything of ours is installed
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from servers import find, unpacked

HERE = Path(__file__).resolve().parent
BUILD_TOOLS = ("go", "cargo", "gcc", "pkg-config")


@dataclass(frozen=True)
class Need:
    """One thing that tests need: how to find it, how to get it, what goes without it."""

    name: str
    look: Callable[[], Path | None]
    get: Callable[[], str]
    without: str


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _root_prefix() -> list[str] | None:
    """How to run something as root, None where that may not be."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo"):
        probe = subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False)
        if probe.returncode == 0:
            return ["sudo", "-n"]
    return None


def _apt(*packages: str) -> str:
    """Install system packages; returns why not, empty when done."""
    if shutil.which("apt-get") is None:
        return "this system has no apt-get; install it by hand: " + " ".join(packages)
    prefix = _root_prefix()
    if prefix is None:
        return "needs root: run  sudo apt-get install " + " ".join(packages)
    _say(f"  installing {' '.join(packages)} …")
    env = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive"]
    # the packages are to be there, their services need not run: tests start servers of their own
    for attempt in (("install",), ("update", "install")):
        for verb in attempt:
            names = list(packages) if verb == "install" else []
            done = subprocess.run(
                [*env, "apt-get", verb, "-y", "-qq", "--no-install-recommends", *names],
                capture_output=True,
                text=True,
                check=False,
            )
        if done.returncode == 0:
            return ""
    lines = done.stderr.strip().splitlines()
    return "apt-get failed: " + (lines[-1] if lines else f"exit code {done.returncode}")


def _mosquitto() -> str:
    """Installed, or unpacked where nothing may be installed; returns why not, empty when done."""
    why = _apt("mosquitto")
    if not why or _root_prefix() is not None:
        return why
    _say("  unpacking mosquitto into ~/.local …")
    failed = unpacked.unpack("mosquitto")
    return f"{why}; unpacking it for you alone: {failed}" if failed else ""


def _built(name: str, tools: tuple[str, ...]) -> str:
    """Build a server into the cache; returns why not, empty when done."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if "pkg-config" in missing and not _apt("pkg-config"):
        missing.remove("pkg-config")
    if missing:
        return f"building it needs {', '.join(missing)}; or install {name} by hand"
    cache = find.cache()
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two runs at once build it once
        if find.program(name) is not None:
            return ""
        _say(f"  building {name} into {cache} (some minutes, once) …")
        begun = time.monotonic()
        log = cache / f"{name}-build.log"
        with log.open("w") as out:
            done = subprocess.run(
                ["bash", str(HERE / name / "build.sh")],
                env={**os.environ, "OUT": str(cache)},
                stdout=out,
                stderr=out,
                check=False,
            )
        _say(f"  … {time.monotonic() - begun:.0f} s")
    return "" if done.returncode == 0 else f"building it failed; see {log}"


NEEDS = (
    Need(
        "mosquitto",
        lambda: find.program("mosquitto"),
        _mosquitto,
        "tests of the line over a real broker",
    ),
    Need(
        "postgresql",
        find.postgres_bin,
        lambda: _apt("postgresql"),
        "the centre's storage tests on PostgreSQL (SQLite still runs)",
    ),
    Need(
        "influxd",
        lambda: find.program("influxd"),
        lambda: _built("influxd", BUILD_TOOLS),
        "time series and board tests on a real InfluxDB",
    ),
    Need(
        "chromium",
        lambda: find.program("chromedriver") and find.program("chromium"),
        lambda: _apt("chromium", "chromium-driver"),
        "tests of the console in a browser",
    ),
    Need(
        "compose-go",
        lambda: find.program("compose-go"),
        lambda: _built("compose-go", ("go",)),
        "the compose files' check by the parser of docker compose",
    ),
    Need(
        "test data",
        find.data,
        lambda: "set HAIDANG_TEST_DATA to the folder with models, video, images and coco",
        "tests with real pictures, clips and models",
    ),
)
BENCH_NEEDS = (
    Need(
        "telegraf",
        lambda: find.program("telegraf"),
        lambda: _built("telegraf", ("go",)),
        "the ingest comparison's peer",
    ),
)


def main() -> int:
    """Find or get everything; returns 1 when something required is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--require", action="store_true", help="missing servers are an error")
    parser.add_argument("--bench", action="store_true", help="the benchmarks' peers as well")
    parser.add_argument("--only", metavar="NAME", help="this one alone, such as mosquitto")
    arguments = parser.parse_args()
    missing = []
    needs = (*NEEDS, *(BENCH_NEEDS if arguments.bench else ()))
    for need in (n for n in needs if arguments.only in (None, n.name)):
        why = ""
        found = need.look()
        if found is None:
            why = need.get()
            found = need.look()
        if found is not None:
            _say(f"  have     {need.name:<12} {found}")
        else:
            missing.append(need)
            without = "" if arguments.only else f"; without it: {need.without} are skipped"
            _say(f"  MISSING  {need.name:<12} {why}{without}")
    return 1 if missing and arguments.require else 0


if __name__ == "__main__":
    sys.exit(main())
