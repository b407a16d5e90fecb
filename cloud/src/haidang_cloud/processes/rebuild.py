"""`haidang cloud rebuild`: the time series made again from the lake, the scope buckets with them.

Every record is written over what is there, by the catalogue version that it was taken with: the
same points again, so that it may run beside ingest, be stopped, and begin again. Heartbeats are not
in the lake: the health of nodes and cameras is not rebuilt, and what there is of it stays.
"""

import sys
import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

from haidang_cloud.ingest import Directory
from haidang_cloud.lake import Lake, Roller, Row
from haidang_cloud.processes.catalogue import first_catalogue, in_force_now
from haidang_cloud.processes.config import CloudConfig, load_config, series_of, state_of
from haidang_cloud.state import State, versions
from haidang_cloud.timeseries import TimeSeries
from haidang_cloud.timeseries.base import private_bucket
from haidang_cloud.timeseries.projection import BATCH, buckets_over, ensure_buckets, put
from haidang_protocols.wire.records import Event, Gap, Record, decode_record

SAY_S = 2.0


def run(config_path: Path, *, yes: bool) -> int:
    """Tell what would be done, or with `yes` do it."""
    config = load_config(config_path)
    state = state_of(config)
    series = series_of(config)
    try:
        in_force = in_force_now(state, config, Directory)
        lake = Lake(
            Path(config.lake),
            state,
            centre=config.centre,
            time_zone=in_force.catalogue.centre.time_zone,
        )
        _plan(lake, in_force)
        if not yes:
            sys.stdout.write("nothing was done yet; give --yes to do it\n")
            return 0
        rebuild = Rebuild(series, in_force, _versions(state, config, in_force))
        rebuild.all_of(lake)
        sys.stdout.write(
            f"{rebuild.records} records made again, {rebuild.refused} points were refused\n"
        )
    finally:
        series.close()
        state.close()
    return 0


def _plan(lake: Lake, in_force: Directory) -> None:
    files = lake.files()
    days = sorted({file.partition for file in files})
    span = f" of {days[0]} to {days[-1]}" if days else ""
    scopes = len(in_force.catalogue.scopes)
    sys.stdout.write(
        f"{sum(file.rows for file in files)} records{span} in the lake, and what is still in its "
        f"archive, go into {private_bucket(in_force.centre)} and the buckets of {scopes} scopes\n"
    )


def _versions(state: State, config: CloudConfig, in_force: Directory) -> Callable[[int], Directory]:
    """The catalogue of a number; what is in force for one that is not to be had any more."""
    known = {in_force.number: in_force}

    def of(number: int) -> Directory:
        if number not in known:
            version = versions.read(state, config.centre, number)
            if version is not None:
                known[number] = Directory(version.catalogue(), number)
            elif number == 0 and config.catalogue is not None:
                known[number] = Directory(first_catalogue(config), 0)
            else:
                known[number] = in_force
        return known[number]

    return of


class Rebuild:
    """Writes records as points; `records` and `refused` count what was done."""

    def __init__(
        self, series: TimeSeries, in_force: Directory, of_version: Callable[[int], Directory]
    ) -> None:
        """Use the catalogue in force for who sees what, each record's own for its points."""
        self._series, self._in_force, self._of_version = series, in_force, of_version
        self._private = private_bucket(in_force.centre)
        self._lines: dict[str, list[bytes]] = {}
        self._said_s = time.monotonic()
        self.records = self.refused = 0

    def all_of(self, lake: Lake) -> None:
        """Every record of a lake, and of its archive."""
        ensure_buckets(self._series, self._in_force.catalogue)
        # the archive first: what is rolled meanwhile is then met again, never missed
        for row in chain(Roller(lake, holder="rebuild").waiting(), lake.rows()):
            self._take(row)
            self._say(row)
        for bucket in list(self._lines):
            self._flush(bucket)

    def _take(self, row: Row) -> None:
        record = decode_record(row.raw.encode())
        maker = self._of_version(row.catalogue).maker
        lines = maker.lines(record, site=row.site, node=row.node, record_id=row.record)
        encoded = [line.encode() for line in lines]
        for bucket in (self._private, *self._seen_by(row, record)):
            held = self._lines.setdefault(bucket, [])
            held.extend(encoded)
            if len(held) >= BATCH:
                self._flush(bucket)
        self.records += 1

    def _seen_by(self, row: Row, record: Record) -> Iterator[str]:
        """The scopes' buckets that a record goes to, by the catalogue in force."""
        directory, place = self._in_force, None
        if isinstance(record, Event):
            camera = directory.cameras.get(record.camera)
            place = None if camera is None else camera.place
        elif isinstance(record, Gap) and row.node in directory.sites:
            place = directory.places[directory.sites[row.node]]
        if place is not None:
            yield from buckets_over(directory.catalogue, place)

    def _flush(self, bucket: str) -> None:
        self.refused += put(self._series, bucket, self._lines.pop(bucket))

    def _say(self, row: Row) -> None:
        now_s = time.monotonic()
        if now_s - self._said_s >= SAY_S:
            self._said_s = now_s
            sys.stdout.write(f"{self.records} records, now at {row.delivery}\n")
            sys.stdout.flush()
