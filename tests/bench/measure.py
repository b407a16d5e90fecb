"""What every bench needs: CPU and memory of a process tree, medians, tables, figures with targets.

CPU per unit of work hardly depends on what else the machine does; wall time does. So arms are run
in turn within one set (`rounds`), and only ratios of one set are compared.
"""

import os
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from servers import find

TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")
_T = TypeVar("_T")


class MissingError(Exception):
    """A bench lacks something; the message is a plain sentence that says what."""


def need(found: Path | None, sentence: str) -> Path:
    """What was found, or `MissingError` with the sentence."""
    if found is None:
        raise MissingError(sentence)
    return found


def program(name: str) -> Path:
    """A server program that `make bench` should have got."""
    return need(find.program(name), f"{name} is not here; `make bench` says why")


def reps(default: int) -> int:
    """How often each arm runs: what `run.py --reps` asks for, else the bench's own number."""
    return int(os.environ.get("BENCH_REPS", default))


# --- processes ------------------------------------------------------------------------------


def tree(pid: int) -> list[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, at = [pid], 0
    while at < len(found):
        found += children.get(found[at], [])
        at += 1
    return found


def cpu_s(pid: int) -> float:
    """User and system time of a process tree so far, with that of children that ended."""
    ticks = 0
    for one in tree(pid):
        fields = _stat(one)
        ticks += sum(int(field) for field in fields[11:15]) if fields else 0
    return ticks * TICK_S


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on, none when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def pss_mb(pid: int) -> float:
    """Memory of a process tree, what is shared counted by its share."""
    return sum(_rollup(one, "Pss:") for one in tree(pid)) / 1024


def rss_mb(pid: int) -> float:
    """Resident memory of one process."""
    return _rollup(pid, "Rss:") / 1024


def _rollup(pid: int, key: str) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in text.splitlines() if line.startswith(key)), 0)


# --- sets of runs ---------------------------------------------------------------------------


def rounds(arms: Mapping[str, Callable[[], _T]], times: int) -> dict[str, list[_T]]:
    """Run every arm once, then again, `times` in all; each round begins with another arm."""
    results: dict[str, list[_T]] = {name: [] for name in arms}
    names = list(arms)
    for number in range(times):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            results[name].append(arms[name]())
    return results


def median(values: Iterable[float]) -> float:
    """The middle one."""
    return statistics.median(values)


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The slope of a line through points (least squares)."""
    return statistics.linear_regression(*zip(*points, strict=True)).slope


# --- what is printed ------------------------------------------------------------------------


@dataclass(frozen=True)
class Figure:
    """One figure with its target; `at_most` says which side of it is good."""

    what: str
    value: float
    target: float
    unit: str = ""
    at_most: bool = False

    @property
    def reached(self) -> bool:
        """Whether the target is reached."""
        return self.value <= self.target if self.at_most else self.value >= self.target

    def __str__(self) -> str:
        sign = "≤" if self.at_most else "≥"
        word = "reached" if self.reached else "NOT REACHED"
        unit = f" {self.unit}" if self.unit else ""
        return (
            f"  {word:<11}  {self.what}: {number(self.value)}{unit}"
            f" (target {sign} {number(self.target)}{unit})"
        )


def number(value: float | str) -> str:
    """A number with as many digits as say something."""
    if isinstance(value, str):
        return value
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[float | str]]) -> None:
    """Print a table: the first column left, the others right."""
    texts = [list(head), *([number(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in texts) for column in range(len(head))]
    print(f"\n{title}")
    for line in _lines(texts, widths):
        print(f"  {line}")


def _lines(texts: Sequence[Sequence[str]], widths: Sequence[int]) -> Iterator[str]:
    for at, (first, *others) in enumerate(texts):
        cells = [first.ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        yield "  ".join(cells)
        if at == 0:
            yield "  ".join("-" * width for width in widths)


def figures(*found: Figure) -> None:
    """Print figures against their targets; `run.py` gathers the lines at the end."""
    for one in found:
        print(one)
