"""Runs the benches: `make bench` all of them, `make bench BENCH=spool` one of them.

A bench is a module `bench_NAME.py` with `main()`. Each runs in a process of its own, so that one
that breaks stops no other; what reached its target and what did not stands together at the end.
"""

import argparse
import importlib
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
if __package__ in (None, ""):  # run as a file
    sys.path[0] = str(HERE.parent)

from bench import measure  # noqa: E402  # the path is set above

MARKS = ("  reached", "  NOT REACHED")


def names() -> list[str]:
    """The benches that are here."""
    return sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))


def run_one(name: str) -> int:
    """Run one bench in this process."""
    bench = importlib.import_module(f"bench.bench_{name}")
    try:
        bench.main()
    except measure.MissingError as error:
        print(f"  MISSING      {error}")
    return 0


def run_all(wanted: list[str]) -> int:
    """Run benches one after the other; returns 1 when one of them broke."""
    verdicts: list[str] = []
    broken = []
    for name in wanted:
        print(f"\n=== {name} (load {os.getloadavg()[0]:.1f}) ===", flush=True)
        begun = time.monotonic()
        command = [sys.executable, "-u", str(HERE / "run.py"), "--here", name]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout or ():
                print(line, end="", flush=True)
                if line.startswith((*MARKS, "  MISSING")):
                    verdicts.append(f"{line.rstrip()}  [{name}]")
        if process.returncode:
            broken.append(name)
            verdicts.append(f"  BROKEN       it ended with code {process.returncode}  [{name}]")
        print(f"  … {time.monotonic() - begun:.0f} s", flush=True)
    print("\n=== all figures that have a target ===")
    print("\n".join(verdicts) or "  none")
    return 1 if broken else 0


def main() -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description="Figures, each against its peer in the same run.")
    parser.add_argument("names", nargs="*", metavar="BENCH", help=f"of: {', '.join(names())} (all)")
    parser.add_argument("--reps", type=int, help="how often each arm runs (each bench its own)")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in names()]
    if unknown:
        parser.error(f"no bench {unknown[0]!r}; there are {', '.join(names())}")
    if arguments.reps:
        os.environ["BENCH_REPS"] = str(arguments.reps)
    if arguments.here:
        return run_one(arguments.names[0])
    return run_all(arguments.names or names())


if __name__ == "__main__":
    sys.exit(main())
