"""How long an alarm takes from its record to staff, while what it passes through is killed.

Measured from the record's time `t`, when the rule has fired: the frame's age and the rule's own
hysteresis come before it. Real mosquitto, PostgreSQL, InfluxDB, two ingest workers, one worker that
makes cases; a node that makes 10 alarms a second among 40 records.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bench import measure
from fakes.node_alarms import Ear, Heard, alarms_of
from fakes.node_line import Line, kill_whole, revive, wait_for
from fakes.node_process import fill_with_backlog
from servers import find, start

FOR_S = 12.0
DOWN_S = 6.0
BACKLOG = int(os.environ.get("BENCH_BACKLOG", "0")) or 24 * 3600 * 10
AIM_S = 1.0


@contextmanager
def servers(folder: Path) -> Iterator[tuple[start.Server, dict[str, start.Server], dict[str, Any]]]:
    """Broker, databases, and how the centre's configuration names them."""
    missing = "PostgreSQL 15 is not installed (apt install postgresql)"
    home = measure.need(find.postgres_bin(), missing)
    with ExitStack() as stack:
        broker = start.mosquitto(measure.program("mosquitto"), folder / "broker")
        broker.start()
        stack.callback(broker.stop)
        postgres = start.postgres(home, folder / "pg")
        stack.callback(postgres.server.stop)
        influx = start.influxd(measure.program("influxd"), folder / "influx")
        stack.callback(influx.server.stop)
        token = folder / "influx.token"
        token.write_text(influx.token)
        series = {"kind": "influx", "url": influx.url, "org": influx.org, "token_file": str(token)}
        databases = {"PostgreSQL": postgres.server, "InfluxDB": influx.server}
        yield broker, databases, {"state": postgres.url, "timeseries": series}


def percentile(values: list[float], share: float) -> float:
    """The value that this share of all is not above."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def alarms_of_a_while(line: Line, ear: Ear, node: str) -> list[Heard]:
    """What staff heard first of each alarm that a node made for a while."""
    since_ns = time.time_ns()
    time.sleep(FOR_S)
    made = alarms_of(line.notes(node), since_ns=since_ns, until_ns=time.time_ns())
    wait_for(lambda: made <= ear.first().keys(), "every alarm", 60.0)
    first = ear.first()
    return [first[seq] for seq in made]


def row(name: str, heard: list[Heard]) -> list[float | str]:
    """A line of the table, times in milliseconds."""
    times = [one.after_s * 1e3 for one in heard]
    told = sum(one.provisional for one in heard)
    middle = statistics.median(times)
    return [name, len(times), middle, percentile(times, 0.99), max(times), told]


def faults(
    line: Line, databases: dict[str, start.Server]
) -> Iterator[tuple[str, Callable[[], None], Callable[[], None]]]:
    """What is killed, and how it comes back."""
    yield "nothing killed", lambda: None, lambda: None
    worker = line.workers[0]
    yield "one of two workers killed", worker.kill, worker.revive
    for name, server in databases.items():
        yield (
            f"{name} killed",
            lambda server=server: kill_whole(server),  # type: ignore[misc]
            lambda server=server: revive(server),  # type: ignore[misc]
        )


def under_faults(
    folder: Path, broker: start.Server, databases: dict[str, start.Server], settings: dict[str, Any]
) -> list[list[float | str]]:
    """One row for each thing that is killed for some seconds meanwhile."""
    line, ear = Line(folder, broker, **settings), Ear(broker.port)
    rows = []
    try:
        line.desk()
        line.node(rate=40.0, alarm_every=4, snapshot_every=0)
        line.start()
        wait_for(lambda: all(child.said("is up") for child in line.children()), "all are up")
        for name, kill, back in faults(line, databases):
            since_ns = time.time_ns()
            kill()
            time.sleep(DOWN_S)
            back()
            rows.append(row(name, until_now(line, ear, since_ns)))
            time.sleep(3.0)
        line.finish()
        line.stop()
    finally:
        ear.close()
        line.close()
    return rows


def until_now(line: Line, ear: Ear, since_ns: int) -> list[Heard]:
    """What staff heard first of each alarm since then, the time of coming back included."""
    time.sleep(FOR_S - DOWN_S)
    made = alarms_of(line.notes("n1"), since_ns=since_ns, until_ns=time.time_ns())
    wait_for(lambda: made <= ear.first().keys(), "every alarm", 60.0)
    return [one for seq, one in ear.first().items() if seq in made]


def behind_a_backlog(
    folder: Path, broker: start.Server, settings: dict[str, Any], *, per_s: float
) -> list[float | str]:
    """A node that was cut off for a day sends its backlog, and live alarms with it."""
    line, ear = Line(folder, broker, **settings), Ear(broker.port)
    try:
        line.desk()
        node = line.node(
            "n2",
            rate=40.0,
            alarm_every=4,
            snapshot_every=0,
            backlog_per_s=per_s,
            quota_bytes=1 << 30,
            segment_bytes=8 << 20,
        )
        begun_s = time.monotonic()
        fill_with_backlog(line.settings["n2"], records=BACKLOG, per_s=10.0)
        print(f"  {BACKLOG:,} records in the spool after {time.monotonic() - begun_s:.0f} s")
        for child in (*line.workers, *line.desks):
            child.start()
        wait_for(lambda: all(c.said("is up") for c in (*line.workers, *line.desks)), "the centre")
        before = line.stored("n2")
        node.start()
        wait_for(lambda: line.stored("n2") > before, "the backlog goes")
        heard = alarms_of_a_while(line, ear, "n2")
        left = len(line.notes("n2").settled) - (line.stored("n2") - before)
        print(f"  {left:,} still behind them")
    finally:
        ear.close()
        line.close()
    return row(f"backlog of {BACKLOG:,} at {per_s:,.0f}/s", heard)


def main() -> None:
    """Print the table and what it says of the aim."""
    with tempfile.TemporaryDirectory(prefix="haidang-alarm-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with servers(folder) as (broker, databases, settings):
            rows = under_faults(folder / "faults", broker, databases, settings)
            for number, per_s in enumerate((200.0, 2000.0)):
                at = folder / f"backlog-{number}"
                rows.append(behind_a_backlog(at, broker, settings, per_s=per_s))
    head = ("meanwhile", "alarms", "p50 ms", "p99 ms", "slowest ms", "told provisionally")
    measure.table("from an alarm's record to a staff client", head, rows)
    for one in rows:
        what = f"alarm p99, {one[0]}"
        measure.figures(measure.Figure(what, float(one[3]) / 1e3, AIM_S, "s", at_most=True))


if __name__ == "__main__":
    main()
