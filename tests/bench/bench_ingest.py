"""The ingest worker beside Telegraf: same bytes, same broker, same database, same promise.

Both read real envelopes at QoS 1 and acknowledge after the write. Haidang also judges each record,
keeps an fsynced archive, a ledger, an outbox (1 record in 2,000 is an alarm) and watermarks; the
values that both have stored are compared.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import measure
from bench.ingest import load, rig
from bench.ingest.rig import Rig, Run
from bench.measure import Figure, median

BATCHED, SINGLE, VOID = 200_000, 80_000, 400_000
CORES = 4
"""What two workers, the broker, the load and the rest need to run side by side."""

SHARE = 0.4
"""Of a core: what each worker is held to where there are fewer, so that the rest has room."""

CHECKED = 5_000
MEMORY, WARM = 2_000_000, 500_000
GROWTH_MAX_MB = 5.0
HEAD = ("arm", "records/s", "× peer", "µs CPU", "× peer", "MB", "database", "broker", "PostgreSQL")

Arms = dict[str, Callable[[], Run]]
Results = dict[str, list[Run]]


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="haidang-bench-", dir="/tmp"))
    folder.chmod(0o755)
    running = None
    try:
        running = Rig(folder)
        _same_values(running)
        _batched(running)
        _single(running)
        _memory(running)
    finally:
        if running is not None:
            running.close()
        shutil.rmtree(folder, ignore_errors=True)


def _same_values(running: Rig) -> None:
    """Both must have stored the same, or nothing that follows compares anything."""
    ours = running.values(running.haidang(n=CHECKED, k=20).bucket, load.OURS)
    peers = running.values(running.peer(n=CHECKED, k=20).bucket, load.PEERS)
    moved = {"first", "last"}  # each run's load begins at a time of its own
    differing = [key for key in ours if key not in moved and ours[key] != peers[key]]
    if differing or ours["last"] - ours["first"] != peers["last"] - peers["first"]:
        raise AssertionError(f"the arms stored different values: {ours} and {peers}")
    print(f"{CHECKED} records: both stored the same {len(load.OURS)} fields, tags and times")


def _batched(running: Rig) -> None:
    n = BATCHED
    bodies = rig.bodies(n)
    arms: Arms = {
        "Telegraf 1.37": lambda: running.peer(n=n, k=20),
        "Haidang, PostgreSQL": lambda: running.haidang(n=n, k=20),
        "Haidang, SQLite": lambda: running.haidang(n=n, k=20, state="sqlite"),
        "Haidang, two workers": lambda: running.haidang(n=n, k=20, workers=2),
        "influxd, one connection": lambda: running.ceiling(bodies, n=n),
        "influxd, two connections": lambda: running.ceiling(bodies, n=n, connections=2),
    }
    results = measure.rounds(arms, measure.reps(3))
    size = sum(map(len, bodies)) / n
    _print(f"20 records a message, {n:,} records, lines of {size:.0f} bytes", results)
    peer, ours, _, two, ceiling, ceiling_two = (_middle(runs) for runs in results.values())
    measure.figures(
        Figure("batches of 20: throughput over Telegraf's", ours.rate / peer.rate, 1.3),
        Figure("batches of 20: CPU over Telegraf's", ours.cpu_us / peer.cpu_us, 0.35, at_most=True),
        Figure("batches of 20: share of influxd's ceiling", ours.rate / ceiling.rate, 0.6),
    )
    _two_workers(running, ours, two, ceiling_two)


def _two_workers(running: Rig, one: Run, two: Run, ceiling: Run) -> None:
    """Up to the database's ceiling; beyond it, with a database that is none.

    Where the cores would be the ceiling, it is told too what two are when each worker is held to
    the same share of one, alone or not: how much they take from each other. It is no target.
    """
    _say_busy(one, two, f", {two.rate / ceiling.rate:.2f} × what influxd takes on two connections")
    n, few = VOID, len(os.sched_getaffinity(0)) < CORES
    arms: Arms = {
        "one worker": lambda: running.haidang(n=n, k=20, void=True),
        "two workers": lambda: running.haidang(n=n, k=20, workers=2, void=True),
    }
    if few:
        held = f"held to {SHARE:g} of a core"
        arms |= {
            f"one worker, {held}": lambda: running.haidang(n=n, k=20, void=True, share=SHARE),
            f"two workers, each {held}": lambda: running.haidang(
                n=n, k=20, workers=2, void=True, share=SHARE
            ),
        }
    results = measure.rounds(arms, measure.reps(3))
    _print("The same with a database that answers at once", results)
    middles = [_middle(runs) for runs in results.values()]
    _say_busy(middles[0], middles[1])
    if few:
        print(f"  each {held}: {middles[3].rate / middles[2].rate:.2f} × one")
    ratio = middles[1].rate / middles[0].rate
    measure.figures(Figure("two workers over one, where the database allows", ratio, 1.6))


def _say_busy(one: Run, two: Run, more: str = "") -> None:
    """What two workers are over one, and how many cores they and the servers had then."""
    cores = len(os.sched_getaffinity(0))
    busy = two.rate * (two.cpu_us + two.store_us + two.broker_us + two.postgres_us) / 1e6
    print(
        f"  two workers: {two.rate / one.rate:.2f} × one{more}; {busy:.2f} of {cores} cores were"
        " busy, the load not counted"
    )


def _single(running: Rig) -> None:
    n = SINGLE
    arms: Arms = {
        "Telegraf 1.37": lambda: running.peer(n=n, k=1),
        "Haidang, PostgreSQL": lambda: running.haidang(n=n, k=1),
    }
    results = measure.rounds(arms, measure.reps(3))
    _print(f"1 record a message, {n:,} records", results)
    peer, ours = (_middle(runs) for runs in results.values())
    measure.figures(
        Figure("one a message: throughput over Telegraf's", ours.rate / peer.rate, 1.2),
        Figure("one a message: CPU over Telegraf's", ours.cpu_us / peer.cpu_us, 0.9, at_most=True),
    )


def _memory(running: Rig) -> None:
    samples = running.memory(n=MEMORY, k=20)
    warm = [(stored, mb) for stored, mb in samples if stored >= WARM]
    growth = measure.slope(warm) * (MEMORY - WARM)
    print(f"\nOne worker over {MEMORY:,} records")
    print(f"  resident: {warm[0][1]:.0f} MB after {WARM:,}, {warm[-1][1]:.0f} MB at the end")
    measure.figures(
        Figure(
            f"growth of a worker from {WARM:,} to {MEMORY:,} records",
            growth,
            GROWTH_MAX_MB,
            "MB",
            at_most=True,
        )
    )


def _middle(runs: Sequence[Run]) -> Run:
    return Run(
        rate=median(run.rate for run in runs),
        cpu_us=median(run.cpu_us for run in runs),
        store_us=median(run.store_us for run in runs),
        broker_us=median(run.broker_us for run in runs),
        postgres_us=median(run.postgres_us for run in runs),
        pss_mb=median(run.pss_mb for run in runs),
    )


def _print(title: str, results: Results) -> None:
    """Medians, the first arm being what the others are set against."""
    middles = {arm: _middle(runs) for arm, runs in results.items()}
    peer = next(iter(middles.values()))
    rows = [
        (
            arm,
            one.rate,
            one.rate / peer.rate,
            one.cpu_us or "",
            one.cpu_us / peer.cpu_us if one.cpu_us else "",
            one.pss_mb or "",
            one.store_us,
            one.broker_us or "",
            one.postgres_us or "",
        )
        for arm, one in middles.items()
    ]
    measure.table(f"{title}; medians of {len(next(iter(results.values())))}", HEAD, rows)
